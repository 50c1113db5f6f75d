r"""Counterexamples to statements of the paper on joint training, as proofs: fractions, closed forms and intervals.

Each function returns the two sides of a statement as printed. Fractions are exact; where a root, an exponential or
:math:`\pi` comes in, a side is an interval of mpmath that contains the number, and two sides count as different, or one
as larger, only when the intervals say so.
"""

from fractions import Fraction
from typing import NamedTuple

import numpy as np
from mpmath import iv
from scipy.linalg import hadamard

from aedyn._checks import check_count


class Sides(NamedTuple):
    """Two sides of a statement.

    Attributes
    ----------
    left, right : fractions.Fraction or mpmath.iv.mpf
    relation : str
        What the statement says of them, "<=" or "==".
    certificate : str
        How the sides were computed, in the words of `claims.CERTIFICATES`.
    """

    left: object
    right: object
    relation: str
    certificate: str

    @property
    def refuted(self):
        """Whether the sides certainly contradict the statement."""
        above, below = _certainly_less(self.right, self.left), _certainly_less(self.left, self.right)
        return above or (self.relation == "==" and below)

    @property
    def values(self):
        """The two sides as floats."""
        return tuple(float(side) if isinstance(side, Fraction) else float(side.mid.a) for side in self[:2])


def _certainly_less(a, b):
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return a < b
    return (_interval(a) < _interval(b)) is True


def _interval(side):
    return iv.mpf(side.numerator) / side.denominator if isinstance(side, Fraction) else side


# Limit kernels (closed forms) -----------------------------------------------------------------------------------------


def decoder_limit(angle=Fraction(1, 2)):
    r"""Equation (5.12): at the angle :math:`\theta` the decoder's limit kernel is said to be that of the encoder.

    Parameters
    ----------
    angle : fractions.Fraction
        Between two samples, in units of :math:`\pi`, between 0 and 1; at a right angle the sides are
        :math:`1/2\pi` and 0.

    Returns
    -------
    Sides
        The mean product of the activations, and the printed value.
    """
    angle = Fraction(angle)
    cosine = iv.sin(_interval(Fraction(1, 2) - angle) * iv.pi)
    printed = cosine * _interval(1 - angle) / 2
    return Sides(printed + iv.sin(_interval(angle) * iv.pi) / (2 * iv.pi), printed, "==", "closed form")


def joint_limit():
    r"""The joint kernel's limit, said to be 2 S: smallest eigenvalues for two or more orthonormal samples.

    Returns
    -------
    Sides
        :math:`1 - 1/2\pi` and 1.
    """
    return Sides(1 - 1 / (2 * iv.pi), Fraction(1), "==", "closed form")


def decoder_concentration():
    r"""Lemma 5.1 for orthonormal samples: :math:`\lambda_{\min}(H(0)) \ge 3\lambda_0/4` at any large width.

    H(0) tends to T almost surely, and the width may grow with a failure probability that tends to
    :math:`(2nd)^{-2\log nd}`, which is below 1. So the limit would have to satisfy the bound.

    Returns
    -------
    Sides
        3/8 and :math:`\lambda_{\min}(T) = 1/2 - 1/2\pi`.
    """
    return Sides(Fraction(3, 8), iv.mpf(1) / 2 - 1 / (2 * iv.pi), "<=", "closed form")


def two_units_active():
    """Lemma A.2 at 60 degrees, along the sum of the two vectors.

    Returns
    -------
    Sides
        The mean square of w along the bisector where both activations are on, and the printed value 1/3.
    """
    return Sides(iv.mpf(1) / 3 + iv.sqrt(3) / (4 * iv.pi), Fraction(1, 3), "==", "closed form")


def matrix_variance(n=30):
    """Claim C.2 for n orthonormal samples; refuted from n = 30 on.

    Parameters
    ----------
    n : int

    Returns
    -------
    Sides
        The norm of the mean of Z Z^T, and 3 n.
    """
    n = check_count("n", n)
    exact = iv.mpf(3) / 2 + iv.mpf(n - 1) / 4 + (n - 1) * (2 / iv.pi + (n - 2) / (4 * iv.pi))
    return Sides(exact, Fraction(3 * n), "<=", "closed form")


def chi_square_tail(root=5):
    r"""Claim C.1 (ii) for d = 2 and :math:`\delta = 2 e^{-k^2}`; refuted from k = 5 on.

    The squared norm of w is exponential with mean 2, and the claim compares it with :math:`8k`.

    Parameters
    ----------
    root : int
        The k.

    Returns
    -------
    Sides
        The probability :math:`e^{-4k}` of a larger norm, and :math:`\delta`.
    """
    k = check_count("root", root)
    return Sides(iv.exp(-4 * k), 2 * iv.exp(-k * k), "<=", "closed form")


def weight_norm(root=14):
    r"""The bound :math:`\|W(0)\| \le 2\sqrt m + \sqrt d` with probability :math:`1 - 2e^{-m}`, for d = 1.

    The squared norm is chi-square with m degrees of freedom. For even m the probability that it exceeds 2t is
    :math:`e^{-t} \sum_{j < m/2} t^j/j!`. Its logarithm over m tends to :math:`-(3 - \log 4)/2 = -0.807`, so the bound
    fails at all large m; with exp(-m/2) it is right.

    Parameters
    ----------
    root : int
        Root of the width m, even.

    Returns
    -------
    Sides
        The probability of a larger norm, and 2 exp(-m).
    """
    m = check_count("root", root, 2) ** 2
    if m % 2:
        raise ValueError(f"root must be even; got {root}")
    t = Fraction((2 * root + 1) ** 2, 2)
    term = total = Fraction(1)
    for j in range(1, m // 2):
        term *= t / j
        total += term
    return Sides(_interval(total) * iv.exp(-_interval(t)), 2 * iv.exp(-m), "<=", "interval arithmetic")


# Dynamics -------------------------------------------------------------------------------------------------------------


def linear_flow():
    """Lemma 3.1 for the linear network f = theta x with d = 4, one sample and theta = 0.

    Gradient flow has d theta/dt = (x - u) x^T / 2, so the outputs start with du/dt = (x - u)/4.

    Returns
    -------
    Sides
        True and printed velocity, in units of x.
    """
    return Sides(Fraction(1, 4), Fraction(1, 16), "==", "exact arithmetic")


# Data -----------------------------------------------------------------------------------------------------------------


def hexagon():
    r"""No two samples parallel, said to make :math:`\lambda_0` positive, and said to give at least Delta/(100 n^2).

    The corners of a regular hexagon have distance at least 1, but three of them are the antipodes of the others. At
    0, 60, 120 and 180 degrees S is 1/2, 1/6, -1/12 and 0, and alternating signs are an eigenvector.

    Returns
    -------
    Sides
        1/3600, and the eigenvalue 0 of S.
    """
    row = [Fraction(1, 2), Fraction(1, 6), Fraction(-1, 12), Fraction(0), Fraction(-1, 12), Fraction(1, 6)]
    return Sides(Fraction(1, 100 * 6**2), sum(s * (-1) ** k for k, s in enumerate(row)), "<=", "exact arithmetic")


# Norms under ReLU -----------------------------------------------------------------------------------------------------


def rectified_norm(n=2):
    r"""Spectral norms :math:`\|\phi(X^T W)\| \le \|X\| \|W\|`, as used in Lemmas 5.2 and 5.5, for Hadamard W and X = I.

    With M the positive part of the matrix, :math:`M M^T = \frac n4 (I + (\mathbf 1 + e_1)(\mathbf 1 + e_1)^T -
    e_1 e_1^T)`; its norm is at least the Rayleigh quotient at :math:`\mathbf 1 + e_1`. For n = 2 the norm is the golden
    ratio, against a root of 2; for large n it is about n/2 against a root of n.

    Parameters
    ----------
    n : int
        A power of 2, at least 2.

    Returns
    -------
    Sides
        Lower bound of the squared norm of M, and the squared norm n of W.
    """
    M = np.maximum(hadamard(check_count("n", n, 2)), 0)
    v = [2] + [1] * (n - 1)
    return Sides(Fraction(int((M.T @ v) @ (M.T @ v)), n + 3), Fraction(n), "<=", "exact arithmetic")


def decoder_stability(n=2, epsilon=Fraction(1, 10)):
    r"""Lemma 5.2 for X = I and Hadamard W, with the active entries of W increased from 1 to :math:`1 + \varepsilon`.

    Then m (H(t) - H(0)) is :math:`(2\varepsilon + \varepsilon^2) M M^T` with the M of `rectified_norm`, while
    :math:`\|W(0)\| = \sqrt n` and :math:`R = \varepsilon\sqrt{n(n + 1)/2}`. For small :math:`\varepsilon` and large n
    the bound is too small by a factor of about :math:`\sqrt{n/8}`, which has no limit.

    Parameters
    ----------
    n : int
        A power of 2, at least 2; also the width.
    epsilon : fractions.Fraction

    Returns
    -------
    Sides
        A lower bound of m times the norm of H(t) - H(0), and m times the bound of Lemma 5.2.
    """
    epsilon = Fraction(epsilon)
    left = (2 * epsilon + epsilon**2) * rectified_norm(n).left
    radius = _interval(epsilon) * iv.sqrt(_interval(Fraction(n * (n + 1), 2)))
    return Sides(left, (2 * iv.sqrt(n) + radius) * radius, "<=", "interval arithmetic")
