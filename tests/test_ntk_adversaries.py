"""Adversaries: they stay within their radius, and do the harm that they are for."""

import numpy as np
import pytest
from tolerances import ROUND_OFF

from aedyn.ntk_adversaries import flip_units, push_units
from aedyn.ntk_kernels import decoder_kernel, encoder_kernel
from aedyn.unit_samples import orthonormal, sphere
from aedyn.wide_network import draw_weights


@pytest.fixture(params=[0, 1, 2])
def network(request):
    return draw_weights(5, 300, request.param), sphere(8, 5, request.param)


@pytest.mark.parametrize("radius", [1e-3, 0.1, 10.0])
def test_flipped_units_stay_within_the_radius_and_lower_the_form(network, radius):
    (W, A), X = network
    G = encoder_kernel(W, A, X)
    y = np.linalg.eigh(G)[1][:, 0]
    moved = flip_units(W, A, X, radius)
    assert np.linalg.norm(moved - W, axis=0).max() <= radius
    after = encoder_kernel(moved, A, X)
    if radius == 0.1:  # far enough to flip, not so far that a unit flips on other samples on its way
        assert y @ after @ y < 0.9 * (y @ G @ y)
        assert np.linalg.eigvalsh(after)[0] < np.linalg.eigvalsh(G)[0]


def test_a_flip_that_helps_is_the_best_of_all_that_are_within_reach():
    X, (W, A) = orthonormal(4), draw_weights(4, 30, 0)  # flips on one sample leave the others alone
    G = encoder_kernel(W, A, X)
    y = np.linalg.eigh(G)[1][:, 0]
    radius = 0.5
    moved = flip_units(W, A, X, radius)

    def form(weights):
        return y @ encoder_kernel(weights, A, X) @ y

    flips = 0
    for r in range(W.shape[1]):
        chosen, best = W.copy(), form(W)
        chosen[:, r] = moved[:, r]
        for i in range(4):
            if abs(W[i, r]) < radius:
                other = W.copy()
                other[i, r] = -W[i, r]
                best = min(best, form(other))
        assert form(chosen) == pytest.approx(best, abs=ROUND_OFF)
        flips += (chosen != W).any()
    assert 0 < flips < W.shape[1]


@pytest.mark.parametrize("lift", [False, True])
def test_pushed_units_move_a_singular_value(network, lift):
    (W, _), X = network
    index, radius = -1 if lift else 0, 2.0
    moved = push_units(W, X, radius, lift=lift)
    assert np.linalg.norm(moved - W) == pytest.approx(radius)
    before, after = (np.linalg.eigvalsh(decoder_kernel(V, X))[index] for V in (W, moved))
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(W.shape)
    random = np.linalg.eigvalsh(decoder_kernel(W + radius * noise / np.linalg.norm(noise), X))[index]
    assert after > max(before, random) if lift else after < min(before, random)


def test_bad_arguments(network):
    (W, A), X = network
    with pytest.raises(ValueError, match="^X must have rows of norm 1"):
        flip_units(W, A, 2 * X, 0.1)
    with pytest.raises(ValueError, match="^radius must lie in"):
        flip_units(W, A, X, -1)
    with pytest.raises(ValueError, match="^radius must lie in"):
        push_units(W, X, 0)
