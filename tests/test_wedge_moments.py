"""Moments over a wedge: by integration in polar coordinates, by simulation, their traces, and where they are known."""

import numpy as np
import pytest
from scipy.integrate import quad_vec
from tolerances import ITERATED, ROUND_OFF, assert_close, assert_digits, assert_mean

from aedyn.ntk_limits import angles, kernels_at, limit_kernels
from aedyn.unit_samples import pair, sphere
from aedyn.wedge_moments import fourth_moments, second_moments

ANGLES = [1e-3, 0.3, np.pi / 3, np.pi / 2, 2.5, 3.1]


def in_space(angle):
    """Two unit vectors of three-space."""
    return np.hstack([pair(angle), np.zeros((2, 1))])


def probability(angle):
    return (np.pi - angle) / (2 * np.pi)


@pytest.mark.parametrize("angle", ANGLES)
def test_moments_by_integration(angle):
    """The length of w in the plane of x and y, of mean square 2 and fourth power 8, is independent of its direction."""
    x, y = in_space(angle)

    def along(t):
        """Both moments given the direction of w in that plane."""
        u = np.array([np.cos(t), np.sin(t), 0])
        across, product = np.diag([0, 0, 1]), (u @ x) * (u @ y)
        return np.array([2 * np.outer(u, u) + across, product * (8 * np.outer(u, u) + 2 * across)])

    expected = quad_vec(along, angle - np.pi / 2, np.pi / 2, epsabs=1e-14)[0] / (2 * np.pi)
    found = [moments([x], [y])[0, 0] for moments in (second_moments, fourth_moments)]
    assert np.abs(found - expected).max() < ITERATED


@pytest.mark.parametrize("angle", ANGLES[1:-1])
def test_moments_by_simulation(angle):
    x, y = in_space(angle)
    w = np.random.default_rng(0).standard_normal((100_000, 3))
    both = ((w @ x >= 0) & (w @ y >= 0))[:, None, None]
    squares = w[:, :, None] * w[:, None, :]
    assert_mean(both * squares, second_moments([x], [y])[0, 0])
    assert_mean(both * ((w @ x) * (w @ y))[:, None, None] * squares, fourth_moments([x], [y])[0, 0])
    with pytest.raises(AssertionError, match="off by"):
        assert_mean(both * squares, probability(angle) * np.eye(3))  # as printed
    assert_mean(both[:, 0, 0] * np.square(w).sum(axis=1), 3 * probability(angle))  # Lemma A.3


def test_at_60_degrees():
    x, y = pair(np.pi / 3)
    found = second_moments([x], [y]).ravel()
    assert_digits(found, "0.4022494453", "0.1193662073", "0.1193662073", "0.2644172214")


def test_traces_and_products():
    """The length of w is independent of its direction: factors d for moments of degree 0, and d + 2 for degree 2."""
    X, Y = sphere(5, 4, 0), sphere(3, 4, 1)
    theta = angles(X, Y)
    M, N, (S, T) = second_moments(X, Y), fourth_moments(X, Y), kernels_at(theta)
    assert M.shape == N.shape == (5, 3, 4, 4)
    assert_close(np.trace(M, axis1=2, axis2=3), 4 * probability(theta), ROUND_OFF)
    assert_close(np.trace(N, axis1=2, axis2=3), 6 * T, ROUND_OFF)
    assert_close(np.einsum("ia,ijab,jb->ij", X, M, Y), T, ROUND_OFF)
    for moments in (M, N):
        assert_close(moments, moments.swapaxes(2, 3), ROUND_OFF)
    assert_close(second_moments(Y, X), M.swapaxes(0, 1), ROUND_OFF)
    assert_close(fourth_moments(Y, X), N.swapaxes(0, 1), ROUND_OFF)
    assert_close(np.einsum("ia,ijab,jb->ij", X, second_moments(X, X), X), limit_kernels(X).decoder, ROUND_OFF)
    assert_close(S, probability(theta) * (X @ Y.T), ROUND_OFF)


def test_equal_and_opposite_vectors():
    x = np.array([[0.6, 0.8, 0.0]])
    assert_close(second_moments(x, x)[0, 0], np.eye(3) / 2, ROUND_OFF)
    assert_close(fourth_moments(x, x)[0, 0], np.eye(3) / 2 + x.T @ x, ROUND_OFF)
    for moments in (second_moments, fourth_moments):
        assert np.abs(moments(x, -x)).max() < ROUND_OFF


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="X must have rows of norm 1"):
        second_moments(2 * np.eye(3), np.eye(3))
    with pytest.raises(ValueError, match=r"Y must be a matrix of shape \(any, 3\)"):
        fourth_moments(np.eye(3), np.eye(2))
