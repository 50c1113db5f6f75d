r"""Lemma 5.2, which rests on :math:`\|\phi(X^T W)\| \le \|X\|\,\|W\|`, and what is right in its place.

ReLU moves no entry further than its argument, so it contracts the Frobenius norm. It does not contract the spectral
norm: for random weights :math:`\|\phi(X^T W)\|^2/m` tends to :math:`\|T\| \ge n/2\pi`, however well conditioned the
samples. Where the paper uses the norm of W, that of the activations belongs.
"""

from typing import NamedTuple

import numpy as np

from aedyn._checks import check_matrix
from aedyn.ntk_kernels import decoder_kernel


class Bounds(NamedTuple):
    """A quantity, what the paper says it is at most, and what it really is at most.

    Attributes
    ----------
    measured, printed, corrected : float
    """

    measured: float
    printed: float
    corrected: float


def activation_norm(W, X):
    r"""Spectral norm of the activations.

    The paper bounds it by :math:`\|X\|\,\|W\|`; right is :math:`\|X\|\,\|W\|_F`.

    Parameters
    ----------
    W : array_like, shape (d, m)
    X : array_like, shape (n, d)

    Returns
    -------
    Bounds
    """
    X = check_matrix("X", X)
    W = check_matrix("W", W, X.shape[1])
    top = np.linalg.norm(X, 2)
    return _bounds(np.linalg.norm(np.maximum(X @ W, 0), 2), top * np.linalg.norm(W, 2), top * np.linalg.norm(W))


def kernel_change(W, W_new, X):
    r"""Lemma 5.2: how far the decoder's kernel moves with the encoder.

    With R the Frobenius norm of the move, the paper has :math:`\frac{\lambda_n}{m}(2\|W\| + R)R`. Right is
    :math:`\frac{\sqrt{\lambda_n}}{m}(2\|\phi(X^T W)\| + \sqrt{\lambda_n}R)R`: the activations :math:`\phi` move by a
    matrix D of norm at most :math:`\sqrt{\lambda_n}R`, and H by :math:`(\phi D^T + D\phi^T + D D^T)/m`.

    Parameters
    ----------
    W, W_new : array_like, shape (d, m)
    X : array_like, shape (n, d)

    Returns
    -------
    Bounds
    """
    norm = activation_norm(W, X).measured
    W, W_new, top = np.asarray(W), check_matrix("W_new", W_new, *np.shape(W)), np.linalg.norm(X, 2)
    radius, m = np.linalg.norm(W_new - W), W.shape[1]
    change = np.linalg.norm(decoder_kernel(W_new, X) - decoder_kernel(W, X), 2)
    printed = top**2 / m * (2 * np.linalg.norm(W, 2) + radius) * radius
    return _bounds(change, printed, top / m * (2 * norm + top * radius) * radius)


def _bounds(*values):
    return Bounds(*map(float, values))
