"""Stored results: what is found, what is missing, and that a file is whole at any time and stays as it is."""

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

import aedyn
from aedyn import digit_study, group_simulation
from aedyn.stored_results import FOLDER, StoredResults

STORES = [digit_study.RESULTS, group_simulation.RESULTS]
each_store = pytest.mark.parametrize("results", STORES, ids=lambda results: results.path.stem)


@dataclass(frozen=True)
class Swing:
    """A pendulum."""

    length: float
    mass: float = 1.0


def swings():
    return [Swing(0.5), Swing(1.0), Swing(1.0, 2.0)]


@pytest.fixture
def results(tmp_path):
    return StoredResults(tmp_path / "swings.json", "swing", Swing, swings)


def test_what_is_added_is_found_and_no_longer_missing(results):
    assert results.missing() == swings()
    results.add(Swing(1.0), {"period": 2.0, "angles": np.arange(3)})
    for store in (results, replace(results)):
        assert store.missing() == [Swing(0.5), Swing(1.0, 2.0)]
        assert store.find(Swing(1)) == {"period": 2.0, "angles": [0, 1, 2]}, "equal inputs, equal result"
    results.add(Swing(1.0), {"period": 3.0})
    assert replace(results).find(Swing(1.0)) == {"period": 3.0} and len(replace(results).entries) == 1


def test_the_file_has_a_result_in_each_line(results):
    for swing in swings()[:2]:
        results.add(swing, {"period": swing.length})
    first, *lines, last = results.path.read_text().splitlines()
    assert (first, last) == ("[", "]") and len(lines) == 2
    assert json.loads(lines[0].rstrip(",")) == {
        "swing": {"length": 0.5, "mass": 1.0}, "version": aedyn.__version__, "result": {"period": 0.5}
    }  # fmt: skip


def test_inputs_that_a_line_does_not_name_have_their_default(results):
    results.add(Swing(1.0), {"period": 2.0})
    results.path.write_text(results.path.read_text().replace(', "mass": 1.0', ""))
    assert replace(results).find(Swing(1.0)) == {"period": 2.0}


def test_numbers_are_rounded_wherever_they_are(results):
    third, rounded = 1000 / 3, 333.333
    arrays = {"double": np.array([third]), "single": np.array([[third]], np.float32), "n": np.array([1234567])}
    results.add(Swing(1.0), arrays | {"lists": [[1234567, third]], "parts": {"a": third}, "text": "1.23456789"})
    assert replace(results).find(Swing(1.0)) == {
        "double": [rounded], "single": [[rounded]], "n": [1234567],
        "lists": [[1234567, rounded]], "parts": {"a": rounded}, "text": "1.23456789",
    }  # fmt: skip


def test_what_is_not_stored_is_refused_with_a_way_to_make_it(results):
    message = (
        "no stored result of Swing(length=7.0, mass=1.0): take it from `swings`, or add it there, and run "
        f"`python -m {__name__}`"
    )
    with pytest.raises(KeyError, match=re.escape(message)):
        results.find(Swing(7.0))


@pytest.mark.parametrize("killed", ["write_text", "replace"])
def test_a_run_that_is_killed_leaves_the_last_complete_file(results, monkeypatch, killed):
    results.add(Swing(0.5), {"period": 1.0})
    before = results.path.read_text()

    def half(path, text, real=Path.write_text):
        real(path, str(text)[:20])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, killed, half)
        results.add(Swing(1.0), {"period": 2.0})
    assert results.path.read_text() == before and replace(results).missing() == swings()[1:]
    again = replace(results)
    again.add(Swing(1.0), {"period": 2.0})
    assert list(results.path.parent.iterdir()) == [results.path] and replace(results).missing() == swings()[2:]


# The files of the package ---------------------------------------------------------------------------------------------


def test_every_file_belongs_to_a_module():
    assert sorted(FOLDER.iterdir()) == sorted(results.path for results in STORES)


@each_store
def test_a_file_of_the_package_keeps_its_lines_when_a_result_is_added(results, tmp_path):
    copy = tmp_path / "copy.json"
    copy.write_bytes(results.path.read_bytes())
    *before, last, _ = copy.read_text().splitlines()
    other = replace(next(iter(results.entries)), seed=1000)
    replace(results, path=copy).add(other, {"loss": 0.5})
    assert copy.read_text().splitlines()[:-2] == [*before, last + ","]
    assert replace(results, path=copy).find(other) == {"loss": 0.5}


@each_store
def test_a_file_of_the_package_says_which_version_made_a_result(results):
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", entry["version"]) for entry in results.entries.values())
