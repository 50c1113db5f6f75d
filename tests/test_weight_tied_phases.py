"""Trained networks on inputs in the span of the samples, across it, and anywhere; runs that were recorded before."""

import numpy as np
import pytest
from tolerances import ROUND_OFF, assert_mean

from aedyn import weight_tied_phases as phases
from aedyn.ntk_kernels import KernelOperator, largest_eigenvalue
from aedyn.unit_samples import sphere
from aedyn.weight_tied_degeneracy import reconstruct, tied_weights
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


def test_samples_lie_in_a_subspace_that_does_not_depend_on_their_number():
    few, more = (phases.draw_samples(n, 10, 3, 4) for n in (5, 8))
    assert np.abs(np.linalg.norm(more, axis=1) - 1).max() < ROUND_OFF
    assert subspaces(more).seen.shape == (10, 3) and np.abs(few @ subspaces(more).unseen).max() < ROUND_OFF
    coordinates = phases.draw_samples(4000, 10, 3, 4) @ subspaces(few).seen
    assert_mean(coordinates[:, :, None] * coordinates[:, None], np.eye(3) / 3)


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
