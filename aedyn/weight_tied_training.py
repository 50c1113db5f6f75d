r"""Gradient descent on the weight-tied network, and what it does to directions that no sample has.

The loss is :math:`L = \frac12\sum_i\|x_i-u(x_i)\|^2` with :math:`u(x) = \frac1m W\,\mathrm{relu}(W^Tx)`, and a unit
with :math:`w^Tx = 0` counts as active. A step is :math:`W \leftarrow W - \eta m\nabla L`: with the factor m, units move
by amounts that do not depend on the width, and :math:`\eta` times the number of steps is the time of the limit.
"""

import warnings
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh
from tqdm import tqdm

from aedyn._checks import check_count, check_matrix, check_number
from aedyn._parallel import one_blas_thread


class TiedGradient(NamedTuple):
    """Loss and its gradient.

    Attributes
    ----------
    loss : float
        Half the squared error, summed over the samples.
    W : ndarray, shape (d, m)
    """

    loss: float
    W: np.ndarray


@dataclass(frozen=True, eq=False)
class TiedRun:
    """What gradient descent leaves.

    Attributes
    ----------
    losses : ndarray, shape (n_iter + 1,)
        Loss before each step, and at the end.
    W : ndarray, shape (d, m)
        Weights at the end.
    status : str
        ``"reached"`` when the target was, ``"diverged"`` when the loss stopped being finite, ``"finished"`` otherwise.
    watched : list
        What `watch` returned, where it was not None.
    """

    losses: np.ndarray
    W: np.ndarray
    status: str
    watched: list

    @property
    def n_iter(self):
        """Number of steps taken."""
        return len(self.losses) - 1


def tied_gradient(W, X):
    r"""Loss and gradient, :math:`\nabla_{w_r} = -\frac1m\sum_i[1(w_r^Tx_i\ge0)(e_i^Tw_r)x_i + \phi(w_r^Tx_i)e_i]`.

    Parameters
    ----------
    W : array_like, shape (d, m)
    X : array_like, shape (n, d)

    Returns
    -------
    TiedGradient
    """
    W, X = _check_pair(W, X)
    loss, change = _change(W, X)
    return TiedGradient(loss, -change / W.shape[1])


@one_blas_thread()
def descend_tied(W, X, *, step, n_steps, watch=None, target=0.0, progress=False):
    """Gradient descent on the tied network.

    Parameters
    ----------
    W : array_like, shape (d, m)
        Start.
    X : array_like, shape (n, d)
    step : float
        The eta of the module's head: the usual step size over m.
    n_steps : int
        Steps at most.
    watch : callable, optional
        Called as ``watch(k, W)`` before the first step (k = 0) and after each; what it returns is kept unless it is
        None. The array is the one that the descent goes on with: copy what is to stay.
    target : float
        Share of the first loss at which the run stops.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    TiedRun

    Warns
    -----
    RuntimeWarning
        When the run diverges.
    """
    W, X = _check_pair(W, X)
    step, target = check_number("step", step, 0), check_number("target", target, 0)
    W, losses, watched, status = W.copy(), [], [], "finished"
    for k in tqdm(range(check_count("n_steps", n_steps, 0) + 1), disable=not progress, desc="tied descent"):
        loss, change = _change(W, X)
        losses.append(loss)
        if not np.isfinite(loss):
            status = "diverged"
            warnings.warn(f"the run diverged after {k} steps of size {step:g}", RuntimeWarning, stacklevel=3)
            break
        if watch and (seen := watch(k, W)) is not None:
            watched.append(seen)
        if loss <= target * losses[0]:
            status = "reached"
            break
        if k < n_steps:
            change *= step
            W += change
    return TiedRun(np.array(losses), W, status, watched)


@one_blas_thread()
def natural_step(W, X):
    """One over the largest eigenvalue of the tangent kernel, half of what is stable while the kernel stays.

    The kernel is taken at the weights as they are, or enlarged to the mean gain 1 when theirs is smaller: that is what
    training will do.

    Parameters
    ----------
    W : array_like, shape (d, m)
    X : array_like, shape (n, d)

    Returns
    -------
    float
    """
    W, X = _check_pair(W, X)
    (n, d), m = X.shape, W.shape[1]
    gain = np.vdot(W, W) / (2 * d * m)
    H = np.maximum(X @ W, 0)
    active = H > 0

    def multiply(v):
        E = v.reshape(n, d)
        V = X.T @ (active * (E @ W)) + E.T @ H
        return ((active * (X @ V)) @ W.T + H @ V.T).ravel() / m

    kernel = LinearOperator((n * d, n * d), multiply, dtype=float)
    top = eigsh(kernel, 1, which="LA", v0=X.ravel(), tol=1e-3, return_eigenvectors=False)[0]
    return float(min(gain, 1) / top)


def _change(W, X):
    """Loss, and minus m times its gradient."""
    Z = X @ W
    H = np.maximum(Z, 0)
    E = H @ W.T
    E /= -W.shape[1]
    E += X
    B = E @ W
    B *= Z >= 0
    change = X.T @ B
    change += E.T @ H
    return 0.5 * float(np.square(E).sum()), change


def _check_pair(W, X):
    W = check_matrix("W", W).astype(float, copy=False)
    return W, check_matrix("X", X, None, len(W)).astype(float, copy=False)


# Directions with and without data -------------------------------------------------------------------------------------


class Subspaces(NamedTuple):
    """The space that samples span, and its orthogonal complement.

    Attributes
    ----------
    seen : ndarray, shape (d, k)
        Orthonormal basis of the span.
    unseen : ndarray, shape (d, d - k)
        Orthonormal basis of the complement.
    """

    seen: np.ndarray
    unseen: np.ndarray


def subspaces(X):
    """Split the space into what samples span and what they do not.

    Parameters
    ----------
    X : array_like, shape (n, d)

    Returns
    -------
    Subspaces
        Directions with singular values below 1e-10 times the largest count as unseen.
    """
    X = check_matrix("X", X)
    _, values, rows = np.linalg.svd(X, full_matrices=True)
    k = np.count_nonzero(values > 1e-10 * values[0])
    return Subspaces(rows[:k].T, rows[k:].T)


def gain(W, basis):
    r"""Mean gain of the network on a subspace: the trace there of its symmetrised Jacobian, over the dimension.

    The Jacobians at x and -x have the mean :math:`\frac1{2m}WW^T` (`weight_tied_degeneracy.odd_part`), so no input has
    to be chosen. The identity has gain 1 everywhere, a projector 1 on its image and 0 across. On the directions without
    data it is the order parameter of the room.

    Parameters
    ----------
    W : array_like, shape (d, m)
    basis : array_like, shape (d, k)
        Orthonormal columns.

    Returns
    -------
    float
    """
    W = check_matrix("W", W)
    basis = check_matrix("basis", basis, len(W))
    return float(np.square(basis.T @ W).sum() / (2 * W.shape[1] * basis.shape[1]))


def mirrored(W, basis):
    """Twice as many units, in pairs that agree on a subspace and are opposite across it.

    For samples in the subspace the outputs of a pair cancel across it, so that descent never moves a unit there.

    Parameters
    ----------
    W : array_like, shape (d, m)
    basis : array_like, shape (d, k)
        Orthonormal columns.

    Returns
    -------
    ndarray, shape (d, 2 m)
    """
    W = check_matrix("W", W)
    basis = check_matrix("basis", basis, len(W))
    return np.hstack([W, 2 * basis @ (basis.T @ W) - W])


def paired(W):
    """Twice as many units, in pairs of opposite ones: the network is linear, `weight_tied_degeneracy.odd_part`.

    Parameters
    ----------
    W : array_like, shape (d, m)

    Returns
    -------
    ndarray, shape (d, 2 m)
    """
    W = check_matrix("W", W)
    return np.hstack([W, -W])
