r"""The wide two-layer network of part III: its outputs, its gradients, and gradient descent on one layer or on both.

The network is :math:`u(x) = A\,\mathrm{relu}(W^Tx)/\sqrt{md}` with weights W and A of shape (d, m), the loss is
:math:`L = \frac12\sum_i\|x_i - u(x_i)\|^2` (equation 5.1 of the joint-training paper), and a unit with
:math:`w^Tx = 0` counts as active, as in the paper.
"""

import warnings
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import scipy.linalg.cython_blas  # noqa: F401  (Numba's products run there; loaded before threads are limited)
from numba import njit
from tqdm import tqdm

from aedyn._checks import check_count, check_matrix, check_number
from aedyn._parallel import map_in_threads, one_blas_thread

REGIMES = ("encoder", "decoder", "joint")
SMALL = 1_000_000  # up to this product of its three sizes, OpenBLAS multiplies matrices without repacking them
TILE = 96  # units in a piece: a multiple of this suits it best
SHARE = 7_000_000  # product of the three sizes above which threads are worth it


class Weights(NamedTuple):
    """Weights of a network.

    Attributes
    ----------
    W : ndarray, shape (d, m)
        Encoder; column r belongs to unit r.
    A : ndarray, shape (d, m)
        Decoder.
    """

    W: np.ndarray
    A: np.ndarray


class Gradients(NamedTuple):
    """Loss and its gradients.

    Attributes
    ----------
    loss : float
        Half the squared error, summed over the samples.
    W : ndarray, shape (d, m)
        Equation (5.4).
    A : ndarray, shape (d, m)
        Equation (5.5).
    """

    loss: float
    W: np.ndarray
    A: np.ndarray


@dataclass(frozen=True, eq=False)
class Run:
    """What gradient descent leaves.

    Attributes
    ----------
    losses : ndarray, shape (n_iter + 1,)
        Loss before each step, and at the end.
    W, A : ndarray, shape (d, m)
        Weights at the end; when the run diverged, those at which the loss was not finite any more.
    status : str
        ``"reached"`` when the target was, ``"diverged"`` when the loss stopped being finite, ``"finished"`` otherwise.
    watched : list
        What `watch` returned, where it was not None.
    """

    losses: np.ndarray
    W: np.ndarray
    A: np.ndarray
    status: str
    watched: list

    @property
    def n_iter(self):
        """Number of steps taken."""
        return len(self.losses) - 1


def draw_weights(d, m, rng):
    """Random start: standard normal encoder, then a decoder of independent signs (Theorems 4.1 to 5.2).

    Parameters
    ----------
    d : int
        Dimension of the samples.
    m : int
        Number of units.
    rng : int or numpy.random.Generator

    Returns
    -------
    Weights
    """
    rng, shape = np.random.default_rng(rng), (check_count("d", d), check_count("m", m))
    return Weights(rng.standard_normal(shape), rng.choice([-1.0, 1.0], size=shape))


def outputs(W, A, X):
    """Reconstructions of samples.

    Parameters
    ----------
    W, A : array_like, shape (d, m)
    X : array_like, shape (n, d)

    Returns
    -------
    ndarray, shape (n, d)
    """
    W, A, X = _check_network(W, A, X)
    return np.maximum(X @ W, 0) @ A.T / np.sqrt(W.size)


def gradients(W, A, X):
    """Loss and gradients of the network on samples, equations (5.1), (5.4) and (5.5).

    Parameters
    ----------
    W, A : array_like, shape (d, m)
    X : array_like, shape (n, d)

    Returns
    -------
    Gradients
    """
    W, A, X = _check_network(W, A, X)
    Z = X @ W
    H, scale = np.maximum(Z, 0), 1 / np.sqrt(W.size)
    E = X - scale * (H @ A.T)
    return Gradients(0.5 * np.square(E).sum(dtype=float), -scale * (X.T @ (E @ A * (Z >= 0))), -scale * (E.T @ H))


def descend(W, A, X, *, regime="encoder", step, n_steps, watch=None, target=None, progress=False):
    """Gradient descent on the encoder (section 4), on the decoder, or on both (section 5, equations 5.2 and 5.3).

    Parameters
    ----------
    W, A : array_like, shape (d, m)
        Start; taken to the precision of `X`.
    X : array_like, shape (n, d)
    regime : {"encoder", "decoder", "joint"}
        Which weights move.
    step : float
        The paper's eta.
    n_steps : int
        Steps at most.
    watch : callable, optional
        Called as ``watch(k, W, A)`` before the first step (k = 0) and after each; what it returns is kept unless it is
        None. The arrays are those that the descent goes on with: copy what is to stay.
    target : float, optional
        Share of the first loss at which the run stops.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    Run

    Warns
    -----
    RuntimeWarning
        When the run diverges.
    """
    if regime not in REGIMES:
        raise ValueError(f"regime must be one of {', '.join(REGIMES)}; got {regime!r}")
    W, A, X = _check_network(W, A, X)
    step, n_steps = check_number("step", step, 0), check_count("n_steps", n_steps, 0)
    target = 0.0 if target is None else check_number("target", target, 0)
    descent = _Descent(W, A, X, regime, step)
    losses, watched, status = [], [], "finished"
    with one_blas_thread():
        for k in tqdm(range(n_steps + 1), disable=not progress, desc="descent"):
            losses.append(descent.advance())
            if not np.isfinite(losses[-1]):
                status = "diverged"
                warnings.warn(f"the run diverged after {k} steps of size {step:g}", RuntimeWarning, stacklevel=2)
                break
            if watch and (seen := watch(k, *descent.weights())) is not None:
                watched.append(seen)
            if losses[-1] <= target * losses[0]:
                status = "reached"
                break
    return Run(np.array(losses), *descent.weights(), status, watched)


class _Descent:
    """Arrays of a descent, cut into pieces of units, and these into shares for the threads."""

    def __init__(self, W, A, X, regime, step):
        (d, self.m), n = W.shape, len(X)
        size = np.clip(SMALL // (n * d) // TILE * TILE, TILE, 10 * TILE)
        n_pieces = -(-self.m // size)
        self.W, self.A, self.H = (_cut(V.astype(X.dtype), n_pieces) for V in (W, A, X @ W))
        _rectify(self.H)
        self.X, self.E, self.scale = X, np.zeros_like(X), 1 / np.sqrt(W.size)
        self.options = X.dtype.type(step * self.scale), regime != "decoder", regime != "encoder"
        cuts = np.linspace(0, n_pieces, min(n_pieces, -(-n * W.size // SHARE)) + 1).astype(int).tolist()
        self.shares = [slice(*cut) for cut in pairwise(cuts)]
        self.U = np.empty((len(self.shares), n, d), X.dtype)

    def advance(self):
        """Take a step along the errors, which are zero in the beginning, find the new ones, and return the loss."""
        map_in_threads(self._advance_share, range(len(self.shares)))
        return _find_errors(self.X, self.U, self.scale, self.E)

    def _advance_share(self, i):
        share = self.shares[i]
        _advance(self.X, self.E, self.W[share], self.A[share], self.H[share], *self.options, self.U[i])

    def weights(self):
        """Copies of W and A, each in one piece."""
        return (np.hstack(V)[:, : self.m] for V in (self.W, self.A))


def _cut(V, n_pieces):
    """Pieces of equally many columns, each in an array of its own; zero columns fill the last."""
    size = -(-V.shape[1] // n_pieces)
    padded = np.pad(V, ((0, 0), (0, n_pieces * size - V.shape[1])))
    return np.ascontiguousarray(padded.reshape(len(V), n_pieces, size).swapaxes(0, 1))


def _check_network(W, A, X):
    W, X = check_matrix("W", W), check_matrix("X", X)
    if len(W) != X.shape[1]:
        raise ValueError(f"W must have a row for each of the {X.shape[1]} columns of X; got shape {W.shape}")
    return W, check_matrix("A", A, *W.shape), X


@njit(cache=True, nogil=True)
def _advance(X, E, W, A, H, change, moves_W, moves_A, U):
    """Step on pieces of units along the errors, (5.4) and (5.5), and write what these units then add to the output.

    H holds the activations, before the step and after it; those of silent units are -0.
    """
    B, D, A_rows, part = np.empty_like(H[0]), np.empty_like(W[0]), A[0].T.copy(), np.empty_like(U)
    U[:], one = 0, U.dtype.type(1)
    for p in range(len(W)):
        if moves_W:
            np.dot(E, A[p], B)
            _drop_silent(B, H[p])
            np.dot(X.T, B, D)
            _add(W[p], change, D)
        if moves_A:
            np.dot(E.T, H[p], D)
            _add(A[p], change, D)
        if moves_W:
            np.dot(X, W[p], H[p])
            _rectify(H[p])
        A_rows[:] = A[p].T  # no small product takes a transposed matrix fast
        np.dot(H[p], A_rows, part)
        _add(U, one, part)


@njit(cache=True, nogil=True)
def _add(total, factor, part):
    """Add a multiple of an array, in place."""
    total, part = total.reshape(-1), part.reshape(-1)
    for i in range(len(total)):
        total[i] += factor * part[i]


@njit(cache=True, nogil=True)
def _rectify(Z):
    """Make activations of what units see, in place: -0 where it is negative, and NaN passes."""
    Z = Z.reshape(-1)
    for i in range(len(Z)):
        Z[i] *= Z[i] >= 0


@njit(cache=True, nogil=True)
def _drop_silent(B, H):
    """Write zero where a unit is silent."""
    B, H = B.reshape(-1), H.reshape(-1)
    for i in range(len(B)):
        B[i] *= np.copysign(1, H[i]) > 0


@njit(cache=True, nogil=True)
def _find_errors(X, U, scale, E):
    """Write the errors, given the parts of the outputs, and return half their square."""
    E[:] = U[0]
    for share in range(1, len(U)):
        E += U[share]
    E[:] = X - scale * E
    return 0.5 * np.square(E.astype(np.float64)).sum()
