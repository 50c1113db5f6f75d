r"""The generative bilinear models :math:`y = A x^* + \eta` of equation (3), as small dataclasses that draw samples.

Each model holds the dictionary A and the paper's parameters, checks them when it is made, and draws true codes and
noise from a `numpy.random.Generator`. Samples are rows. True codes are sparse matrices, whose pattern is the support.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy.sparse import csr_array

from aedyn._checks import check_count, check_number, check_unit_columns
from aedyn.dictionaries import Groups


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples with what made them.

    Attributes
    ----------
    Y : ndarray, shape (n_samples, n)
        The samples, one a row.
    codes : scipy.sparse.csr_array, shape (n_samples, m)
        The true codes; the column indices of a row are the support of that sample.
    """

    Y: np.ndarray
    codes: csr_array


@dataclass(frozen=True, eq=False)
class BilinearModel:
    """What the models share; use one of the subclasses.

    Parameters
    ----------
    A : array_like, shape (n, m)
        Ground-truth dictionary with unit columns.
    sigma_eta : float
        Standard deviation of each entry of the noise (assumption A4).
    """

    A: np.ndarray
    sigma_eta: float = 0.0

    def __post_init__(self):
        self._set(A=check_unit_columns("A", self.A), sigma_eta=check_number("sigma_eta", self.sigma_eta, 0))

    def _set(self, **values):
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def n(self):
        """Dimension of the data."""
        return self.A.shape[0]

    @property
    def m(self):
        """Number of atoms."""
        return self.A.shape[1]

    def draw_codes(self, n_samples, rng):
        """Draw true codes.

        Parameters
        ----------
        n_samples : int
        rng : int or numpy.random.Generator

        Returns
        -------
        scipy.sparse.csr_array, shape (n_samples, m)
            Column indices of a row are sorted.
        """
        rng = np.random.default_rng(rng)
        n_samples = check_count("n_samples", n_samples)
        supports = self._draw_supports(n_samples, rng)
        values = self._draw_values(supports, rng)
        ptr = np.arange(n_samples + 1) * supports.shape[1]
        return csr_array((values.ravel(), supports.ravel(), ptr), shape=(n_samples, self.m))

    def sample(self, n_samples, rng):
        """Draw samples.

        Parameters
        ----------
        n_samples : int
        rng : int or numpy.random.Generator
            Codes are drawn first, then the noise.

        Returns
        -------
        Samples
        """
        rng = np.random.default_rng(rng)
        codes = self.draw_codes(n_samples, rng)
        Y = codes @ self.A.T
        if self.sigma_eta:
            Y += self.sigma_eta * rng.standard_normal(Y.shape)
        return Samples(Y, codes)

    def blocks(self, n_samples, rng, block_size=4096):
        """Draw samples block after block, so that they need never be in memory together.

        Parameters
        ----------
        n_samples : int
            Number of samples in all.
        rng : int or numpy.random.Generator
            Each block has a stream of its own, spawned from this one.
        block_size : int
            Samples in a block; the last may have fewer.

        Yields
        ------
        Samples
        """
        for size, stream in split_stream(n_samples, rng, block_size):
            yield self.sample(size, stream)


def split_stream(n_samples, rng, block_size):
    """Sizes and independent streams of the blocks that make up `n_samples`.

    Parameters
    ----------
    n_samples, block_size : int
    rng : int or numpy.random.Generator

    Returns
    -------
    list of (int, numpy.random.Generator)
    """
    n_samples, block_size = check_count("n_samples", n_samples), check_count("block_size", block_size)
    starts = range(0, n_samples, block_size)
    streams = np.random.default_rng(rng).spawn(len(starts))
    return [(min(block_size, n_samples - start), stream) for start, stream in zip(starts, streams, strict=True)]


@dataclass(frozen=True, eq=False)
class MixtureOfGaussians(BilinearModel):
    """Mixture of spherical Gaussians: each code is one of the canonical basis vectors.

    Parameters
    ----------
    A : array_like, shape (n, m)
        Means of the components, with unit norm.
    sigma_eta : float
        Standard deviation of each component in each direction.
    probabilities : array_like, shape (m,), optional
        Probability of each component; equal without it.
    """

    probabilities: np.ndarray | None = None

    k = 1
    a1 = a2 = kappa1 = kappa2 = 1.0

    def __post_init__(self):
        super().__post_init__()
        p = np.full(self.m, 1 / self.m) if self.probabilities is None else np.asarray(self.probabilities, dtype=float)
        if p.shape != (self.m,) or not (p > 0).all() or abs(p.sum() - 1) > 1e-9:
            raise ValueError(f"probabilities must be {self.m} positive numbers that sum to 1; got {p}")
        self._set(probabilities=p)

    def _draw_supports(self, n_samples, rng):
        return rng.choice(self.m, size=(n_samples, 1), p=self.probabilities)

    def _draw_values(self, supports, rng):
        return np.ones(supports.shape)


@dataclass(frozen=True, eq=False)
class _UniformSupports(BilinearModel):
    """Models whose support is a uniformly random set of k atoms."""

    k: int = 1

    def __post_init__(self):
        super().__post_init__()
        self._set(k=check_count("k", self.k, high=self.m))

    def _draw_supports(self, n_samples, rng):
        return draw_subsets(n_samples, self.m, self.k, rng)


@dataclass(frozen=True, eq=False)
class SparseCoding(_UniformSupports):
    r"""k-sparse codes with symmetric entries of variance 1 that stay away from zero.

    The nonzero entries are :math:`\pm\sqrt{a_1^2 + (1 - a_1^2) g^2}` with g standard normal: sub-Gaussian, mean 0,
    second moment 1, modulus at least a1. At a1 = 1 they are random signs.

    Parameters
    ----------
    A : array_like, shape (n, m)
        Ground-truth dictionary with unit columns.
    sigma_eta : float
        Standard deviation of each entry of the noise.
    k : int
        Size of the support.
    a1 : float
        Smallest modulus of a nonzero entry, in (0, 1]; it cannot exceed 1 because the second moment is 1.
    """

    a1: float = 1.0

    kappa1, kappa2, a2 = 0.0, 1.0, np.inf

    def __post_init__(self):
        super().__post_init__()
        self._set(a1=check_number("a1", self.a1, 0, 1, open_low=True))

    def _draw_values(self, supports, rng):
        signs = 2.0 * rng.integers(2, size=supports.shape) - 1
        if self.a1 == 1:
            return signs
        return signs * np.sqrt(self.a1**2 + (1 - self.a1**2) * rng.standard_normal(supports.shape) ** 2)


@dataclass(frozen=True, eq=False)
class NonnegativeSparse(_UniformSupports):
    """k-sparse codes whose nonzero entries are uniform on [a1, a2].

    Parameters
    ----------
    A : array_like, shape (n, m)
        Ground-truth dictionary with unit columns.
    sigma_eta : float
        Standard deviation of each entry of the noise.
    k : int
        Size of the support.
    a1, a2 : float
        Smallest and largest nonzero entry, 0 < a1 <= a2.
    """

    a1: float = 1.0
    a2: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        a1 = check_number("a1", self.a1, 0, open_low=True)
        self._set(a1=a1, a2=check_number("a2", self.a2, a1))

    @property
    def kappa1(self):
        """Mean of a nonzero entry."""
        return (self.a1 + self.a2) / 2

    @property
    def kappa2(self):
        """Second moment of a nonzero entry."""
        return (self.a1**2 + self.a1 * self.a2 + self.a2**2) / 3

    def _draw_values(self, supports, rng):
        return rng.uniform(self.a1, self.a2, supports.shape)


@dataclass(frozen=True, eq=False)
class GroupSparse(BilinearModel):
    """Codes with a few active groups, each pointing in a uniform direction with a uniform norm.

    Parameters
    ----------
    A : array_like, shape (n, m)
        Ground-truth dictionary with unit columns.
    sigma_eta : float
        Standard deviation of each entry of the noise.
    groups : Groups
        Groups of one size.
    n_active : int
        Number of active groups (the paper's gamma).
    b_min, b_max : float
        Smallest and largest norm of an active group's code, 0 < b_min <= b_max (equation (15) of the paper).
    """

    groups: Groups | None = None
    n_active: int = 1
    b_min: float = 1.0
    b_max: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        if self.groups is None or len(self.groups.indices) != self.m or len(set(self.groups.sizes)) != 1:
            raise ValueError(f"groups must partition the {self.m} atoms into groups of one size; got {self.groups}")
        b_min = check_number("b_min", self.b_min, 0, open_low=True)
        self._set(
            n_active=check_count("n_active", self.n_active, high=len(self.groups)),
            b_min=b_min,
            b_max=check_number("b_max", self.b_max, b_min),
        )

    def draw_codes(self, n_samples, rng):
        codes = super().draw_codes(n_samples, rng)
        codes.sort_indices()
        return codes

    def _draw_supports(self, n_samples, rng):
        active = draw_subsets(n_samples, len(self.groups), self.n_active, rng)
        return self.groups.indices.reshape(len(self.groups), -1)[active].reshape(n_samples, -1)

    def _draw_values(self, supports, rng):
        directions = rng.standard_normal((len(supports), self.n_active, self.groups.sizes[0]))
        directions /= np.linalg.norm(directions, axis=2, keepdims=True)
        norms = rng.uniform(self.b_min, self.b_max, (len(supports), self.n_active, 1))
        return (norms * directions).reshape(supports.shape)


def draw_subsets(n_samples, m, k, rng):
    """Uniformly random subsets of k out of m, by Floyd's algorithm.

    Parameters
    ----------
    n_samples, m, k : int
    rng : numpy.random.Generator
        One draw per element.

    Returns
    -------
    ndarray of int64, shape (n_samples, k)
        Sorted along rows.
    """
    subsets = rng.integers(np.arange(m - k, m) + 1, size=(n_samples, k))
    _make_distinct(subsets, np.zeros(m, dtype=np.bool_))
    subsets.sort(axis=1)
    return subsets


@njit(cache=True)
def _make_distinct(subsets, taken):
    """Floyd's rule: a draw that is taken already gives way to the largest value it could have had. In place."""
    n_samples, k = subsets.shape
    m = len(taken)
    for s in range(n_samples):
        for t in range(k):
            if taken[subsets[s, t]]:
                subsets[s, t] = m - k + t
            taken[subsets[s, t]] = True
        for t in range(k):
            taken[subsets[s, t]] = False
