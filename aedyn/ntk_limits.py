r"""Tangent kernels at infinite width: closed forms in the angle between two samples, and their eigenvalues.

For unit vectors x, y at the angle :math:`\theta` and standard normal w, with :math:`\phi` the ReLU,

.. math:: S = x \cdot y\,P(w \cdot x \ge 0,\, w \cdot y \ge 0) = \frac{(\pi - \theta)\cos\theta}{2\pi}, \qquad
          T = E[\phi(w \cdot x)\,\phi(w \cdot y)] = S + \frac{\sin\theta}{2\pi},

up to factors Cho and Saul's arc-cosine kernels of degree 0 (times the cosine) and 1. The kernel of the encoder tends to
:math:`S \otimes I` and that of the decoder to :math:`T \otimes I`. The paper on joint training has S in both places:
(5.11) is right, (5.12) is not. Stein's identity :math:`E[w h(w)] = E[\nabla h(w)]` needs h to be weakly differentiable,
and :math:`h = 1[w \cdot x \ge 0]\,\phi(w \cdot y)` is not: it jumps across the hyperplane of x, and the jump adds the
surface term :math:`\sin\theta/2\pi`.
"""

from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

from aedyn._checks import check_matrix
from aedyn.unit_samples import check_unit_rows


def angles(X, Y):
    """Angles between samples, exact also where they are small or close to pi.

    Parameters
    ----------
    X, Y : array_like, shapes (n, d) and (p, d)
        Unit rows.

    Returns
    -------
    ndarray, shape (n, p)
        In radians.
    """
    X = check_unit_rows("X", X)
    Y = check_unit_rows("Y", check_matrix("Y", Y, None, X.shape[1]))
    return 2 * np.arctan2(cdist(X, Y), cdist(X, -Y))


class LimitKernels(NamedTuple):
    """Kernels of a network of infinite width, each to be multiplied by the identity of the output space.

    Attributes
    ----------
    encoder : ndarray
        S, the kernel when the encoder is trained; its smallest eigenvalue is the paper's lambda_0.
    decoder : ndarray
        T, the kernel when the decoder is trained.
    """

    encoder: np.ndarray
    decoder: np.ndarray

    @property
    def joint(self):
        """S + T, the kernel when both are trained."""
        return self.encoder + self.decoder


def kernels_at(angle):
    """Entries of the limit kernels as functions of the angle between two samples.

    Parameters
    ----------
    angle : float or array_like
        In radians.

    Returns
    -------
    LimitKernels
        Of arrays of the shape of `angle`.
    """
    angle = np.asarray(angle, dtype=float)
    S = np.cos(angle) * (np.pi - angle) / (2 * np.pi)
    return LimitKernels(S, S + np.sin(angle) / (2 * np.pi))


def limit_kernels(X):
    """Kernels of a network of infinite width on given samples.

    Parameters
    ----------
    X : array_like, shape (n, d)
        Unit rows.

    Returns
    -------
    LimitKernels
        Of arrays of shape (n, n).
    """
    return kernels_at(angles(X, X))


class Spectrum(NamedTuple):
    """Eigenvalues of data and limit kernels, on which steps, rates and widths depend.

    Attributes
    ----------
    n, d : int
        Number of samples and dimension.
    lambda_n : float
        Largest eigenvalue of the Gram matrix of the samples.
    lambda_0, lambda_T, lambda_joint : float
        Smallest eigenvalues of S, T and S + T. The paper takes lambda_0 also where lambda_T is needed.
    norm_S, norm_T, norm_joint : float
        Largest eigenvalues of S, T and S + T.
    """

    n: int
    d: int
    lambda_n: float
    lambda_0: float
    lambda_T: float
    lambda_joint: float
    norm_S: float
    norm_T: float
    norm_joint: float


def spectrum(X):
    """Eigenvalues of data and limit kernels.

    Parameters
    ----------
    X : array_like, shape (n, d)
        Unit rows.

    Returns
    -------
    Spectrum
    """
    X = check_unit_rows("X", X)
    limits = limit_kernels(X)
    ends = np.array([np.linalg.eigvalsh(kernel)[[0, -1]] for kernel in (*limits, limits.joint)])
    return Spectrum(*X.shape, *map(float, (np.linalg.norm(X, 2) ** 2, *ends.T.ravel())))
