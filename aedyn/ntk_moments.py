r"""Gaussian moments behind the kernels, and how the outputs of a general network flow.

Stein's identity :math:`E[w h(w)] = E[\nabla h(w)]` needs h to be weakly differentiable. For :math:`h = 1[w \cdot x \ge
0]\,\phi(w \cdot y)` it is not: h jumps across the hyperplane of x, and the jump adds a surface term. The paper drops
it three times, in the decoder's limit kernel, in Lemma A.2 and in Claim C.2.
"""

from math import log, pi, sqrt
from typing import NamedTuple

import numpy as np
from scipy.stats import chi2

from aedyn._checks import check_count, check_matrix, check_number
from aedyn.ntk_kernels import angles
from aedyn.unit_samples import check_unit_rows

_STEP = 1e-30  # of complex-step derivatives, which do not cancel


class SteinTerms(NamedTuple):
    r"""The two parts of :math:`E[\phi(w \cdot x)\,\phi(w \cdot y)]` that Stein's identity gives.

    Attributes
    ----------
    smooth : float or ndarray
        From the slope: :math:`\cos\theta\,(\pi - \theta)/2\pi`, the paper's value.
    jump : float or ndarray
        From the jump: :math:`\sin\theta/2\pi`, which the paper leaves out.
    """

    smooth: float
    jump: float


def stein_terms(angle):
    """Mean product of the activations of one unit on two samples, in two parts.

    Parameters
    ----------
    angle : float or array_like
        Between the samples, in radians.

    Returns
    -------
    SteinTerms
    """
    angle = np.asarray(angle, dtype=float)
    return SteinTerms(np.cos(angle) * (pi - angle) / (2 * pi), np.sin(angle) / (2 * pi))


class SecondMoment(NamedTuple):
    """Mean of w w^T where a unit is active on both of two samples (Lemma A.2).

    Attributes
    ----------
    exact : ndarray, shape (d, d)
    printed : ndarray, shape (d, d)
        The probability of being active on both, times the identity.
    """

    exact: np.ndarray
    printed: np.ndarray


def second_moment(x, y):
    r"""Mean of w w^T over Gaussian w with :math:`w \cdot x \ge 0` and :math:`w \cdot y \ge 0`.

    In the plane of x and y these w fill a wedge of angle :math:`\pi - \theta` around x + y. With unit vectors b along
    x + y and c along x - y the mean is :math:`P\,I + \frac{\sin\theta}{2\pi}(b b^T - c c^T)`,
    :math:`P = (\pi - \theta)/2\pi`. The correction has trace 0, so that Lemma A.3 is right all the same.

    Parameters
    ----------
    x, y : array_like, shape (d,)
        Unit vectors.

    Returns
    -------
    SecondMoment
    """
    X = check_unit_rows("x and y", np.array([x, y]))
    theta = angles(X)[0, 1]
    printed = (pi - theta) / (2 * pi) * np.eye(X.shape[1])
    if not 0 < theta < pi:
        return SecondMoment(printed, printed)
    b, c = (X[0] + X[1]) / (2 * np.cos(theta / 2)), (X[0] - X[1]) / (2 * np.sin(theta / 2))
    return SecondMoment(printed + np.sin(theta) / (2 * pi) * (np.outer(b, b) - np.outer(c, c)), printed)


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
