"""The limit kernels against Monte Carlo, what Stein's identity misses in them, and their eigenvalues."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm
from tolerances import ITERATED, ROUND_OFF, assert_close, assert_digits, assert_mean

from aedyn.ntk_limits import angles, kernels_at, limit_kernels, spectrum
from aedyn.unit_samples import antipodal, clusters, digits, orthonormal, pair, sphere

ANGLES = [
    (60, "0.1666666667", "0.3044988905"),
    (135, "-0.0883883476", "0.0241511919"),
    (90, "0.00000000", "0.15915494"),
]


@pytest.mark.parametrize(("degrees", "S", "T"), ANGLES)
def test_limits_at_an_angle(degrees, S, T):
    limits = limit_kernels(pair(np.deg2rad(degrees)))
    assert_digits([limits.encoder[0, 1], limits.decoder[0, 1]], S, T)
    assert_digits(kernels_at(np.deg2rad(degrees)), S, T)
    assert_close(np.diag(limits.joint), np.ones(2), ROUND_OFF)


@pytest.mark.parametrize("angle", [0.2, np.pi / 2, 2.5])
def test_limits_are_means_over_random_units(angle):
    X = pair(angle)
    Z = np.random.default_rng(0).standard_normal((200_000, 2)) @ X.T
    limits = limit_kernels(X)
    assert_mean((Z >= 0).all(axis=1) * (X[0] @ X[1]), limits.encoder[0, 1])
    products = np.maximum(Z, 0).prod(axis=1)
    assert_mean(products, limits.decoder[0, 1])
    with pytest.raises(AssertionError):
        assert_mean(products, limits.encoder[0, 1])  # the paper's value


@pytest.mark.parametrize("angle", [0.3, 1.1, 2.0])
def test_the_kernels_differ_by_the_surface_term(angle):
    """Of h = 1[w.x >= 0] phi(w.y): the density of w.x at 0 times the mean of phi(w.y) there."""
    surface = norm.pdf(0) * quad(lambda z: max(np.sin(angle) * z, 0) * norm.pdf(z), 0, 9)[0]
    S, T = kernels_at(angle)
    assert_close(T - S, surface, ITERATED)


def test_angles_are_exact_near_0_and_pi():
    for angle in (1e-9, 1e-5, 1.0, np.pi - 1e-5, np.pi):
        x, y = pair(angle)
        assert_close(angles([x], [y])[0, 0], angle, 1e-6 if angle < 1e-8 else 1e-10)
    X = antipodal(3, 4, 0)
    assert_close(np.diag(angles(X[:3], X[3:])), np.full(3, np.pi), ROUND_OFF)
    assert not np.diag(angles(X, X)).any()


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="X must have rows of norm 1"):
        limit_kernels(2 * np.eye(3))
    with pytest.raises(ValueError, match=r"Y must be a matrix of shape \(any, 3\); got shape \(2, 2\)"):
        angles(np.eye(3), np.eye(2))


# Spectra --------------------------------------------------------------------------------------------------------------


# Norm of the Gram matrix, smallest eigenvalues of S and T
REFERENCE = {
    "sphere, d = 5": (lambda: sphere(10, 5, 0), "4.3459409770", "0.0590833210", "0.0074777067"),
    "sphere, d = 10": (lambda: sphere(20, 10, 0), "4.1884382386", "0.1404570761", "0.0404579382"),
    "sphere, n = 50": (lambda: sphere(50, 10, 0), "10.0364849288", "0.0540124121", "0.0056179788"),
    "orthonormal": (lambda: orthonormal(20), "1.0", "0.5000000000", "0.3408450569"),
    "50 digits": (lambda: digits(50), "34.9292067", "0.0332978", "0.00266686"),
    "200 digits": (lambda: digits(200), "138.929248", "0.0218887", "0.000754457"),
    "clusters": (lambda: clusters(4, 5, 10, 0.2, 1), "8.0888012708", "0.0190233076", "0.0009632094"),
}


@pytest.mark.parametrize("name", REFERENCE)
def test_reference_values(name):
    draw, *expected = REFERENCE[name]
    s = spectrum(draw())
    assert_digits([s.lambda_n, s.lambda_0, s.lambda_T], *expected)


def test_more_reference_values():
    X = sphere(10, 5, 0)
    s, (S, T) = spectrum(X), limit_kernels(X)
    assert (s.n, s.d) == (10, 5)
    assert_digits([s.lambda_joint, s.norm_S, s.norm_T], "0.0668072249", "1.49430372", "2.53985941")
    assert_digits([T.sum(), S.sum()], "24.36546612", "11.96566783")
    s = spectrum(sphere(20, 10, 0))
    assert_digits([s.lambda_joint, s.norm_T], "0.1820755552", "3.63040650")
    s = spectrum(orthonormal(20))
    assert_digits([s.lambda_joint, s.norm_T], "0.8408450569", "3.5239439187")
    s = spectrum(pair(np.deg2rad(135)))
    assert_digits([s.lambda_0, s.lambda_T], "0.411612", "0.475849")
    S, T = limit_kernels(pair(0.1))
    assert_digits([S[0, 0] - S[0, 1], T[0, 0] - T[0, 1]], "0.0183339005", "0.0024449187")


def test_the_spectrum_is_what_it_says():
    X = sphere(10, 5, 0)
    (S, T), s = limit_kernels(X), spectrum(X)
    assert_close(s.lambda_n, np.linalg.eigvalsh(X @ X.T)[-1], ROUND_OFF)
    ends = (s.lambda_0, s.norm_S), (s.lambda_T, s.norm_T), (s.lambda_joint, s.norm_joint)
    for kernel, (low, high) in zip((S, T, S + T), ends, strict=True):
        values = np.linalg.eigvalsh(kernel)
        assert_close(low, values[0], ITERATED)
        assert_close(high, values[-1], ROUND_OFF)
    assert [round(high / low) for low, high in ends] == [25, 340, 59], "condition numbers"
