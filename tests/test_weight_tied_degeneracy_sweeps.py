"""The sweeps of the chapter on tied weights: the identity from variance 2, the projector from small starts."""

import warnings

import numpy as np
import pytest
from tolerances import ROUND_OFF, assert_close, assert_mean

from aedyn.ntk_kernels import KernelOperator, largest_eigenvalue
from aedyn.sweeps import sweep
from aedyn.weight_tied_degeneracy import expected_loss, tied_weights
from aedyn.weight_tied_degeneracy_sweeps import (
    SWEEPS,
    lazy,
    linear,
    predicted_lazy,
    setting,
    trained,
    untied,
    untrained,
)
from aedyn.weight_tied_kernel import lazy_loss_of_gain, trained_loss
from aedyn.weight_tied_limits import paired_loss_of_gain
from aedyn.weight_tied_phases import distances
from aedyn.weight_tied_training import descend_tied, gain, natural_step, paired, subspaces
from aedyn.wide_network import descend, draw_weights, outputs

DATA = {"n": 8, "d": 10, "k": 3, "n_tests": 300, "data_seed": 1}
X, INPUTS = setting(**DATA)
UNSEEN = subspaces(X).unseen


def test_the_setting_depends_on_its_seed_alone():
    again, more = setting(**DATA), setting(**DATA | {"n": 12})
    assert np.array_equal(again[0], X) and np.array_equal(again[1].random, INPUTS.random)
    assert np.abs(more[0] @ UNSEEN).max() < ROUND_OFF and more[0].shape == (12, 10), "the subspace is the same"
    assert not np.array_equal(setting(**DATA | {"data_seed": 2})[0], X)


@pytest.mark.parametrize("d, variance, m", [(1, 2.0, 3), (4, 1.0, 10)])
def test_untrained_networks_have_the_loss_of_the_lemma(d, variance, m):
    losses = [untrained(np.random.default_rng([1, i]), d, variance, m) for i in range(2000)]
    assert_mean(losses, expected_loss(d, m, variance))


def test_trained_networks_are_the_identity_at_variance_two_and_projectors_at_small_variance():
    variances, width = np.array([0.02, 0.5, 2.0, 4.0]), 1000
    fixed = DATA | {"n_steps": 500, "m": width}
    grid = {"variance": variances}
    result = sweep(trained, grid, 2, 0, fixed=fixed, paired=("variance",), engine="serial", progress=False)
    assert result.rows["training"].max() < 1e-3 and result.rows["kept"].max() < 1
    found = {name: result.summary(name)["mean"].to_numpy() for name in ("gain", "kept", "unseen", "random")}
    assert found["gain"] == pytest.approx(variances / 2, rel=0.03)
    # across the span nothing is learnt, to the order of one over the root of the width
    assert found["unseen"] == pytest.approx((1 - variances / 2) ** 2, abs=0.08)
    assert found["random"] == pytest.approx(0.7 * (1 - variances / 2) ** 2, abs=0.08)
    share = (1 - found["kept"]) * width
    assert share[2] == pytest.approx(lazy_loss_of_gain(X), rel=0.3) and (np.diff(share) < 0).all()


def test_few_units_forget_what_they_do_not_see():
    kept = [trained(np.random.default_rng(5), m, 0.1, n_steps=500, **DATA)["kept"] for m in (4, 400)]
    assert kept[0] < 0.1 and kept[1] > 0.95


def test_a_trial_is_the_plain_descent_with_the_same_stream():
    found = trained(np.random.default_rng(3), 30, 0.5, n_steps=20, **DATA)
    W = tied_weights(10, 30, 0.5, np.random.default_rng(3))
    run = descend_tied(W, X, step=natural_step(W, X), n_steps=20)
    assert found["gain"] == gain(run.W, UNSEEN) and found["kept"] == gain(run.W, UNSEEN) / gain(W, UNSEEN)
    assert found["training"] == 2 * run.losses[-1] / 8


def test_untied_networks_do_not_copy_at_any_scale():
    rng = np.random.default_rng(4)
    small, large = (untied(np.random.default_rng(4), v, m=300, n_steps=400, **DATA) for v in (0.02, 4.0))
    assert max(small["left"], large["left"]) < 1e-3
    assert small["unseen"] == pytest.approx(1, abs=0.01) and large["unseen"] > 1.5
    assert abs(small["gain"]) < 0.01 and abs(large["gain"]) < 0.2
    start = draw_weights(10, 300, rng)
    step = 15 / largest_eigenvalue(KernelOperator(*start, X, "joint")).value
    W, A = (np.sqrt(2) * V for V in start)
    run = descend(W, A, X, regime="joint", step=step, n_steps=400, target=1e-6)
    assert large["unseen"] == distances(lambda x: outputs(run.W, run.A, x), INPUTS).unseen
    assert large["unseen_before"] == distances(lambda x: outputs(W, A, x), INPUTS).unseen


def test_at_variance_two_the_kernel_predicts_losses_and_gain():
    at = DATA | {"m": 800, "time": 5, "n_tests": 60}
    runs = [lazy(np.random.default_rng([6, i]), **at) for i in range(6)]
    predicted = predicted_lazy(**at)
    for name in ("held_out", "unseen", "random", "lost"):
        assert np.mean([run[name] for run in runs]) == pytest.approx(
            predicted[name], rel=0.3 if name != "lost" else 0.2
        )
    assert predicted["unseen"] == pytest.approx(trained_loss(X, setting(**DATA | {"n_tests": 60})[1].unseen, 5).mean())
    assert predicted["unseen"] < 2 * 10 + 3 and predicted["lost"] == lazy_loss_of_gain(X, 5)


def test_paired_units_lose_what_the_closed_form_says():
    at = {"d": 10, "k": 3, "m": 1000, "n_pairs": 6, "n_steps": 1500}
    for variance in (0.1, 2.0):
        lost = [linear(np.random.default_rng([7, i]), variance, **at) for i in range(12)]
        assert_mean(lost, 3 * paired_loss_of_gain(variance / 2))


def test_linear_networks_are_those_of_paired_units():
    found = linear(np.random.default_rng(8), 0.5, d=10, k=3, m=40, n_pairs=6, n_steps=25)
    rng, samples = np.random.default_rng(8), np.zeros((12, 10))
    half = rng.standard_normal((3, 6))
    samples[:, :3] = np.vstack([(half / np.linalg.norm(half, axis=0)).T] * 2) * np.repeat([1, -1], 6)[:, None]
    W = paired(tied_weights(10, 40, 0.5, rng))
    end = descend_tied(W, samples, step=0.02, n_steps=25).W
    across = np.eye(10)[:, 3:]
    assert_close(found, 40 * (1 - gain(end, across) / gain(W, across)), 1e-9)


def test_all_plans_run_at_a_small_scale():
    small = {
        "untrained": {"n_trials": 3},
        "trained": {"n_trials": 1, "fixed": {"n_steps": 2, "n_tests": 5}},
        "untied": {"n_trials": 1, "fixed": {"n_steps": 2, "n_tests": 5}},
        "lazy": {"n_trials": 1, "fixed": {"m": 20, "time": 0.1, "n_tests": 5}},
        "linear": {"n_trials": 2, "fixed": {"m": 20, "n_steps": 3}},
    }
    assert set(small) == set(SWEEPS)
    for name, options in small.items():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            table = SWEEPS[name].run(0.1, engine="serial", progress=False, **options)
        assert not len(table.failures) and np.isfinite(table.rows[list(table.values)].to_numpy(dtype=float)).all()


@pytest.mark.parametrize("scale", [0.1, 0.6, 1, 2])
def test_the_chapter_finds_its_points_in_every_grid(scale):
    grids = {name: plan.grid(scale) for name, plan in SWEEPS.items()}
    assert {"d": 20, "variance": 2.0, "m": 100} in grids["untrained"]
    assert {0.01, 0.5, 2.0} <= set(grids["trained"]["variance"]) == set(grids["untied"]["variance"])
    assert {SWEEPS["untied"].fixed["m"], 2560} <= set(grids["trained"]["m"])
    assert {15, 40} <= set(grids["lazy"]["n"])
