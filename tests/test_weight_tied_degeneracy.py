"""Lemma 6.1, the steps of its proof, the whole law of the loss, and the worst input."""

from fractions import Fraction

import naive
import numpy as np
import pytest
from tolerances import ROUND_OFF, STANDARD_ERRORS, assert_close, assert_mean

from aedyn import weight_tied_degeneracy as tied
from aedyn import wide_network


def losses(d, m, variance, n_draws):
    """Losses at e_1 of networks that are drawn in full."""
    rng, x = np.random.default_rng([d, m]), np.eye(d)[:1]
    return [np.square(x - tied.reconstruct(tied.tied_weights(d, m, variance, rng), x)).sum() for _ in range(n_draws)]


def test_outputs_as_defined():
    W, X = tied.tied_weights(4, 6, 1.5, 0), np.random.default_rng(1).standard_normal((5, 4))
    assert_close(tied.reconstruct(W, X), np.array([naive.tied_output(W, x) for x in X]), ROUND_OFF)


def test_weights_that_are_forgotten_are_those_that_would_be_kept(monkeypatch):
    monkeypatch.setattr(tied, "BLOCK", 3)
    X, rng = np.random.default_rng(1).standard_normal((5, 4)), np.random.default_rng(0)
    W = np.hstack([tied.tied_weights(4, size, 2.0, rng) for size in (3, 3, 1)])
    assert_close(tied.reconstruct_untrained(X, 7, 2.0, 0), tied.reconstruct(W, X), ROUND_OFF)


def test_difference_of_opposite_inputs_is_linear():
    W, X = tied.tied_weights(4, 6, 1.5, 0), np.random.default_rng(1).standard_normal((5, 4))
    odd = (tied.reconstruct(W, X) - tied.reconstruct(W, -X)) / 2
    assert_close(odd, X @ tied.odd_part(W), ROUND_OFF)


# Lemma 6.1 ------------------------------------------------------------------------------------------------------------


def test_half_moments_by_quadrature():
    z = np.linspace(0, 12, 200_001)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    for power in (0, 2, 4, 6):
        assert float(tied.half_moment(power)) == pytest.approx(np.trapezoid(z**power * density, z), rel=1e-8)
    assert (tied.half_moment(2), tied.half_moment(4)) == (Fraction(1, 2), Fraction(3, 2)), "beta and gamma of (6.3)"
    with pytest.raises(ValueError, match="must be even"):
        tied.half_moment(1)


@pytest.mark.parametrize("d", [1, 2, 7])
@pytest.mark.parametrize("variance", [Fraction(1, 3), Fraction(2)])
def test_lemma_follows_from_its_mended_steps_exactly(d, variance):
    moment = tied.squared_activation_moment(d)
    assert moment == Fraction(d + 2, 2)
    for m in (1, 5, 100):
        lemma = tied.expected_loss(d, m, variance)
        assert tied.assemble(m, variance, variance**2 * moment) == lemma
        assert tied.assemble(m, variance, variance**2 * (2 * d + 4)) != lemma, "the line after (6.3) as printed"
    assert tied.expected_loss(d, 50, Fraction(2)) == Fraction(2 * d + 3, 50)


@pytest.mark.parametrize(("d", "variance"), [(5, 2.0), (3, 0.5)])
def test_moment_of_squared_activation_by_simulation(d, variance):
    w = tied.tied_weights(d, 100_000, variance, 0)
    assert_mean(np.maximum(w[0], 0) ** 2 * (w**2).sum(axis=0), variance**2 * float(tied.squared_activation_moment(d)))


@pytest.mark.parametrize(
    ("d", "m", "variance", "value"),
    [(5, 20, 2.0, 0.65), (10, 50, 2.0, 0.46), (10, 50, 1.0, 0.365), (20, 200, 0.5, 0.575938), (3, 7, 3.0, 3.142857)],
)
def test_lemma_by_simulation(d, m, variance, value):
    assert tied.expected_loss(d, m, variance) == pytest.approx(value, abs=1e-6)
    assert_mean(losses(d, m, variance, 2000), value)


def test_recorded_loss_and_mean():
    x = np.eye(10)[:1]
    single = [np.square(x - tied.reconstruct(tied.tied_weights(10, 1000, 2, s), x)).sum() for s in range(2000)]
    assert single[0] == pytest.approx(0.0391144, abs=5e-8)
    assert np.mean(single) == pytest.approx(0.022750, abs=5e-7)
    assert np.std(single) / np.sqrt(2000) == pytest.approx(0.000250, abs=5e-6)
    assert_mean(single, tied.expected_loss(10, 1000, 2))


def test_width_of_the_remark_suffices_from_three_dimensions_on():
    for d in range(1, 9):
        share = tied.expected_loss(d, 3 * d * 100, Fraction(2)) / Fraction(1, 100)
        assert share == Fraction(2 * d + 3, 3 * d)
        assert (share <= 1) == (d >= 3)


def test_scaling_of_the_other_sections_blows_up():
    d = 10
    for m in (100, 10_000):
        W, x = tied.tied_weights(d, m, 2.0, 0), np.eye(d)[:1]
        other = np.linalg.norm(wide_network.outputs(W, W, x))
        assert other == pytest.approx(np.sqrt(m / d) * np.linalg.norm(tied.reconstruct(W, x)), rel=ROUND_OFF)
        assert other == pytest.approx({100: 3.6, 10_000: 31.7}[m], abs=0.05)


# The law --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("d", "m", "variance"), [(1, 1, 2.0), (3, 7, 3.0), (10, 50, 0.5), (10, 1000, 2.0)])
def test_moments_of_the_law(d, m, variance):
    values = tied.draw_losses(d, m, variance, 200_000, 0)
    mean, deviation = tied.loss_moments(d, m, variance)
    assert_mean(values, mean)
    assert_mean((values - mean) ** 2, deviation**2)


def test_law_is_that_of_the_network():
    full, law = losses(4, 9, 2.0, 4000), tied.draw_losses(4, 9, 2.0, 400_000, 1)
    deviation = tied.loss_moments(4, 9, 2.0).deviation
    assert np.mean((full - np.mean(full)) ** 2) == pytest.approx(deviation**2, rel=0.25)
    for share in (0.1, 0.5, 0.9, 0.99):
        below = np.mean(full <= np.quantile(law, share))
        assert abs(below - share) < STANDARD_ERRORS * np.sqrt(share * (1 - share) / 4000)


# The supremum ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("m", [100, 1000])
def test_worst_input_is_worse_by_a_constant_factor(m):
    W = tied.tied_weights(10, m, 2.0, 0)
    worst, mean = tied.worst_input(W, 50, 0), 23 / m
    assert worst.found / mean == pytest.approx({100: 5.8, 1000: 3.7}[m], abs=0.05)
    assert worst.found >= worst.floor > mean


def test_worst_input_in_the_plane_by_scanning():
    W = tied.tied_weights(2, 12, 2.0, 3)
    angles = np.linspace(0, 2 * np.pi, 100_001)
    X = np.column_stack([np.cos(angles), np.sin(angles)])
    scanned = np.square(tied.reconstruct(W, X) - X).sum(axis=1).max()
    assert tied.worst_input(W, 50, 0).found == pytest.approx(scanned, rel=1e-6)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="variance must lie in"):
        tied.tied_weights(3, 4, 0.0, 0)
    with pytest.raises(ValueError, match="X must be a matrix"):
        tied.reconstruct(np.eye(3), np.eye(2))
