r"""The tied-weight autoencoder: encode, decode, loss and gradient.

With weights W of shape (n, m) and bias b, a sample y has pre-activation :math:`z = W^T y + b`, code
:math:`x = \sigma(z)` and reconstruction :math:`\hat y = W x` (equation (2) of the dynamics paper). Samples are rows.
"""

from itertools import combinations_with_replacement
from threading import local
from typing import NamedTuple

import numpy as np
from numba import njit

from aedyn._checks import check_matrix, check_number
from aedyn._parallel import map_in_threads, one_blas_thread
from aedyn.activations import GroupShrinkage, HardThreshold, ReLU, all_units

MAX_CHUNKS = 8
CHUNK_ROWS = 1024  # fewer samples are not worth a thread
CHUNK_ATOMS = 250  # nor are fewer columns
BLOCK_ROWS = 256  # samples of which the codes are in memory, and in the cache, at a time
DENSE_SHARE = 0.1  # with more active units, matrix products are faster than sums over these


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


def gradient(W, b, Y, activation, *, rank_one=1.0):
    r"""Gradient of the loss: equation (4) of the dynamics paper, averaged over samples.

    For ReLU and hard threshold the derivative is :math:`\mathbf 1\{x_i \ne 0\}` wherever it exists, so that the
    gradient and the paper's approximate gradient (the display below equation (4)) are the same array. At the jump of
    the hard threshold there is no derivative, and the average of gradients is then not the gradient of the average.

    For group shrinkage it is equation (23) of the group-sparse paper with the whole Jacobian of the shrinkage; with
    `rank_one` = 0 it is that paper's approximation, equation (51).

    Parameters
    ----------
    W : array_like, shape (n, m)
        Weights; single precision is kept when `Y` is in single precision too.
    b : float or array_like, shape (m,)
        Bias.
    Y : array_like, shape (n_samples, n)
        Samples; read once.
    activation : ReLU, HardThreshold or GroupShrinkage
    rank_one : float
        Share of the rank-one part of the shrinkage's Jacobian that is kept, from 0 to 1; the other activations, and
        groups of one atom with a share of 1, have a Jacobian of zeros and ones.

    Returns
    -------
    Gradient

    Raises
    ------
    TypeError
        When the activation is another one.
    FloatingPointError
        When samples or weights are so large, or not numbers, that the loss is not finite.
    """
    if not isinstance(activation, ReLU | HardThreshold | GroupShrinkage):
        raise TypeError(f"activation must be ReLU, HardThreshold or GroupShrinkage; got {activation!r}")
    rank_one = check_number("rank_one", rank_one, 0, 1)
    W, b, Y = _check(W, b, Y)
    return _average(W, Y, activation, rank_one, lambda U, rows: activation(U + b if b.any() else U))


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

    def encode_block(U, rows):
        on = codes[rows].astype(bool).toarray()
        return np.where(on, U + b, U.dtype.type(0))

    return _average(W, Y, ReLU(), 1.0, encode_block)


def _check(W, b, Y):
    W = check_matrix("W", W)
    Y = check_matrix("Y", Y, n_columns=W.shape[0], finite=False)
    b = np.asarray(b, dtype=np.result_type(W, Y))
    if b.ndim and b.shape != (W.shape[1],):
        raise ValueError(f"b must be a number or have shape ({W.shape[1]},); got shape {b.shape}")
    return W, b, Y


@one_blas_thread()
def _average(W, Y, activation, rank_one, encode_block):
    r"""Average gradient over samples, from sums that need the residual of no sample.

    With overlaps :math:`c = W^T (y - Wx)` and the Jacobian J of the activation, a sample contributes
    :math:`-(x_i + (Jc)_i) y + W x\,x_i` to the gradient of column i. So the sums of :math:`(x_i + (Jc)_i) y` and of
    :math:`x x^T` are enough, and the overlaps, needed on active units only, come from the Gram matrix of W.
    """
    (n, m), n_samples = W.shape, len(Y)
    gram = _gram(W)
    chunks = _pieces(n_samples, _chunk_rows(n, m))
    signals = _scratch("signals", (len(chunks), m, n), np.result_type(W, Y))
    moments = _scratch("moments", (len(chunks), m, m), signals.dtype)

    def sum_chunk(chunk, signal, moment):
        sums = _Sums(signal, moment)
        for start in range(chunk.start, chunk.stop, BLOCK_ROWS):
            rows = slice(start, min(start + BLOCK_ROWS, chunk.stop))
            U = Y[rows] @ W
            sums.add(Y[rows], U, encode_block(U, rows), gram, activation, rank_one)
        return sums.pulled, sums.active, sums.squares

    def finish(atoms):
        weights[:, atoms] = (W @ moments[:, atoms].sum(axis=0).T - signals[:, atoms].sum(axis=0).T) / n_samples

    parts = map_in_threads(lambda piece: sum_chunk(*piece), list(zip(chunks, signals, moments, strict=True)))
    pulled, active, squares = (sum(part) for part in zip(*parts, strict=True))
    value = float(squares[0]) / (2 * n_samples)
    if not np.isfinite(value):
        raise FloatingPointError(f"the loss is {value}: samples or weights are not finite, or have grown too large")
    weights = np.empty(W.shape, signals.dtype)
    map_in_threads(finish, _pieces(m, CHUNK_ATOMS))
    return Gradient(
        weights=weights,
        bias=-pulled / n_samples,
        loss=max(value, 0.0),  # rounding may leave a loss of zero below it
        activity=active / n_samples,
    )


def _chunk_rows(n, m):
    """Samples that are worth a thread, and the memory of its sums: no fewer entries than these have."""
    return max(CHUNK_ROWS, m * (n + m) // n)


def _pieces(total, least):
    """Slices that make up a range, each worth a thread, and the same for any number of threads."""
    count = max(1, min(MAX_CHUNKS, total // least))
    return [slice(total * k // count, total * (k + 1) // count) for k in range(count)]


_kept = local()


def _scratch(name, shape, dtype):
    """Array of any content that the thread keeps for its next call: new memory costs a fifth of a large gradient."""
    array = getattr(_kept, name, None)
    if array is None or array.shape != shape or array.dtype != dtype:
        array = np.empty(shape, dtype)
        setattr(_kept, name, array)
    return array


def _gram(W):
    """Inner products of the columns of W; of two that mirror each other one block is computed."""
    gram = np.empty((W.shape[1], W.shape[1]), W.dtype)

    def fill(block):
        rows, columns = block
        gram[rows, columns] = W[:, rows].T @ W[:, columns]
        gram[columns, rows] = gram[rows, columns].T

    map_in_threads(fill, list(combinations_with_replacement(_pieces(W.shape[1], CHUNK_ATOMS), 2)))
    return gram


class _Sums:
    """Sums over the samples of one chunk."""

    def __init__(self, signal, moment):
        self.signal = signal  # of (x_i + (J c)_i) y, shape (m, n)
        self.moment = moment  # of x x^T
        signal.fill(0)
        moment.fill(0)
        self.pulled = np.zeros(len(signal))  # of (J c)_i
        self.active = np.zeros(len(signal))  # of 1{x_i != 0}
        self.squares = np.zeros(1)  # of |y - Wx|^2

    def add(self, Y, U, X, gram, activation, rank_one):
        """Add a block of samples Y with products U = Y W and codes X, by the route that suits how many are active."""
        units = activation.active(X, int(DENSE_SHARE * X.size))
        if units:
            x, c = np.empty((2, len(units.atoms)), X.dtype)
            _overlaps(U, X, gram, *units, x, c, self.squares)
            v = activation.pull_back(x, c, units, rank_one)
            _add_sparse(Y, *units, x, x + v, self.signal, self.moment, self.squares)
            self.pulled += np.bincount(units.atoms, v, len(gram))
            self.active += np.bincount(units.atoms, x != 0, len(gram))
            return
        C = U - X @ gram
        V = activation.pull_back(X.ravel(), C.ravel(), all_units(*X.shape), rank_one).reshape(X.shape)
        self.signal += (X + V).T @ Y
        self.moment += X.T @ X
        self.pulled += V.sum(axis=0)
        self.active += np.count_nonzero(X, axis=0)
        self.squares += np.vdot(Y, Y) - np.vdot(X, U + C)


@njit(cache=True, nogil=True)
def _overlaps(U, X, gram, atoms, ends, x, c, squares):
    """Write the codes x and overlaps c of the listed units; subtract what the codes explain from the squares."""
    start = 0
    for s in range(len(ends)):
        for p in range(start, ends[s]):
            x[p] = X[s, atoms[p]]
            c[p] = U[s, atoms[p]]
            for q in range(start, p):
                entry = gram[atoms[p], atoms[q]]
                c[p] -= entry * x[q]
                c[q] -= entry * x[p]
            c[p] -= gram[atoms[p], atoms[p]] * x[p]
        for p in range(start, ends[s]):
            squares[0] -= x[p] * (U[s, atoms[p]] + c[p])
        start = ends[s]


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _add_sparse(Y, atoms, ends, x, weights, signal, moment, squares):
    """Add weights times samples, products of codes, and the squares of the samples to the sums."""
    start = 0
    for s in range(len(ends)):
        square = 0.0
        for f in range(Y.shape[1]):
            square += Y[s, f] * Y[s, f]
        squares[0] += square
        for p in range(start, ends[s]):
            i = atoms[p]
            for q in range(start, ends[s]):
                moment[i, atoms[q]] += x[p] * x[q]
            for f in range(Y.shape[1]):
                signal[i, f] += weights[p] * Y[s, f]
        start = ends[s]
