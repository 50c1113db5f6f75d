"""The experiment behind section 4.2: what a result holds, the rule that chooses, and the results that are stored."""

import re
from dataclasses import asdict, replace

import numba
import numpy as np
import pytest
from tolerances import ROUND_OFF, SINGLE, assert_close

from aedyn import datasets, digit_choice, digit_study
from aedyn.dictionaries import make_groups
from aedyn.digit_choice import best_by_labels, best_by_modularity, best_by_start, candidates, finalists, ranking
from aedyn.digit_clusters import agreement, clusters_of_codes, confusion, group_norms, matched_accuracy
from aedyn.digit_graph import communities, modularity, neighbour_graph, vote
from aedyn.digit_recipe import Recipe, fit
from aedyn.digit_study import (
    RESULTS,
    Case,
    Result,
    cases,
    make_results,
    run,
    split,
    stored,
    stored_along,
    stored_runs,
)

TINY = Recipe(lam=1.0, group_size=3, n_epochs=2)


# Run ------------------------------------------------------------------------------------------------------------------


def test_run_by_hand():
    Y, measured, digits = split("held out", "digits")
    result = run(Case(TINY, seed=3, data="digits"))
    labels = communities(neighbour_graph(Y), 3)
    fitted = fit(TINY, Y, 3)
    codes, groups = fitted.encode(measured), make_groups(30, group_size=3)
    found = clusters_of_codes(codes, 3, groups)
    expected = {name: matched_accuracy(clusters, digits) for name, clusters in found.items()}
    assert result.accuracy == expected | {"vote": matched_accuracy(vote(Y, labels, measured), digits)}
    assert set(result.information) == set(result.accuracy) and result.agreement == agreement(found.values())
    assert result.modularity == modularity(neighbour_graph(measured), found["group"])
    assert np.array_equal(result.confusion, confusion(found["group"], digits))
    active = group_norms(codes, groups) > 0
    assert_close([result.empty, result.active_groups], [np.mean(~active.any(axis=1)), active.sum() / 497], ROUND_OFF)
    assert 0 < result.empty < 0.5 and 1 < result.active_groups < 9 and 0.3 < result.top <= 1
    residual = measured - Y.mean(axis=0) - codes @ fitted.weights.T
    assert_close(result.loss, np.mean(np.sum(residual**2, axis=1)) / 2, SINGLE)
    assert_close(result.steepness, np.linalg.svd(fitted.weights)[1][0] ** 2, SINGLE)


def test_results_of_other_cases_leave_out_what_they_do_not_have():
    pixels = run(Case(None, data="digits"))
    assert set(pixels.accuracy) == {"k-means", "spectral"} and pixels.confusion == [] and pixels.modularity == 0
    sparse = run(Case(replace(TINY, start="images", penalty="entry", lam=0.05), data="digits"))
    assert set(sparse.accuracy) == {"k-means", "spectral", "k-means+", "spectral+"} and sparse.modularity == 0
    clustered = run(Case(replace(TINY, start="kmeans", n_epochs=0), data="digits"))
    assert {"vote", "group"} < set(clustered.accuracy) and clustered.modularity > 0.2


def test_test_images_are_not_touched_before_they_are_asked_for(monkeypatch):
    rng = np.random.default_rng(0)
    parts = {
        part: datasets.Images(part, rng.random((size, 9)), rng.integers(0, 10, size))
        for part, size in (("train", 50), ("test", 20))
    }
    asked = []
    monkeypatch.setattr(digit_study.datasets, "load_mnist", lambda p="train": asked.append(p) or parts[p])
    monkeypatch.setitem(digit_study.DEVELOPMENT, "mnist", 40)
    train, test = parts["train"], parts["test"]
    try:
        split.cache_clear()
        held_out, seen = split(), split("seen")
        assert asked == ["train", "train"]
        assert np.array_equal(held_out.Y, train.pixels[:40].astype(np.float32)) and held_out.Y.dtype == np.float32
        assert np.array_equal(held_out.measured, train.pixels[40:].astype(np.float32))
        assert np.array_equal(held_out.digits, train.labels[40:])
        assert np.array_equal(seen.measured, held_out.measured) and len(seen.Y) == 50
        final = split("test")
        assert len(final.Y) == 50 and np.array_equal(final.measured, test.pixels.astype(np.float32))
        assert np.array_equal(final.digits, test.labels) and asked[2:] == ["train", "test"]
    finally:
        split.cache_clear()


def test_mean_accuracy_is_that_of_the_four_cells_of_a_row():
    result = Result({"k-means": 0.1, "spectral": 0.2, "k-means+": 0.3, "spectral+": 0.6, "group": 0.9, "vote": 1.0}, {})
    assert_close(result.mean_accuracy, 0.3, ROUND_OFF)


# Rule -----------------------------------------------------------------------------------------------------------------


def result(agreement, empty=0.0, accuracy=0.5, modularity=0.0):
    return Result({"group": accuracy}, {}, agreement=agreement, empty=empty, modularity=modularity)


def test_ranking_follows_the_rule():
    a, b, c, d = (Recipe(lam=lam, n_epochs=2) for lam in (1.0, 2.0, 3.0, 4.0))
    results = {
        a: [result(0.70, accuracy=0.1)],
        b: [result(0.60, accuracy=0.9)],
        c: [result(0.90, empty=0.0101)],
        d: [result(0.80, empty=0.01)],
        replace(d, n_epochs=0): [result(0.95)],
    }
    assert ranking(results) == [d, a, b], "accuracy does not count, too many empty codes and bare starts are out"
    results[b] += [result(0.90), result(0.96)]
    assert ranking(results) == [b, d, a], "the mean over seeds counts"
    results[a].append(result(0.99, empty=0.5))
    assert ranking(results) == [b, d], "no seed may leave too many codes empty"


def test_near_agreements_are_decided_by_epochs_and_penalty():
    late, early = (Recipe(lam=1.0, n_epochs=n_epochs) for n_epochs in (4, 1))
    strong = Recipe(lam=6.0, n_epochs=1)
    for gap, first in ((0.0049, early), (0.0051, late)):
        assert ranking({late: [result(0.8)], early: [result(0.8 - gap)], strong: [result(0.8 - gap)]})[0] == first
    assert ranking({strong: [result(0.8)], early: [result(0.7951)]}) == [early, strong]


def test_finalists_differ_in_more_than_epochs():
    recipes = [Recipe(lam=lam, n_epochs=n) for lam in (1.0, 2.0, 3.0, 4.0) for n in (1, 2)]
    results = {recipe: [result(0.9 - 0.01 * i)] for i, recipe in enumerate(recipes)}
    assert finalists(results) == [Recipe(lam=lam, n_epochs=1) for lam in (1.0, 2.0, 3.0)]


def test_modularity_chooses_the_start_or_all():
    late, early = (Recipe(start="images", n_epochs=n_epochs) for n_epochs in (4, 1))
    other, third, empty = (Recipe(start=start, n_epochs=1) for start in ("random", "kmeans", "communities"))
    values = {late: (0.9, 0.5), early: (0.8, 0.9), other: (0.4, 0.6), third: (0.3, 0.4)}
    results = {recipe: [result(agreement, modularity=value)] for recipe, (agreement, value) in values.items()}
    results[empty] = [result(0.9, empty=0.02, modularity=0.95)]
    first = best_by_start(results)
    assert first == {"images": late, "random": other, "kmeans": third}, "within a start the agreement decides"
    assert best_by_modularity({recipe: results[recipe] for recipe in first.values()}) == other
    assert best_by_modularity(results) == early, "the admissible one with the highest"


def test_the_stored_results_lead_to_the_choices():
    seeds = {recipe: [stored(Case(recipe))] for recipe in candidates()}
    assert tuple(finalists(seeds)) == digit_choice.FINALISTS
    first = best_by_start(seeds)
    assert first == digit_choice.BY_START
    assert best_by_modularity({recipe: seeds[recipe] for recipe in first.values()}) == digit_choice.CHOSEN
    assert best_by_modularity(seeds) == digit_choice.BY_MODULARITY
    assert best_by_labels(seeds) == digit_choice.BY_LABELS
    last = {}
    for recipe in candidates():
        if replace(recipe, n_epochs=1) in digit_choice.FINALISTS:
            last[recipe] = [stored(Case(recipe, seed=seed)) for seed in range(3)]
    assert len(last) > 3
    assert ranking(last)[0] == digit_choice.AGREED


# Stored results -------------------------------------------------------------------------------------------------------


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """A call puts an empty store of other cases in the place of the results; checkpoints go there too."""
    monkeypatch.setattr(digit_study, "user_cache_path", lambda *a, **k: tmp_path)

    def use(wanted):
        store = replace(RESULTS, path=tmp_path / "results.json", wanted=lambda: wanted)
        monkeypatch.setattr(digit_study, "RESULTS", store)

    return use


def test_results_are_stored_one_by_one_and_made_once(empty, tmp_path, monkeypatch, capsys):
    wanted = [Case(replace(TINY, n_epochs=n), data="digits") for n in (3, 1)] + [Case(None, data="digits")]
    made, real = [], digit_study.run
    monkeypatch.setattr(digit_study, "run", lambda case, **options: made.append(case) or real(case, **options))
    for some in (wanted[:1], wanted):
        empty(some)
        make_results()
    assert made[0] == wanted[0] and set(made[1:]) == set(wanted[1:]) and len(made) == 3
    assert [entry.name for entry in tmp_path.iterdir()] == ["results.json"], "no checkpoint is left"
    assert "epochs" in capsys.readouterr().err, "progress is shown"
    empty(wanted)
    for case in wanted:
        kept, fresh = asdict(stored(case)), asdict(real(case))
        assert kept.keys() == fresh.keys() and kept["confusion"] == fresh["confusion"]
        for name in ("accuracy", "information"):
            assert list(kept[name]) == list(fresh[name])
            assert_close(list(kept[name].values()), list(fresh[name].values()), 1e-5)
        assert_close(kept["agreement"], fresh["agreement"], 1e-5)


def test_one_training_serves_several_numbers_of_epochs(empty, monkeypatch):
    steps, real = [], digit_study.fit
    monkeypatch.setattr(digit_study, "fit", lambda *args, **options: steps.append(real(*args, **options)) or steps[-1])
    wanted = [Case(replace(TINY, n_epochs=n), data="digits") for n in (1, 3)]
    empty(wanted)
    make_results()
    assert [len(fitted.losses) for fitted in steps] == [1, 3] and steps[0].losses[0] == steps[1].losses[0]
    assert_close(stored(wanted[1]).loss, run(wanted[1]).loss, 1e-5)


def test_what_is_not_stored_is_refused_with_a_way_to_make_it():
    message = "no stored result of Case(recipe=Recipe(start='random', "
    with pytest.raises(KeyError, match=re.escape(message) + ".*add it there, and run `python -m aedyn.digit_study`"):
        stored(Case(Recipe(start="random", lam=0.777)))


def test_every_case_is_stored_and_nothing_else():
    assert RESULTS.missing() == [] and set(RESULTS.entries) == set(cases())
    assert len(cases()) == len(set(cases())) > 100
    for case in cases():
        kept = stored(case)
        assert all(0 < share <= 1 for share in kept.accuracy.values())
        assert kept.confusion == [] or np.sum(kept.confusion) in (10_000, 497)
        assert ("group" in kept.accuracy) == (case.recipe is not None and case.recipe.penalty == "group")


def test_the_runs_of_a_recipe_are_those_on_the_test_images():
    assert stored_runs(None) == [stored(Case(None, "test", seed)) for seed in range(3)]
    assert stored_runs(digit_study.UNTRAINED) == [stored(Case(digit_study.UNTRAINED, "test"))]
    assert stored_runs(TINY) == []


def test_results_along_an_input_are_by_its_values():
    found = stored_along(digit_choice.BY_MODULARITY, "lam", digit_study.LAMS)
    assert list(found) == list(digit_study.LAMS) and found[3.0] == stored(Case(digit_choice.BY_MODULARITY))
    long = stored_along(digit_study.PRINTED, "n_epochs", digit_study.LONG, "seen")
    assert long[10] == stored(Case(replace(digit_study.PRINTED, n_epochs=10), "seen"))
    assert long[10].loss < long[1].loss


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="NUMBA_DISABLE_JIT is set, and it would take minutes")
@pytest.mark.parametrize("case", [case for case in cases() if case.data == "digits"], ids=str)
def test_a_stored_result_can_be_made_again(case):
    kept, fresh = stored(case), run(case)
    for name, share in kept.accuracy.items():
        assert abs(fresh.accuracy[name] - share) <= 0.02, "single precision may move a few images"
    assert abs(fresh.agreement - kept.agreement) <= 0.05
    for name in ("loss", "steepness", "modularity", "active_groups"):
        assert_close(getattr(fresh, name), getattr(kept, name), 0.01)
