"""Notebooks as students would hand them in, honest or not, made from the release of an assignment."""

import copy

import nbformat
import pytest

from course.assignment import grade_id, read_all
from course.sandbox import SandboxUnavailable, check_available

ASSIGNMENTS = read_all()


def _missing():
    try:
        check_available()
    except SandboxUnavailable as reason:
        return str(reason)
    return ""


MISSING = _missing()
needs_sandbox = pytest.mark.skipif(bool(MISSING), reason=f"submissions cannot be isolated here: {MISSING}")
each_assignment = pytest.mark.parametrize("assignment", ASSIGNMENTS.values(), ids=ASSIGNMENTS)


def solved(assignment):
    """The release with the solutions filled in, without rubrics."""
    notebook = copy.deepcopy(assignment.release)
    for cell, source in zip(notebook.cells, assignment.source.cells, strict=True):
        if cell.metadata.get("nbgrader", {}).get("solution"):
            lines = source.source.split("**Rubric")[0].splitlines()
            cell.source = "\n".join(
                line for line in lines if "# BEGIN SOLUTION" not in line and "# END SOLUTION" not in line
            )
    return notebook


def with_cell(notebook, code, at=3):
    """The notebook with one more cell of code."""
    notebook = copy.deepcopy(notebook)
    notebook.cells.insert(at, nbformat.v4.new_code_cell(code))
    return notebook


def with_answer(notebook, name, text):
    """The notebook with another answer to one question."""
    notebook = copy.deepcopy(notebook)
    next(cell for cell in notebook.cells if grade_id(cell) == name).source = text
    return notebook


def is_test(cell):
    """Whether tests of the grader belong to the cell."""
    return cell.source.startswith("# Graded")
