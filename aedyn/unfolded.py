r"""The autoencoder whose encoder is a fixed number of proximal gradient steps, and its exact gradient.

With weights W of shape (n, m) a sample y has the code :math:`x_T` that T steps of (accelerated) proximal gradient
descent reach from zero on

.. math:: \tfrac12\|y - Wx\|^2 + \lambda_1\|x\|_1 + \lambda_2\sum_g\|x_g\|,

and the reconstruction :math:`W x_T`: the network of section 4.2 of the group-sparse paper. A step has the length
:math:`s = 1/\sigma_{\max}(W)^2`, and needs the weights only through their Gram matrix G and the products
:math:`u = W^T y`:

.. math:: x_k = \operatorname{prox}(z_{k-1} + s\,(u - G z_{k-1})), \qquad
          z_k = x_k + \beta_k\,(x_k - x_{k-1}), \qquad \beta_k = (t_k - 1)/t_{k+1},

with Nesterov's numbers :math:`t_1 = 1`, :math:`t_{k+1} = (1 + \sqrt{1 + 4t_k^2})/2` (FISTA, Beck and Teboulle 2009), or
:math:`\beta_k = 0` without acceleration (ISTA).
"""

from dataclasses import dataclass
from functools import reduce
from math import sqrt
from operator import add
from typing import NamedTuple

import numpy as np
from numba import njit
from scipy.linalg import eigh

from aedyn._checks import check_count, check_matrix, check_number
from aedyn._parallel import map_in_threads, one_blas_thread
from aedyn.dictionaries import Groups, make_groups

PIECE_ROWS = 128  # samples that a thread takes at a time: what it knows of them then stays in its cache
MAX_CHUNKS = 8


class UnfoldedGradient(NamedTuple):
    """Averages over samples.

    Attributes
    ----------
    weights : ndarray, shape (n, m)
        Gradient of the loss with respect to the weights.
    loss : float
        Mean of half the squared reconstruction error.
    active_groups : float
        Mean number of groups of a code that are not zero.
    """

    weights: np.ndarray
    loss: float
    active_groups: float


@dataclass(frozen=True, eq=False)
class Unfolded:
    r"""What the encoder does with the weights: penalties, and number and kind of steps.

    The proximal operator shortens each entry by the first threshold (those below it, and with `nonnegative` all
    negative ones, become 0), and then each group by the second. For groups that do not overlap this composition is
    the exact proximal operator of the whole penalty :math:`\lambda_1\|x\|_1 + \lambda_2\sum_g\|x_g\|`, with
    `nonnegative` of the penalty on codes that must not be negative: the sparse-group lasso (Simon, Friedman, Hastie
    and Tibshirani 2013).

    Parameters
    ----------
    group_lam : float
        :math:`\lambda_2`, at least 0.
    entry_lam : float
        :math:`\lambda_1`, at least 0.
    groups : Groups, optional
        Needed for a positive `group_lam`; without them each atom is a group.
    n_steps : int
        T, at least 1.
    accelerated : bool
        Whether the steps carry momentum (FISTA) or not (ISTA).
    nonnegative : bool
        Whether codes must not be negative.
    scaled : bool
        Whether thresholds are the lambdas times the step, so that the code tends to the minimiser for these lambdas;
        otherwise the lambdas are the thresholds, and the minimiser is that for :math:`\sigma_{\max}^2` times as large
        ones.
    """

    group_lam: float = 0.0
    entry_lam: float = 0.0
    groups: Groups | None = None
    n_steps: int = 15
    accelerated: bool = True
    nonnegative: bool = False
    scaled: bool = True

    def __post_init__(self):
        check_number("group_lam", self.group_lam, 0)
        check_number("entry_lam", self.entry_lam, 0)
        check_count("n_steps", self.n_steps)
        if self.group_lam and self.groups is None:
            raise ValueError(f"group_lam = {self.group_lam:g} needs groups; got None")


def encode(W, Y, network):
    """Codes of samples.

    Parameters
    ----------
    W : array_like, shape (n, m)
        Weights, taken to the precision of `Y`.
    Y : array_like, shape (n_samples, n)
        Samples.
    network : Unfolded

    Returns
    -------
    ndarray, shape (n_samples, m)
        In the precision of `Y`; the same bits for any number of threads.

    Raises
    ------
    ValueError
        When shapes do not fit, or the weights are not finite.
    FloatingPointError
        When a code is not finite, because samples are not or are too large, or when weights are zero or too large.
    """
    W, Y, groups = _check(W, Y, network)
    steps = _Steps(W, network, groups)
    X = np.empty((len(Y), W.shape[1]), Y.dtype)

    def encode_piece(rows):
        last_two = np.empty((2, W.shape[1], rows.stop - rows.start), Y.dtype)
        steps.run(Y[rows], last_two)
        X[rows] = last_two[network.n_steps % 2].T

    map_in_threads(encode_piece, _pieces(slice(0, len(Y)), PIECE_ROWS))
    if not np.isfinite(X).all():
        raise FloatingPointError("codes are not finite: samples are not, or samples or weights are too large")
    return X


def gradient(W, Y, network):
    r"""Gradient of the loss, the mean over samples of half the squared reconstruction error of the last code.

    It is exact: the derivative goes through all steps with their momentum and thresholds, through the Gram matrix, and
    through the step length, with :math:`\mathrm d\sigma_{\max} = p^T\,\mathrm dW\,q` for the largest singular value and
    its singular vectors p and q, as long as it is simple. Where an entry or a group sits exactly at its threshold there
    is no derivative, and that of the zero code is taken.

    Parameters
    ----------
    W : array_like, shape (n, m)
        Weights, taken to the precision of `Y`.
    Y : array_like, shape (n_samples, n)
        Samples.
    network : Unfolded

    Returns
    -------
    UnfoldedGradient
        The same bits for any number of threads.

    Raises
    ------
    ValueError
        When shapes do not fit, or the weights are not finite.
    FloatingPointError
        When the loss is not finite, because samples are not or are too large, or when weights are zero or too large.
    """
    W, Y, groups = _check(W, Y, network)
    steps = _Steps(W, network, groups)
    rows = slice(0, len(Y))
    chunks = _pieces(rows, max(PIECE_ROWS, -(-len(Y) // MAX_CHUNKS)))

    def pull_back_chunk(chunk):
        return _sum(steps.pull_back(Y[piece]) for piece in _pieces(chunk, PIECE_ROWS))

    total = _sum(map_in_threads(pull_back_chunk, chunks))
    loss = total.squares / (2 * len(Y))
    if not np.isfinite(loss):
        raise FloatingPointError(f"the loss is {loss}: samples or weights are not finite, or have grown too large")
    with one_blas_thread():
        weights = (W @ (total.gram + total.gram.T) + total.products) / Y.dtype.type(len(Y))
    return UnfoldedGradient(weights, max(loss, 0.0), total.active / len(Y))


def _check(W, Y, network):
    W = check_matrix("W", W)
    Y = check_matrix("Y", Y, n_columns=W.shape[0], finite=False)
    groups = network.groups or make_groups(W.shape[1], group_size=1)
    if len(groups.indices) != W.shape[1]:
        raise ValueError(f"groups must be of the {W.shape[1]} columns of W; got groups of {len(groups.indices)}")
    return W.astype(Y.dtype, copy=False), Y, groups


def _pieces(rows, most):
    """Slices of at most so many rows, the same for any number of threads."""
    size = rows.stop - rows.start
    count = -(-size // most)
    return [slice(rows.start + size * k // count, rows.start + size * (k + 1) // count) for k in range(count)]


class _Cotangents(NamedTuple):
    """Derivatives of half the sum of squared errors of some samples, and what else is summed over samples."""

    products: np.ndarray  # with respect to W through the products W^T y, shape (n, m)
    gram: np.ndarray  # with respect to the Gram matrix, the step length included, shape (m, m)
    squares: float  # squared errors
    active: int  # active groups


def _sum(parts):
    return reduce(lambda one, other: _Cotangents(*map(add, one, other)), parts)


class _Steps:
    """The steps for given weights. Arrays of codes have a row for each atom and a column for each sample."""

    @one_blas_thread()
    def __init__(self, W, network, groups):
        self.W, self.network, self.layout = W, network, (groups.indices, groups.ptr)
        self.gram = W.T @ W
        if not 0 < np.trace(self.gram) < np.inf:
            raise FloatingPointError(f"W must have a norm that is neither 0 nor too large; got {np.linalg.norm(W):g}")
        last = len(self.gram) - 1
        values, vectors = eigh(self.gram, subset_by_index=[last, last], check_finite=False)
        self.top, self.length = vectors[:, 0], float(1 / values[0])
        self.map = np.eye(len(self.gram), dtype=W.dtype) - self.length * self.gram
        lams = network.entry_lam, network.group_lam
        self.thresholds = [lam * self.length if network.scaled else lam for lam in lams]

    def run(self, Y, X):
        """Write the code after k steps into X[k % len(X)], shape (m, n_samples), for all k; return W^T y."""
        U = self.W.T @ Y.T
        S = self.length * U
        X[0] = 0
        Z, P = np.empty_like(S), np.zeros_like(S)
        for k, momentum in enumerate(_momenta(self.network)):
            if k:
                np.matmul(self.map, Z, out=P)
            before, after = X[k % len(X)], X[(k + 1) % len(X)]
            _step(S, P, *self.thresholds, self.network.nonnegative, *self.layout, momentum, before, after, Z)
        return U

    def pull_back(self, Y):
        r"""Derivatives for some samples.

        The argument of the proximal operator is :math:`v_k = s u + M z_{k-1}` with :math:`M = I - sG`. With its
        cotangent :math:`\bar v_k`, the code before it has :math:`\bar x_{k-1} = M c_{k-1}` with
        :math:`c_{k-1} = (1 + \beta_{k-1})\bar v_k - \beta_k\bar v_{k+1}`, and M has the sum of :math:`c_k x_k^T`.
        """
        network, n_steps = self.network, self.network.n_steps
        X = np.empty((n_steps + 1, len(self.gram), len(Y)), Y.dtype)
        U = self.run(Y, X)
        codes, momenta = X[-1], [0.0, *_momenta(network)]
        D = self.gram @ codes - U
        squares = float(np.vdot(Y, Y)) + float(np.vdot(codes, D - U))
        V, C, V_sum = np.zeros_like(D), np.empty_like(D), np.zeros_like(D)
        map_bar, product = np.zeros_like(self.gram), np.empty_like(self.gram)
        lost = np.zeros((2, len(Y)), Y.dtype)
        for k in range(n_steps, 0, -1):
            _pull_back_step(X[k], D, self.thresholds[1], *self.layout, *momenta[k - 1 : k + 1], V, C, V_sum, lost)
            if k > 1:
                map_bar += np.matmul(C, X[k - 1].T, out=product)
                np.matmul(self.map, C, out=D)
        length_bar = float(np.vdot(V_sum, U)) - float(np.vdot(map_bar, self.gram))
        if network.scaled:
            length_bar -= float(np.dot((network.entry_lam, network.group_lam), lost.sum(axis=1)))
        gram_bar = np.matmul(codes, codes.T, out=product) / 2 - self.length * map_bar
        gram_bar -= np.outer(self.length**2 * length_bar * self.top, self.top)  # s = 1 / q^T G q
        products = Y.T @ (self.length * V_sum - codes).T
        return _Cotangents(products, gram_bar, squares, _count_active(codes, *self.layout))


def _momenta(network):
    """Numbers beta_1 to beta_T; the last, of which no step makes use, is 0."""
    t, momenta = 1.0, []
    for _ in range(network.n_steps - 1):
        t, before = (1 + sqrt(1 + 4 * t * t)) / 2, t
        momenta.append((before - 1) / t if network.accelerated else 0.0)
    return [*momenta, 0.0]


def _count_active(codes, indices, ptr):
    return int(np.count_nonzero(np.logical_or.reduceat(codes[indices] != 0, ptr[:-1], axis=0)))


@njit(cache=True, nogil=True, error_model="numpy")
def _step(S, P, entry, group, nonnegative, indices, ptr, momentum, before, X, Z):
    """Write the code after a step, the proximal operator at S + P, into X, and where the next step starts into Z."""
    real = S.dtype.type
    zero, one, entry, group, momentum = real(0), real(1), real(entry), real(group), real(momentum)
    scales = np.empty(S.shape[1], S.dtype)
    for g in range(len(ptr) - 1):
        scales[:] = 0
        for p in range(ptr[g], ptr[g + 1]):
            i = indices[p]
            for s in range(S.shape[1]):
                z = S[i, s] + P[i, s]
                size = z if nonnegative else abs(z)
                size = zero if size <= entry else size - entry
                X[i, s] = size if z > 0 else -size
                scales[s] += size * size
        for s in range(S.shape[1]):
            scales[s] = zero if scales[s] <= group * group else one - group / np.sqrt(scales[s])
        for p in range(ptr[g], ptr[g + 1]):
            i = indices[p]
            for s in range(S.shape[1]):
                X[i, s] *= scales[s]
                Z[i, s] = X[i, s] + momentum * (X[i, s] - before[i, s])


@njit(cache=True, nogil=True, error_model="numpy")
def _pull_back_step(X, D, group, indices, ptr, momentum, next_momentum, V, C, V_sum, lost):
    """From the cotangent D of the code X after a step, write that of the proximal operator's argument into V.

    V holds that of the next step before. C gets what the map pulls back to the code before, V_sum the sum over steps,
    and `lost` what raising the thresholds of entries and groups takes off.
    """
    real = X.dtype.type
    zero, one, group, momentum, next_momentum = real(0), real(1), real(group), real(momentum), real(next_momentum)
    n_samples = X.shape[1]
    norms, taus, along = np.empty((3, n_samples), X.dtype)
    for g in range(len(ptr) - 1):
        norms[:] = 0
        along[:] = 0
        for p in range(ptr[g], ptr[g + 1]):
            i = indices[p]
            for s in range(n_samples):
                norms[s] += X[i, s] * X[i, s]
                along[s] += X[i, s] * D[i, s]
        for s in range(n_samples):
            norm = np.sqrt(norms[s])
            inverse = zero if norm == 0 else one / norm
            taus[s] = one / (one + group * inverse)
            along[s] *= inverse
            lost[1, s] += along[s]
            along[s] *= (one - taus[s]) * inverse
        for p in range(ptr[g], ptr[g + 1]):
            i = indices[p]
            for s in range(n_samples):
                x = X[i, s]
                v = taus[s] * D[i, s] + along[s] * x
                v = zero if x == 0 else v
                lost[0, s] += v if x > 0 else -v
                C[i, s] = (one + momentum) * v - next_momentum * V[i, s]
                V[i, s] = v
                V_sum[i, s] += v
