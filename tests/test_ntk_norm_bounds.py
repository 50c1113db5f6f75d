"""Where the norm of the weights will not do and that of the activations will."""

import numpy as np
import pytest
from scipy.linalg import hadamard
from tolerances import ROUND_OFF, assert_close

from aedyn import ntk_norm_bounds as bounds
from aedyn.ntk_limits import limit_kernels
from aedyn.unit_samples import near_duplicate, orthonormal, sphere
from aedyn.wide_network import draw_weights


def networks():
    for seed in range(12):
        for X in (sphere(6, 4, seed), near_duplicate(8, 3, 0.1, seed), orthonormal(5)):
            yield X, draw_weights(X.shape[1], 5 + 20 * seed, seed).W, np.random.default_rng([seed, 1])


def test_norm_of_the_activations():
    golden = bounds.activation_norm(hadamard(2), np.eye(2))
    assert_close(golden, [(1 + np.sqrt(5)) / 2, np.sqrt(2), 2], ROUND_OFF)
    found = bounds.activation_norm(draw_weights(100, 4000, 0).W, orthonormal(100))
    assert found.measured**2 / 4000 == pytest.approx(
        np.linalg.norm(limit_kernels(orthonormal(100)).decoder, 2), rel=0.02
    )
    assert found.measured > 3 * found.printed / np.sqrt(1.4), "16.3 against 1.34 in square"


def test_no_network_exceeds_a_corrected_bound():
    checked = 0
    for X, W, rng in networks():
        V = rng.standard_normal(W.shape) * (rng.random(W.shape) < 0.3)
        found = [
            bounds.activation_norm(W, X),
            bounds.kernel_change(W, W + 0.3 * V, X),
            bounds.kernel_change(W, W + (W > 0) * 0.1, X),
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
        W = draw_weights(5, m, 0).W
        V = (W > 0) * np.maximum(W, 0).sum(axis=0)
        changes.append(bounds.kernel_change(W, W + V / np.linalg.norm(V), X).measured)
    assert changes[0] / changes[1] == pytest.approx(4, rel=0.15)
