"""Make what students get: ``python -m course.release descent ...`` writes a folder and a zip file for each name."""

import shutil
import sys

import nbformat

from course.assignment import ROOT, read

RELEASE = ROOT / "book" / "assignments"
README = """\
{title}

1. Python 3.11 or newer: pip install -r requirements.txt
2. jupyter lab {stem}.ipynb
3. Fill in the notebook, restart the kernel, run all cells, save, and hand in {stem}.ipynb.
"""
REQUIREMENTS = "aedyn\njupyterlab\n"


def release(assignment, folder=RELEASE):
    """Write the release of an assignment; returns the zip file."""
    stem = assignment.stem
    inside = folder / stem
    shutil.rmtree(inside, ignore_errors=True)
    inside.mkdir(parents=True)
    nbformat.write(assignment.release, inside / f"{stem}.ipynb")
    (inside / "README.txt").write_text(README.format(title=assignment.title, stem=stem), encoding="utf-8")
    (inside / "requirements.txt").write_text(REQUIREMENTS, encoding="utf-8")
    return shutil.make_archive(str(inside), "zip", root_dir=folder, base_dir=stem)


if __name__ == "__main__":
    for stem in sys.argv[1:]:
        print(release(read(stem)))
