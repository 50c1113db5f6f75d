"""What a chapter writes about results of digits."""

from dataclasses import replace

import numpy as np
import pytest

from aedyn.digit_clusters import CELLS
from aedyn.digit_recipe import STARTS as ALL_STARTS
from aedyn.digit_recipe import Recipe
from aedyn.digit_study import Result
from aedyn.digit_tables import PAPER, STARTS, describe, markdown_table, percent, settings_table, spread


def result(*accuracies, **measured):
    return Result(dict(zip((*CELLS, "group"), accuracies, strict=False)), {}, **measured)


def test_every_cell_and_every_start_has_its_place():
    assert [len(row) for row in PAPER.values()] == [2, len(CELLS), len(CELLS)]
    assert set(STARTS) == set(ALL_STARTS)


def test_percent_takes_one_accuracy_of_each_result():
    found = percent({1: result(0.25, 0.5), 2: result(0.75, 1.0)}.values(), "spectral")
    assert np.array_equal(found, [50.0, 100.0])


@pytest.mark.parametrize("values, text", [([54.44, 63.02, 60.0], "59.2 (54–63)"), ([54.46], "54.5")])
def test_spread(values, text):
    assert spread(np.array(values)) == text


def test_markdown_table_fills_rows_up():
    assert markdown_table("a | b | c", [[1, "x", 2.5], ["y"]]).splitlines() == [
        "| a | b | c |",
        "| --- | --- | --- |",
        "| 1 | x | 2.5 |",
        "| y |  |  |",
    ]


def test_describe():
    assert describe(Recipe(lam=3.0)) == "mean image off, λ = 3 × step, one-sided"
    shared = Recipe(centred=False, lam=0.2, scaled=False, nonnegative=False)
    assert describe(shared) == "mean image in, λ = 0.2, two-sided"


def test_settings_share_a_row_from_the_fewest_to_the_most_epochs():
    recipe, other = Recipe(start="images", n_epochs=1), Recipe(start="random", scaled=False, n_epochs=4)
    early = result(0.5, 0.5, 0.5, 0.7, 0.9, active_groups=2.04, steepness=17.3, agreement=0.78, modularity=0.8)
    late = result(0.4, 0.4, 0.4, 0.4, 0.8, active_groups=1.96, steepness=16.9, agreement=0.8, modularity=0.79)
    middle = result(0.1, 0.2, 0.3, 0.4, 0.5)
    results = {recipe: early, replace(recipe, n_epochs=2): middle, replace(recipe, n_epochs=4): late, other: late}
    header, _, *rows = settings_table(results).splitlines()
    assert header.count("|") == 10 and rows == [
        "| images | off, 3 s, one | 1→4 | 2.0→2.0 | 17.3→16.9 | 0.78→0.80 | 0.80→0.79 | 55→40 | 90→80 |",
        "| random directions | off, 3, one | 4→4 | 2.0→2.0 | 16.9→16.9 | 0.80→0.80 | 0.79→0.79 | 40→40 | 80→80 |",
    ]
