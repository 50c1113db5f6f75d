r"""One step of joint gradient descent in fractions, and small networks that break the induction of Theorem 5.2.

With e the entries of E = X - U and the prime for after the step, the paper splits (5.18), (5.19)

.. math:: U' - U = \frac\eta d (K - K^\perp) e + v_2 + v_3,

where :math:`K^\perp` and :math:`v_2` collect the units that flip on a sample, and :math:`v_3` products of two changes.
"""

from fractions import Fraction
from math import isqrt
from typing import NamedTuple

import numpy as np

from aedyn._checks import check_count
from aedyn.ntk_counterexamples import Sides


class StepTerms(NamedTuple):
    """What one step does to the squared error, all in fractions.

    Attributes
    ----------
    before, after : Fraction
        Squared Frobenius norms of X - U.
    kernel : Fraction
        e^T K e.
    flipped : Fraction
        e^T K^perp e.
    flips : Fraction
        e . v_2.
    products : Fraction
        e . v_3.
    change : Fraction
        Squared norm of the change of U, the paper's C_5.
    rate : Fraction
        Step size over d.
    """

    before: Fraction
    after: Fraction
    kernel: Fraction
    flipped: Fraction
    flips: Fraction
    products: Fraction
    change: Fraction
    rate: Fraction

    def expansion(self, cross):
        """The squared error afterwards, if the inner products with v_2 and v_3 enter with the factor `cross`.

        Parameters
        ----------
        cross : Fraction
            -2 is right; the proof of Theorem 5.2 prints -2 times the rate.

        Returns
        -------
        Fraction
        """
        main = self.before + self.change - 2 * self.rate * (self.kernel - self.flipped)
        return main + cross * (self.flips + self.products)


def exact_step(W, A, X, step):
    """One step of joint gradient descent, term by term.

    Parameters
    ----------
    W, A : ndarray of Fraction, shape (d, m)
        m d must be a square.
    X : ndarray of Fraction, shape (n, d)
    step : Fraction

    Returns
    -------
    StepTerms
    """
    d, m = W.shape
    root = isqrt(m * d)
    if root**2 != m * d:
        raise ValueError(f"m d must be a square; got {m * d}")
    Z = X @ W
    on, relu = (Z >= 0) * Fraction(1), np.maximum(Z, 0)
    E = X - relu @ A.T / root
    W_change, A_change = step * X.T @ (on * (E @ A)) / root, step * E.T @ relu / root
    Z_new = X @ (W + W_change)
    flip = (Z_new >= 0) != (Z >= 0)
    E_new = X - np.maximum(Z_new, 0) @ (A + A_change).T / root

    first_order = (on * (X @ W_change)) @ A.T / root + relu @ A_change.T / root  # rate * K e
    of_flipped = (flip * on * (X @ W_change)) @ A.T / root + (flip * relu) @ A_change.T / root  # rate * K^perp e
    v2 = ((flip * np.maximum(Z_new, 0)) @ (A + A_change).T - (flip * relu) @ A.T) / root
    v3 = (~flip * on * (X @ W_change)) @ A_change.T / root
    rate = Fraction(step) / d
    terms = (_dot(E, E), _dot(E_new, E_new), _dot(E, first_order) / rate, _dot(E, of_flipped) / rate)
    return StepTerms(*terms, _dot(E, v2), _dot(E, v3), _dot(E_new - E, E_new - E), rate)


def one_sample(root=8):
    """One sample with d = 1, active for all units, and decoder weights that cancel.

    Parameters
    ----------
    root : int
        Root of the width m, even.

    Returns
    -------
    W, A, X : ndarray of Fraction
        Shapes (1, m), (1, m) and (1, 1).
    """
    m = check_count("root", root, 2) ** 2
    if m % 2:
        raise ValueError(f"root must be even; got {root}")
    return _fractions(np.ones((1, m))), _fractions([[1, -1] * (m // 2)]), _fractions([[1]])


def flipping_pair(step):
    """Two samples and two units, of which a step turns one on, to the disadvantage of the first sample.

    Both units see only the second sample, x_2 = (7, 24)/25, and are just short of seeing the first, e_1. Their decoder
    weights are opposite, so the outputs are zero. Following the error of x_2 moves the first unit across the hyperplane
    of e_1, where its decoder weights (-1, 1) have the wrong sign.

    Parameters
    ----------
    step : Fraction

    Returns
    -------
    W, A, X : ndarray of Fraction
        Shapes (2, 2); the largest eigenvalue of the Gram matrix is 32/25.
    """
    short = Fraction(step) * Fraction(119, 12500)  # a tenth of how far the step moves the unit along e_1
    W = _fractions([[-short, -short], [1, 1]])
    return W, _fractions([[-1, 1], [1, -1]]), _fractions([[1, 0], [Fraction(7, 25), Fraction(24, 25)]])


def expansion_sides(step=Fraction(1, 1000)):
    """The expansion of the squared error in the proof of Theorem 5.2, with its factors, for `flipping_pair`.

    Parameters
    ----------
    step : Fraction

    Returns
    -------
    Sides
        The squared error after a step, and the printed expansion.
    """
    terms = exact_step(*flipping_pair(step), step)
    return Sides(terms.after, terms.expansion(-2 * terms.rate), "==", "exact arithmetic")


def flips_sides(step=Fraction(1, 1000)):
    r"""Claim C.6 for the cross term that the expansion needs: :math:`-2 e \cdot v_2 \le 16\eta^2\sqrt{n\lambda_n}/d`.

    Both sides in units of the squared error, for `flipping_pair`, where the root is 8/5. The left side is linear in
    the step, so the claim fails at all small steps.

    Parameters
    ----------
    step : Fraction

    Returns
    -------
    Sides
    """
    terms = exact_step(*flipping_pair(step), step)
    return Sides(-2 * terms.flips / terms.before, 16 * step * terms.rate * Fraction(8, 5), "<=", "exact arithmetic")


def change_sides(root=10, step=Fraction(1, 1000)):
    r"""Claim C.8, :math:`C_5 \le 64\eta^2\lambda_n^2/md` in units of the squared error, for `one_sample`.

    The left side is :math:`4\eta^2` at every width, so the claim fails for m above 16.

    Parameters
    ----------
    root : int
        Root of the width, even.
    step : Fraction
        Less than the root.

    Returns
    -------
    Sides
    """
    terms = exact_step(*one_sample(root), step)
    return Sides(terms.change / terms.before, Fraction(64) * step**2 / root**2, "<=", "exact arithmetic")


def _fractions(array):
    return np.array([[Fraction(x) for x in row] for row in array], dtype=object)


def _dot(a, b):
    return (a * b).sum()
