"""Where the norm of the weights will not do and that of the activations will."""

import numpy as np
import pytest
from tolerances import ROUND_OFF, STEP, assert_close

from aedyn import ntk_norm_bounds as bounds
from aedyn.ntk_counterexamples import hadamard
from aedyn.ntk_exact_steps import one_sample
from aedyn.ntk_kernels import limit_kernels
from aedyn.unit_samples import near_duplicate, orthonormal, sphere


def weights(d, m, seed=0):
    rng = np.random.default_rng(seed)
    W = rng.standard_normal((d, m))
    return W, rng.choice([-1.0, 1.0], size=(d, m))


def networks():
    for seed in range(12):
        for X in (sphere(6, 4, seed), near_duplicate(8, 3, 0.1, seed), orthonormal(5)):
            yield X, *weights(X.shape[1], 5 + 20 * seed, seed), np.random.default_rng([seed, 1])


def test_norm_of_the_activations():
    golden = bounds.activation_norm(hadamard(2), np.eye(2))
    assert_close(golden, [(1 + np.sqrt(5)) / 2, np.sqrt(2), 2], ROUND_OFF)
    found = bounds.activation_norm(weights(100, 4000)[0], orthonormal(100))
    assert found.measured**2 / 4000 == pytest.approx(
        np.linalg.norm(limit_kernels(orthonormal(100)).decoder, 2), rel=0.02
    )
    assert found.measured > 3 * found.printed / np.sqrt(1.4), "16.3 against 1.34 in square"


def test_no_network_exceeds_a_corrected_bound():
    checked = 0
    for X, W, A, rng in networks():
        V = rng.standard_normal(W.shape) * (rng.random(W.shape) < 0.3)
        found = [
            bounds.activation_norm(W, X),
            bounds.kernel_change(W, W + 0.3 * V, X),
            bounds.kernel_change(W, W + (W > 0) * 0.1, X),
            bounds.decoder_gradient(W, A, X),
            bounds.output_change(W, A, X, 0.05),
            bounds.output_change(W, 3 * A, X, 1.0),
        ]
        assert all(0 < sides.measured <= sides.corrected * (1 + ROUND_OFF) for sides in found)
        checked += 1
    assert checked == 36


def test_lemma_5_2():
    W = hadamard(16).astype(float)
    found = bounds.kernel_change(W, W + 0.01 * (W > 0), np.eye(16))
    assert found.printed < found.measured <= found.corrected
    # remark 5.2: the change falls like the root of the width at a fixed distance
    X, changes = sphere(10, 5, 0), []
    for m in (400, 6400):
        W = weights(5, m)[0]
        V = (W > 0) * np.maximum(W, 0).sum(axis=0)
        changes.append(bounds.kernel_change(W, W + V / np.linalg.norm(V), X).measured)
    assert changes[0] / changes[1] == pytest.approx(4, rel=0.15)


@pytest.mark.parametrize(("n", "measured", "printed"), [(100, 1.82, 1.51), (200, 2.69, 1.63)])
def test_the_decoder_gradient_at_random_weights(n, measured, printed):
    found = bounds.decoder_gradient(*weights(n, 2000), orthonormal(n))
    assert found.measured == pytest.approx(measured, rel=0.1) and found.printed == pytest.approx(printed, rel=0.1)
    assert found.printed < found.measured <= found.corrected


def test_the_change_of_the_outputs():
    W, A, X = (array.astype(float) for array in one_sample(20))
    found = bounds.output_change(W, A, X, 0.001)
    assert_close(found, [4e-6, 64e-6 / 400, 4e-6], 1e-5)
    # (C.8) at random weights: the change does not fall with the width, the printed bound does
    X = sphere(10, 5, 0)
    step = 0.0590833 / (64 * 10 * 4.3459)
    found = [bounds.output_change(*weights(5, m), X, step) for m in (1000, 100_000)]
    error = [
        ((X - np.maximum(X @ W, 0) @ A.T / np.sqrt(A.size)) ** 2).sum()
        for W, A in (weights(5, 1000), weights(5, 100_000))
    ]
    assert_close([sides.measured / e for sides, e in zip(found, error, strict=True)], [1.34e-10, 8.9e-11], 0.02)
    assert_close([sides.printed / e for sides, e in zip(found, error, strict=True)], [1.09e-10, 1.09e-12], 0.01)


def test_first_order_change_is_the_kernel():
    X, (W, A) = sphere(5, 4, 3), weights(4, 300)
    small = bounds.output_change(W, A, X, STEP).measured / STEP**2
    smaller = bounds.output_change(W, A, X, STEP / 10).measured / (STEP / 10) ** 2
    assert small == pytest.approx(smaller, rel=1e-3)
