"""The command: exports of platforms, reruns, points given by hand, and what happens without a sandbox."""

import csv
import shutil
import sys

import nbformat
import pytest
from nbgrader.api import Gradebook
from submissions import ASSIGNMENTS, needs_sandbox, solved, with_answer

from course import grade
from course.collect import collect
from course.gradebook import Grades
from course.sandbox import Limits

STEMS = list(ASSIGNMENTS)
FIRST = ASSIGNMENTS[STEMS[0]]


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A folder as a platform exports it: solutions of all assignments, and one release of each."""
    folder = tmp_path_factory.mktemp("course")
    for stem, assignment in ASSIGNMENTS.items():
        for student, notebook in (("Ann O'Hara_17", solved(assignment)), ("Bo_18", assignment.release)):
            inside = folder / "export" / f"{student}_assignsubmission_file_"
            inside.mkdir(parents=True, exist_ok=True)
            nbformat.write(notebook, inside / f"{stem}.ipynb")
    text = folder / "export" / "Ann O'Hara_17_assignsubmission_onlinetext_"
    text.mkdir()
    (text / "onlinetext.html").write_text("<p>Here it is.</p>", encoding="utf-8")
    return folder


def run(course, **options):
    options = {"n_jobs": 2, "progress": False} | options
    rows, n_graded = grade.grade_folder(course / "export", Grades(course / "grades"), Limits(), **options)
    return {(row["student"], row["assignment"]): row for row in rows}, n_graded


def by_hand(assignment):
    return [
        name
        for name, cell in assignment.marked.items()
        if cell.metadata.nbgrader.grade and name not in assignment.tests
    ]


@needs_sandbox
def test_all_assignments_of_an_export(course):
    rows, n_graded = run(course)
    assert n_graded == 2 * len(STEMS)
    for stem, assignment in ASSIGNMENTS.items():
        automatic, more = assignment.points
        ann, bo = rows["Ann O'Hara_17", stem], rows["Bo_18", stem]
        assert (ann["score"], ann["max_score"], ann["to_grade_by_hand"]) == (automatic, automatic + more, "yes")
        assert (bo["score"], bo["to_grade_by_hand"]) == (0, "")

    rows_again, n_graded = run(course)
    assert n_graded == 0 and rows_again == rows


@needs_sandbox
def test_points_by_hand_and_comments_survive_a_rerun(course):
    run(course)
    stem, assignment = STEMS[0], FIRST
    with Gradebook(f"sqlite:///{course / 'grades' / 'gradebook.db'}") as book:
        for name in by_hand(assignment):
            given = book.find_grade(name, stem, stem, "Ann O'Hara_17")
            given.manual_score, given.needs_manual_grade = 1.5, False
            book.find_comment(name, stem, stem, "Ann O'Hara_17").manual_comment = "A fine proof."
        book.db.commit()
    expected = assignment.points[0] + 1.5 * len(by_hand(assignment))
    rows, n_graded = run(course)
    assert n_graded == 0
    assert (rows["Ann O'Hara_17", stem]["score"], rows["Ann O'Hara_17", stem]["to_grade_by_hand"]) == (expected, "")
    assert "A fine proof." in (course / "grades" / "feedback" / "Ann O'Hara_17" / f"{stem}.html").read_text()

    changed = course / "export" / "Ann O'Hara_17_assignsubmission_file_" / f"{stem}.ipynb"
    nbformat.write(with_answer(solved(assignment), by_hand(assignment)[-1], "Another proof."), changed)
    rows, n_graded = run(course)
    assert n_graded == 1
    assert (rows["Ann O'Hara_17", stem]["score"], rows["Ann O'Hara_17", stem]["to_grade_by_hand"]) == (expected, "yes")
    with open(course / "grades" / "grades.csv", encoding="utf-8-sig", newline="") as file:
        table = {(row["student"], row["assignment"]): float(row["score"]) for row in csv.DictReader(file)}
    assert table["Ann O'Hara_17", stem] == expected


@needs_sandbox
def test_a_repaired_file_is_graded_and_the_refusal_goes(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "cy.ipynb").write_text("{", encoding="utf-8")
    grades = Grades(tmp_path / "out")
    (row,), _ = grade.grade_folder(tmp_path / "in", grades, Limits(), n_jobs=1, progress=False)
    refusal = tmp_path / "out" / "feedback" / "cy" / "not graded.txt"
    assert "not valid JSON" in row["note"] and "not valid JSON" in refusal.read_text()
    nbformat.write(FIRST.release, tmp_path / "in" / "cy.ipynb")
    (row,), _ = grade.grade_folder(tmp_path / "in", grades, Limits(), n_jobs=1, progress=False)
    assert (row["assignment"], row["score"], row["note"]) == (FIRST.stem, 0, "")
    assert not refusal.exists()


def test_assignment_is_known_without_the_metadata_of_the_notebook(tmp_path):
    for stem, assignment in ASSIGNMENTS.items():
        notebook = solved(assignment)
        notebook.metadata = {}
        nbformat.write(notebook, tmp_path / f"{stem} of dee.ipynb")
    assert sorted(one.assignment for one in collect(tmp_path, ASSIGNMENTS)) == sorted(STEMS)


def test_no_name_leads_to_another_folder(tmp_path):
    for name in (" ..", " . ", "\u2003.."):
        (tmp_path / "in" / name).mkdir(parents=True)
        nbformat.write(FIRST.release, tmp_path / "in" / name / "answer.ipynb")
    nbformat.write(FIRST.release, tmp_path / "in" / " ...ipynb")
    assert {one.student for one in collect(tmp_path / "in", ASSIGNMENTS)} == {"?"}


def test_no_sandbox_no_grades(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["grade", str(tmp_path)])
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SystemExit, match="not graded without a sandbox.*bubblewrap .* is not installed"):
        grade.main()


def test_without_protection_only_when_told_to(tmp_path, monkeypatch, capsys):
    (tmp_path / "in").mkdir()
    nbformat.write(solved(FIRST), tmp_path / "in" / "eve.ipynb")
    monkeypatch.setattr(sys, "argv", ["grade", str(tmp_path / "in"), "--sandbox", "off", "--jobs", "1"])
    monkeypatch.setattr(shutil, "which", lambda name: None)
    grade.main()
    assert f"{FIRST.points[0]:.1f} of {sum(FIRST.points)}" in capsys.readouterr().out
    assert (tmp_path / "in-graded" / "grades.csv").exists()


def test_empty_folder_and_missing_folder(tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    assert grade.grade_folder(tmp_path / "in", Grades(tmp_path / "out"), Limits(), n_jobs=1, progress=False) == ([], 0)
    monkeypatch.setattr(sys, "argv", ["grade", str(tmp_path / "nowhere")])
    with pytest.raises(SystemExit, match="There is no folder"):
        grade.main()
