r"""What training makes of the gain: exact laws for linear networks, and what finite width takes from unseen directions.

Pairs of opposite units make the tied network linear, :math:`u(x) = Gx` with :math:`G = \frac1{2m}WW^T`, and on samples
that come with their negatives descent keeps the pairs. Without pairs, and for such samples, the same holds at infinite
width. Each principal direction of the data then goes its own way from the gain :math:`\sigma^2/2` to 1; directions
without data keep theirs. Time is that of `aedyn.weight_tied_training`.
"""

import numpy as np
from scipy.special import hyp2f1

from aedyn._checks import check_matrix, check_number


def gain_law(start, rate, time):
    r"""Gain of a principal direction under gradient flow, a logistic curve.

    .. math:: \dot g = 2\lambda g(1-g), \qquad g(t) = \frac{1}{1 + (1/g_0 - 1)\,e^{-2\lambda t}} .

    Parameters
    ----------
    start : float or array_like
        Gain at time 0, positive; half the variance for random weights.
    rate : float or array_like
        Eigenvalue of ``X.T @ X`` that belongs to the direction.
    time : float or array_like
        Not negative.

    Returns
    -------
    float or ndarray
    """
    return 1 / (1 + (1 / np.asarray(start) - 1) * np.exp(-2 * np.multiply(rate, time)))[()]


def gain_step(gains, rates, step):
    r"""Gains of principal directions after a step of descent, exact.

    .. math:: g^+ = g\,[1 + \eta\lambda(1-g)]^2 ,

    with 1 as an attracting fixed point for :math:`\eta\lambda < 1`.

    Parameters
    ----------
    gains, rates : float or array_like
    step : float
        As for `weight_tied_training.descend_tied`.

    Returns
    -------
    float or ndarray
    """
    gains = np.asarray(gains, dtype=float)
    return (gains * (1 + step * np.asarray(rates) * (1 - gains)) ** 2)[()]


def linear_step(G, X, step):
    r"""The map G of paired units after a step of descent on samples that come with their negatives, exact.

    .. math:: W^+ = (I + \eta A)W, \quad A = C(I-G) + (I-G)C, \quad C = \tfrac12X^TX .

    Parameters
    ----------
    G : array_like, shape (d, d)
        Symmetric.
    X : array_like, shape (n, d)
        Samples and their negatives.
    step : float

    Returns
    -------
    ndarray, shape (d, d)
    """
    G, X = check_matrix("G", G), check_matrix("X", X)
    CE = X.T @ X / 2 @ (np.eye(len(G)) - G)
    factor = np.eye(len(G)) + step * (CE + CE.T)
    return factor @ G @ factor


def paired_loss_of_gain(start):
    r"""Share of the gain on unseen directions that training takes from paired units, times units over seen dimension.

    To first order in one over the number m of independent units (half of all), and after infinite time, the gain s
    falls to :math:`s\,(1 - \kappa(s)k/m)`, for samples that span k dimensions, however they are spread in them:

    .. math:: \kappa(s) = \frac{s^{s/2}}{1+s}\;{}_2F_1\Bigl(\frac s2, \frac{1+s}2; \frac{3+s}2; 1-s\Bigr),

    which falls from 1 at small s over 1/2 at s = 1. Proof: a block b of G between seen direction j and the unseen ones
    has the mean square :math:`s^2/m` at the start, obeys :math:`\dot b = \frac{\lambda_j}2(2-3a-s)\,b` while the seen
    gain a follows `gain_law`, and takes :math:`\lambda_jb^2` a unit of time from the unseen gain.

    Parameters
    ----------
    start : float or array_like
        Gain s at the start, half the variance; positive.

    Returns
    -------
    float or ndarray
    """
    s = np.asarray(start, dtype=float)
    check_number("start", s.min(), 0, open_low=True)
    return (s ** (s / 2) / (1 + s) * hyp2f1(s / 2, (1 + s) / 2, (3 + s) / 2, 1 - s))[()]
