"""Widths: reference values, exponents, limits, and that the proved conditions hold at them."""

import numpy as np
import pytest
from scipy.integrate import quad
from tolerances import ROUND_OFF, assert_close

from aedyn import ntk_widths as widths
from aedyn.ntk_bounds import separation
from aedyn.ntk_kernels import decoder_kernel
from aedyn.ntk_limits import spectrum
from aedyn.unit_samples import antipodal, clusters, near_duplicate, orthonormal, sphere

FIVE, TEN = spectrum(sphere(10, 5, 0)), spectrum(sphere(20, 10, 0))


def table(data, distance, delta):
    return {(row.regime, row.reference): row for row in widths.table1(data, distance, delta)}


def test_table_1():
    n, d, top, low, low_T, delta, distance = 10, 5, FIVE.lambda_n, FIVE.lambda_0, FIVE.lambda_T, 0.1, 0.3
    found = table(FIVE, distance, delta)
    assert len(found) == 8
    ours = found["encoder", "this paper"]
    assert_close(ours[2:], np.array([1, d**4]) * n**5 * top / (low**4 * delta**3), ROUND_OFF)
    assert_close(found["encoder", "Du et al. (2018)"].single, n**6 / (low**4 * delta**3), ROUND_OFF)
    assert ours.single <= found["encoder", "Du et al. (2018)"].single
    assert_close(found["joint", "this paper"][2:], np.array([1, d]) * n * top**3 / (low**4 * delta**2), ROUND_OFF)
    assert_close(found["joint", "this paper, lambda_T"].multiple, n * d * top**3 / (low_T**4 * delta**2), ROUND_OFF)
    assert_close(found["joint", "repaired"].multiple, n * d * top / (low_T**2 * delta), ROUND_OFF)
    assert_close(found["joint", "Zou and Gu (2019)"][2:], np.array([1, d]) * n**8 / distance**4, ROUND_OFF)
    implicit = found["joint", "Du et al. (2018)"].single
    assert_close(implicit, n**6 * np.log(implicit / delta) / (low**4 * delta**3), ROUND_OFF)
    assert np.isnan(found["encoder", "Oymak and Soltanolkotabi (2019)"].multiple)


def test_the_advantage_of_joint_training_in_the_bounds():
    for data, larger in (
        (FIVE, True),
        (TEN, True),
        (spectrum(sphere(50, 3, 0)), False),
        (spectrum(clusters(4, 5, 10, 0.05, 1)), False),
        (spectrum(near_duplicate(11, 10, 0.02, 0)), True),
        (spectrum(near_duplicate(11, 10, 0.01, 0)), False),
    ):
        found = table(data, 1.0, 0.1)
        ratio = found["encoder", "this paper"].multiple / found["joint", "this paper, lambda_T"].multiple
        assert_close(widths.joint_advantage(data, 0.1), ratio, 1e-9)
        assert (ratio > 1) == larger


def test_reference_values():
    assert widths.encoder_concentration(FIVE, 0.1).bernstein == pytest.approx(6.0e6, rel=0.01)
    assert widths.encoder_concentration(FIVE, 0.1).chernoff == pytest.approx(7.3e4, rel=0.01)
    for data, encoder, joint, joint_T in ((FIVE, 4.6e19, 1.1e14, 4.3e17), (TEN, 7.0e20, 1.2e13, 1.8e15)):
        assert widths.encoder_width_printed(data, 0.1) == pytest.approx(encoder, rel=0.05)
        assert widths.joint_width_printed(data, 0.1) == pytest.approx(joint, rel=0.05)
        assert widths.joint_width_printed(data, 0.1, low=data.lambda_T) == pytest.approx(joint_T, rel=0.05)


def test_leading_parts():
    for data in (FIVE, TEN):
        leading = data.n**5 * data.d**4 * data.lambda_n / (data.lambda_0**4 * 1e-3)
        assert_close(widths.encoder_width_printed(data, 0.1), 2048 * leading, ROUND_OFF)
        assert_close(widths.encoder_width_printed(data, 0.1, flow=True), 512 * leading, ROUND_OFF)
        printed = 2**15 * data.n * data.d * data.lambda_n**3 / (data.lambda_0**4 * 0.1)
        assert 1 < widths.joint_width_printed(data, 0.1) / printed < 1.01
    # with few samples and a large failure probability the other radius of the proof is the smaller one
    few = spectrum(orthonormal(2))
    other = 16 * 2 * 64**2 * 2**3 * 2**4 / (0.5**4 * 0.9)
    assert_close(widths.encoder_width_printed(few, 0.9), other, 1e-9)
    assert 16 * 2 * 64 * 2**5 * 2**4 / (0.5**4 * 0.9**3) < other


def test_the_repaired_joint_width():
    constant = 3 / (np.sqrt(3 / 4) - np.sqrt(1 / 2)) ** 2
    expected = constant * 50 * FIVE.lambda_n / (FIVE.lambda_T**2 * 0.1)
    assert_close(widths.joint_width(FIVE, 0.1), expected, 1e-9)
    assert constant == pytest.approx(118.8, abs=0.05)
    for data in (FIVE, TEN, spectrum(orthonormal(20))):
        assert widths.joint_width(data, 0.1) < 1e-3 * widths.joint_width_printed(data, 0.1, low=data.lambda_T)
    # the width for the kernel at the start alone is the larger one when a failure is all but allowed
    assert widths.decoder_width(FIVE, 0.1) < widths.joint_width(FIVE, 0.1)


def test_the_width_of_the_decoder_is_linear_in_the_number_of_samples():
    equal = spectrum(orthonormal(20))
    found = [widths.decoder_width(equal._replace(n=10**k), 0.1) / np.log(10 ** (k + 1)) for k in (3, 5, 7)]
    slopes = np.diff(np.log10(found)) / 2
    assert (0.85 < slopes).all() and (slopes < 1.01).all() and slopes[0] < slopes[1]


@pytest.mark.parametrize("data", [lambda: orthonormal(5), lambda: sphere(4, 6, 0)])
def test_at_the_width_of_the_decoder_its_kernel_is_as_said(data):
    X = data()
    s = spectrum(X)
    m = int(widths.decoder_width(s, 0.3))
    for seed in range(3):
        W = np.random.default_rng(seed).standard_normal((X.shape[1], m))
        assert np.linalg.eigvalsh(decoder_kernel(W, X))[0] >= 0.75 * s.lambda_T


def test_the_width_of_rate_lambda_0_has_the_orders_it_is_said_to_have():
    def width(low=0.1, delta=0.01, top=3.0, scale=1.0):
        data = FIVE._replace(n=100, d=100, lambda_0=low * scale, lambda_n=top)
        return widths.repaired_width(data, delta)

    assert_close(width(delta=0.001) / width(), 10, 0.05)
    powers = np.log(width(low=0.01) / width(low=0.1)) / np.log(10), np.log(width(top=30.0) / width()) / np.log(10)
    assert 4 < powers[0] < 4.8 and 3 < powers[1] < 3.8  # logarithms to the third power add a little
    assert widths.repaired_width(FIVE, 0.1, mode=widths.DESCENT) > widths.repaired_width(FIVE, 0.1)


def test_constants_outweigh_exponents_on_small_data_but_not_on_large():
    assert widths.repaired_width(FIVE, 0.1) > widths.encoder_width_printed(FIVE, 0.1, flow=True)
    large = FIVE._replace(n=10**4, d=10**3, lambda_n=10.0, lambda_0=0.2)
    assert widths.repaired_width(large, 0.1) < widths.encoder_width_printed(large, 0.1, flow=True)


def test_the_constants_of_the_decoder_width():
    """Chernoff at 1/7 below 7/8 of the mean, for terms cut at B^2; what is cut off integrated numerically."""
    data, delta = TEN, 0.1
    m = widths.decoder_width(data, delta)
    chernoff = np.log(data.n / delta) / (0.5 * (1 / 7) ** 2 * 7 / 8 * data.lambda_T)
    B = np.sqrt(m / chernoff)

    def tail(u):
        return np.exp(-((u - np.sqrt(data.n / 2)) ** 2) / (2 * data.lambda_n))

    cut_off = B**2 * tail(B) + quad(lambda u: 2 * u * tail(u), B, B + 50)[0]
    assert 0.9 < cut_off / (data.lambda_T / 8) <= 1


def test_the_constants_of_the_width_of_rate_lambda_0():
    """The condition on the roots of eigenvalues holds with equality, with flips counted at the best distance."""
    data, delta = TEN, 0.1
    m = widths.repaired_width(data, delta)
    path = 2 * data.d / data.lambda_0 * 1.5 * data.n / (delta / 4)
    tau = np.logspace(-9, 0, 200_001)
    k = (2 * np.sqrt(2 / np.pi) * tau * m + path / tau**2).min()
    norm = 4 * 2 * ((data.d + k) * np.log(9) + k * np.log(np.e * m / k) + np.log(2 / (delta / 4)))
    lost = np.sqrt(data.lambda_n * norm / m) + np.sqrt(data.lambda_n / m * path)
    assert_close(np.sqrt(3 / 4 * data.lambda_0) - lost, np.sqrt(data.lambda_0 / 2), 1e-6)


def test_singular_kernels_need_infinite_width():
    data = spectrum(antipodal(6, 5, 0))._replace(lambda_0=0.0, lambda_T=0.0)
    assert (
        widths.joint_width(data, 0.1) == widths.repaired_width(data, 0.1) == widths.decoder_width(data, 0.1) == np.inf
    )


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="delta must lie in"):
        widths.joint_width(FIVE, 0)
    with pytest.raises(ValueError, match="distance must lie in"):
        widths.table1(FIVE, -1, 0.1)
    assert separation(sphere(10, 5, 0)).points > 0
