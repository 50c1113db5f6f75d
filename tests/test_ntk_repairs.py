"""Repairs 1, 2, 4 and 6: each inequality searched for violations, and attained where it can be."""

import numpy as np
import pytest
from tolerances import ROUND_OFF, assert_close

from aedyn import ntk_repairs as repairs
from aedyn.ntk_bounds import flip_bound, push_across
from aedyn.ntk_kernels import encoder_kernel
from aedyn.unit_samples import clusters, near_duplicate, orthonormal, sphere
from aedyn.wide_network import descend, draw_weights

DATA = [sphere(6, 4, 0), near_duplicate(5, 4, 0.2, 1), orthonormal(4), clusters(2, 3, 4, 0.3, 0), sphere(12, 3, 2)]


def draws(n_draws=12, widths=(10, 60, 300)):
    """Random networks on the data sets, each with a generator of its own."""
    for k, X in enumerate(DATA):
        for m in widths:
            for seed in range(n_draws // len(widths)):
                rng = np.random.default_rng([k, m, seed])
                yield X, *draw_weights(X.shape[1], m, rng), rng


# R1, R2 ---------------------------------------------------------------------------------------------------------------


def test_no_perturbation_beats_the_stability_of_the_encoder_kernel():
    gaps = []
    for X, W, A, rng in draws():
        vector = np.linalg.eigh(encoder_kernel(W, A, X))[1][:, 0].reshape(X.shape)
        useful = (vector @ A) ** 2  # switching these off takes most from the smallest eigenvalue
        targeted = W - 2 * np.outer(X[0], X[0] @ W) * (useful[0] > np.quantile(useful[0], 0.8))
        candidates = [
            (W + 0.1 * rng.standard_normal(W.shape), A),
            (push_across(W, X, 0.1), A),
            (targeted, A),
            (W, A + 0.1 * rng.standard_normal(A.shape)),
            (push_across(W, X, 0.02), A - 0.1 * A),
        ]
        for W_new, A_new in candidates:
            found = repairs.encoder_stability(W, A, W_new, A_new, X)
            gaps.append(found.root - found.bound)
    assert min(gaps) > -1e-7 and len(gaps) == 5 * 5 * 12


def test_the_encoder_bound_is_attained_when_all_units_switch_off():
    """One sample: G is the Gram matrix of the active decoder weights, and without them nothing is left."""
    X, A, W = np.array([[1.0, 0]]), np.array([[1.0, 1], [1, -1]]), np.array([[1.0, 1], [0, 0]])
    found = repairs.encoder_stability(W, A, -W, A, X)
    assert found.root == 0 and abs(found.bound) < ROUND_OFF
    assert repairs.encoder_stability(W, A, W, A, X).bound == pytest.approx(1)


def test_no_push_beats_the_stability_of_the_decoder_kernel():
    gaps = []
    for X, W, _, rng in draws():
        left, values, right = np.linalg.svd(np.maximum(X @ W, 0), full_matrices=False)
        towards = -X.T @ np.outer(left[:, -1], right[-1] * values[-1])  # along the last singular vector
        for move in (towards, rng.standard_normal(W.shape)):
            for size in (0.1, 0.5, 2.0):
                found = repairs.decoder_stability(W, W + size * move / np.linalg.norm(move), X)
                gaps.append(found.root - found.bound)
    assert min(gaps) > -1e-7 and len(gaps) == 5 * 12 * 6


def test_the_decoder_bound_is_attained():
    W = np.array([[1.0, 2]])
    found = repairs.decoder_stability(W, 0.5 * W, np.ones((1, 1)))
    assert_close(found.root, found.bound, ROUND_OFF)
    assert_close(found.root, np.sqrt(5 / 8), ROUND_OFF)


# R4 -------------------------------------------------------------------------------------------------------------------


def test_training_flips_fewer_units_than_the_distance_allows():
    X = sphere(10, 5, 0)
    W, A = draw_weights(5, 400, 0)
    W_end = descend(W, A, X, regime="joint", step=0.5, n_steps=200).W
    flips = ((X @ W >= 0) != (X @ W_end >= 0)).sum(axis=1).max()
    assert 0 < flips <= flip_bound(W, X, np.linalg.norm(W_end - W)) < 400


# R6 -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("m", [30, 60])
def test_training_the_decoder_alone_is_linear(m):
    X = orthonormal(4)
    W, A = draw_weights(4, m, 0)
    largest = repairs.decoder_only(W, X, 1.0).largest_step
    found = repairs.decoder_only(W, X, largest)
    errors = []
    for _ in range(40):
        E = X - np.maximum(X @ W, 0) @ A.T / np.sqrt(A.size)
        errors.append((E**2).sum())
        A = A + largest * E.T @ np.maximum(X @ W, 0) / np.sqrt(A.size)
    ratios = np.array(errors[1:]) / errors[:-1]
    assert (ratios <= found.rate * (1 + 1e-9)).all() and ratios[0] < 0.95 * found.rate
    assert ratios[-1] == pytest.approx(found.rate, rel=0.01) and found.rate < 0.98
