r"""Weight-tied autoencoders before any training: Lemma 6.1 of the joint-training paper, and the whole law behind it.

The network is :math:`u(x) = \frac1m W\,\mathrm{relu}(W^Tx)` with weights W of shape (d, m) whose entries are normal
with a given variance, written :math:`\sigma^2`. At :math:`\sigma^2 = 2` it is close to the identity without any data.
What training makes of it is in `aedyn.weight_tied_training`.
"""

from fractions import Fraction
from typing import NamedTuple

import numpy as np

from aedyn._checks import check_count, check_matrix, check_number

BLOCK = 4096  # units drawn at a time


def tied_weights(d, m, variance, rng):
    """Random start of section 6: independent normal entries.

    Parameters
    ----------
    d, m : int
        Dimension of the samples, and number of units.
    variance : float
        Of an entry; the paper's sigma squared.
    rng : int or numpy.random.Generator

    Returns
    -------
    ndarray, shape (d, m)
    """
    scale = np.sqrt(check_number("variance", variance, 0, open_low=True))
    return scale * np.random.default_rng(rng).standard_normal((check_count("d", d), check_count("m", m)))


def reconstruct(W, X):
    """Outputs of the tied network.

    Parameters
    ----------
    W : array_like, shape (d, m)
    X : array_like, shape (n, d)

    Returns
    -------
    ndarray, shape (n, d)
    """
    W = check_matrix("W", W)
    return np.maximum(check_matrix("X", X, None, len(W)) @ W, 0) @ W.T / W.shape[1]


def reconstruct_untrained(X, m, variance, rng):
    """Outputs of a network with random weights that are drawn, used and forgotten, so that m may be large.

    Parameters
    ----------
    X : array_like, shape (n, d)
    m : int
    variance : float
    rng : int or numpy.random.Generator

    Returns
    -------
    ndarray, shape (n, d)
    """
    X, m, rng = check_matrix("X", X), check_count("m", m), np.random.default_rng(rng)
    total = np.zeros(X.shape)
    for first in range(0, m, BLOCK):
        size = min(BLOCK, m - first)
        total += size * reconstruct(tied_weights(X.shape[1], size, variance, rng), X)
    return total / m


def odd_part(W):
    r"""The linear half of the network.

    As :math:`\mathrm{relu}(z) - \mathrm{relu}(-z) = z`, always :math:`\frac12[u(x) - u(-x)] = \frac1{2m}WW^Tx`, for
    any weights. What remains is even, :math:`\frac1{2m}\sum_r|w_r^Tx|\,w_r`.

    Parameters
    ----------
    W : array_like, shape (d, m)

    Returns
    -------
    ndarray, shape (d, d)
        Symmetric; the mean of the Jacobians of u at x and at -x, for almost every x.
    """
    W = check_matrix("W", W)
    return W @ W.T / (2 * W.shape[1])


# Lemma 6.1 ------------------------------------------------------------------------------------------------------------


def half_moment(power):
    r"""The moment :math:`\mathbb E[z^q\,1(z \ge 0)]` of a standard normal z, for even q.

    Parameters
    ----------
    power : int
        Even, the q of the paper's :math:`\alpha_q`.

    Returns
    -------
    Fraction
        Half of 1 * 3 * ... * (q - 1).
    """
    if check_count("power", power, 0) % 2:
        raise ValueError(f"power must be even, as odd half moments are not rational; got {power}")
    product = Fraction(1, 2)
    for odd in range(1, power, 2):
        product *= odd
    return product


def squared_activation_moment(d):
    r"""The moment :math:`\mathbb E[\phi(w^Tx)^2\|w\|^2]` of (6.3), for unit x and standard normal w.

    Parameters
    ----------
    d : int

    Returns
    -------
    Fraction
        It is (d + 2)/2; for variance :math:`\sigma^2` multiply by :math:`\sigma^4`.
    """
    return half_moment(4) + (check_count("d", d) - 1) * half_moment(2)


def assemble(m, variance, moment):
    r"""The expected loss (6.2) with its three slips mended, for unit x.

    .. math:: 1 - 2\cdot\frac{\sigma^2}{2} + \frac{m(m-1)}{m^2}\cdot\frac{\sigma^4}{4} + \frac{m}{m^2}\,\mu .

    Parameters
    ----------
    m : int
    variance, moment : float or Fraction
        The moment :math:`\mu` is :math:`\mathbb E[\phi(w^Tx)^2\|w\|^2]` at this variance.

    Returns
    -------
    float or Fraction
        Exact for fractions.
    """
    return 1 - variance + (m - 1) * variance**2 / (4 * m) + moment / m


def expected_loss(d, m, variance):
    r"""Lemma 6.1: mean of :math:`\|x - u(x)\|^2` over random weights, for unit x.

    .. math:: \Bigl(\frac{\sigma^2}2 - 1\Bigr)^2 + \frac{(2d+3)\,\sigma^4}{4m} .

    Parameters
    ----------
    d, m : int
    variance : float, Fraction or ndarray

    Returns
    -------
    float, Fraction or ndarray
        Exact for a Fraction. For other x multiply by its squared norm.
    """
    return (variance / 2 - 1) ** 2 + (2 * d + 3) * variance**2 / (4 * m)


# The law of the loss --------------------------------------------------------------------------------------------------


class Moments(NamedTuple):
    """Mean and standard deviation of a loss.

    Attributes
    ----------
    mean : float
    deviation : float
    """

    mean: float
    deviation: float


def loss_moments(d, m, variance):
    r"""Mean and standard deviation of the loss of the untrained network at a unit vector.

    With c the variance over m, and :math:`U = x^Tu(x)`,

    .. math:: \|x-u(x)\|^2 = (1-U)^2 + c\,U\,\chi^2_{d-1}, \qquad U = c\,\chi^2_N, \qquad N \sim \mathrm{Bin}(m, 1/2),

    as across x the output is a normal vector given the activations, of variance :math:`c\,U`.

    Parameters
    ----------
    d, m : int
    variance : float

    Returns
    -------
    Moments
    """
    d, m = check_count("d", d), check_count("m", m)
    c = check_number("variance", variance, 0, open_low=True) / m
    mean = c * m / 2  # of U; its cumulants are m times those of a squared normal that counts half of the time
    second, third = m * c**2 * 5 / 4, m * c**3 * 11 / 2
    spread_of_square = m * c**4 * 279 / 8 + 2 * second**2
    slope = c * (d - 1) - 2 * (1 - mean)
    across = 2 * (d - 1) * c**2 * (mean**2 + second)
    along = spread_of_square + 2 * slope * third + slope**2 * second
    return Moments(expected_loss(d, m, variance), float(np.sqrt(across + along)))


def draw_losses(d, m, variance, size, rng):
    """Independent losses of untrained networks at a unit vector, from their law (see `loss_moments`), without weights.

    Parameters
    ----------
    d, m : int
    variance : float
    size : int
        How many.
    rng : int or numpy.random.Generator

    Returns
    -------
    ndarray, shape (size,)
    """
    d, m, size = check_count("d", d), check_count("m", m), check_count("size", size)
    c, rng = check_number("variance", variance, 0, open_low=True) / m, np.random.default_rng(rng)
    along = c * 2 * rng.standard_gamma(rng.binomial(m, 0.5, size) / 2)
    return (1 - along) ** 2 + c * along * 2 * rng.standard_gamma((d - 1) / 2, size)


class WorstInput(NamedTuple):
    """The largest loss over the unit sphere, from below.

    Attributes
    ----------
    found : float
        Largest loss that a search came upon.
    floor : float
        Squared norm of `odd_part` minus the identity, a proved lower bound.
    """

    found: float
    floor: float


def worst_input(W, n_starts, rng, n_steps=60):
    """Search for the unit vector that the network reconstructs worst.

    Within a cell of constant signs the loss is a convex quadratic form, so a power step never decreases it there.

    Parameters
    ----------
    W : array_like, shape (d, m)
    n_starts, n_steps : int
        Random starts, and power steps from each.
    rng : int or numpy.random.Generator

    Returns
    -------
    WorstInput
    """
    W = check_matrix("W", W)
    d, m = W.shape
    X = np.random.default_rng(rng).standard_normal((check_count("n_starts", n_starts), d))
    found = 0.0
    for _ in range(check_count("n_steps", n_steps)):
        X /= np.linalg.norm(X, axis=1, keepdims=True)
        active = X @ W > 0
        error = (active * (X @ W)) @ W.T / m - X
        found = max(found, float((error**2).sum(axis=1).max()))
        X = (active * (error @ W)) @ W.T / m - error  # the Jacobian is symmetric
    return WorstInput(found, float(np.linalg.norm(odd_part(W) - np.eye(d), 2) ** 2))
