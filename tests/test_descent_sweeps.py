"""The sweeps of the chapter on descent: laws where they hold, limits, and both sides of thresholds."""

import numpy as np
import pytest
from tolerances import ROUND_OFF, SINGLE, assert_close

from aedyn import descent, optimizers
from aedyn import descent_sweeps as room
from aedyn.dictionaries import orthonormal_dictionary, random_dictionary
from aedyn.generative import MixtureOfGaussians, NonnegativeSparse, SparseCoding


def rng(seed=0):
    return np.random.default_rng(seed)


# Expected gradient ----------------------------------------------------------------------------------------------------


def test_the_floor_is_that_of_the_library_and_near_its_law():
    found = room.coherent_floor(rng(1), n=24, ratio=2, k=3)
    A = random_dictionary(24, 48, rng(1))
    run = descent.population_descent(SparseCoding(A, k=3), A, optimizers.constant_bias(0), 8, 40, tolerance=1e-4)
    assert found == {"floor": run.errors[-1], "law": descent.coherence_floor(A, 3)}
    assert 0.8 < found["floor"] / found["law"] < 1.2


def test_one_active_atom_has_no_floor():
    found = room.coherent_floor(rng(2), n=16, ratio=1, k=1)
    assert found["floor"] < ROUND_OFF and found["law"] < ROUND_OFF


@pytest.mark.parametrize("k", [1, 3, 6])
def test_the_error_grows_beyond_the_largest_stable_step_only(k):
    model = NonnegativeSparse(orthonormal_dictionary(17, 16, 0), k=k, a1=1, a2=2)
    edge = descent.stable_step(model) * k / 16
    below, above = (room.growth(rng(3), k, factor * edge, m=16, n_steps=60) for factor in (0.9, 1.1))
    assert below < -1 < 1 < above


# Finitely many samples ------------------------------------------------------------------------------------------------

SIZES = {"n": 60, "m": 6, "k": 2, "sigma": 0.02}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("model", room.MODELS)
def test_the_error_in_the_end_follows_the_law_and_is_none_without_noise(model, streamed):
    found = room.sampling_floor(rng(4), model, streamed, n_samples=1000, **SIZES)
    assert found["error"] == pytest.approx(found["law"], rel=0.2)
    quiet = room.sampling_floor(rng(4), model, streamed, n_samples=100, **SIZES | {"sigma": 0.0})
    assert quiet["error"] < 1e-7 and quiet["law"] == 0


def test_the_law_for_a_mixture_is_the_error_of_the_cluster_means():
    model = MixtureOfGaussians(orthonormal_dictionary(50, 5, 5), 0.1)
    means = 0.1 * 5 * np.sqrt(49 / 800)
    assert_close(room.floor_law(model, 800), means, ROUND_OFF)
    assert_close(room.floor_law(model, 800, 5.0), means, ROUND_OFF)  # at the full step nothing is averaged
    assert_close(room.floor_law(model, 800, 2.5), means / np.sqrt(3), ROUND_OFF)
    assert_close(room.floor_law(model, 3200), means / 2, ROUND_OFF)


# The experiment of the paper ------------------------------------------------------------------------------------------

PAPER = {"n": 100, "m": 4, "n_samples": 400, "n_steps": 12}


def training(start="perturbed", noise=0.01, seed=6, **options):
    return room.training(rng(seed), start, noise, **PAPER | options)


def test_the_first_bias_silences_every_unit_and_all_starts_see_the_same_samples():
    found = [training(start) for start in room.STARTS]
    for run in found:
        assert run["active"] == 0
        assert abs(run["distance_1"] - run["distance_0"]) < SINGLE
    for name in ("loss_0", "oracle"):
        assert found[0][name] == found[1][name] == found[2][name]
    assert training(rule="ReLU, b = −0.5")["active"] > 0


def test_the_threshold_keeps_the_perturbed_start_at_the_cluster_means_and_a_random_start_is_silent():
    near, far = (training(start, rule="threshold 1/2") for start in ("perturbed", "random"))
    assert near["found"] == 4 and near["distance_12"] == pytest.approx(near["oracle"], rel=0.01)
    assert near["loss_11"] == pytest.approx(0.01**2 * 99 / 2, rel=0.1)
    assert far["found"] == 0 and abs(far["distance_12"] - far["distance_0"]) < SINGLE
    assert far["free"] <= far["distance_12"] and not far["diverged"]


def test_a_bias_that_vanishes_spoils_what_it_has_found_and_one_that_comes_back_does_not():
    halved, back = (
        training(rule=rule, n=784, n_steps=40)
        for rule in ("ReLU, b halved", "ReLU, b halved, then −0.3 from step 35 on")
    )
    path = [halved[f"distance_{step}"] for step in range(41)]
    assert min(path) < 1.1 * halved["oracle"] < 2 * halved["oracle"] < max(path[10:])
    assert back["distance_35"] == halved["distance_35"] and back["distance_40"] < 1.1 * back["oracle"]


def test_a_run_that_diverges_is_infinite_from_there_on():
    found = training(reading="variance, raw, ζ = m")
    assert found["diverged"] and not found["finished"]
    assert np.isfinite(found["loss_0"]) and found["loss_11"] == found["distance_12"] == np.inf
    assert training(reading="raw, ζ = 1")["finished"]


def test_variance_makes_atoms_longer():
    loss, longer = (training(reading=f"{kind}normalised, ζ = m")["loss_0"] for kind in ("σ = 1/√n, ", "variance, "))
    assert loss == pytest.approx(0.5, rel=0.3) and longer > 1


def test_principal_directions_are_singular_vectors_that_point_to_the_mean():
    Y = rng(7).standard_normal((50, 8)) + 0.3
    directions = room._principal(Y, 3)
    assert_close(np.linalg.norm(np.linalg.svd(Y)[2][:3] @ directions, axis=0), np.ones(3), ROUND_OFF)
    assert (Y.mean(axis=0) @ directions > 0).all()


def test_noises_readings_and_rules_are_compared_on_the_same_data_sets():
    tables = {
        name: room.SWEEPS[name].run(n_trials=2, fixed=PAPER, engine="serial", progress=False).rows
        for name in ("training", "readings", "rules")
    }
    oracles = [
        rows[(rows["noise"] == 0.01) & (rows["trial"] == 0)]["oracle"]
        for name, rows in tables.items()
        if name != "readings"
    ]
    assert len(oracles[0]) == 3 and len(oracles[1]) == 12 and np.unique(np.concatenate(oracles)).size == 1
    assert tables["training"].groupby("noise")["oracle"].nunique().tolist() == [2, 2, 2]
    usual = tables["readings"].query("reading == 'σ = 1/√n, normalised, ζ = m' and trial == 1")
    main = tables["training"].query("noise == 0.01 and trial == 1")
    assert usual["distance_12"].tolist() == main["distance_12"].tolist()


SMALL = {"growth": {"m": 12, "n_steps": 5}, "samples": SIZES, "sizes": {"n": 50, "n_samples": 200}}


@pytest.mark.parametrize("name", room.SWEEPS)
def test_plans_run(name):
    fixed = SMALL.get(name) or ({} if name == "floors" else PAPER)
    result = room.SWEEPS[name].run(0.1, n_trials=1, fixed=fixed, engine="serial", progress=False)
    assert not len(result.failures)
    assert not result.rows[list(result.values)].isna().any(axis=None)
