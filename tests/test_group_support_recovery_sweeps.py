"""The sweeps of the chapter on group support recovery: sharp thresholds, and the library's outcome of each stream."""

import warnings

import numpy as np
import pytest
from tolerances import ROUND_OFF

from aedyn import group_support_recovery as recovery
from aedyn.dictionaries import block_coherence, group_dictionary, make_groups, perturb
from aedyn.generative import GroupSparse
from aedyn.group_support_average import AverageCase, average_recovery
from aedyn.group_support_recovery_sweeps import (
    SWEEPS,
    clusters,
    contrast,
    dimension,
    exact_shares,
    tolerated,
    typical,
)
from aedyn.sweeps import sweep

BASE = {"n": 1024, "d": 2, "n_active": 2, "delta": 0.05, "sigma": 0, "ratio": 1.25, "n_groups": 64}


def at(experiment, seed=1, n_samples=200, **parameters):
    return experiment(np.random.default_rng(seed), n_samples=n_samples, **parameters)


@pytest.mark.parametrize("c", [0.2, 0.6])
def test_the_ends_of_the_corrected_interval_are_sharp_at_equal_contrast(c):
    ends = recovery.corrected_interval(1, 4.0, 5.0, c / 3, 0, 3)
    assert (ends.low, ends.high) == pytest.approx((5 * c, 4))
    lams = (4 * c - 1e-3, 4.5 * c, 5 * c, 4 - 1e-9, 4.5, 5 + 1e-9)
    found = list(at(contrast, c=c, d=3, n_groups=6, b_min=4.0, b_max=5.0, lams=lams).values())
    assert (found[0], found[2], found[3], found[5]) == (0, 200, 200, 0)
    assert 60 < found[1] < 140 and 60 < found[4] < 140, "the norm is uniform between 4 and 5"


def test_a_trial_is_the_library_with_the_same_stream():
    lams = (0.1, 0.2, 0.7, 1.1)
    found = at(typical, seed=2, **BASE | {"sigma": 0.05}, lams=lams)
    rng = np.random.default_rng(2)
    A = group_dictionary(1024, 64, 2, rng)
    W = perturb(A, 0.05 / np.sqrt(2), rng)
    groups = make_groups(128, group_size=2)
    assert np.linalg.norm((W - A)[:, :2]) == pytest.approx(0.05)
    model = GroupSparse(A, 0.05, groups, 2, b_min=1, b_max=1.25)
    shares = recovery.success(*recovery.norm_extremes(model, W, groups, 200, rng), lams)
    assert found["cosine"] == 2 * block_coherence(A, groups)
    assert [found[f"{lam:g}"] for lam in lams] == pytest.approx(200 * shares)


@pytest.mark.parametrize("change", [{"delta": 1.0}, {"n_active": 8}, {"sigma": 0.12}])
def test_the_average_case_says_where_recovery_begins_and_ends(change):
    # the prediction takes groups as independent and the energy as its mean: norms must spread, but not too far
    parameters = BASE | change
    lams = tuple(np.round(np.linspace(0.02, 1.2, 60), 6))
    found = at(typical, n_samples=400, **parameters, lams=lams)
    delta = parameters.pop("delta")
    names = ("n", "n_groups", "d", "n_active")
    case = AverageCase(*(parameters[name] for name in names), 1, parameters["ratio"], parameters["sigma"])
    expected = average_recovery(AverageCase(**vars(case) | {"overlap": 1 - delta**2 / 4}), lams)
    shares = np.array([found[f"{lam:g}"] for lam in lams]) / 400
    assert np.abs(shares - expected).max() < 0.12 and shares.max() > 0.6 and shares.min() < 0.05


def test_points_of_a_panel_share_their_dictionary():
    tables = {name: SWEEPS[name].run(0.1, n_trials=1, engine="serial", progress=False) for name in ("distance", "size")}
    assert tables["distance"].rows["cosine"].nunique() == 1 and tables["size"].rows["cosine"].nunique() == 2
    exact = exact_shares(tables["distance"])
    assert exact.loc[0.6, 0.0] == 1 and (exact.loc[0.02] == 0).all()


def test_shares_are_means_over_all_samples():
    fixed = {"d": 2, "n_groups": 4, "b_min": 1.0, "b_max": 2.0, "n_samples": 7, "lams": (0.5, 1.5)}
    result = sweep(contrast, {"c": [0.1, 0.4]}, 3, 0, fixed=fixed, engine="serial", progress=False)
    shares = exact_shares(result)
    assert shares.index.tolist() == [0.5, 1.5] and shares.columns.tolist() == [0.1, 0.4]
    for c in (0.1, 0.4):
        for name, lam in (("0.5", 0.5), ("1.5", 1.5)):
            counts = result.rows.loc[result.rows["c"] == c, name]
            assert shares.loc[lam, c] == pytest.approx(counts.sum() / 21, abs=ROUND_OFF)


def test_the_threshold_of_the_experiment_needs_a_large_dimension():
    fixed = {"snr": 1, "d": 2, "n_groups": 100, "n_active": 3, "b_min": 4.0, "b_max": 5.0, "lams": (2.0,)}
    small, large = (at(dimension, n=n, **fixed) for n in (60, 900))
    assert small["2"] < 10 and large["2"] == 200 and small["cosine"] > 2 * large["cosine"]
    assert at(dimension, n=900, **fixed | {"snr": -12})["2"] < 100


AMONG = {"n_groups": 16, "n_active": 2, "b_min": 4.0, "b_max": 5.0, "n_codes": 100}


def test_all_readings_are_the_same_for_groups_of_one():
    found = tolerated(np.random.default_rng(1), "uniform", 1, **AMONG)
    assert found["norms"] == found["largest"] == found["entries"]


def test_norms_stand_the_noise_that_the_average_case_predicts():
    case = AverageCase(10**12, 16, 4, 2, 4.0, 5.0)
    found = [tolerated(np.random.default_rng([2, i]), "uniform", 4, **AMONG)["norms"] for i in range(4)]
    for factor, above in ((0.9, True), (1.1, False)):
        noisy = AverageCase(**vars(case) | {"sigma_eta": factor * np.mean(found)})
        assert (average_recovery(noisy, np.linspace(1, 6, 100)).max() > 0.5) == above


def test_single_entries_are_heard_best_alone_and_uniform_ones_together():
    single, uniform, flat = (
        tolerated(np.random.default_rng(3), kind, 8, **AMONG) for kind in ("single", "uniform", "flat")
    )
    assert single["norms"] < single["largest"] and single["entries"] == pytest.approx(single["largest"], rel=0.05)
    assert uniform["norms"] > uniform["largest"] > 5 * uniform["entries"]
    assert flat["norms"] > flat["largest"] > flat["entries"] > 5 * uniform["entries"]


def test_clusters_are_found_without_noise_and_lost_in_it():
    fixed = {"d": 2, "n": 32, "n_groups": 4, "b_min": 4.0, "b_max": 5.0, "delta": 0.0}
    clean, noisy = (at(clusters, sigma=sigma, **fixed) for sigma in (0.0, 50.0))
    assert clean["active"] == clean["strongest"] == clean["on_norms"] == 200 and clean["on_samples"] < 190
    # one in four by chance; more by the best matching of labels, and by the threshold fewer
    assert all(count < 90 for count in noisy.values()) and noisy["active"] < noisy["strongest"]


def test_all_plans_run_at_a_small_scale():
    for name, plan in SWEEPS.items():
        few = {"n_codes": 20} if name == "tolerated" else {"n_samples": 20}
        few |= {"n_groups": 20} if name == "dimension" else {}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            table = plan.run(0.1, n_trials=1, fixed=few, engine="serial", progress=False)
        assert not len(table.failures) and np.isfinite(table.rows[list(table.values)].to_numpy(dtype=float)).all()


@pytest.mark.parametrize("scale", [0.1, 0.6, 1, 2])
def test_the_chapter_finds_its_sizes_in_every_grid(scale):
    assert {1, 2, 8, 32} <= set(SWEEPS["tolerated"].grid(scale)["d"])
