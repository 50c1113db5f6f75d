"""The package on its own: what it imports, and that importing it compiles nothing."""

import json
import os
import subprocess
import sys
from importlib.metadata import version

import aedyn

# Runs in a fresh interpreter, in which the tools of the book and the tests cannot be imported.
SCRIPT = """
import importlib, json, pkgutil, sys

class Refuse:
    names = {"jupyter_book", "sphinx", "papermill", "jupytext", "nbformat", "nbclient", "torch", "pytest", "numpydoc"}

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.names:
            raise ImportError(f"{name} is not part of the package")

sys.meta_path.insert(0, Refuse())
import aedyn

alone = sorted(name for name in sys.modules if name.startswith("aedyn."))
names = [f"aedyn.{module.name}" for module in pkgutil.iter_modules(aedyn.__path__)]
clustering = [name for name in names if name.startswith("aedyn.digit_")]
modules = [importlib.import_module(name) for name in names if name not in clustering]
loaded = sorted({name.split(".")[0] for name in sys.modules})
modules += [importlib.import_module(name) for name in clustering]
from numba.extending import is_jitted

kernels = {f"{m.__name__}.{name}": v for m in modules for name, v in vars(m).items() if is_jitted(v)}
print(json.dumps({
    "alone": alone,
    "modules": [module.__name__ for module in modules],
    "kernels": len(kernels),
    "compiled": [name for name, kernel in kernels.items() if kernel.signatures],
    "loaded": loaded,
}))
"""


def test_importing_compiles_nothing_and_needs_no_book_tools():
    environment = os.environ | {"NUMBA_DISABLE_JIT": "0"}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["alone"] == [], "modules are loaded when they are asked for"
    assert {"aedyn.dictionaries", "aedyn.claims", "aedyn.code_consistency"} <= set(found["modules"])
    assert found["kernels"] >= 5 and found["compiled"] == []
    slow = {"sklearn", "IPython", "pandas", "dask", "distributed"}
    assert not slow & set(found["loaded"]), "slow to load, and needed by the digit rooms and by sweeps that run alone"


def test_version():
    assert aedyn.__version__ == version("aedyn")
