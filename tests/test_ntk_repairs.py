"""The six repairs: each inequality searched for violations, attained where it can be, and false where it should be."""

import numpy as np
import pytest
from tolerances import ROUND_OFF, assert_close

from aedyn import ntk_repairs as repairs
from aedyn.ntk_bounds import flip_bound, push_across, spectrum
from aedyn.ntk_kernels import decoder_kernel, encoder_kernel
from aedyn.unit_samples import clusters, near_duplicate, orthonormal, sphere

DATA = [sphere(6, 4, 0), near_duplicate(5, 4, 0.2, 1), orthonormal(4), clusters(2, 3, 4, 0.3, 0), sphere(12, 3, 2)]


def weights(d, m, rng):
    return rng.standard_normal((d, m)), rng.choice([-1.0, 1.0], size=(d, m))


def draws(n_draws=12, widths=(10, 60, 300)):
    """Random networks on the data sets, each with a generator of its own."""
    for k, X in enumerate(DATA):
        for m in widths:
            for seed in range(n_draws // len(widths)):
                rng = np.random.default_rng([k, m, seed])
                yield X, *weights(X.shape[1], m, rng), rng


def descend(W, A, X, step, n_steps, joint):
    """Descent by the definitions; errors and how far the weights came in all."""
    errors, length = [], 0.0
    for _ in range(n_steps + 1):
        Z = X @ W
        E = X - np.maximum(Z, 0) @ A.T / np.sqrt(A.size)
        errors.append(np.linalg.norm(E))
        dW = step * X.T @ ((Z >= 0) * (E @ A)) / np.sqrt(A.size)
        dA = step * E.T @ np.maximum(Z, 0) / np.sqrt(A.size) * joint
        length += np.hypot(np.linalg.norm(dW), np.linalg.norm(dA))
        W, A = W + dW, A + dA
    return np.array(errors), length - np.hypot(np.linalg.norm(dW), np.linalg.norm(dA)), W - dW, A - dA


def test_shares_of_flipped_units():
    X, (W, A) = sphere(5, 3, 0), weights(3, 40, np.random.default_rng(0))
    assert repairs.flipped_share(A, W, W, X) == 0
    assert_close(repairs.flipped_share(A, W, -W, X), np.linalg.norm(A, 2) ** 2 / 40, ROUND_OFF)
    pushed = push_across(W, X, 0.05)
    flips = [(x @ W >= 0) != (x @ pushed >= 0) for x in X]
    expected = max(np.linalg.norm(A[:, flip], 2) ** 2 if flip.any() else 0 for flip in flips) / 40
    assert 0 < expected < np.linalg.norm(A, 2) ** 2 / 40
    assert_close(repairs.flipped_share(A, W, pushed, X), expected, ROUND_OFF)


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


# R3 -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("joint", [False, True])
def test_the_path_is_no_longer_than_the_error_pays_for(joint):
    X = sphere(10, 5, 0)
    W, A = weights(5, 400, np.random.default_rng(0))
    errors, length, W_end, A_end = descend(W, A, X, 0.02, 3000, joint)

    def lowest(W, A):
        return np.linalg.eigvalsh(encoder_kernel(W, A, X) + joint * np.kron(decoder_kernel(W, X), np.eye(5)))[0]

    low = 2 * min(lowest(W, A), lowest(W_end, A_end))
    bound = repairs.path_length(errors[0], 5, low)
    assert errors[-1] < 0.2 * errors[0], "training moved"
    assert np.hypot(np.linalg.norm(W_end - W), np.linalg.norm(A_end - A)) <= length < bound
    assert length > 0.05 * bound


def test_the_path_length_is_attained_by_one_unit():
    """One sample and one unit with d = 1, decoder fixed: the error falls from 1/2 to 0 while w moves by 1/2."""
    errors, length, _, _ = descend(np.array([[0.5]]), np.array([[1.0]]), np.ones((1, 1)), 0.001, 20_000, False)
    assert errors[0] == 0.5 and length == pytest.approx(0.5, rel=1e-6)
    assert repairs.path_length(0.5, 1, 2.0) == length.round(6), "K = 1, so lambda may be 2"


# R4 -------------------------------------------------------------------------------------------------------------------


def test_training_flips_fewer_units_than_the_distance_allows():
    X = sphere(10, 5, 0)
    W, A = weights(5, 400, np.random.default_rng(0))
    _, _, W_end, _ = descend(W, A, X, 0.5, 200, True)
    flips = ((X @ W >= 0) != (X @ W_end >= 0)).sum(axis=1).max()
    assert 0 < flips <= flip_bound(W, X, np.linalg.norm(W_end - W)) < 400


# R5 -------------------------------------------------------------------------------------------------------------------


def test_no_step_beats_the_bound_on_mean_slopes():
    ratios = []
    for X, W, A, rng in draws():
        for step in (0.1, 1.0, 10.0 * rng.random()):
            found = repairs.mean_slope_sides(W, A, X, step)
            assert found.difference <= found.bound * (1 + ROUND_OFF) + 1e-12
            ratios.append(found.difference / found.bound if found.bound else np.nan)
    assert np.nanmax(ratios) > 0.1 and np.isfinite(ratios).mean() > 0.5, "units did flip"


def test_without_flips_mean_slopes_are_slopes():
    X = orthonormal(3)
    W, A = np.ones((3, 4)), np.ones((3, 4)) * [1, -1, 1, -1]
    found = repairs.mean_slope_sides(W, A, X, 0.01)
    assert found.bound == 0 and found.difference < 1e-12


def test_no_step_of_joint_descent_beats_the_descent_bound():
    falls = []
    for X, W, A, rng in draws():
        scale = rng.choice([0.1, 1.0, 3.0])
        W = W * scale
        largest = repairs.descent_bound(W, A, X, 1.0).largest_step
        for share in (1.0, 0.3):
            found = repairs.descent_bound(W, A, X, share * largest)
            assert found.after <= found.bound + ROUND_OFF
            falls.append(found.bound / np.linalg.norm(X - np.maximum(X @ W, 0) @ A.T / np.sqrt(A.size)) ** 2)
    assert min(falls) < 0.9, "and the bound says something"


def test_flips_can_undo_a_step_and_the_bound_says_so():
    """Copies of one sample, which no unit sees, and another one whose gradient turns a unit on for them, wrongly."""
    X = np.array([[1.0, 0]] * 8 + [[0.28, 0.96]])
    W, A = np.array([[-1e-9, -1e-9], [1e-3, 1e-3]]), np.array([[-1.0, 1], [1, -1]])
    step = repairs.descent_bound(W, A, X, 1.0).largest_step
    found = repairs.descent_bound(W, A, X, step)
    kernel = encoder_kernel(W, A, X) + np.kron(decoder_kernel(W, X), np.eye(2))
    without_flips = 9 - step / 2 * X.ravel() @ kernel @ X.ravel()
    assert without_flips < 9 < found.after <= found.bound


def test_the_descent_bound_closes_the_induction_at_large_width():
    X = sphere(6, 8, 0)
    low = spectrum(X).lambda_0
    W, A = weights(8, 20_000, np.random.default_rng(0))
    step = repairs.descent_bound(W, A, X, 1.0).largest_step
    theorem = low / (64 * 6 * spectrum(X).lambda_n)
    assert step > 100 * theorem
    for _ in range(15):
        E = X - np.maximum(X @ W, 0) @ A.T / np.sqrt(A.size)
        found = repairs.descent_bound(W, A, X, step)
        assert found.after <= found.bound <= (1 - step * low / 16) * np.linalg.norm(E) ** 2
        dW, dA = X.T @ ((X @ W >= 0) * (E @ A)), E.T @ np.maximum(X @ W, 0)
        W, A = W + step * dW / np.sqrt(A.size), A + step * dA / np.sqrt(A.size)
        step = min(step, repairs.descent_bound(W, A, X, step).largest_step)


def test_beyond_the_largest_step_the_bound_can_fail():
    X = sphere(6, 4, 0)
    W, A = weights(4, 300, np.random.default_rng(0))
    step = 40 * repairs.descent_bound(W, A, X, 1.0).largest_step
    found = repairs.descent_bound(W, A, X, step)
    assert found.after > found.bound


# R6 -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("m", [30, 60])
def test_training_the_decoder_alone_is_linear(m):
    X = orthonormal(4)
    W, A = weights(4, m, np.random.default_rng(0))
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
