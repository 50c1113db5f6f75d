r"""Gaussian moments behind the decoder's kernel at random weights, and how the outputs of a general network flow.

The surface term of `ntk_limits` is dropped three times in the paper: in the decoder's limit kernel, in Lemma A.2
(`wedge_moments`) and in Claim C.2, which is here.
"""

from math import log, pi, sqrt
from typing import NamedTuple

import numpy as np
from scipy.stats import chi2

from aedyn._checks import check_count, check_matrix, check_number

_STEP = 1e-30  # of complex-step derivatives, which do not cancel


class FourthMoment(NamedTuple):
    r"""Norm of :math:`E[Z Z^T]`, :math:`Z = \phi(X^T w)\phi(X^T w)^T`, for n orthonormal samples (Claim C.2).

    Attributes
    ----------
    exact : float
        Attained at the vector of ones.
    printed : float
        The paper's bound :math:`3 n \lambda_n`, here 3 n; the exact value exceeds it from n = 30 on.
    corrected : float
        :math:`3 n^2/2`, a bound for any unit samples, by the Cauchy-Schwarz inequality.
    """

    exact: float
    printed: float
    corrected: float


def fourth_moment(n):
    r"""Norm of the matrix variance of H for orthonormal samples, in closed form.

    The activations are independent with moments :math:`1/\sqrt{2\pi}, 1/2, \sqrt{2/\pi}, 3/2`. Diagonal entries are
    :math:`3/2 + (n - 1)/4`, the others :math:`2/\pi + (n - 2)/4\pi`.

    Parameters
    ----------
    n : int

    Returns
    -------
    FourthMoment
    """
    n = check_count("n", n)
    return FourthMoment(1.5 + (n - 1) / 4 + (n - 1) * (2 / pi + (n - 2) / (4 * pi)), 3.0 * n, 1.5 * n**2)


def decoder_fluctuation(n):
    r"""Root of :math:`m\,E\|(H - T) \mathbf 1\|^2/n` for n orthonormal samples, which is about n / 4 for large n.

    As :math:`\|H - T\| \ge \|(H - T)\mathbf 1\|/\sqrt n`, the width at which H is close to T in norm grows like
    :math:`n^2`; Lemma 5.1 asks for :math:`n \log^2 n` only.

    Parameters
    ----------
    n : int

    Returns
    -------
    float
    """
    limit = 1 / 2 - 1 / (2 * pi) + n / (2 * pi)
    return sqrt(fourth_moment(n).exact - limit**2)


class Quantiles(NamedTuple):
    r"""What the squared norm of a Gaussian vector is said not to exceed with probability :math:`1 - \delta`.

    Attributes
    ----------
    printed : float
        :math:`4 d \sqrt{\log(2/\delta)}` of Claim C.1.
    corrected : float
        :math:`d + 2\sqrt{d L} + 2 L`, :math:`L = \log(1/\delta)` (Laurent and Massart 2000).
    printed_failure, corrected_failure : float
        Probabilities that the norm is larger, to be compared with :math:`\delta`.
    """

    printed: float
    corrected: float
    printed_failure: float
    corrected_failure: float


def norm_quantiles(d, delta):
    """Bounds on the squared norm of a standard normal vector, and how often they fail (Claim C.1).

    Parameters
    ----------
    d : int
    delta : float

    Returns
    -------
    Quantiles
    """
    d, delta = check_count("d", d), check_number("delta", delta, 0, 1, open_low=True)
    printed = 4 * d * sqrt(log(2 / delta))
    corrected = d + 2 * sqrt(d * log(1 / delta)) + 2 * log(1 / delta)
    return Quantiles(printed, corrected, float(chi2.sf(printed, d)), float(chi2.sf(corrected, d)))


# Flow -----------------------------------------------------------------------------------------------------------------


class FlowRate(NamedTuple):
    """Time derivative of the outputs under gradient flow, measured and according to Lemma 3.1.

    Attributes
    ----------
    measured : ndarray, shape (n, d)
        Derivative of the outputs along minus the gradient of the loss.
    corrected : ndarray, shape (n, d)
        K (X - U) / d, with K the Jacobian of f times its transpose.
    printed : ndarray, shape (n, d)
        The same with the paper's K, which has another factor 1/d.
    """

    measured: np.ndarray
    corrected: np.ndarray
    printed: np.ndarray


def flow_rate(network, theta, X):
    r"""Both sides of Lemma 3.1, for any network whose outputs are :math:`u = f(\theta, x)/\sqrt d`.

    Derivatives are taken with complex steps and are exact up to rounding.

    Parameters
    ----------
    network : callable
        From parameters and X to f, shape (n, d), analytic in the parameters.
    theta : array_like, shape (n_parameters,)
    X : array_like, shape (n, d)

    Returns
    -------
    FlowRate
    """
    X, theta = check_matrix("X", X), np.asarray(theta, dtype=float)
    d = X.shape[1]

    def derivatives(function, directions):
        return np.array([np.imag(function(theta + 1j * _STEP * direction)) / _STEP for direction in directions])

    def outputs(parameters):
        return network(parameters, X) / np.sqrt(d)

    def loss(parameters):
        return ((X - outputs(parameters)) ** 2).sum() / 2

    identity = np.eye(len(theta))
    jacobian = derivatives(lambda parameters: network(parameters, X), identity).reshape(len(theta), -1)
    residual = (X - outputs(theta)).ravel()
    corrected = (jacobian.T @ (jacobian @ residual) / d).reshape(X.shape)
    return FlowRate(derivatives(outputs, [-derivatives(loss, identity)])[0], corrected, corrected / d)
