"""Every assignment: right methods pass, wrong ones and stubs fail, and nothing secret is in what students get."""

import subprocess
import sys
import zipfile
from pathlib import Path

import jupytext
import nbformat
import numpy as np
import pytest
from submissions import ASSIGNMENTS, each_assignment
from variants import variants_of

from course import checks
from course.assignment import SOURCES, grade_id
from course.release import release
from course.student import Failed

EACH_VARIANT = [
    pytest.param(stem, variant, id=f"{stem}: {name}")
    for stem in ASSIGNMENTS
    for name, variant in variants_of(stem).items()
]


class Trusted:
    """A submission in this process."""

    def __init__(self, *codes):
        self.names = {}
        for code in codes:
            exec(code, self.names)

    def __call__(self, name, *arguments):
        try:
            value = self.names[name](*arguments)
        except Exception as error:
            raise Failed(f"{name} stopped with {type(error).__name__}") from None
        return tuple(map(np.asarray, value)) if isinstance(value, tuple) else np.asarray(value, dtype=float)


def definitions(notebook):
    """The code of the import cell and of the answers."""
    return [
        cell.source
        for cell in notebook.cells
        if cell.cell_type == "code" and grade_id(cell) and not cell.metadata.nbgrader.grade
    ]


def passed(assignment, student, seeds=range(3)):
    """For each test, the seeds for which it was passed."""
    outcome = {}
    for name in assignment.tests:
        outputs = [assignment.run_test(name, student, [seed, 7])[0] for seed in seeds]
        assert not any("another form" in output.get("evalue", "") for output in outputs), name
        outcome[name] = [output["output_type"] == "stream" for output in outputs]
    return outcome


@each_assignment
def test_solution_gets_full_marks(assignment):
    assert all(map(all, passed(assignment, Trusted(*definitions(assignment.source)), range(20)).values()))


@each_assignment
def test_untouched_release_gets_nothing(assignment):
    assert not any(map(any, passed(assignment, Trusted(*definitions(assignment.release))).values()))


@each_assignment
def test_stub_of_each_question_fails_its_own_tests(assignment):
    solution, stubs = definitions(assignment.source), definitions(assignment.release)
    failed = set()
    for position in range(1, len(solution)):
        codes = [*solution[:position], stubs[position], *solution[position + 1 :]]
        lost = {name for name, good in passed(assignment, Trusted(*codes), [0]).items() if not all(good)}
        assert lost
        failed |= lost
    assert failed == set(assignment.tests)


@pytest.mark.parametrize(("stem", "variant"), EACH_VARIANT)
def test_variant(stem, variant):
    assignment = ASSIGNMENTS[stem]
    outcome = passed(assignment, Trusted(*definitions(assignment.source), variant.code))
    for name in variant.tests:
        assert all(outcome[name]) if variant.passes else not any(outcome[name]), name


@each_assignment
def test_each_test_has_a_second_method_and_a_mistake(assignment):
    for passes in (True, False):
        covered = {
            name
            for variant in variants_of(assignment.stem).values()
            if variant.passes == passes
            for name in variant.tests
        }
        assert covered == set(assignment.tests)


@each_assignment
def test_sum_of_points_is_as_announced(assignment):
    automatic, by_hand = assignment.points
    text = assignment.source.cells[0].source
    assert f"**Points:** {automatic + by_hand}, of which {by_hand} are given by hand" in text
    assert all(
        f"{word}" in text for word in ("**Aims.**", "**You need**", "**Time:** about 90 minutes", "**Remember**")
    )


def test_release_holds_no_secret(tmp_path):
    for stem, assignment in ASSIGNMENTS.items():
        with zipfile.ZipFile(release(assignment, tmp_path)) as files:
            names = {name for name in files.namelist() if not name.endswith("/")}
            assert names == {f"{stem}/{stem}.ipynb", f"{stem}/README.txt", f"{stem}/requirements.txt"}
            for name in names:
                content = files.read(name).decode()
                text = (
                    "\n".join(cell.source for cell in nbformat.reads(content, 4).cells) if "ipynb" in name else content
                )
                secrets = [line for line in assignment.secrets if len(line) > 12]
                assert len(secrets) > 20
                assert not [line for line in secrets if line in text]
            assert '"outputs": [\n' not in files.read(f"{stem}/{stem}.ipynb").decode()


@each_assignment
def test_source_is_canonical_and_clean(assignment):
    path = SOURCES / f"{assignment.stem}.md"
    assert jupytext.writes(jupytext.read(path), fmt="md:myst") == path.read_text(encoding="utf-8")
    names = [*checks.__all__, "student", "rng"]
    command = [Path(sys.prefix) / "bin" / "ruff", "check", "--config", f"builtins={names}"]
    code = jupytext.writes(assignment.source, fmt="ipynb")
    checked = subprocess.run([*command, "--stdin-filename", "x.ipynb", "-"], input=code, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
