"""The simulations of section 4.1: what is drawn, what a run reports, and the results that come with the package."""

import re
from dataclasses import asdict, replace

import naive
import numba
import numpy as np
import pytest
from scipy.sparse import csr_array
from tolerances import ITERATED, ROUND_OFF, SINGLE, assert_close, assert_mean

from aedyn import autoencoder, group_simulation, optimizers
from aedyn.dictionaries import make_groups
from aedyn.group_geometry import group_errors
from aedyn.group_problem import Simulation, draw, noise_level, perturbed_start
from aedyn.group_simulation import (
    RESULTS,
    describe,
    known_code_least_squares,
    least_squares_weights,
    make_results,
    run,
    stored,
    variants,
)

PAPER = Simulation()
LEVELS = (1.0, 5.0, 10.0)
TINY = Simulation(
    n=40, n_groups=8, n_samples=90, n_active=2, correlation=0.7, lam=1.5, rate=0.02, n_epochs=70, dtype="float64"
)


# Draw -----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recorded():
    """The recipe at the size of the paper: dictionary, codes, samples without noise, noise of variance 1, and B."""
    rng = np.random.default_rng(0)
    A, codes = naive.recipe(950, 500, 3, 10_000, 4, 5, rng)
    Y = codes @ A.T
    return A, csr_array(codes), Y, rng.standard_normal(Y.shape), rng.standard_normal(A.shape)


def test_recipe_gives_the_recorded_values(recorded):
    A, codes, Y, noise, B = recorded
    groups = make_groups(1000, group_size=2)
    inverse = np.linalg.inv((codes.T @ codes).toarray())
    for snr_db, sd, expected in zip(LEVELS, (0.2259, 0.1425, 0.0801), (88.45, 35.21, 11.13), strict=True):
        sigma = noise_level(Y, snr_db)
        assert abs(sigma - sd) < 1e-4
        # mean over the noise of the squared distance of the least squares weights, before columns are normalised
        assert abs(950 * sigma**2 * np.trace(inverse) - expected) < 0.01
    W = least_squares_weights(codes, Y + sigma * noise)
    assert abs(np.linalg.norm(W - A) ** 2 / expected - 1) < 0.01
    sigma_b = np.sqrt((1 / 0.15**2 - 1) / 950)
    assert abs(sigma_b - 0.21385) < 1e-5
    start = group_errors(A + sigma_b * B, A, groups)
    assert abs(start.distance - 1702.2) < 0.1 and abs(start.rotation - 22.09) < 0.01


def test_drawn_problems_follow_the_recipe(recorded):
    A, codes, Y, noise, _ = recorded
    groups = make_groups(1000, group_size=2)
    counts = np.bincount(codes.indices // 2, minlength=500) / 2
    for snr_db in LEVELS:
        by_recipe = group_errors(least_squares_weights(codes, Y + noise_level(Y, snr_db) * noise), A, groups).distance
        # independent noise in 950,000 entries: a relative standard deviation of 0.0015 each
        assert abs(known_code_least_squares(replace(PAPER, snr_db=snr_db)) / by_recipe - 1) < 5 * 0.0015 * np.sqrt(2)
    problem = draw(PAPER)
    assert np.array_equal(problem.model.A, A), "the dictionary is drawn first"
    drawn = np.bincount(problem.codes.indices // 2, minlength=500) / 2
    assert drawn.sum() == counts.sum() == 30_000 and abs(drawn.std() / counts.std() - 1) < 0.2
    values = problem.codes.data.reshape(-1, 2)
    norms = np.linalg.norm(values, axis=1)
    assert_mean(norms**2, 61 / 3)
    assert_mean(values, np.zeros(2))
    assert 4 <= norms.min() < 4.01 and 4.99 < norms.max() <= 5
    clean = problem.codes @ problem.model.A.T
    assert_close(np.std(problem.Y - clean) * 10**0.05, np.sqrt(np.mean(clean**2)), 0.002)
    errors = group_errors(problem.start, A, groups)
    assert_mean((problem.start / np.linalg.norm(problem.start, axis=0) * A).sum(axis=0), 0.15)
    assert abs(errors.distance / 1700 - 1) < 0.01 and abs(errors.rotation / 22.87 - 1) < 0.1


def test_start_is_rescaled_or_left():
    A = draw(TINY).model.A
    plain, scaled = (perturbed_start(A, 0.5, norm, 3) for norm in (None, 1.6))
    assert_close(np.linalg.norm(scaled, axis=0), np.full(16, 1.6), ROUND_OFF)
    assert_close(scaled / 1.6, naive.normalize(plain), ROUND_OFF)
    assert abs(np.linalg.norm(plain, axis=0).mean() - 2) < 0.3
    assert np.array_equal(perturbed_start(A, 1.0, None, 3), A)


def test_runs_with_one_seed_differ_in_nothing_but_their_other_inputs():
    first, louder, other = draw(TINY), draw(replace(TINY, snr_db=-5.0, correlation=0.3)), draw(replace(TINY, seed=1))
    assert np.array_equal(first.model.A, louder.model.A) and not np.allclose(first.model.A, other.model.A)
    assert np.array_equal(first.codes.toarray(), louder.codes.toarray())
    clean = first.codes @ first.model.A.T
    ratio = noise_level(clean, -5.0) / noise_level(clean, 1.0)
    assert_close(louder.Y - clean, ratio * (first.Y - clean), ROUND_OFF)
    assert np.ptp((louder.start - first.model.A) / (first.start - first.model.A)) < ITERATED


def test_known_code_least_squares_is_exact_without_noise():
    assert known_code_least_squares(replace(TINY, snr_db=300.0)) < ROUND_OFF


# Run ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{}, {"network": "entrywise"}, {"normalized": True, "rank_one": 0.0}])
def test_run_by_hand(changes):
    simulation = replace(TINY, **changes)
    problem, result = draw(simulation), run(simulation)
    A, groups = problem.model.A, problem.model.groups
    shrink = simulation.activation
    assert len(shrink.groups) == (16 if simulation.network == "entrywise" else 8) and shrink.lam == 1.5
    history = optimizers.adam(
        problem.start, 0.0, problem.Y, shrink, rate=0.02, batch_size=None, n_epochs=70,
        rank_one=simulation.rank_one, normalized=simulation.normalized, watch=lambda W: W,
    )  # fmt: skip
    assert result.status == "finished" and result.watched_epochs.tolist() == sorted(set(result.watched_epochs))
    assert result.watched_epochs[0] == 0 and result.watched_epochs[-1] == 70 and len(result.watched_epochs) == 61
    watched = [history.watched[epoch] for epoch in result.watched_epochs]
    assert_close(result.losses, np.array([autoencoder.loss(W, 0.0, problem.Y, shrink) for W in watched]), ROUND_OFF)
    errors = np.transpose([group_errors(W, A, groups) for W in watched])
    assert_close(np.array([result.distance, result.rotation, result.procrustes]), errors[:3], ROUND_OFF)
    X = autoencoder.encode(history.weights, 0.0, problem.Y, shrink)
    codes = problem.codes.toarray()
    assert_close(result.found_codes, X[:3], ROUND_OFF)
    assert np.array_equal(result.true_codes, codes[:3])
    by_group = result.exact_support, result.hit_rate, result.false_groups
    by_entry = result.exact_entries, result.entry_hit_rate, result.false_entries
    assert_close(by_group, naive.support_agreement(codes, X, 2), ROUND_OFF)
    assert_close(by_entry, naive.support_agreement(codes, X, 1), ROUND_OFF)
    assert (by_entry[:2] == by_group[:2]) == (simulation.network == "group")
    norms = np.linalg.norm(history.weights, axis=0)
    assert_close(result.column_norm, norms.mean(), ROUND_OFF)
    assert_close(result.correlation, (history.weights / norms * A).sum(axis=0).mean(), ROUND_OFF)


def test_training_finds_the_groups_of_an_easy_problem():
    result = run(replace(TINY, n=200, snr_db=20.0, n_samples=400, rate=5e-3))
    assert result.distance[-1] < 0.15 * result.distance[0] and result.losses[-1] < 0.3 * result.losses[0]
    assert result.exact_support > 0.9 and result.correlation > 0.9


def test_single_precision_gives_the_same_run_for_a_while():
    double, single = (run(replace(TINY, n_epochs=5, dtype=dtype)) for dtype in ("float64", "float32"))
    assert_close(single.distance, double.distance, 50 * SINGLE)
    assert not np.array_equal(single.distance, double.distance)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
def test_a_run_that_diverges_says_so_and_ends_there():
    result = run(replace(TINY, rate=1e160))
    assert result.status == "diverged"
    assert result.watched_epochs.tolist() == [0] and len(result.losses) == len(result.distance) == 1
    assert np.isfinite(result.column_norm) and result.found_codes.shape == (3, 16)


def test_inputs_are_checked():
    with pytest.raises(ValueError, match=r"^network must be one of group, entrywise; got 'pairs'$"):
        Simulation(network="pairs")
    with pytest.raises(ValueError, match=r"^dtype must be one of float32, float64; got 'half'$"):
        Simulation(dtype="half")


# Stored results -------------------------------------------------------------------------------------------------------


def test_results_are_stored_one_by_one_and_made_once(tmp_path, monkeypatch, capsys):
    runs = [TINY, replace(TINY, column_norm=1.5), replace(TINY, network="entrywise", n_epochs=3)]
    made, real = [], group_simulation.run
    monkeypatch.setattr(group_simulation, "run", lambda s, **options: made.append(s) or real(s, **options))
    path = tmp_path / "results.json"
    for wanted in (runs[:2], runs):
        store = replace(RESULTS, path=path, wanted=lambda wanted=wanted: wanted)
        monkeypatch.setattr(group_simulation, "RESULTS", store)
        make_results()
    assert made == runs and list(tmp_path.iterdir()) == [path]
    assert "Adam" in capsys.readouterr().err, "progress is shown"
    monkeypatch.setattr(group_simulation, "RESULTS", replace(RESULTS, path=path))
    for simulation in runs:
        kept, fresh = asdict(stored(simulation)), asdict(real(simulation))
        assert kept.keys() == fresh.keys() and kept["status"] == fresh["status"]
        for name in kept.keys() - {"status"}:
            assert_close(kept[name], fresh[name], 1e-5)
    assert stored(replace(TINY, column_norm=1.5)).distance[-1] != stored(TINY).distance[-1]


def test_what_is_not_stored_is_refused_with_a_way_to_make_it():
    message = "no stored result of Simulation(n=950, n_groups=7, "
    with pytest.raises(
        KeyError, match=re.escape(message) + ".*add it there, and run `python -m aedyn.group_simulation`"
    ):
        stored(Simulation(n_groups=7))


def test_every_variant_is_stored_and_nothing_else():
    assert RESULTS.missing() == [] and set(RESULTS.entries) == set(variants()) and len(variants()) > 80
    for simulation in variants():
        result = stored(simulation)
        lengths = {len(curve) for curve in (result.losses, result.distance, result.rotation, result.procrustes)}
        assert lengths == {len(result.watched_epochs)}
        assert result.status == "finished" and result.watched_epochs[-1] == simulation.n_epochs
        assert np.array_equal((result.true_codes != 0).sum(axis=1), [6] * 3)


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="NUMBA_DISABLE_JIT is set, and it would take hours")
def test_a_stored_result_can_be_made_again():
    simulation = replace(PAPER, n_groups=50, n_samples=1000, correlation=0.9, dtype="float64")
    kept, fresh = stored(simulation), run(simulation)
    for name in ("losses", "distance", "rotation", "procrustes", "exact_support", "column_norm", "found_codes"):
        assert_close(getattr(fresh, name), getattr(kept, name), 1e-4)


def test_descriptions():
    assert describe(PAPER) == "as in section 4.1"
    assert describe(replace(PAPER, lam=1.5, network="entrywise")) == "lam=1.5, network=entrywise"
