r"""Adversaries: weights moved, within a radius, to where they harm a tangent kernel most.

A bound on what a kernel may lose is tested by moving the weights against it; random movements hardly change its
smallest eigenvalue. The encoder's kernel changes when units flip, the decoder's when activations change.
"""

import numpy as np

from aedyn._checks import check_count, check_matrix, check_number
from aedyn.ntk_kernels import encoder_kernel
from aedyn.unit_samples import check_unit_rows


def flip_units(W, A, X, radius):
    r"""Weights with each unit moved across one hyperplane within reach, to lower the encoder's smallest eigenvalue.

    For the last eigenvector y of G, with pieces :math:`y_i`, :math:`y^T G y = \frac1m\sum_r\|p_r\|^2`,
    :math:`p_r = \sum_i s_{ir}(a_r \cdot y_i)x_i`. Unit r flips on the sample for which this lowers
    :math:`\|p_r\|^2` most, if any does.

    Parameters
    ----------
    W, A : array_like, shape (d, m)
    X : array_like, shape (n, d)
        Unit rows.
    radius : float
        How far a unit may move.

    Returns
    -------
    ndarray, shape (d, m)
    """
    X = check_unit_rows("X", X)
    W = check_matrix("W", W, X.shape[1]).astype(float, copy=False)
    A = check_matrix("A", A, *W.shape).astype(float, copy=False)
    radius = check_number("radius", radius, 0)
    y = np.linalg.eigh(encoder_kernel(W, A, X))[1][:, 0].reshape(X.shape)
    Z, c = X @ W, y @ A
    on = Z >= 0
    sign = np.where(on, 1, -1)
    gain = 2 * sign * c * (X @ (X.T @ (on * c))) - c**2
    best = np.where(abs(Z) <= radius, gain, 0).argmax(axis=0), np.arange(W.shape[1])
    across = -Z[best] - 1e-9 * sign[best]
    worth = (abs(across) <= radius) & (gain[best] > 0)
    return W + np.where(worth, across, 0) * X[best[0]].T


def push_units(W, X, radius, *, lift=False, n_steps=10):
    r"""Weights moved along the gradient of a singular value of the activations :math:`\phi(X^T W)`.

    Parameters
    ----------
    W : array_like, shape (d, m)
    X : array_like, shape (n, d)
    radius : float
        Frobenius norm of the movement.
    lift : bool
        Whether the largest singular value is lifted; otherwise the smallest is lowered.
    n_steps : int
        Steps of equal length, after which the movement is scaled to the radius.

    Returns
    -------
    ndarray, shape (d, m)
    """
    X = check_matrix("X", X).astype(float, copy=False)
    start = W = check_matrix("W", W, X.shape[1]).astype(float, copy=False)
    radius = check_number("radius", radius, 0, open_low=True)
    for _ in range(check_count("n_steps", n_steps)):
        Z = X @ W
        active = np.maximum(Z, 0)
        v = np.linalg.eigh(active @ active.T)[1][:, -1 if lift else 0]
        change = X.T @ (np.outer(v, v @ active) * (Z >= 0))
        W = W + (1 if lift else -1) * radius / n_steps * change / np.linalg.norm(change)
    return start + radius * (W - start) / np.linalg.norm(W - start)
