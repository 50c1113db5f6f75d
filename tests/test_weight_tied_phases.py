"""Trained networks over scale and width: the gain across the span is half the variance, less a share of order 1/m."""

import numpy as np
import pytest
from tolerances import ROUND_OFF

from aedyn import weight_tied_phases as phases
from aedyn.ntk_kernels import KernelOperator, largest_eigenvalue
from aedyn.unit_samples import sphere
from aedyn.weight_tied_degeneracy import reconstruct, tied_weights
from aedyn.weight_tied_kernel import lazy_loss_of_gain
from aedyn.weight_tied_training import descend_tied, natural_step, subspaces
from aedyn.wide_network import descend, draw_weights, outputs

SAMPLES = sphere(8, 3, 1) @ np.eye(3, 10)
INPUTS = phases.draw_inputs(SAMPLES, 300, 2)


def test_inputs():
    for inputs in INPUTS:
        assert inputs.shape == (300, 10) and np.abs(np.linalg.norm(inputs, axis=1) - 1).max() < ROUND_OFF
    assert np.abs(INPUTS.held_out[:, 3:]).max() < ROUND_OFF and np.abs(INPUTS.unseen[:, :3]).max() < ROUND_OFF
    with pytest.raises(ValueError, match="must leave directions without data"):
        phases.draw_inputs(np.eye(3), 10, 0)


def test_distances():
    assert phases.distances(lambda X: X, INPUTS) == (0, 0, 0)
    projector = phases.distances(lambda X: X * (np.arange(10) < 3), INPUTS)
    assert projector == pytest.approx((0, 1, 0.7), abs=0.05)


def test_same_bits_for_any_number_of_processes():
    arguments = dict(inputs=INPUTS, n_seeds=2, n_steps=5, seed=3)
    one, two = (phases.train_grid(SAMPLES, [0.5, 2.0], [4, 30], **arguments, n_jobs=jobs) for jobs in (1, 2))
    for a, b in zip(one, two, strict=True):
        assert a.shape == (2, 2, 2) and np.array_equal(a, b) and len(np.unique(a)) == 8


def test_identity_at_variance_two_projector_at_small_variance():
    variances, width = np.array([0.02, 0.5, 2.0, 4.0]), 1000
    grid = phases.train_grid(SAMPLES, variances, [width], INPUTS, n_seeds=2, n_steps=500, seed=0)
    assert grid.training.max() < 1e-3
    gains = grid.gain.mean(axis=2)[0]
    assert gains == pytest.approx(variances / 2, rel=0.03)
    assert (grid.gain < grid.gain_before).all()
    # across the span: nothing is learnt, to the order of one over the root of the width
    assert grid.unseen.mean(axis=2)[0] == pytest.approx((1 - variances / 2) ** 2, abs=0.08)
    assert grid.random.mean(axis=2)[0] == pytest.approx(0.7 * (1 - variances / 2) ** 2, abs=0.08)
    share = (1 - grid.gain / grid.gain_before).mean(axis=2)[0] * width
    assert share[2] == pytest.approx(lazy_loss_of_gain(SAMPLES), rel=0.3)
    assert (np.diff(share) < 0).all()


def test_few_units_forget_what_they_do_not_see():
    grid = phases.train_grid(SAMPLES, [0.1], [4, 400], INPUTS, n_seeds=2, n_steps=500, seed=0)
    kept = (grid.gain / grid.gain_before).mean(axis=2)[:, 0]
    assert kept[0] < 0.1 and kept[1] > 0.95


# Recorded runs: 20 dimensions, 1000 units, weights from seed 0 -----------------------------------------------------

BASIS = np.linalg.qr(np.random.default_rng(7).standard_normal((20, 20)))[0][:, :4]


def tied_run(X, variance, inputs, n_steps):
    W = tied_weights(20, 1000, variance, 0)
    run = descend_tied(W, X, step=natural_step(W, X), n_steps=n_steps)
    networks = (lambda x, V=V: reconstruct(V, x) for V in (W, run.W))
    return 2 * run.losses[[0, -1]] / len(X), [phases.distances(network, inputs) for network in networks], (W, run.W)


@pytest.mark.parametrize(
    ("n", "variance", "training", "held_out", "unseen"),
    [
        (15, 2.0, 0.039, (0.041, 0.003), (0.047, 0.029)),
        (15, 0.01, 0.990, (0.990, 0.060), (0.990, 0.990)),
        (60, 2.0, 0.041, (0.041, 0.0003), (0.047, 0.028)),
    ],
)
def test_recorded_runs_in_a_subspace(n, variance, training, held_out, unseen):
    X = sphere(n, 4, 1) @ BASIS.T
    losses, (before, after), (start, end) = tied_run(X, variance, phases.draw_inputs(X, 1000, 5), 1000)
    assert losses[0] == pytest.approx(training, abs=5e-4) and losses[1] < 1e-3
    # other test inputs than those of the record and another number of steps, by which the small start still gains
    assert (before.held_out, after.held_out) == pytest.approx(held_out, abs=2e-3 if variance == 2 else 0.02)
    assert (before.unseen, after.unseen) == pytest.approx(unseen, abs=2e-3)
    moved = np.linalg.norm(end - start) / np.linalg.norm(start)
    assert 0.06 < moved < 0.09 if variance == 2 else moved > 1


@pytest.mark.parametrize(("variance", "held_out"), [(2.0, (0.046, 0.016)), (0.01, (0.990, 0.518))])
def test_recorded_runs_in_the_whole_space(variance, held_out):
    X = sphere(15, 20, 1)
    losses, (before, after), _ = tied_run(X, variance, phases.draw_inputs(X, 1000, 5), 600)
    assert losses[1] < 1e-3
    assert (before.random, after.random) == pytest.approx(held_out, abs=0.01)


@pytest.mark.parametrize(
    ("regime", "held_out", "unseen"),
    [("joint", (1.667, 0.117), (1.483, 1.308)), ("encoder", (1.667, 0.145), (1.483, 1.483))],
)
def test_recorded_runs_without_tying(regime, held_out, unseen):
    X = sphere(15, 4, 1) @ BASIS.T
    inputs, start = phases.draw_inputs(X, 1000, 5), draw_weights(20, 1000, 0)
    step = 30 / largest_eigenvalue(KernelOperator(*start, X, regime)).value
    run = descend(*start, X, regime=regime, step=step, n_steps=250)
    before, after = (phases.distances(lambda x, A=A, W=W: outputs(W, A, x), inputs) for W, A in (start, (run.W, run.A)))
    # the standard deviation over inputs is 0.5 before training, so that the means of 1000 differ by 0.02
    assert (before.held_out, after.held_out) == pytest.approx(held_out, abs=0.06)
    assert (before.unseen, after.unseen) == pytest.approx(unseen, abs=0.06)
    # the encoder never moves across the span, so without the decoder nothing changes there
    assert np.abs(subspaces(X).unseen.T @ (run.W - start.W)).max() < ROUND_OFF
    assert (abs(after.unseen - before.unseen) < ROUND_OFF) == (regime == "encoder")
