"""Activations of the encoder: what turns pre-activations into a code.

An activation is a small frozen dataclass. Calling it maps pre-activations to codes; `derivative` gives, entry by
entry, the derivative where there is one. Both act on arrays of any shape whose last axis runs over the atoms.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from aedyn._checks import check_number
from aedyn.dictionaries import Groups


@dataclass(frozen=True)
class ReLU:
    """max(z, 0)."""

    def __call__(self, z):
        return np.maximum(z, 0)

    def derivative(self, z):
        """1 where z > 0 and 0 elsewhere; at z = 0 there is none, and 0 is taken."""
        z = np.asarray(z)
        return (z > 0).astype(z.dtype)


@dataclass(frozen=True)
class HardThreshold:
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
    """Each group of entries shortened by `lam`, and 0 where it is no longer than that.

    It is the proximal operator of `lam` times the sum of the groups' norms (equation (7) of the group-sparse paper).
    Its Jacobian is not diagonal for groups of more than one atom; `jacobian_product` applies it.

    Parameters
    ----------
    lam : float
        How much each group loses in norm, at least 0.
    groups : Groups
    """

    lam: float
    groups: Groups

    def __post_init__(self):
        check_number("lam", self.lam, 0)

    def __call__(self, z):
        z = np.asarray(z)
        return z * self._scale(z)[0]

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
        z, v = np.asarray(z), np.asarray(v)
        scale, norms = self._scale(z)
        along = self._sum_over_groups(z * v) * z / norms**2
        return scale * v + np.where(scale > 0, (1 - scale) * along, 0)

    def _scale(self, z):
        """Factor by which each entry is shortened, and the norm of its group (1 for a zero group)."""
        norms = np.sqrt(self._sum_over_groups(z**2))
        norms = np.where(norms == 0, 1, norms)
        return np.where(norms > self.lam, 1 - self.lam / norms, 0), norms

    def _sum_over_groups(self, values):
        """Sum within each group, given back to each entry of the group."""
        m = len(self.groups.indices)
        if values.shape[-1] != m:
            raise ValueError(f"the last axis must run over the {m} atoms of the groups; got {values.shape[-1]}")
        sums = np.add.reduceat(values[..., self.groups.indices], self.groups.ptr[:-1], axis=-1)
        spread = np.empty_like(values)
        spread[..., self.groups.indices] = np.repeat(sums, self.groups.sizes, axis=-1)
        return spread


@njit(cache=True, nogil=True)
def _hard_threshold(z, lam, x):
    """Write z into x where its modulus is at least lam, and 0 elsewhere, in one pass."""
    for i in range(z.size):
        x[i] = z[i] if abs(z[i]) >= lam else 0
