"""The table of attacks, graded together as one class: each gets its marks, and so do all the others."""

import csv
import os
import socket

import attacks
import nbformat
import psutil
import pytest
from submissions import ASSIGNMENTS, needs_sandbox

from course.grade import grade_folder
from course.gradebook import Grades
from course.sandbox import Limits

# seconds of computing for a cell; a busy machine can need more
SECONDS = float(os.environ.get("GRADING_SECONDS", "8"))
PILOT = ASSIGNMENTS["code_consistency"]
pytestmark = needs_sandbox

NAMES = list(attacks.notebooks(PILOT, 0))


class Class:
    """A class of students who handed in, and what became of it."""

    def __init__(self, folder):
        self.folder, self.grades = folder / "class", Grades(folder / "class-graded")
        self.folder.mkdir()
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.setblocking(False)
        self.attacks = attacks.notebooks(PILOT, self.server.getsockname()[1])
        for name, attack in self.attacks.items():
            nbformat.write(attack.notebook, self.folder / f"{name}.ipynb")
        self.refused = attacks.write_files_that_are_refused(self.folder, PILOT)
        self.children = set(psutil.Process().children(recursive=True))
        self.limits = Limits(cell_seconds=SECONDS, patience=4, memory_gib=3)
        self.rows, self.n_graded = grade_folder(self.folder, self.grades, self.limits, n_jobs=2, progress=False)

    def row(self, student):
        (row,) = {str(row): row for row in self.rows if row["student"] == student}.values()
        return row

    def feedback(self, student):
        return (self.grades.folder / "feedback" / student / "code_consistency.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    return Class(tmp_path_factory.mktemp("attacks"))


@pytest.mark.parametrize("name", NAMES)
def test_marks(graded, name):
    row = graded.row(name)
    assert (row["assignment"], row["score"], row["max_score"]) == ("code_consistency", graded.attacks[name].marks, 20)


def test_files_that_are_no_notebooks_are_refused_with_a_reason(graded):
    for name, reason in graded.refused.items():
        row = graded.row(name) if name != "twice" else next(row for row in graded.rows if row["student"] == name)
        assert (row["assignment"], row["score"]) == ("", 0), name
        assert reason in row["note"], row["note"]
        assert (
            row["note"] in (graded.grades.folder / "feedback" / name / "not graded.txt").read_text() or name == "twice"
        )


def test_everybody_is_in_the_table(graded):
    with open(graded.grades.folder / "grades.csv", encoding="utf-8-sig", newline="") as file:
        students = {row["student"] for row in csv.DictReader(file)}
    assert {name.removeprefix("'") for name in students} == set(graded.attacks) | set(graded.refused)
    assert graded.n_graded == len(graded.attacks)


def test_network_was_not_reached(graded):
    with pytest.raises(BlockingIOError):
        graded.server.accept()
    assert "unreachable" in graded.feedback("network") or "refused" in graded.feedback("network")


def test_nothing_of_the_others_was_read(graded):
    assert attacks.MARK_OF_ANNA in graded.feedback("anna")
    page = graded.feedback("reader of other files")
    assert "found 0 files" in page


def test_no_feedback_holds_a_test_a_reference_or_a_rubric(graded):
    tests = {line.strip() for code in PILOT.tests.values() for line in code.splitlines()}
    tests = {line for line in tests if len(line) > 30}
    assert len(tests) > 20
    for name in graded.attacks:
        page = graded.feedback(name)
        assert "HIDDEN" not in page and "Rubric" not in page
        assert not [line for line in tests if line in page]


def test_no_script_is_in_feedback(graded):
    for name in ("scripts", "proof that is a script"):
        page = graded.feedback(name)
        assert "<script>alert" not in page and "<img src=" not in page.replace('<img src="data:image/png', "")


def test_output_is_cut(graded):
    for name in ("output flood", "output in one piece"):
        assert len(graded.feedback(name)) < 3_000_000
        assert "more output was cut" in graded.feedback(name)


def test_nothing_is_left_running(graded):
    left = set(psutil.Process().children(recursive=True)) - graded.children
    assert not [process for process in left if "inside.py" in " ".join(process.cmdline())]
