"""Activations of the encoder: what turns pre-activations into a code.

An activation is a small frozen dataclass. Calling it maps pre-activations to codes, arrays of any shape whose last axis
runs over the atoms. For the gradient it says two things, both from the codes alone: through which units a sample's
reconstruction depends on the encoder (`active`), and how changes of the code pull back to changes of the
pre-activation, the Jacobian times a vector (`pull_back`). `derivative` gives the Jacobian's diagonal where that is all.
"""

from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from typing import NamedTuple

import numpy as np
from numba import njit

from aedyn._checks import check_number
from aedyn.dictionaries import Groups


class Active(NamedTuple):
    """Units of several samples, listed sample after sample.

    Attributes
    ----------
    atoms : ndarray of int64, shape (n_listed,)
        The listed units.
    ends : ndarray of int64, shape (n_samples,)
        Where the list of each sample ends.
    """

    atoms: np.ndarray
    ends: np.ndarray


def all_units(n_samples, m):
    """List of all m units for each sample.

    Parameters
    ----------
    n_samples, m : int

    Returns
    -------
    Active
    """
    return Active(np.tile(np.arange(m), n_samples), m * np.arange(1, n_samples + 1))


class _LinearWhereActive:
    """What the activations share that keep an active unit as it is: their Jacobian is 1 there, and 0 elsewhere."""

    def active(self, X, at_most):
        """Units that are not zero, listed; None when they are more than `at_most` in all.

        Parameters
        ----------
        X : ndarray, shape (n_samples, m)
            Codes.
        at_most : int

        Returns
        -------
        Active or None
        """
        return _list_nonzero(X, at_most)

    def pull_back(self, x, v, active, rank_one=1.0):
        """Jacobian, times `v`: v itself on units that are not zero.

        Parameters
        ----------
        x, v : ndarray, shape (n_listed,)
            Codes and what to multiply, of listed units.
        active : Active
            Which units these are.
        rank_one : float
            Of no effect here; see `GroupShrinkage.pull_back`.

        Returns
        -------
        ndarray, shape (n_listed,)
        """
        return np.where(x != 0, v, x.dtype.type(0))


@dataclass(frozen=True)
class ReLU(_LinearWhereActive):
    """max(z, 0)."""

    def __call__(self, z):
        return np.maximum(z, 0)

    def derivative(self, z):
        """1 where z > 0 and 0 elsewhere; at z = 0 there is none, and 0 is taken."""
        z = np.asarray(z)
        return (z > 0).astype(z.dtype)


@dataclass(frozen=True)
class HardThreshold(_LinearWhereActive):
    """z where its modulus is at least `lam`, and 0 elsewhere.

    Parameters
    ----------
    lam : float
        Threshold, at least 0. The dynamics paper uses half the smallest nonzero entry of a code.
    """

    lam: float

    def __post_init__(self):
        check_number("lam", self.lam, 0)

    def __call__(self, z):
        z = np.asarray(z)
        x = np.empty(z.shape, z.dtype)
        _hard_threshold(z.ravel(), self.lam, x.ravel())
        return x

    def derivative(self, z):
        """1 where the modulus is above `lam` and 0 elsewhere; at the jump there is none, and 0 is taken."""
        z = np.asarray(z)
        return (np.abs(z) > self.lam).astype(z.dtype)


@dataclass(frozen=True, eq=False)
class GroupShrinkage:
    r"""Each group of entries shortened by `lam`, and 0 where it is no longer than that.

    It is the proximal operator of `lam` times the sum of the groups' norms (equation (7) of the group-sparse paper),
    with `nonnegative` of the same on codes that must not be negative, which shortens max(z, 0). On groups of one atom
    it is the soft threshold, two-sided or one-sided.

    The code says all about the Jacobian. On an active group, with :math:`\tau = \|x\|/(\|x\| + \lambda)
    = 1 - \lambda/\|z\|` and the direction :math:`\hat x` of the code, it is
    :math:`\tau I + (1 - \tau)\,\hat x\hat x^T`. The paper's equation (48) leaves out the rank-one part.

    Parameters
    ----------
    lam : float
        How much each group loses in norm, at least 0.
    groups : Groups
    nonnegative : bool
        Whether to shorten max(z, 0) instead.
    """

    lam: float
    groups: Groups
    nonnegative: bool = False

    def __post_init__(self):
        check_number("lam", self.lam, 0)

    def __call__(self, z):
        z = np.asarray(z)
        z = z.astype(np.result_type(z, np.float32), copy=False)
        m = len(self.groups.indices)
        if z.shape[-1] != m:
            raise ValueError(f"the last axis must run over the {m} atoms of the groups; got {z.shape[-1]}")
        z = np.maximum(z, 0) if self.nonnegative else z
        x = np.zeros(z.shape, z.dtype)
        _shrink_groups(z.reshape(-1, m), self.lam, *self._layout, x.reshape(-1, m))
        return x

    def active(self, X, at_most):
        """Units of active groups, listed; None when they are more than `at_most` in all.

        Parameters
        ----------
        X : ndarray, shape (n_samples, m)
            Codes.
        at_most : int

        Returns
        -------
        Active or None
        """
        if self.nonnegative:
            return _list_nonzero(X, at_most)
        return _list_groups(X, *self._layout, at_most)

    def pull_back(self, x, v, active, rank_one=1.0):
        """Jacobian, times `v`.

        Parameters
        ----------
        x, v : ndarray, shape (n_listed,)
            Codes and what to multiply, of listed units.
        active : Active
            Which units these are; a group of a sample is listed whole, or at least where its code is not zero.
        rank_one : float
            Share of the rank-one part that is kept: 1 for the Jacobian, 0 for the paper's approximation of it.

        Returns
        -------
        ndarray, shape (n_listed,)
        """
        pulled = v.copy() if self.lam == 0 else np.empty_like(v)
        if self.lam:
            sums = np.zeros((2, len(self.groups)))
            _pull_back_groups(x, v, self._layout[0][active.atoms], active.ends, self.lam, rank_one, sums, pulled)
        return np.where(x != 0, pulled, x.dtype.type(0)) if self.nonnegative else pulled

    def jacobian_product(self, z, v):
        """Jacobian at `z`, a symmetric matrix, times `v`.

        Parameters
        ----------
        z, v : array_like, shape (..., m)

        Returns
        -------
        ndarray, shape (..., m)
            On an active group v is scaled like z, and its part along z regains what the shortening took.
        """
        x = self(z)
        units = all_units(x.size // x.shape[-1], x.shape[-1])
        return self.pull_back(x.ravel(), np.broadcast_to(v, x.shape).ravel(), units).reshape(x.shape)

    @cached_property
    def _layout(self):
        """Group of each atom, atoms group after group, and where each group starts among these."""
        labels = np.empty(len(self.groups.indices), dtype=np.int64)
        labels[self.groups.indices] = np.repeat(np.arange(len(self.groups)), self.groups.sizes)
        return labels, self.groups.indices, self.groups.ptr


def _list_nonzero(X, at_most):
    """Atoms that are not zero, as groups of one atom."""
    atoms = np.arange(X.shape[1] + 1)
    return _list_groups(X, atoms[:-1], atoms[:-1], atoms, at_most)


def _list_groups(X, labels, indices, ptr, at_most):
    """Atoms of the groups of which some entry is not zero; None when they are more than `at_most`."""
    atoms, ends = np.empty(max(at_most, 0), dtype=np.int64), np.zeros(len(X), dtype=np.int64)
    _fill_list(X, labels, indices, ptr, atoms, ends)
    return None if ends[-1] > at_most else Active(atoms[: ends[-1]], ends)


@njit(cache=True, nogil=True)
def _hard_threshold(z, lam, x):
    """Write z into x where its modulus is at least lam, and 0 elsewhere, in one pass."""
    for i in range(z.size):
        x[i] = z[i] if abs(z[i]) >= lam else 0


@njit(cache=True, nogil=True)
def _shrink_groups(Z, lam, labels, indices, ptr, X):
    """Write the groups of Z that are longer than lam, shortened, into X, which is zero; NaN is written too."""
    squares = np.zeros(len(ptr) - 1)
    for s in range(Z.shape[0]):
        for i in range(Z.shape[1]):
            squares[labels[i]] += Z[s, i] * Z[s, i]
        for g in range(len(squares)):
            if not squares[g] <= lam * lam:
                scale = 1 - lam / sqrt(squares[g])
                for p in range(ptr[g], ptr[g + 1]):
                    X[s, indices[p]] = scale * Z[s, indices[p]]
            squares[g] = 0


@njit(cache=True, nogil=True)
def _pull_back_groups(x, v, labels, ends, lam, rank_one, sums, pulled):
    """Write the Jacobian of the shrinkage, times v, into `pulled`; `sums`, two a group, is zero before and after."""
    squares, products = sums
    start = 0
    for end in ends:
        for p in range(start, end):
            squares[labels[p]] += x[p] * x[p]
            products[labels[p]] += x[p] * v[p]
        for p in range(start, end):
            square = squares[labels[p]]
            if square == 0:
                pulled[p] = 0
            else:
                tau = sqrt(square) / (sqrt(square) + lam)
                pulled[p] = tau * v[p] + rank_one * (1 - tau) * products[labels[p]] / square * x[p]
        for p in range(start, end):
            squares[labels[p]] = products[labels[p]] = 0
        start = end


@njit(cache=True, nogil=True)
def _fill_list(X, labels, indices, ptr, atoms, ends):
    """List the atoms of the groups of each row that are not all zero, and stop when there is no room for more."""
    seen = np.full(len(ptr) - 1, -1)
    size = 0
    for s in range(X.shape[0]):
        for i in range(X.shape[1]):
            if X[s, i] != 0 and seen[labels[i]] != s:
                g = labels[i]
                seen[g] = s
                for p in range(ptr[g], ptr[g + 1]):
                    if size < len(atoms):
                        atoms[size] = indices[p]
                    size += 1
        ends[s] = size
        if size > len(atoms):
            ends[-1] = size
            return
