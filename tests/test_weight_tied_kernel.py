"""The limit kernel of tied training, and what it predicts."""

import numpy as np
import pytest
from tolerances import ROUND_OFF, assert_close, assert_mean

from aedyn import weight_tied_kernel as kernel
from aedyn.ntk_limits import limit_kernels
from aedyn.unit_samples import sphere
from aedyn.weight_tied_degeneracy import expected_loss, reconstruct, tied_weights
from aedyn.weight_tied_training import descend_tied, gain, natural_step, subspaces


def test_kernel_is_the_mean_of_products_of_jacobians():
    X, (d, n_draws) = sphere(3, 4, 0), (4, 40_000)
    w = np.random.default_rng(1).standard_normal((n_draws, d))
    active = w @ X.T >= 0
    # derivative of relu(w.x) w, per draw, sample, output and weight
    J = active[:, :, None, None] * (np.einsum("ra,ib->riab", w, X) + (w @ X.T)[:, :, None, None] * np.eye(d))
    products = np.einsum("riac,rjbc->riajb", J, J).reshape(n_draws, 12, 12)
    K = kernel.tied_kernel(X, X)
    assert_mean(products, K)
    assert_close(K, K.T, ROUND_OFF)
    assert np.linalg.eigvalsh(K)[0] > 0
    assert_close(kernel.tied_kernel(X[:1], X), K[:d], ROUND_OFF)


def test_across_the_span_the_kernel_is_the_joint_one():
    X = sphere(5, 3, 0) @ np.eye(3, 6)
    K = kernel.tied_kernel(X, X).reshape(5, 6, 5, 6)
    joint = limit_kernels(X).joint
    for a in (3, 5):
        assert_close(K[:, a, :, a], joint, ROUND_OFF)
        assert np.abs(np.delete(K[:, a], a, axis=2)).max() < ROUND_OFF


def test_covariance_of_the_untrained_error():
    X, m = sphere(3, 4, 0), 5
    rng = np.random.default_rng(2)
    errors = np.array([(reconstruct(tied_weights(4, m, 2.0, rng), X) - X).ravel() for _ in range(20_000)])
    assert_mean(np.einsum("ra,rb->rab", errors, errors) * m, kernel.error_covariance(X, X))
    assert np.trace(kernel.error_covariance(X[:1], X[:1])) == pytest.approx(m * expected_loss(4, m, 2.0))


# Training at variance 2 -----------------------------------------------------------------------------------------------


def setting(m, seeds, n_steps=1500):
    """Samples in 2 of 8 dimensions, tests within, across and anywhere; squared losses before, and after training."""
    X = sphere(6, 2, 0) @ np.eye(2, 8)
    across = sphere(100, 6, 1) @ np.eye(6, 8, 2)
    tests = {"within": sphere(100, 2, 2) @ np.eye(2, 8), "across": across, "any": sphere(100, 8, 3)}
    found, lost, unseen = {name: [] for name in tests}, [], subspaces(X).unseen
    step = min(natural_step(tied_weights(8, m, 2.0, [seed, 9]), X) for seed in range(seeds))
    for seed in range(seeds):
        W = tied_weights(8, m, 2.0, [seed, 9])
        run = descend_tied(W, X, step=step, n_steps=n_steps)
        for name, inputs in tests.items():
            found[name].append(m * np.square(reconstruct(run.W, inputs) - inputs).sum(axis=1).mean())
        lost.append(m * (1 - gain(run.W, unseen) / gain(W, unseen)))
    return X, tests, step * n_steps, found, np.array(lost)


def test_kernel_predicts_loss_and_gain_after_training():
    X, tests, time, found, lost = setting(m=2000, seeds=24, n_steps=400)
    for name, inputs in tests.items():
        predicted = kernel.trained_loss(X, inputs, time).mean()
        error = np.std(found[name]) / np.sqrt(len(lost))
        assert abs(np.mean(found[name]) - predicted) < 4 * error + 0.05 * predicted
        assert predicted < {"within": 0.3, "across": 0.75, "any": 0.75}[name] * (2 * 8 + 3)
    error = np.std(lost) / np.sqrt(len(lost))
    assert abs(lost.mean() - kernel.lazy_loss_of_gain(X, time)) < 4 * error + 0.1


def test_prediction_starts_untrained_and_vanishes_on_the_samples():
    X, tests = sphere(6, 4, 0), sphere(3, 4, 1)
    assert_close(kernel.trained_loss(X, tests, 0), np.full(3, 11.0), ROUND_OFF)
    assert np.abs(kernel.trained_loss(X, X)).max() < 1e-8
    assert kernel.lazy_loss_of_gain(X, 0) == 0


@pytest.mark.parametrize("n", [1, 5, 40])
def test_share_of_the_gain_stays_below_half_the_samples(n):
    X = sphere(n, 3, n)
    assert 0 < kernel.lazy_loss_of_gain(X, 1.0) < kernel.lazy_loss_of_gain(X) <= (n + 1) / 2
    assert kernel.lazy_loss_of_gain(X[:1]) == pytest.approx(0.5, rel=ROUND_OFF)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="rows of norm 1"):
        kernel.tied_kernel(2 * np.eye(3), np.eye(3))
    with pytest.raises(ValueError, match="time must lie in"):
        kernel.lazy_loss_of_gain(np.eye(3), -1.0)
