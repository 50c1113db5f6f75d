"""Certified counterexamples: each refutes, stops refuting where it should, and agrees with floating point."""

from fractions import Fraction

import numpy as np
import pytest
from mpmath import iv, log
from scipy.linalg import hadamard
from scipy.stats import chi2
from tolerances import ITERATED, ROUND_OFF, assert_close

from aedyn import ntk_counterexamples as examples
from aedyn.claims import CERTIFICATES
from aedyn.ntk_bounds import separation
from aedyn.ntk_counterexamples import Sides
from aedyn.ntk_kernels import decoder_kernel
from aedyn.ntk_limits import limit_kernels, spectrum
from aedyn.ntk_moments import fourth_moment, norm_quantiles
from aedyn.unit_samples import orthonormal, pair
from aedyn.wedge_moments import second_moments

ALL = [
    examples.decoder_limit,
    examples.joint_limit,
    examples.decoder_concentration,
    examples.two_units_active,
    examples.matrix_variance,
    examples.chi_square_tail,
    examples.weight_norm,
    examples.linear_flow,
    examples.hexagon,
    examples.rectified_norm,
    examples.decoder_stability,
]


@pytest.mark.parametrize("example", ALL)
def test_every_example_refutes(example):
    sides = example()
    assert sides.refuted and sides.certificate in CERTIFICATES
    left, right = sides.values
    assert left > right if sides.relation == "<=" else abs(left - right) > 1e-3


def test_nothing_is_refuted_without_certainty():
    near, half = iv.mpf([0.4, 0.6]), Fraction(1, 2)
    for sides in ((near, half), (half, near)):
        assert not Sides(*sides, "<=", "closed form").refuted and not Sides(*sides, "==", "closed form").refuted
    assert not Sides(half, half, "==", "exact arithmetic").refuted
    assert not Sides(half, Fraction(1), "<=", "exact arithmetic").refuted
    assert Sides(half, Fraction(1), "==", "exact arithmetic").refuted
    assert Sides(iv.mpf([0.6, 0.7]), half, "<=", "closed form").refuted


# Limits ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("angle", [Fraction(1, 6), Fraction(1, 2), Fraction(3, 4)])
def test_the_decoder_limit_in_intervals(angle):
    S, T = limit_kernels(pair(float(angle) * np.pi))
    assert np.abs(np.subtract(examples.decoder_limit(angle).values, (T[0, 1], S[0, 1]))).max() < ROUND_OFF
    assert examples.decoder_limit(angle).refuted


def test_orthonormal_samples():
    s = spectrum(orthonormal(6))
    assert_close([s.lambda_joint, 2 * s.lambda_0], examples.joint_limit().values, ITERATED)
    assert_close([0.75 * s.lambda_0, s.lambda_T], examples.decoder_concentration().values, ITERATED)
    draws = [np.random.default_rng(0).standard_normal((20, m)) for m in (2000, 32_000)]
    lows = [np.linalg.eigvalsh(decoder_kernel(W, np.eye(20)))[0] for W in draws]
    assert lows[0] < lows[1] < examples.decoder_concentration().values[1] < 0.375


def test_moments():
    x, y = pair(np.pi / 3)
    bisector = (x + y) / np.linalg.norm(x + y)
    along = bisector @ second_moments([x], [y])[0, 0] @ bisector
    assert_close([along, 1 / 3], examples.two_units_active().values, ROUND_OFF)
    for n in (29, 30):
        assert_close(examples.matrix_variance(n).values, fourth_moment(n)[:2], ROUND_OFF)
        assert examples.matrix_variance(n).refuted == (n == 30)
    for root in (2, 4, 5, 7):
        delta = 2 * np.exp(-(root**2))
        expected = norm_quantiles(2, delta).printed_failure, delta
        assert np.allclose(examples.chi_square_tail(root).values, expected, rtol=1e-9, atol=0)
        assert examples.chi_square_tail(root).refuted == (root >= 5)


def test_norm_of_the_first_weights():
    for root in (4, 10, 12, 16):
        left, right = examples.weight_norm(root).values
        assert left == pytest.approx(chi2.sf((2 * root + 1) ** 2, root**2), rel=1e-9)
        assert right == pytest.approx(2 * np.exp(-(root**2)))
        assert examples.weight_norm(root).refuted == (root >= 12)
        assert left < 2 * np.exp(-(root**2) / 2), "the usual bound"
    rates = [float(log(examples.weight_norm(root).left.mid.a)) / root**2 for root in (10, 30, 60)]
    assert np.allclose(rates, [-1.004, -0.863, -0.835], atol=0.002), "towards -0.807"
    with pytest.raises(ValueError, match="root must be even; got 5"):
        examples.weight_norm(5)


# Data -----------------------------------------------------------------------------------------------------------------


def test_the_hexagon():
    corners = np.pi / 3 * np.arange(6)
    X = np.column_stack([np.cos(corners), np.sin(corners)])
    S, T = limit_kernels(X)
    signs = (-1.0) ** np.arange(6)
    assert np.abs(S @ signs).max() < ROUND_OFF and np.abs(T @ signs).max() < ROUND_OFF
    assert_close(S[0], [1 / 2, 1 / 6, -1 / 12, 0, -1 / 12, 1 / 6], ROUND_OFF)
    assert_close(separation(X).points, 1.0, ROUND_OFF)
    assert separation(X).lines < ROUND_OFF
    assert spectrum(X[:3]).lambda_0 > 0.05, "without antipodes it is positive"


# Norms ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 4, 16, 64])
def test_rectified_hadamard_matrices(n):
    exact = np.linalg.norm(np.maximum(hadamard(n), 0), 2) ** 2
    left, right = examples.rectified_norm(n).values
    assert left <= exact * (1 + ROUND_OFF) and left > 0.99 * exact and right == n
    assert_close(left, n / 4 * (n + 4 - 4 / (n + 3)), ROUND_OFF)
    with pytest.raises(ValueError, match="n must be a power of 2"):
        examples.rectified_norm(6)


def test_the_golden_ratio():
    assert_close(np.linalg.norm(np.maximum(hadamard(2), 0), 2), (1 + np.sqrt(5)) / 2, ROUND_OFF)


@pytest.mark.parametrize("n", [2, 4, 16])
@pytest.mark.parametrize("epsilon", [Fraction(1, 100), Fraction(1, 10)])
def test_lemma_5_2_at_hadamard_weights(n, epsilon):
    W = hadamard(n).astype(float)
    V = float(epsilon) * (W > 0)
    change = n * np.linalg.norm(decoder_kernel(W + V, np.eye(n)) - decoder_kernel(W, np.eye(n)), 2)
    radius = np.linalg.norm(V)
    sides = examples.decoder_stability(n, epsilon)
    assert 0.99 * change < sides.values[0] <= change * (1 + ROUND_OFF)
    assert_close(sides.values[1], (2 * np.linalg.norm(W, 2) + radius) * radius, ROUND_OFF)
    assert sides.refuted


def test_lemma_5_2_has_no_constant_but_holds_for_large_moves_of_small_matrices():
    factors = [np.divide(*examples.decoder_stability(n, Fraction(1, 1000)).values) for n in (16, 256, 1024)]
    assert factors[0] > 1.6 and factors[2] / factors[0] == pytest.approx(8 * 1028 / 1024 / (20 / 16), rel=0.06)
    assert not examples.decoder_stability(2, Fraction(1)).refuted


def test_lemma_5_2_at_random_weights():
    """The reference example: X = I, the active entries moved in proportion to the totals of their units."""
    W = np.random.default_rng(0).standard_normal((50, 2000))
    P = np.maximum(W, 0)
    V = (W > 0) * P.sum(axis=0)
    V /= np.linalg.norm(V)
    change = np.linalg.norm(decoder_kernel(W + V, np.eye(50)) - decoder_kernel(W, np.eye(50)), 2)
    norms = np.linalg.norm(P, 2), np.linalg.norm(W, 2)
    assert_close([change, (2 * norms[1] + 1) / 2000], [0.0930597, 0.0517969], 1e-6)
    assert_close(norms, [128.806952, 51.296950], 1e-8)
    assert change <= (2 * norms[0] + 1) / 2000, "with the norm of the activations it holds"
