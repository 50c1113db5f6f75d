"""The counterexamples: exact, and the same as in floating point on the same networks."""

from fractions import Fraction

import numpy as np
import pytest
from scipy.linalg import hadamard
from tolerances import ROUND_OFF, assert_close

from aedyn.joint_counterexamples import (
    crossing_unit,
    decoder_gradient,
    encoder_radius,
    exact_step,
    expansion,
    step_square,
)
from aedyn.joint_induction import claimed_bounds, provable_bounds, take_apart, terms
from aedyn.ntk_limits import limit_kernels
from aedyn.wide_network import descend, draw_weights, gradients


@pytest.mark.parametrize("sides", [encoder_radius(), expansion(), step_square(64), decoder_gradient()])
def test_printed_fails_and_corrected_holds(sides):
    assert all(isinstance(side, Fraction) for side in sides)
    assert sides.corrected >= sides.measured != sides.printed
    assert sides.measured > sides.printed


def test_exact_step_is_the_step_in_floating_point():
    rng = np.random.default_rng(0)
    W, A, X = rng.integers(-3, 4, (2, 8)), rng.integers(-2, 3, (2, 8)), rng.integers(-2, 3, (5, 2))
    exact = exact_step(W, A, X, Fraction(1, 7))
    parts = take_apart(W, A, X.astype(float), regime="joint", step=1 / 7)
    found = terms(parts, 1 / 7)
    assert parts.flipped.any()
    assert_close(float(exact.before), np.vdot(parts.E, parts.E), ROUND_OFF)
    for name, value in found._asdict().items():
        assert_close(float(getattr(exact, name) / exact.before), value, ROUND_OFF)
    total = exact.before + exact.C1 + exact.C2 + exact.C3 + exact.C4 + exact.C5
    assert total == exact.after
    # with the step d the printed factor of the cross terms, 2 eta / d, happens to be right
    parts = exact_step(W, A, X, Fraction(2))
    assert parts.C3 != 0 != parts.C4
    assert parts.before + parts.C1 + parts.C2 + parts.C5 + Fraction(2, 2) * (parts.C3 + parts.C4) == parts.after


def test_radius_of_the_encoder():
    """The flow, by small steps: the kernel is half of lambda_0 all the time, and the weight goes from 10 to 2."""
    W, A, X = [[10.0, -1, -1, -1]], [[1.0] * 4], [[1.0]]
    run = descend(W, A, X, regime="encoder", step=0.05, n_steps=3000)
    assert limit_kernels(X).encoder[0, 0] == pytest.approx(0.5)
    assert 10 - run.W[0, 0] == pytest.approx(float(encoder_radius().measured), abs=1e-9)
    assert encoder_radius() == (8, 4, 8)


def test_expansion():
    assert expansion() == (Fraction(625, 256), Fraction(569, 256), Fraction(625, 256))
    run = descend([[1.0]], [[-1.0]], [[1.0]], regime="joint", step=1 / 8, n_steps=1)
    assert 2 * run.losses[1] == 625 / 256


def test_square_of_the_step_does_not_decay():
    for m in (4, 16, 64, 256):
        sides = step_square(m)
        assert sides.measured == Fraction(4, 128**2)
        assert (sides.measured > sides.printed) == (m > 16)
        W, A, X = np.ones((1, m)), np.repeat([[1.0, -1.0]], m // 2, axis=1), np.ones((1, 1))
        parts = take_apart(W, A, X, regime="joint", step=1 / 128)
        assert_close(float(sides.measured), terms(parts, 1 / 128).C5, ROUND_OFF)
        assert_close(float(sides.corrected), provable_bounds(W, A, X, parts, 1 / 128).C5, ROUND_OFF)
        assert_close(float(sides.printed), claimed_bounds(W, A, X, step=1 / 128).C5, ROUND_OFF)
    with pytest.raises(ValueError, match="even square"):
        step_square(8)


def test_gradient_of_the_decoder():
    W = hadamard(16).astype(float)
    found, sides = gradients(W, -np.ones((16, 16)), np.eye(16)), decoder_gradient()
    assert_close(float(sides.measured), np.linalg.norm(found.A) ** 2, ROUND_OFF)
    assert_close(float(sides.printed), 2 * found.loss * np.linalg.norm(W, 2) ** 2 / 256, ROUND_OFF)
    assert np.linalg.norm(np.maximum(W, 0), 2) ** 2 * 2 * found.loss / 256 > np.linalg.norm(found.A) ** 2
    assert (sides.measured, sides.printed) == (Fraction(469, 16), Fraction(109, 16))


@pytest.mark.parametrize(("n", "measured", "printed"), [(100, 1.82, 1.51), (200, 2.69, 1.63)])
def test_gradient_of_the_decoder_at_random_weights(n, measured, printed):
    """Many orthonormal samples break (C.3) too, and with the norm of the activations it holds."""
    W, A = draw_weights(n, 2000, 0)
    found = gradients(W, A, np.eye(n))
    scale, gradient = np.sqrt(2 * found.loss / W.size), np.linalg.norm(found.A)
    assert gradient == pytest.approx(measured, rel=0.1)
    assert scale * np.linalg.norm(W, 2) == pytest.approx(printed, rel=0.1)
    assert scale * np.linalg.norm(W, 2) < gradient <= scale * np.linalg.norm(np.maximum(W, 0), 2)


def test_crossing_unit():
    """Of first order in the step, and so above what is printed, down to the step that is too small to cross."""
    large, small = crossing_unit(Fraction(1, 1000)), crossing_unit(Fraction(1, 10_000))
    for sides in (large, small):
        assert sides.printed < sides.measured < sides.corrected
    assert 80 < large.measured / small.measured < 130
    assert large.printed / small.printed == 10**4
    tiny = crossing_unit(Fraction(1, 10**8))
    assert tiny.measured == 0, "the step is too small for the unit to cross"


def test_weights_must_be_a_square_in_number():
    with pytest.raises(ValueError, match="must be a square; got 2"):
        exact_step([[1, 1]], [[1, 1]], [[1]], 1)
