"""Assignments: one source each, with solutions and tests in it, and the version for students that is made from it."""

import copy
import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import jupytext
import nbformat
import numpy as np
from nbgrader import preprocessors

import aedyn
from course import checks
from course.student import Failed, failure

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "notebooks" / "assignments"
BEGIN, END = "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"


@dataclass(frozen=True)
class Assignment:
    """An assignment, named by the stem of its theorem.

    Attributes
    ----------
    stem : str
    source : nbformat.NotebookNode
        With solutions, tests and rubrics.
    """

    stem: str
    source: nbformat.NotebookNode

    @cached_property
    def release(self):
        """The notebook for students, made by nbgrader's own steps."""
        notebook = copy.deepcopy(self.source)
        notebook.metadata.pop("jupytext", None)
        for position, cell in enumerate(notebook.cells):
            cell.id = f"cell-{position}"
        notebook.metadata["aedyn"] = {"assignment": self.stem}
        resources = {"nbgrader": {"student": ".", "assignment": self.stem, "notebook": self.stem}}
        for step in ("LockCells", "ClearSolutions", "ClearHiddenTests", "ClearOutput", "ComputeChecksums"):
            notebook, resources = getattr(preprocessors, step)().preprocess(notebook, resources)
        _check_released(notebook)
        return notebook

    @cached_property
    def marked(self):
        """The cells of the release that nbgrader knows, by their grade id."""
        return {grade_id(cell): cell for cell in self.release.cells if grade_id(cell)}

    @cached_property
    def tests(self):
        """The code of each test, by its grade id."""
        return {
            grade_id(cell): cell.source.split(BEGIN)[1].split(END)[0]
            for cell in self.source.cells
            if BEGIN in cell.source
        }

    @cached_property
    def secrets(self):
        """Lines that students must not see: of solutions, rubrics and tests."""
        shown = {line.strip() for cell in self.release.cells for line in cell.source.splitlines()}
        lines = {line.strip() for cell in self.source.cells if grade_id(cell) for line in cell.source.splitlines()}
        return lines - shown

    @cached_property
    def imports(self):
        """What the import cell imports."""
        names = {}
        exec(next(cell.source for cell in self.source.cells if cell.cell_type == "code"), names)
        return names

    @cached_property
    def digest(self):
        """What a grade depends on besides the submission: this source, the grader, and the package."""
        parts = [jupytext.writes(self.source, fmt="md:myst").encode()]
        for folder in (Path(__file__).parent, Path(aedyn.__file__).parent):
            parts += [path.read_bytes() for path in sorted(folder.glob("*.py"))]
        return hashlib.sha256(b"\0".join(parts)).hexdigest()

    @property
    def title(self):
        """The first heading."""
        return self.source.cells[0].source.splitlines()[0].lstrip("# ")

    @property
    def points(self):
        """Points of the tests, and points given by hand."""
        grades = [cell.metadata.nbgrader for cell in self.marked.values() if cell.metadata.nbgrader.grade]
        by_hand = sum(grade.points for grade in grades if grade.solution)
        return sum(grade.points for grade in grades) - by_hand, by_hand

    def run_test(self, name, student, seed):
        """Run one test outside the sandbox; returns the outputs of its cell."""
        names = self.imports | {key: getattr(checks, key) for key in checks.__all__}
        names |= {"student": student, "rng": np.random.default_rng(seed)}
        points = self.marked[name].metadata.nbgrader.points
        try:
            exec(compile(self.tests[name], f"<{self.stem}: {name}>", "exec"), names)
        except Failed as failed:
            return [failure("NotPassed", str(failed))]
        except Exception as error:
            return [
                failure("NotPassed", f"The answer has another form than the test expects ({type(error).__name__}).")
            ]
        return [{"output_type": "stream", "name": "stdout", "text": f"Passed, {points} of {points} points.\n"}]


def read(stem):
    """The assignment of that name."""
    return Assignment(stem, jupytext.read(SOURCES / f"{stem}.md"))


def read_all():
    """All assignments, by their stems."""
    return {path.stem: read(path.stem) for path in sorted(SOURCES.glob("*.md"))}


def grade_id(cell):
    """The name under which nbgrader knows the cell, or None."""
    marks = cell.metadata.get("nbgrader")
    name = marks.get("grade_id") if isinstance(marks, dict) else None
    return name if isinstance(name, str) else None


def _check_released(notebook):
    for cell in notebook.cells:
        for word in ("BEGIN SOLUTION", "HIDDEN TESTS", "Rubric"):
            if word in cell.source:
                raise ValueError(f"a release must not hold {word!r}")
