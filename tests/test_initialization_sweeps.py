"""The sweeps of the chapter on initialisation: limits, both sides of thresholds, and the same data for all starts."""

import numpy as np
import pytest
from tolerances import ITERATED

from aedyn import initialization_sweeps as room
from aedyn.dictionaries import orthonormal_dictionary, random_dictionary
from aedyn.generative import MixtureOfGaussians, NonnegativeSparse
from aedyn.initialization import spectral_start

PAIRS = {"n": 40, "m": 20, "sigma": 0.0, "atoms": "orthonormal", "n_pairs": 10}


def rng(seed=0):
    return np.random.default_rng(seed)


# Pairs of samples -----------------------------------------------------------------------------------------------------


def test_a_mixture_without_noise_gives_its_atoms_and_centring_tilts_them():
    """The first exercise of the chapter: exact without centring, and at distance sqrt(2 - 2 sqrt(1 - 1/m)) with it."""
    found = room.chosen_pairs(rng(), "mixture", k=1, centre=0.0, n_samples=400, **PAIRS)
    assert found["distance"] < ITERATED**0.5 and found["auc"] == 1 and found["right"] == 10
    tilted = room.chosen_pairs(rng(), "mixture", k=1, centre=1.0, n_samples=8000, **PAIRS)["distance"]
    assert tilted == pytest.approx(np.sqrt(2 - 2 * np.sqrt(1 - 1 / 20)), rel=0.1)


def test_a_part_of_the_mean_is_best_and_signs_have_no_up():
    models = [("non-negative", 0.0), ("non-negative", 0.5), ("non-negative", 1.0), ("signs", 0.0)]
    sizes = PAIRS | {"n": 32, "m": 32, "n_pairs": 40}
    none, half, whole, signed = (
        room.chosen_pairs(rng(1), model, k=2, centre=centre, n_samples=8000, **sizes) for model, centre in models
    )
    assert half["distance"] < 0.8 * min(none["distance"], whole["distance"])
    assert half["right"] == 40 and 5 < signed["right"] < 35


@pytest.mark.parametrize("shared", [0, 1, 2])
def test_chosen_pairs_share_as_many_atoms_as_they_should(shared):
    codes = NonnegativeSparse(random_dictionary(8, 8, 0), k=3).draw_codes(200, 1)
    pairs, atoms = room._choose_pairs(codes, shared, 50, rng(2))
    active = codes.toarray() != 0
    common = active[pairs[:, 0]] & active[pairs[:, 1]]
    assert pairs.shape == (50, 2) and (common.sum(axis=1) == shared).all()
    assert shared == 0 or common[np.arange(50), atoms].all()


# How many active atoms ------------------------------------------------------------------------------------------------


def test_atoms_found_are_those_of_the_spectral_start():
    found = room.spectral_found(rng(3), k=1, n_samples=600, m=12, sigma=0.01)
    stream = rng(3)
    A = random_dictionary(12, 12, stream)
    Y = NonnegativeSparse(A, 0.01, k=1, a1=1, a2=2).sample(600, stream).Y
    with pytest.warns(RuntimeWarning, match="96 pairs gave"):
        W = spectral_start(Y, 12, stream, n_pairs=96, draws=24).weights
    nearest = np.linalg.norm(A[:, :, None] - W[:, None], axis=0).min(axis=1)
    assert found == np.count_nonzero(nearest < 0.5) > 6
    assert room.spectral_found(rng(3), k=6, n_samples=600, m=12, sigma=0.01) < 3


def test_too_few_pairs_count_as_atoms_not_found():
    assert room.spectral_found(rng(4), k=1, n_samples=20, m=12, sigma=0.01) < 12


def test_the_exact_moment_is_close_to_the_atom_only_where_k_squared_is_small_against_m():
    few, many = (
        np.median([room.exact_moment(rng([5, i]), k=k, m=m) for i in range(9)]) for k, m in ((1, 128), (8, 32))
    )
    assert few < 0.1 < 0.6 < many


# Descent --------------------------------------------------------------------------------------------------------------

EASY = {"n": 60, "m": 4, "k": 1, "n_samples": 300, "sigma": 0.02}


def test_a_start_that_is_right_stays_right_and_a_random_one_is_silent_under_the_threshold():
    arguments = {"model": "mixture", "descents": ("threshold", "halved_bias"), **EASY}
    spectral, random = (room.race(rng(6), start, **arguments) for start in ("spectral", "random"))
    assert spectral["largest"] < 0.5 and spectral["found_threshold"] == 4
    assert [spectral[f"found_{step}"] for step in range(21)] == 21 * [4]
    assert random["found_0"] == random["found_20"] == random["found_threshold"] == 0
    assert random["largest_threshold"] == random["largest"], "no unit is ever active"
    assert random["largest_halved_bias"] != random["largest"] and not random["diverged_halved_bias"]


def test_sparse_codes_keep_the_columns_that_were_right():
    arguments = {"model": "non-negative", "descents": ("quarter_step",), **EASY, "m": 16, "k": 2, "n_samples": 2000}
    spectral = room.race(rng(7), "spectral", **arguments)
    assert spectral["found_0"] == spectral["found_30"] == spectral["found_quarter_step"] == 16
    assert spectral["largest_quarter_step"] < spectral["largest"]


def test_where_too_few_columns_are_found_random_ones_fill_up():
    Y = NonnegativeSparse(orthonormal_dictionary(10, 6, 0), k=6).sample(20, 1).Y
    W = room._spectral_start(Y, 6, 6, rng(8))
    assert W.shape == (10, 6) and np.allclose(np.linalg.norm(W, axis=0), 1)


def test_all_starts_of_a_trial_get_the_same_data(monkeypatch):
    given = []
    for name in room.STARTS:
        monkeypatch.setitem(room.STARTS, name, lambda Y, m, k, rng: given.append(Y) or random_dictionary(60, m, rng))
    room.SWEEPS["mixture_race"].run(n_trials=2, fixed=EASY, engine="serial", progress=False)
    first, second = given[::2], given[1::2]
    assert len(first) == len(second) == len(room.STARTS)
    for Y in first:
        assert np.array_equal(Y, first[0]) and not np.array_equal(Y, second[0])


def test_with_one_active_atom_descent_ends_at_the_atoms():
    # each of five steps leaves of an error what the samples get wrong about the curvature, here below a fifth
    assert room.end_of_descent(rng(9), n=12, k=1, samples_per_atom=400) < 0.2**5
    several = [room.end_of_descent(rng(9), n=n, k=2, samples_per_atom=60) for n in (16, 64)]
    assert several[1] < 0.5 * several[0] < 0.5 / np.log(16)


def test_one_unit_finds_its_cluster_when_the_bias_comes_below_their_overlap():
    overlaps, outcomes = [], {"halved": [], "slow": [], "fixed": []}
    for i in range(12):
        stream = rng([10, i])
        A = random_dictionary(20, 1, stream)
        MixtureOfGaussians(A, 0.0).sample(30, stream)
        overlaps.append(float((A.T @ random_dictionary(20, 1, stream)).item()))
        for schedule, found in outcomes.items():
            found.append(room.random_start(rng([10, i]), schedule, n=20, m=1, n_samples=30, sigma=0.0))
    for schedule, least in ("halved", 0.0), ("slow", 0.1), ("fixed", 0.5):
        assert outcomes[schedule] == [overlap > least for overlap in overlaps]
    assert 0 < sum(outcomes["slow"]) < sum(outcomes["halved"]) < 12


SMALL = {
    "models": {"n_samples": 800, "n_pairs": 5},
    "centre": {"n": 16, "m": 16, "n_samples": 300, "n_pairs": 5},
    "samples": {"n": 16, "m": 16, "n_pairs": 5},
    "found": {"m": 8},
    "mixture_race": EASY,
    "sparse_race": EASY | {"m": 8, "k": 2},
    "end_of_descent": {"samples_per_atom": 10},
}


@pytest.mark.parametrize("name", room.SWEEPS)
def test_plans_run(name):
    result = room.SWEEPS[name].run(0.1, n_trials=1, fixed=SMALL.get(name), engine="serial", progress=False)
    assert not len(result.failures)
    assert np.isfinite(result.rows[list(result.values)].to_numpy(dtype=float)).all()
