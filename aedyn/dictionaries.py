r"""Ground-truth dictionaries, and how far learned weights are from them.

A dictionary is a matrix `A` of shape (n, m) whose columns, the atoms, have norm 1. Its coherence is the largest
:math:`|\langle A_i, A_j \rangle|` over pairs of atoms; the dynamics paper writes it :math:`\mu/\sqrt n` (Definition 1).
Weights `W` of the same shape are compared with `A` after the best matching of their columns (Definition 2).
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from aedyn._checks import check_count, check_matrix, check_number, check_unit_columns


def normalize(B):
    """Scale each column to norm 1.

    Parameters
    ----------
    B : array_like, shape (n, m)

    Returns
    -------
    ndarray, shape (n, m)

    Raises
    ------
    ValueError
        When a column is zero, so that it has no direction.
    """
    B = check_matrix("B", B)
    norms = np.linalg.norm(B, axis=0)
    if not norms.all():
        raise ValueError(f"B must have no zero column to be normalised; column {norms.argmin()} is zero")
    return B / norms


def random_dictionary(n, m, rng):
    """Atoms drawn independently and uniformly from the unit sphere.

    Parameters
    ----------
    n, m : int
        Dimension of the data and number of atoms.
    rng : int or numpy.random.Generator

    Returns
    -------
    ndarray, shape (n, m)
    """
    n, m = check_count("n", n), check_count("m", m)
    return normalize(np.random.default_rng(rng).standard_normal((n, m)))


def orthonormal_dictionary(n, m, rng):
    """Atoms that are orthonormal, with a uniformly random orientation.

    Parameters
    ----------
    n, m : int
        Dimension of the data and number of atoms, m <= n.
    rng : int or numpy.random.Generator

    Returns
    -------
    ndarray, shape (n, m)
    """
    n = check_count("n", n)
    m = check_count("m", m, high=n)
    q, r = np.linalg.qr(np.random.default_rng(rng).standard_normal((n, m)))
    return q * np.sign(np.diag(r))


def dictionary_with_gram(gram, n, rng=None):
    """Atoms whose inner products are prescribed.

    Parameters
    ----------
    gram : array_like, shape (m, m)
        Symmetric, positive semidefinite, ones on the diagonal, rank at most n.
    n : int
        Dimension of the data.
    rng : int or numpy.random.Generator, optional
        Draws a random orientation; without it the atoms lie in the first coordinates.

    Returns
    -------
    ndarray, shape (n, m)

    Raises
    ------
    ValueError
        When no such atoms exist in n dimensions.
    """
    gram = check_matrix("gram", gram)
    if gram.shape[0] != gram.shape[1] or not np.allclose(gram, gram.T) or not np.allclose(np.diag(gram), 1):
        raise ValueError("gram must be symmetric with ones on its diagonal")
    values, vectors = np.linalg.eigh(gram)
    rank = np.count_nonzero(values > 1e-10)
    if values[0] < -1e-10 or rank > n:
        raise ValueError(
            f"gram must be positive semidefinite of rank at most n = {n}; "
            f"its smallest eigenvalue is {values[0]:.3g} and its rank {rank}"
        )
    factor = vectors[:, -rank:] * np.sqrt(values[-rank:])
    frame = np.eye(n, rank) if rng is None else orthonormal_dictionary(n, rank, rng)
    return normalize(frame @ factor.T)


def equiangular_dictionary(n, m, cosine, rng=None):
    """Atoms all of whose pairs have the same inner product.

    Parameters
    ----------
    n, m : int
        Dimension of the data and number of atoms.
    cosine : float
        The common inner product, at least -1/(m-1).
    rng : int or numpy.random.Generator, optional
        Draws a random orientation.

    Returns
    -------
    ndarray, shape (n, m)
    """
    return dictionary_with_gram((1 - cosine) * np.eye(m) + cosine, n, rng)


def welch_bound(n, m):
    r"""Smallest coherence that m atoms in n dimensions can have.

    For m > n it is :math:`\sqrt{(m-n)/(n(m-1))}` (Welch 1974), and it need not be attained; for m <= n it is 0.
    """
    n, m = check_count("n", n), check_count("m", m)
    return np.sqrt((m - n) / (n * (m - 1))) if m > n else 0.0


def incoherent_dictionary(n, m, target, rng, max_iter=2000):
    """Atoms with coherence at most `target`, by alternating projection.

    The Gram matrix is projected in turn on the matrices with small off-diagonal entries and on those of rank n
    with spectrum m/n (Tropp, Dhillon, Heath and Strohmer 2005).

    Parameters
    ----------
    n, m : int
        Dimension of the data and number of atoms.
    target : float
        Coherence asked for, above the Welch bound.
    rng : int or numpy.random.Generator
    max_iter : int
        Number of projections after which to give up.

    Returns
    -------
    ndarray, shape (n, m)

    Raises
    ------
    ValueError
        When `target` is below the Welch bound.
    RuntimeError
        When `target` is not reached; the message says what was.
    """
    target = check_number("target", target, 0, 1)
    if target < welch_bound(n, m):
        raise ValueError(f"target must be at least the Welch bound {welch_bound(n, m):.4g}; got {target:.4g}")
    if m <= n:
        return orthonormal_dictionary(n, m, rng)
    A = random_dictionary(n, m, rng)
    # clip a little below the target, but never below what is possible
    clip = max(welch_bound(n, m), 0.98 * target)
    for _ in range(max_iter):
        gram = np.clip(A.T @ A, -clip, clip)
        np.fill_diagonal(gram, 1)
        _, vectors = np.linalg.eigh(gram)
        A = normalize(vectors[:, -n:].T)
        if coherence(A) <= target:
            return A
    raise RuntimeError(f"coherence {target:.4g} was not reached in {max_iter} projections; got {coherence(A):.4g}")


@dataclass(frozen=True, eq=False)
class Groups:
    """A partition of m atoms into groups, as two integer arrays.

    Build it with `make_groups`. Atoms of group g are ``indices[ptr[g]:ptr[g + 1]]``.

    Attributes
    ----------
    indices : ndarray of int64, shape (m,)
        Atoms, group after group.
    ptr : ndarray of int64, shape (n_groups + 1,)
        Where each group starts in `indices`.
    """

    indices: np.ndarray
    ptr: np.ndarray

    def __len__(self):
        return len(self.ptr) - 1

    def __getitem__(self, g):
        return self.indices[self.ptr[g] : self.ptr[g + 1]]

    @property
    def sizes(self):
        """Number of atoms in each group, shape (n_groups,)."""
        return np.diff(self.ptr)


def make_groups(m, *, group_size=None, groups=None):
    """Partition m atoms into groups.

    Parameters
    ----------
    m : int
        Number of atoms.
    group_size : int, optional
        Size of every group; consecutive atoms form a group.
    groups : list of list of int, optional
        The atoms of each group.

    Returns
    -------
    Groups

    Raises
    ------
    ValueError
        When the groups are empty, overlap, or do not cover all atoms.
    """
    m = check_count("m", m)
    if (group_size is None) == (groups is None):
        raise ValueError("give either group_size or groups")
    if group_size is not None:
        group_size = check_count("group_size", group_size, high=m)
        if m % group_size:
            raise ValueError(f"group_size must divide the number of atoms {m}; got {group_size}")
        return Groups(np.arange(m), np.arange(0, m + 1, group_size))
    if not all(len(group) for group in groups):
        raise ValueError("groups must not be empty; got an empty one")
    indices = np.array([atom for group in groups for atom in group])
    if not np.array_equal(np.sort(indices), np.arange(m)):
        raise ValueError(f"groups must hold each of the atoms 0 to {m - 1} exactly once; got {np.sort(indices)}")
    return Groups(indices.astype(np.int64), np.cumsum([0] + [len(group) for group in groups]))


def group_dictionary(n, n_groups, group_size, rng):
    """Groups of orthonormal atoms, each group spanning a random subspace.

    Parameters
    ----------
    n, n_groups, group_size : int
        Dimension of the data, number of groups, and atoms in each; group_size <= n.
    rng : int or numpy.random.Generator

    Returns
    -------
    ndarray, shape (n, n_groups * group_size)
    """
    rng = np.random.default_rng(rng)
    n_groups = check_count("n_groups", n_groups)
    return np.hstack([orthonormal_dictionary(n, group_size, rng) for _ in range(n_groups)])


def coherence(A):
    """Largest absolute inner product of two different atoms.

    Parameters
    ----------
    A : array_like, shape (n, m)
        Dictionary with unit columns.

    Returns
    -------
    float
        Between 0 and 1; 0 for a single atom. The dynamics paper's mu is this times sqrt(n) (Definition 1).
    """
    A = check_unit_columns("A", A)
    gram = np.abs(A.T @ A)
    np.fill_diagonal(gram, 0)
    return float(gram.max())


def block_norms(W, A, groups):
    """Spectral norms of the inner products of every group of weights with every group of atoms.

    Parameters
    ----------
    W, A : array_like, shape (n, m)
        Weights and dictionary.
    groups : Groups
        Groups of one size.

    Returns
    -------
    ndarray, shape (n_groups, n_groups)
        Entry (g, h) is the norm of ``W[:, groups[g]].T @ A[:, groups[h]]``.

    Raises
    ------
    ValueError
        When the groups differ in size, or are of another number of atoms.
    """
    A = check_matrix("A", A)
    W = check_matrix("W", W, *A.shape)
    d = _common_size(groups, A.shape[1], "block norms are")
    overlaps = (W.T @ A)[np.ix_(groups.indices, groups.indices)].reshape(len(groups), d, len(groups), d)
    return np.array([np.linalg.norm(rows, 2, axis=(0, 2)) for rows in overlaps])


def block_coherence(A, groups):
    """Largest spectral norm of the inner products of two different groups, over the group size.

    Parameters
    ----------
    A : array_like, shape (n, m)
        Dictionary with unit columns.
    groups : Groups
        Groups of one size.

    Returns
    -------
    float
        Equation (3) of the group-sparse paper; at group size 1 it is the coherence.

    Raises
    ------
    ValueError
        When the groups differ in size, for which the paper has no definition, or are of another number of atoms.
    """
    A = check_unit_columns("A", A)
    d = _common_size(groups, A.shape[1], "block coherence is")
    norms = block_norms(A, A, groups)
    np.fill_diagonal(norms, 0)
    return float(norms.max() / d)


def _common_size(groups, m, what):
    if len(groups.indices) != m:
        raise ValueError(f"groups must be of the {m} columns of A; got groups of {len(groups.indices)}")
    if len(set(groups.sizes)) != 1:
        raise ValueError(f"{what} defined for groups of one size; got sizes {groups.sizes}")
    return groups.sizes[0]


@dataclass(frozen=True, eq=False)
class Matching:
    """Weights with their columns put in the order of a dictionary, and how close they are to it.

    Attributes
    ----------
    order, signs : ndarray, shape (m,)
        Column ``order[i]`` of the weights, times ``signs[i]``, is matched with atom i.
    weights : ndarray, shape (n, m)
        The weights so ordered and signed.
    distances : ndarray, shape (m,)
        Distance of each matched column from its atom.
    delta : float
        The largest of them: the weights are delta-close (Definition 2). No other matching has a smaller one.
    xi : float
        Spectral norm of the difference over that of the dictionary: the weights are (delta, xi)-near.
    frobenius : float
        Frobenius norm of the difference.
    """

    order: np.ndarray
    signs: np.ndarray
    weights: np.ndarray
    distances: np.ndarray
    delta: float
    xi: float
    frobenius: float


def match_columns(W, A, *, signs=False):
    """Match the columns of weights with the atoms of a dictionary.

    Among the matchings with the smallest largest distance, the one with the smallest sum of squared distances is
    taken (Hungarian algorithm).

    Parameters
    ----------
    W, A : array_like, shape (n, m)
        Weights and dictionary.
    signs : bool
        Whether a column may change its sign, as in the sparse coding model.

    Returns
    -------
    Matching

    Raises
    ------
    ValueError
        When the shapes differ.
    """
    A = check_matrix("A", A)
    W = check_matrix("W", W, *A.shape)
    products = A.T @ W
    flips = np.where(products < 0, -1.0, 1.0) if signs else np.ones_like(products)
    squares = (A**2).sum(0)[:, None] + (W**2).sum(0)[None, :] - 2 * flips * products
    allowed = squares <= _smallest_largest(squares)
    atoms, order = linear_sum_assignment(np.where(allowed, squares, squares.max() * len(squares) + 1))
    chosen = flips[atoms, order]
    matched = W[:, order] * chosen
    distances = np.linalg.norm(matched - A, axis=0)
    xi = np.linalg.norm(matched - A, 2) / np.linalg.norm(A, 2)
    frobenius = np.linalg.norm(matched - A)
    return Matching(order, chosen, matched, distances, float(distances.max()), float(xi), float(frobenius))


def _smallest_largest(costs):
    """The smallest value such that entries of the square matrix `costs` up to it contain a full matching."""
    values = np.unique(costs)
    low, high = 0, len(values) - 1
    while low < high:
        middle = (low + high) // 2
        if (maximum_bipartite_matching(csr_array(costs <= values[middle])) >= 0).all():
            high = middle
        else:
            low = middle + 1
    return values[low]


def perturb(A, delta, rng=None, *, towards=None):
    """Unit columns at distance exactly `delta` from the atoms of a dictionary.

    Parameters
    ----------
    A : array_like, shape (n, m)
        Dictionary with unit columns.
    delta : float
        Distance of each column from its atom, from 0 to 2.
    rng : int or numpy.random.Generator, optional
        Draws a uniformly random direction for each atom; needed when `towards` is not given.
    towards : array_like, shape (n, m), optional
        Direction in which each atom is tilted; only its part orthogonal to the atom counts, and an atom whose
        direction is zero stays where it is.

    Returns
    -------
    ndarray, shape (n, m)

    Raises
    ------
    ValueError
        When neither or both of `rng` and `towards` are given, or a direction is parallel to its atom.
    """
    A = check_unit_columns("A", A)
    delta = check_number("delta", delta, 0, 2)
    if (rng is None) == (towards is None):
        raise ValueError("give either rng, for random directions, or towards, for chosen ones")
    if towards is None:
        towards = np.random.default_rng(rng).standard_normal(A.shape)
    towards = check_matrix("towards", towards, *A.shape)
    tangents = towards - A * (A * towards).sum(0)
    norms, lengths = np.linalg.norm(tangents, axis=0), np.linalg.norm(towards, axis=0)
    moved = lengths > 0
    if (parallel := moved & (norms <= 1e-8 * lengths)).any():
        raise ValueError(f"towards must not be parallel to the atom it tilts; column {parallel.argmax()} is")
    cosine = 1 - delta**2 / 2
    sine = delta * np.sqrt(1 - delta**2 / 4)
    tilted = cosine * A + sine * tangents / np.where(moved, norms, 1)
    return np.where(moved, tilted, A)
