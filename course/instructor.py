"""Make what instructors get: ``python -m course.instructor`` writes solutions, tests, rubrics and timing, as run."""

import copy
import time

import nbformat
from nbconvert.exporters import HTMLExporter

from course.assignment import ROOT, read_all
from course.grade import grade, restore
from course.sandbox import Limits

INSTRUCTOR = ROOT / "_build" / "assignments" / "instructor"
MARKS = ("### BEGIN SOLUTION", "### END SOLUTION")


def write(assignment, folder=INSTRUCTOR):
    """Run one solution and write it as a notebook and as a page; returns the page."""
    started = time.monotonic()
    graded = grade(restore(assignment.source, assignment), assignment, 0, Limits(), isolated=False)
    seconds = time.monotonic() - started
    for cell, source in zip(graded.cells, assignment.source.cells, strict=True):
        cell.source = "\n".join(line for line in source.source.splitlines() if line.strip() not in MARKS)
    graded.cells.insert(0, nbformat.v4.new_markdown_cell(_summary(assignment, seconds)))
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(graded, folder / f"{assignment.stem}.ipynb")
    page, _ = HTMLExporter().from_notebook_node(copy.deepcopy(graded))
    path = folder / f"{assignment.stem}.html"
    path.write_text(page, encoding="utf-8")
    return path


def _summary(assignment, seconds):
    automatic, by_hand = assignment.points
    marks = [cell.metadata.nbgrader for cell in assignment.marked.values() if cell.metadata.nbgrader.grade]
    rows = [f"| {mark.grade_id} | {mark.points} | {'by hand' if mark.solution else ''} |" for mark in marks]
    return "\n".join(
        [
            f"**For instructors.** {automatic} points by tests, {by_hand} by hand. "
            f"The solution and all tests ran in {seconds:.0f} s.",
            "",
            "| graded cell | points | |",
            "|---|---|---|",
            *rows,
        ]
    )


if __name__ == "__main__":
    for assignment in read_all().values():
        print(write(assignment))
