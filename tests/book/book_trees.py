"""Copies of the tree, and make in them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
OUTER = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "SETTING", "PYTHONPATH")  # what a make around the tests hands down


def copy_tree(target):
    """Copy what git tracks or would track."""
    listing = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in names:
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def start_make(tree, *arguments, venv=sys.prefix):
    """Make on its way, in a process group of its own; it uses the environment that runs the tests."""
    return subprocess.Popen(
        ["make", *([f"VENV={venv}"] if venv else []), *arguments],
        cwd=tree,
        env={name: value for name, value in os.environ.items() if name not in OUTER},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def make(tree, *arguments, venv=sys.prefix):
    """Run make to its end; returns the exit code and what was printed."""
    process = start_make(tree, *arguments, venv=venv)
    output, _ = process.communicate()
    return process.returncode, output
