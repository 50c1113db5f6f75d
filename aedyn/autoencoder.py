r"""The tied-weight autoencoder: encode, decode, loss and gradient.

With weights W of shape (n, m) and bias b, a sample y has pre-activation :math:`z = W^T y + b`, code
:math:`x = \sigma(z)` and reconstruction :math:`\hat y = W x` (equation (2) of the dynamics paper). Samples are rows.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from aedyn._checks import check_matrix
from aedyn._parallel import map_in_threads, one_blas_thread
from aedyn.activations import HardThreshold, ReLU

MAX_CHUNKS = 8
CHUNK_ROWS = 1024  # fewer samples are not worth a thread
BLOCK_ROWS = 256
DENSE_SHARE = 0.1


class Gradient(NamedTuple):
    """Averages over samples, and what they were computed with.

    Attributes
    ----------
    weights : ndarray, shape (n, m)
        Gradient of the loss with respect to the weights.
    bias : ndarray, shape (m,)
        Gradient of the loss with respect to the bias.
    loss : float
        Mean of half the squared reconstruction error.
    activity : ndarray, shape (m,)
        Share of samples on which each unit is active.
    """

    weights: np.ndarray
    bias: np.ndarray
    loss: float
    activity: np.ndarray


def encode(W, b, Y, activation):
    """Codes of samples.

    Parameters
    ----------
    W : array_like, shape (n, m)
        Weights.
    b : float or array_like, shape (m,)
        Bias.
    Y : array_like, shape (n_samples, n)
        Samples.
    activation : callable
        One of `aedyn.activations`.

    Returns
    -------
    ndarray, shape (n_samples, m)
    """
    W, b, Y = _check(W, b, Y)
    return activation(Y @ W + b)


def decode(W, X):
    """Reconstructions of samples from their codes.

    Parameters
    ----------
    W : array_like, shape (n, m)
    X : array_like, shape (n_samples, m)

    Returns
    -------
    ndarray, shape (n_samples, n)
    """
    W = check_matrix("W", W)
    return check_matrix("X", X, n_columns=W.shape[1]) @ W.T


def loss(W, b, Y, activation):
    """Mean over samples of half the squared reconstruction error.

    Parameters
    ----------
    W, b, Y, activation
        As for `encode`.

    Returns
    -------
    float
    """
    residual = Y - decode(W, encode(W, b, Y, activation))
    return float(np.square(residual).sum(axis=1).mean() / 2)


def gradient(W, b, Y, activation):
    r"""Gradient of the loss: equation (4) of the dynamics paper, averaged over samples.

    For both activations the derivative is :math:`\mathbf 1\{x_i \ne 0\}` wherever it exists, so that the gradient and
    the paper's approximate gradient (the display below equation (4)) are the same array. At the jump of the hard
    threshold there is no derivative, and the average of gradients is then not the gradient of the average.

    Parameters
    ----------
    W : array_like, shape (n, m)
        Weights; single precision is kept when `Y` is in single precision too.
    b : float or array_like, shape (m,)
        Bias.
    Y : array_like, shape (n_samples, n)
        Samples; read once.
    activation : ReLU or HardThreshold

    Returns
    -------
    Gradient

    Raises
    ------
    TypeError
        When the activation is not linear in each active unit.
    FloatingPointError
        When samples or weights are so large, or not numbers, that the loss is not finite.
    """
    if not isinstance(activation, ReLU | HardThreshold):
        raise TypeError(f"activation must be ReLU or HardThreshold, linear where active; got {activation!r}")
    return _average(*_check(W, b, Y), lambda Z, rows: activation(Z))


def gradient_on_support(W, b, Y, codes):
    """The gradient that the dynamics paper analyses: as `gradient`, with the units of the true support active.

    Parameters
    ----------
    W, b, Y
        As for `gradient`.
    codes : scipy.sparse.csr_array, shape (n_samples, m)
        True codes; only their pattern is used.

    Returns
    -------
    Gradient

    Raises
    ------
    ValueError
        When `codes` has another shape.
    """
    W, b, Y = _check(W, b, Y)
    if codes.shape != (len(Y), W.shape[1]):
        raise ValueError(f"codes must have shape {(len(Y), W.shape[1])}; got {codes.shape}")

    def activate(Z, rows):
        on = codes[rows].astype(bool).toarray()
        return np.where(on, Z, Z.dtype.type(0))

    return _average(W, b, Y, activate)


def _check(W, b, Y):
    W = check_matrix("W", W)
    Y = check_matrix("Y", Y, n_columns=W.shape[0], finite=False)
    b = np.asarray(b, dtype=np.result_type(W, Y))
    if b.ndim and b.shape != (W.shape[1],):
        raise ValueError(f"b must be a number or have shape ({W.shape[1]},); got shape {b.shape}")
    return W, b, Y


@one_blas_thread()
def _average(W, b, Y, activate):
    r"""Average gradient over samples, from sums that need the residual of no sample.

    With overlaps :math:`c_i = \langle W_i, y - Wx\rangle` of active units, a sample contributes
    :math:`-(x_i + c_i) y + W x\,x_i` to the gradient of column i. So the sums of :math:`(x_i + c_i) y` and of
    :math:`x x^T` are enough, and the overlaps come from the Gram matrix of W.
    """
    n_samples = len(Y)
    gram = W.T @ W
    n_chunks = max(1, min(MAX_CHUNKS, n_samples // CHUNK_ROWS))
    edges = np.linspace(0, n_samples, n_chunks + 1).astype(int)

    def sum_chunk(chunk):
        sums = _Sums(*W.shape, np.result_type(W, Y))
        for start in range(edges[chunk], edges[chunk + 1], BLOCK_ROWS):
            rows = slice(start, min(start + BLOCK_ROWS, edges[chunk + 1]))
            U = Y[rows] @ W
            sums.add(Y[rows], U, activate(U + b, rows), gram)
        return sums

    chunks = map_in_threads(sum_chunk, range(len(edges) - 1))
    signal, moment, overlap, active, squares = (sum(parts) for parts in zip(*map(_Sums.parts, chunks), strict=True))
    value = float(squares.sum()) / (2 * n_samples)
    if not np.isfinite(value):
        raise FloatingPointError(f"the loss is {value}: samples or weights are not finite, or have grown too large")
    return Gradient(
        weights=(W @ moment - signal.T) / n_samples,
        bias=-overlap / n_samples,
        loss=max(value, 0.0),  # rounding may leave a loss of zero below it
        activity=active / n_samples,
    )


class _Sums:
    """Sums over the samples of one chunk."""

    def __init__(self, n, m, dtype):
        self.signal = np.zeros((m, n), dtype)  # of (x_i + c_i) y
        self.moment = np.zeros((m, m), dtype)  # of x x^T
        self.overlap = np.zeros(m)  # of c_i
        self.active = np.zeros(m)  # of 1{x_i != 0}
        self.squares = np.zeros(1)  # of |y - Wx|^2

    def parts(self):
        return self.signal, self.moment, self.overlap, self.active, self.squares

    def add(self, Y, U, X, gram):
        """Add a block of samples Y with products U = Y W and codes X, by the route that suits how many are active."""
        on = X != 0
        if np.count_nonzero(on) <= DENSE_SHARE * X.size:
            _add_sparse(Y, U, X, gram, *self.parts())
            return
        C = np.where(on, U - X @ gram, U.dtype.type(0))
        self.signal += (X + C).T @ Y
        self.moment += X.T @ X
        self.overlap += C.sum(axis=0)
        self.active += on.sum(axis=0)
        self.squares += np.vdot(Y, Y) - np.vdot(X, U + C)


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _add_sparse(Y, U, X, gram, signal, moment, overlap, active, squares):
    """Add a block of samples to the sums, in place, at a cost in proportion to the active units."""
    n_samples, n = Y.shape
    m = X.shape[1]
    support = np.empty(m, dtype=np.int64)
    for s in range(n_samples):
        size = 0
        for i in range(m):
            if X[s, i] != 0:
                support[size] = i
                size += 1
        square = 0.0
        for f in range(n):
            square += Y[s, f] * Y[s, f]
        for p in range(size):
            i = support[p]
            c = U[s, i]
            for q in range(size):
                j = support[q]
                c -= gram[i, j] * X[s, j]
                moment[i, j] += X[s, i] * X[s, j]
            weight = X[s, i] + c
            for f in range(n):
                signal[i, f] += weight * Y[s, f]
            overlap[i] += c
            active[i] += 1
            square -= X[s, i] * (U[s, i] + c)
        squares[0] += square
