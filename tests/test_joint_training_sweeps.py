"""Sweeps of the chapter on joint training: what they say, and that their trials are plain runs."""

import numpy as np
import pytest
from tolerances import ITERATED, STANDARD_ERRORS, assert_close

from aedyn import unit_samples
from aedyn.joint_training import follow, kernel, practical_step
from aedyn.joint_training_sweeps import DATA, SWEEPS, cones, crowd, drift, on_data, on_sphere
from aedyn.joint_widths import cone_probability, try_start
from aedyn.ntk_limits import spectrum
from aedyn.sweeps import sweep
from aedyn.wide_network import REGIMES, draw_weights

SERIAL = {"engine": "serial", "progress": False}


@pytest.mark.parametrize("name", SWEEPS)
def test_plans_run_at_a_small_scale(name):
    plan = SWEEPS[name]
    grid = plan.grid(0.01)
    grid |= {"width": grid["width"][:1]}
    fixed = plan.fixed | {"n_steps": 3} | ({"n": 12, "n_new": 5} if name == "crowd" else {})
    table = sweep(plan.experiment, grid, 2, plan.seed, fixed=fixed, paired=plan.paired, **SERIAL)
    assert len(table.rows) == 2 * np.prod([len(axis) for axis in grid.values()])
    assert not len(table.failures) and set(table.parameters) == set(plan.grid(1))
    if "reached" in table.values:
        assert not table.rows["reached"].any(), "nothing is learned in three steps"


def test_regimes_start_from_the_same_weights():
    assert all("regime" in plan.paired for name, plan in SWEEPS.items() if name != "crowd")


def test_drift_is_that_of_a_descent():
    X, (W, A) = unit_samples.sphere(10, 5, 0), draw_weights(5, 64, 3)
    path = follow(W, A, X, regime="joint", step=practical_step(W, A, X, "joint"), steps=[20])
    found = drift(np.random.default_rng(3), "joint", 64, 10, 5, 20, 0)
    assert found == {"flips": path.flips.mean(), "G": path.G_drift[0], "H": path.H_drift[0]}


def test_kernels_move_less_at_larger_widths():
    grid, fixed = {"regime": ["encoder", "joint"], "width": [32, 512]}, {"n": 6, "d": 4, "n_steps": 40, "data_seed": 0}
    rows = sweep(drift, grid, 3, 0, fixed=fixed, **SERIAL).rows
    means = rows.groupby(["regime", "width"])[["flips", "G", "H"]].mean()
    narrow, wide = (means.xs(m, level="width") for m in (32, 512))
    assert ((wide > 0) & (wide < narrow / 2)).all(axis=None)


def test_samples_and_start_come_from_the_stream():
    rng = np.random.default_rng(7)
    X = unit_samples.sphere(6, 3, rng)
    trial = try_start(*draw_weights(3, 24, rng), X, "joint", share=0.5, target=1e-4, n_steps=800)
    assert on_sphere(np.random.default_rng(7), "joint", 6, 3, 24, 800) == {"reached": True, "steps": trial.steps}
    assert 0 < trial.steps < 800


def test_joint_training_needs_fewer_units_than_either_layer():
    """With 16 samples in 4 dimensions: 12 units can copy all of them, and one layer has too few weights."""
    grid, fixed = {"regime": REGIMES, "width": [12, 64]}, {"n": 16, "d": 4, "n_steps": 1200}
    table = sweep(on_sphere, grid, 4, 0, fixed=fixed, paired=("regime",), **SERIAL).summary("reached")
    shares = table.pivot(index="regime", columns="width", values="mean")
    assert shares.loc["joint", 12] > 0.5 > shares.loc["encoder", 12] and shares.loc["decoder", 12] == 0
    assert (shares.loc[["joint", "encoder"], 64] == 1).all()


def test_in_the_plane_the_encoder_needs_all_four_columns_of_signs():
    """With these it can copy every input, the chapter's remark on d = 2; without one it cannot even fit a few."""
    outcomes = []
    for i in range(12):
        reached = on_sphere(np.random.default_rng(i), "encoder", 12, 2, 8, 800)["reached"]
        rng = np.random.default_rng(i)
        unit_samples.sphere(12, 2, rng)
        outcomes.append((len(np.unique(draw_weights(2, 8, rng).A, axis=1).T) == 4, reached))
    assert (False, False) in outcomes and (False, True) not in outcomes
    assert outcomes.count((True, True)) > outcomes.count((True, False))


def test_a_crowd_is_fitted_by_few_units_or_by_many():
    fixed = {"n": 40, "d": 4, "n_new": 200, "n_steps": 1500}
    rows = sweep(crowd, {"width": [12, 72]}, 2, 0, fixed=fixed, **SERIAL).rows
    few, many = (rows[rows["width"] == m] for m in (12, 72))
    assert few["reached"].all() and many["reached"].all()
    # 96 weights for 160 equations leave the kernel singular; these few units copy, and the many interpolate
    assert (few["smallest"].abs() < ITERATED).all() and (many["smallest"] > 1e-3).all()
    assert few["on_new"].mean() < many["on_new"].mean()


def test_a_crowd_is_trained_by_steps_and_kernel_of_its_own_stream():
    rng = np.random.default_rng(4)
    X, _ = unit_samples.sphere(8, 3, rng), unit_samples.sphere(5, 3, rng)
    start = draw_weights(3, 40, rng)
    found = crowd(np.random.default_rng(4), 40, 8, 3, 5, 600)
    assert found["steps"] == try_start(*start, X, "joint", share=0.5, target=1e-4, n_steps=600).steps
    low = np.linalg.eigvalsh(kernel(*start, X, "joint"))[0]
    assert_close(found["smallest"], low / spectrum(X).lambda_joint, ITERATED)


def test_only_starts_inside_the_cones_succeed():
    """And about as many are inside as Wendel counts."""
    n, d, m = 20, 8, 44
    grid, fixed = {"regime": ["encoder", "joint"], "width": [m]}, {"d": d, "n_steps": 250}
    rows = sweep(cones, grid, n, 0, fixed=fixed, paired=("regime",), **SERIAL).rows
    encoder, joint = (rows[rows["regime"] == regime] for regime in ("encoder", "joint"))
    assert encoder["inside"].tolist() == joint["inside"].tolist(), "both have the same starts"
    chance = cone_probability(m, d, d)
    assert 0.2 < chance < 0.8
    assert abs(encoder["inside"].mean() - chance) < STANDARD_ERRORS * np.sqrt(chance * (1 - chance) / n)
    assert not encoder["reached"][~encoder["inside"]].any()
    assert joint["reached"].all()


def test_data_sets_have_the_sizes_in_their_names():
    for name in DATA:
        X = DATA[name](0)
        unit_samples.check_unit_rows(name, X)
        numbers = {part.split(" = ")[-1] for part in name.split(", ") if "=" in part}
        assert numbers == {str(size) for size in X.shape}
    sphere = DATA["sphere, n = 10, d = 5"]
    assert not np.array_equal(sphere(1), sphere(2))


def test_a_trial_on_data_is_a_run_on_them():
    X = DATA["orthonormal, n = d = 16"](0)
    trial = try_start(*draw_weights(16, 64, 5), X, "decoder", share=0.5, target=1e-4, n_steps=900)
    assert on_data(np.random.default_rng(5), "decoder", "orthonormal, n = d = 16", 64, 900, 0) == trial._asdict()
    assert trial.reached
