"""Gradient of the tied network, and what descent does across the span of the data."""

import naive
import numpy as np
import pytest
from tolerances import DIFFERENCE, ROUND_OFF, STEP, assert_close

from aedyn import weight_tied_training as training
from aedyn.unit_samples import sphere
from aedyn.weight_tied_degeneracy import odd_part, reconstruct, tied_weights

d, k, n, m = 7, 3, 5, 12
X = sphere(n, k, 0) @ np.linalg.qr(np.random.default_rng(1).standard_normal((d, k)))[0].T
W = tied_weights(d, m, 1.5, 2)
SEEN, UNSEEN = training.subspaces(X)


def loss(W, X):
    return 0.5 * np.square(X - reconstruct(W, X)).sum()


# Gradient -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("samples", [X, np.random.default_rng(3).standard_normal((4, d))], ids=["span", "any"])
def test_gradient(samples):
    assert np.abs(samples @ W).min() > 100 * STEP, "away from kinks"
    value, gradient = training.tied_gradient(W, samples)
    assert value == pytest.approx(loss(W, samples), rel=ROUND_OFF)
    assert_close(gradient, naive.tied_gradient(W, samples), ROUND_OFF)
    for E in np.random.default_rng(4).standard_normal((5, d, m)):
        slope = (loss(W + STEP * E, samples) - loss(W - STEP * E, samples)) / (2 * STEP)
        assert np.vdot(gradient, E) == pytest.approx(slope, abs=DIFFERENCE * np.linalg.norm(gradient) * 10)


def test_gradient_against_autograd():
    torch = pytest.importorskip("torch")
    weights = torch.tensor(W, requires_grad=True)
    samples = torch.tensor(X)
    outputs = torch.relu(samples @ weights) @ weights.T / m
    (((samples - outputs) ** 2).sum() / 2).backward()
    assert_close(training.tied_gradient(W, X).W, weights.grad.numpy(), ROUND_OFF)


def test_a_unit_at_zero_is_active():
    weights = np.array([[0.0, 1.0], [1.0, 0.5]])
    samples = np.array([[1.0, 0.0]])
    assert_close(training.tied_gradient(weights, samples).W, naive.tied_gradient(weights, samples), ROUND_OFF)


# Descent --------------------------------------------------------------------------------------------------------------


def test_descent_takes_gradient_steps_and_leaves_its_start_alone():
    start = W.copy()
    run = training.descend_tied(W, X, step=0.05, n_steps=3, watch=lambda k, V: (k, V.copy()))
    assert np.array_equal(W, start) and run.n_iter == 3 and run.status == "finished"
    assert [k for k, _ in run.watched] == [0, 1, 2, 3]
    for (_, before), (_, after), value in zip(run.watched, run.watched[1:], run.losses, strict=False):
        gradient = training.tied_gradient(before, X)
        assert_close(after, before - 0.05 * m * gradient.W, ROUND_OFF)
        assert value == pytest.approx(gradient.loss, rel=ROUND_OFF)
    assert np.array_equal(run.W, run.watched[-1][1])


def test_descent_tells_how_it_ended():
    step = training.natural_step(W, X)
    run = training.descend_tied(W, X, step=step, n_steps=5000, target=1e-3)
    assert run.status == "reached" and run.losses[-1] <= 1e-3 * run.losses[0] < run.losses[-2]
    with pytest.warns(RuntimeWarning, match="diverged after"), np.errstate(over="ignore"):
        run = training.descend_tied(W, X, step=30 * step, n_steps=500)
    assert run.status == "diverged" and not np.isfinite(run.losses[-1])


@pytest.mark.parametrize("variance", [0.1, 1.5, 3.0])
def test_natural_step_is_that_of_the_formed_kernel(variance):
    weights = tied_weights(d, m, variance, 2)
    jacobian = np.zeros((n, d, d, m))  # of outputs in weights
    for i, x in enumerate(X):
        for r in range(m):
            w = weights[:, r]
            jacobian[i, :, :, r] = ((w @ x > 0) * np.outer(w, x) + naive.relu(w @ x) * np.eye(d)) / m
    top = m * np.linalg.norm(jacobian.reshape(n * d, -1), 2) ** 2
    enlarge = max(1, 2 * d * m / np.square(weights).sum())
    assert training.natural_step(weights, X) == pytest.approx(1 / (enlarge * top), rel=1e-3)


# Directions without data ----------------------------------------------------------------------------------------------


def test_subspaces():
    assert SEEN.shape == (d, k) and UNSEEN.shape == (d, d - k)
    both = np.hstack([SEEN, UNSEEN])
    assert_close(both.T @ both, np.eye(d), ROUND_OFF)
    assert np.abs(X @ UNSEEN).max() < ROUND_OFF
    assert training.subspaces(np.eye(d)).unseen.shape == (d, 0)


def test_gain_is_the_trace_of_the_symmetrised_jacobian():
    assert training.gain(W, UNSEEN) == pytest.approx(np.trace(UNSEEN.T @ odd_part(W) @ UNSEEN) / (d - k), rel=ROUND_OFF)
    x = np.random.default_rng(5).standard_normal(d)
    directions = np.vstack([x + 1e-6 * E for E in UNSEEN.T] + [x - 1e-6 * E for E in UNSEEN.T])
    change = (np.split(reconstruct(W, directions), 2), np.split(reconstruct(W, -directions), 2))
    slopes = [
        np.vdot(UNSEEN.T, s * (ahead - behind)) / 2e-6 for s, (ahead, behind) in zip((1, -1), change, strict=True)
    ]
    assert np.mean(slopes) / (d - k) == pytest.approx(training.gain(W, UNSEEN), rel=1e-7)


def test_across_the_span_descent_is_linear_in_the_weights():
    step, V = 0.1, W
    for _ in range(20):
        activity = np.maximum(X @ V, 0)
        after = training.descend_tied(V, X, step=step, n_steps=1).W
        law = UNSEEN.T @ V @ (np.eye(m) - step / m * activity.T @ activity)
        assert_close(UNSEEN.T @ after, law, ROUND_OFF)
        lost = training.gain(V, UNSEEN) - training.gain(after, UNSEEN)
        leak = reconstruct(V, X) @ UNSEEN
        second = np.square(step / m * UNSEEN.T @ V @ activity.T @ activity).sum() / (2 * m * (d - k))
        assert lost == pytest.approx(step * np.square(leak).sum() / (d - k) - second, rel=1e-8)
        assert lost > 0
        V = after


def test_the_gain_across_can_grow_when_the_step_is_too_long():
    activity = np.maximum(X @ W, 0)
    edge = 2 * m / np.linalg.norm(activity, 2) ** 2
    _, _, rows = np.linalg.svd(activity)
    V = W - UNSEEN @ (UNSEEN.T @ W) + np.outer(UNSEEN[:, 0], rows[0])  # all that is unseen lies in the top direction
    for share, grows in ((0.9, False), (1.1, True)):
        after = training.descend_tied(V, X, step=share * edge, n_steps=1).W
        assert (training.gain(after, UNSEEN) > training.gain(V, UNSEEN)) == grows


@pytest.mark.parametrize("variance", [0.2, 2.0, 5.0])
def test_mirrored_units_never_move_across(variance):
    start = training.mirrored(tied_weights(d, m, variance, 2), SEEN)
    run = training.descend_tied(start, X, step=training.natural_step(start, X), n_steps=300)
    assert run.losses[-1] < 0.2 * run.losses[0], "training moved"
    assert np.abs(UNSEEN.T @ (run.W - start)).max() < 1e-11
    assert np.abs(SEEN.T @ (run.W - start)).max() > 0.1
    tilted = X + 0.1 * UNSEEN[:, 0]
    moved = training.descend_tied(start, tilted, step=training.natural_step(start, X), n_steps=300).W
    assert np.abs(UNSEEN.T @ (moved - start)).max() > 0.01, "with data across, they do"


def test_paired_units_are_linear():
    pairs, any_inputs = training.paired(W), np.random.default_rng(0).standard_normal((6, d))
    assert_close(reconstruct(pairs, any_inputs), any_inputs @ odd_part(pairs), ROUND_OFF)
    assert_close(odd_part(pairs), odd_part(W), ROUND_OFF)
