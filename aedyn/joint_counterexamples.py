"""Counterexamples to statements about training, in exact arithmetic, on networks small enough to follow by hand.

The squares of norms are compared, so that no root is needed but that of the number of weights m d, which is whole here.
"""

from fractions import Fraction
from math import isqrt
from typing import NamedTuple

import numpy as np
from scipy.linalg import hadamard


class Sides(NamedTuple):
    """A quantity, what the paper prints as its bound, and the corrected bound.

    Attributes
    ----------
    measured, printed, corrected : Fraction
    """

    measured: Fraction
    printed: Fraction
    corrected: Fraction


class ExactStep(NamedTuple):
    """A joint step of descent, in fractions.

    Attributes
    ----------
    before, after : Fraction
        Squared error before the step and after it.
    C1, C2, C5 : Fraction
        Terms of the expansion of the squared error, as the paper defines them.
    C3, C4 : Fraction
        The cross terms with the factor 2.
    A : ndarray of Fraction, shape (d, m)
        Decoder after the step.
    """

    before: Fraction
    after: Fraction
    C1: Fraction
    C2: Fraction
    C3: Fraction
    C4: Fraction
    C5: Fraction
    A: np.ndarray


def exact_step(W, A, X, step):
    """A joint step of descent, taken apart as in (5.19).

    Parameters
    ----------
    W, A : array_like of int or Fraction, shape (d, m)
        Weights; m d must be a square.
    X : array_like of int or Fraction, shape (n, d)
    step : Fraction

    Returns
    -------
    ExactStep
    """
    W, A, X = (np.vectorize(Fraction, otypes=[object])(V) for V in (W, A, X))
    root = _root(W.size)
    Z = X @ W
    active, H = Z >= 0, np.maximum(Z, 0)
    E = X - H @ A.T / root
    dW, dA = step * (X.T @ (active * (E @ A))) / root, step * (E.T @ H) / root
    W1, A1 = W + dW, A + dA
    Z1 = X @ W1
    H1, flipped = np.maximum(Z1, 0), (Z1 >= 0) != active
    change = (H1 @ A1.T - H @ A.T) / root
    kernel = (active * (X @ dW)) @ A.T + H @ dA.T
    lost = (flipped * active * (X @ dW)) @ A.T + (flipped * H) @ dA.T
    v2 = ((flipped * H1) @ A1.T - (flipped * H) @ A.T) / root
    v3 = (active * ~flipped * (X @ dW)) @ dA.T / root
    assert (change == (kernel - lost) / root + v2 + v3).all()
    after = E - change
    return ExactStep(
        before=(E * E).sum(),
        after=(after * after).sum(),
        C1=-2 * (E * kernel).sum() / root,
        C2=2 * (E * lost).sum() / root,
        C3=-2 * (E * v2).sum(),
        C4=-2 * (E * v3).sum(),
        C5=(change * change).sum(),
        A=A1,
    )


def encoder_radius():
    r"""Way of a weight under gradient flow of the encoder, against the radius of Lemma 4.3.

    One sample x = 1 and four units, of which only the first is active, from :math:`w_1 = 10, a_1 = 1`: the output is
    :math:`w_1/2`, so that :math:`w_1` goes to 2. The kernel is G = 1/4 all the time, which is :math:`\lambda_0/2`.

    Returns
    -------
    Sides
    """
    m, start, root, lambda_0 = 4, Fraction(10), 2, Fraction(1, 2)
    error = abs(1 - start / root)
    printed = error / (root * lambda_0)  # d = lambda_n = 1, and the root of m is that of m d
    assert Fraction(1, m) == lambda_0 / 2, "the assumption of the lemma holds, with equality"
    return Sides(abs(start - root), printed, 2 * printed)


def expansion():
    """Squared error after a step, against the terms as printed and as corrected.

    One sample x = 1 and one unit with w = 1 and a = -1, and the step 1/8.

    Returns
    -------
    Sides
    """
    step = Fraction(1, 8)
    parts = exact_step([[1]], [[-1]], [[1]], step)
    rest, cross = parts.before + parts.C1 + parts.C2 + parts.C5, parts.C3 + parts.C4
    return Sides(parts.after, rest + step * cross, rest + cross)


def step_square(m):
    r"""Squared change of the outputs in a step of size :math:`\lambda_0/(64n\lambda_n)`, against Claim C.8.

    One sample x = 1, all units active with w = 1, half of them with a = 1 and half with a = -1, so that the output is
    0 and the error 1.

    Parameters
    ----------
    m : int
        Number of units, an even square.

    Returns
    -------
    Sides
        The corrected bound has the spectral norm of the activations after the step.
    """
    if m < 4 or m % 2 or isqrt(m) ** 2 != m:
        raise ValueError(f"m must be an even square; got {m}")
    step, signs = Fraction(1, 128), [1] * (m // 2) + [-1] * (m // 2)
    parts = exact_step([[1] * m], [signs], [[1]], step)
    after = Fraction(1, 2) * ((1 + step / isqrt(m)) ** 2 + (1 - step / isqrt(m)) ** 2)  # of H H^T / m; G = H = 1 before
    return Sides(parts.C5, 64 * step**2 / m, 2 * step**2 * (after + 1))


def decoder_gradient():
    """Squared norm of the gradient with respect to the decoder, against the square of (C.3).

    The 16 canonical basis vectors as samples, a Hadamard matrix of Sylvester's type as encoder, and a decoder with all
    entries -1. The spectral norm of W is 4; that of its rectified copy is larger, and here the Frobenius norm, the
    sum of 136 ones, is taken for it.

    Returns
    -------
    Sides
    """
    W = hadamard(16).astype(object)
    assert (W @ W.T == 16 * np.eye(16, dtype=int)).all()
    X, A, H = np.eye(16, dtype=int).astype(object), -np.ones_like(W), np.maximum(W, 0)
    E = X - H @ A.T * Fraction(1, 16)
    gradient = E.T @ H * Fraction(1, 16)
    error = (E * E).sum()
    return Sides((gradient * gradient).sum(), error * 16 / 256, error * (H * H).sum() / 256)


def crossing_unit(step):
    """Cross term of the errors with a unit that switches on, against the right side of Claim C.6, both squared.

    Two samples at the cosine 4/5 and two units with a = (1, 1). The first is a millionth short of the boundary of the
    first sample, is pulled over it for the sake of the second, and does harm there of first order in the step.

    Parameters
    ----------
    step : Fraction

    Returns
    -------
    Sides
        Shares of the squared error; the corrected bound has a power of the step less, and Frobenius's norm of A(k + 1)
        for the spectral norm.
    """
    step, lambda_n = Fraction(step), Fraction(9, 5)
    X = [[1, 0], [Fraction(4, 5), Fraction(3, 5)]]
    parts = exact_step([[Fraction(-1, 10**6), 2], [1, -3]], [[1, 1], [1, 1]], X, step)
    return Sides(
        measured=(parts.C3 / parts.before) ** 2,
        printed=(8 * step**2) ** 2 * 2 * lambda_n,
        corrected=(step * lambda_n / 2) ** 2 * 4 * (4 + (parts.A * parts.A).sum()),
    )


def _root(square):
    root = isqrt(square)
    if root**2 != square:
        raise ValueError(f"the number of weights must be a square; got {square}")
    return root
