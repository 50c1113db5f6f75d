r"""How well conditioned the tangent kernels are on given data, and how far they are from their limits at width m.

With C the Gram matrix of the samples (unit rows of X), S and T the limit kernels of encoder and decoder, the paper
writes :math:`\lambda_n = \|C\|` and :math:`\lambda_0` for the smallest eigenvalue of S. It takes T for S and so uses
:math:`\lambda_0` also where that of T is needed, which is :math:`\lambda_T` here. What is known of the two:

- :math:`T = \sum_k T_k C^{\circ k}` and :math:`S = \sum_k k T_k C^{\circ k}` in entrywise powers, all
  :math:`T_k \ge 0` (`decoder_coefficients`), so that :math:`T - \mathbf 1 \mathbf 1^T/2\pi \preceq S`. By interlacing
  :math:`\lambda_T` is at most the second smallest eigenvalue of S.
- :math:`n/2\pi \le \|T\| \le n/2\pi + (1/2 - 1/2\pi) \lambda_n` and :math:`\|S\| \le \lambda_n/2`, since an entrywise
  product with a positive semidefinite matrix of unit diagonal does not increase the norm.
- S and T are singular together: :math:`v^T C^{\circ 2} v = 0` implies :math:`\sum_i v_i = 0`, the trace of
  :math:`\sum_i v_i x_i x_i^T`.
- Two samples at a small angle t force :math:`\lambda_0 \le t/2\pi + O(t^2)`, but
  :math:`\lambda_T \le t^2/4 + O(t^3)`.
"""

from math import comb, pi
from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

from aedyn._checks import check_count, check_number
from aedyn.ntk_kernels import decoder_kernel, encoder_kernel
from aedyn.ntk_limits import limit_kernels
from aedyn.unit_samples import check_unit_rows

# Data -----------------------------------------------------------------------------------------------------------------


class Separation(NamedTuple):
    """How close two samples come to each other.

    Attributes
    ----------
    points : float
        Smallest distance between two samples, Delta in the paper's Table 1.
    lines : float
        Smallest distance between a sample and another one or its antipode; this is what S needs to be positive.
    """

    points: float
    lines: float


def separation(X):
    """Smallest distances between samples, and between the lines through them.

    Parameters
    ----------
    X : array_like, shape (n, d)
        Unit rows, at least 2.

    Returns
    -------
    Separation
    """
    X = check_unit_rows("X", X)
    check_count("the number of samples", len(X), 2)
    i, j = np.triu_indices(len(X), 1)
    near, far = cdist(X, X)[i, j].min(), cdist(X, -X)[i, j].min()
    return Separation(float(near), float(min(near, far)))


def decoder_coefficients(n_terms):
    r"""Coefficients of T as a power series in the cosine of the angle.

    With :math:`\rho = \cos\theta`, :math:`T = (\sqrt{1 - \rho^2} + \rho\arcsin\rho)/2\pi + \rho/4`, whose derivative is
    :math:`\arcsin\rho/2\pi + 1/4`; and :math:`S = \rho\,dT/d\rho`.

    Parameters
    ----------
    n_terms : int

    Returns
    -------
    ndarray, shape (n_terms,)
        None is negative; odd ones vanish but for the second, which is 1/4.
    """
    coefficients = np.zeros(max(check_count("n_terms", n_terms), 2))
    coefficients[:2] = 1 / (2 * pi), 1 / 4
    for k in range(1, (len(coefficients) + 1) // 2):
        coefficients[2 * k] = comb(2 * k - 2, k - 1) / 4 ** (k - 1) / (2 * k - 1) / (2 * k) / (2 * pi)
    return coefficients[:n_terms]


# Networks at random weights -------------------------------------------------------------------------------------------


class AgainstLimits(NamedTuple):
    """Smallest eigenvalues of the kernels of a network, and distances of the kernels from limits, in spectral norm.

    Attributes
    ----------
    smallest_G, smallest_H : float
    G_to_S : float
        Distance of G from the Kronecker product of S and the identity.
    H_to_T : float
        Of H from that of T and the identity.
    H_to_S : float
        Of H from that of S and the identity, which the paper takes for its limit.
    """

    smallest_G: float
    smallest_H: float
    G_to_S: float
    H_to_T: float
    H_to_S: float


def against_limits(W, A, X):
    """The kernels of a network against their limits (Lemmas 4.1 and 5.1).

    Parameters
    ----------
    W, A : array_like, shape (d, m)
    X : array_like, shape (n, d)
        Unit rows.

    Returns
    -------
    AgainstLimits
    """
    S, T = limit_kernels(X)
    G, H = encoder_kernel(W, A, X), decoder_kernel(W, X)
    kernels = (G, H, G - np.kron(S, np.eye(len(W))), H - T, H - S)
    low, high = np.array([np.linalg.eigvalsh(kernel)[[0, -1]] for kernel in kernels]).T
    return AgainstLimits(*low[:2].tolist(), *np.maximum(-low, high)[2:].tolist())


class InitialError(NamedTuple):
    """Squared error of an untrained network, the squared Frobenius norm of X - U.

    Attributes
    ----------
    mean : float
        Exact at every width: 3 n / 2.
    deviation : float
        Standard deviation in the limit of large width.
    """

    mean: float
    deviation: float


def initial_error(X):
    r"""Squared error of an untrained network (Claim 4.1).

    The outputs have covariance :math:`T \otimes I/d` and are Gaussian in the limit of large width, so that the variance
    of :math:`\|X - U\|_F^2` tends to :math:`(4 \mathrm{tr}(CT) + 2 \mathrm{tr}(T^2))/d`.

    Parameters
    ----------
    X : array_like, shape (n, d)
        Unit rows.

    Returns
    -------
    InitialError
    """
    X = check_unit_rows("X", X)
    T = limit_kernels(X).decoder
    variance = (4 * np.vdot(X @ X.T, T) + 2 * np.vdot(T, T)) / X.shape[1]
    return InitialError(1.5 * len(X), float(np.sqrt(variance)))


# Activations that flip ------------------------------------------------------------------------------------------------


def push_across(W, X, radius):
    """Weights with every unit moved across the closest of the samples' hyperplanes, where that is within reach.

    A simple adversary for Lemma 4.2: the fewest flips that change every unit it can.

    Parameters
    ----------
    W : array_like, shape (d, m)
    X : array_like, shape (n, d)
        Unit rows.
    radius : float
        How far a unit may move.

    Returns
    -------
    ndarray, shape (d, m)
    """
    X, W = check_unit_rows("X", X), np.array(W, dtype=float)
    radius = check_number("radius", radius, 0)
    activity = X @ W
    closest = np.abs(activity).argmin(axis=0)
    distance = activity[closest, np.arange(W.shape[1])]
    beyond = -distance - 1e-9 * np.where(distance < 0, -1, 1)
    return W + np.where(np.abs(beyond) <= radius, beyond, 0) * X[closest].T


def flip_bound(W, X, radius):
    r"""Largest number of units that can flip on one sample when W moves by at most `radius` in Frobenius norm.

    A unit that flips on sample i moves by at least :math:`|w_r \cdot x_i|` along it, so the flipped units satisfy
    :math:`\sum_r (w_r \cdot x_i)^2 \le R^2`: no more than the smallest squares that fit, and moving just these attains
    it. For Gaussian weights that is about :math:`(6/\pi)^{1/3} (R^2/m)^{1/3} m = 1.24\,(R^2/m)^{1/3} m` when m is large
    and the number small beside m.

    Parameters
    ----------
    W : array_like, shape (d, m)
    X : array_like, shape (n, d)
        Unit rows.
    radius : float

    Returns
    -------
    int
    """
    X, radius = check_unit_rows("X", X), check_number("radius", radius, 0)
    squares = np.sort((X @ np.asarray(W, dtype=float)) ** 2, axis=1).cumsum(axis=1)
    return int((squares <= radius**2).sum(axis=1).max())
