"""Copy the files of MathJax that the pages need, out of the installed package: ``python mathjax.py FOLDER``."""

import shutil
import sys
from importlib.metadata import files
from pathlib import Path

target = Path(sys.argv[1])
shutil.rmtree(target, ignore_errors=True)
for file in files("sphinx-mathjax-offline"):
    inner = str(file).partition("/static/mathjax/")[2]
    if inner == "tex-chtml-full.js" or inner.startswith("output/chtml/fonts/woff-v2/"):
        (target / inner).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file.locate(), target / inner)

# The package leaves out MathJax's licence; that of requests is the same text.
apache = next(file for file in files("requests") if file.name == "LICENSE").locate().read_text(encoding="utf-8")
(target / "LICENSE").write_text(f"MathJax 3.2.2, copyright The MathJax Consortium\n\n{apache}", encoding="utf-8")
