r"""Initialisation: where to start the descent, and above all the spectral start.

Section 3 of "On the Dynamics of Gradient Descent for Autoencoders" (Nguyen, Wong and Hegde 2019) sends the reader to
Arora, Ge, Ma and Moitra (2015), whose Algorithm 3 this is: two samples u and v reweight the second moment of the data,

.. math:: M_{u,v} = \mathbb E\,\langle y, u\rangle\langle y, v\rangle\, y y^T,

and when u and v have exactly one atom in common, the leading eigenvector of :math:`M_{u,v}` is close to that atom.
Nothing in this module looks at the dictionary, save `population_moment`, which is theory.
"""

import math
import warnings
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy import stats
from tqdm import tqdm

from aedyn._checks import check_count, check_matrix, check_number, check_unit_columns
from aedyn._parallel import map_in_threads, one_blas_thread
from aedyn.dictionaries import normalize

PAIRS_AT_ONCE = 32
ROWS_AT_ONCE = 1024


@dataclass(frozen=True, eq=False)
class SpectralStart:
    """What `spectral_start` found.

    Attributes
    ----------
    weights : ndarray, shape (n, n_found)
        Unit columns, the clearest first; n_found is at most the m that was asked for.
    pairs : ndarray of int, shape (n_pairs, 2)
        Samples u and v of each pair tried, as rows of the data.
    eigenvalues : ndarray, shape (n_pairs, 2)
        The two eigenvalues of largest modulus of each reweighted moment.
    accepted : ndarray of bool, shape (n_pairs,)
        Pairs whose second eigenvalue is well below the first.
    kept : ndarray of int, shape (n_found,)
        The pair that gave each column.
    n_iter : int
        Lanczos steps, each a pass over the data.
    converged : bool
        Whether m columns were found.
    status : str
        ``"found"``, or ``"too few"`` when the pairs ran out before m columns were found.
    """

    weights: np.ndarray
    pairs: np.ndarray
    eigenvalues: np.ndarray
    accepted: np.ndarray
    kept: np.ndarray
    n_iter: int
    converged: bool
    status: str


@one_blas_thread()
def spectral_start(
    Y, m, rng, *, n_pairs, gap=0.5, centre=0.0, sign="skewness", draws=1, same=0.7, n_iter=12, progress=False
):
    r"""Weights from the leading eigenvectors of reweighted second moments, one for each good pair of samples.

    How much it takes, for k-sparse codes:

    - Samples: the part of a column's squared error that is due to N samples is of order :math:`m/N`, as long as
      :math:`n\sigma_\eta^2` is at most k, so N should be some multiple of :math:`m \log^2 n`.
    - Pairs: two samples share exactly one atom with probability about :math:`k^2/m`, and collecting all atoms takes
      :math:`m \log m` such pairs. With `draws` about :math:`2m/k^2` most pairs tried share one.
    - Sparsity: :math:`k^2` at most a tenth or so of m. For non-negative codes a column is tilted towards the mean by
      about :math:`(k-1)/\sqrt m`; `centre` equal to :math:`1 - 1/k` removes that at first order.

    Parameters
    ----------
    Y : array_like, shape (n_samples, n)
        Samples.
    m : int
        Number of columns wanted.
    rng : int or numpy.random.Generator
        Draws the pairs, then the starts of the eigenvalue iteration.
    n_pairs : int
        Number of pairs tried.
    gap : float
        A pair is accepted when its second eigenvalue is at most this share of the first, in modulus.
    centre : float
        Share of the mean that is subtracted from the samples, from 0 to 1.
    sign : {"skewness", None}
        Turn each column so that the projections of the samples are skewed to the right, as they are for non-negative
        codes that are mostly zero. Symmetric codes have no skewness to go by: use None, and the signs mean nothing.
    draws : int
        Random pairs drawn for each one tried, the one with the largest inner product in modulus; 1 is the algorithm
        as published.
    same : float
        Two columns are taken for the same atom when their inner product is larger than this, in modulus.
    n_iter : int
        Lanczos steps.
    progress : bool
        Whether to show a progress bar over the pairs.

    Returns
    -------
    SpectralStart

    Raises
    ------
    ValueError
        When the samples are not finite or fewer than m + 2, or an option is out of range.
    """
    Y = check_matrix("Y", Y)
    m = check_count("m", m)
    if len(Y) < m + 2:
        raise ValueError(f"Y must have at least m + 2 = {m + 2} samples, two of them for a pair; got {len(Y)}")
    if sign not in ("skewness", None):
        raise ValueError(f"sign must be 'skewness' or None; got {sign!r}")
    gap, same = check_number("gap", gap, 0, 1), check_number("same", same, 0, 1)
    rng = np.random.default_rng(rng)
    Y = Y - check_number("centre", centre, 0, 1) * Y.mean(axis=0)
    pairs = _draw_pairs(Y, check_count("n_pairs", n_pairs), check_count("draws", draws), rng)
    eigenvalues, vectors = leading_eigenpairs(Y, pairs, rng, n_iter=n_iter, progress=progress)
    first, second = np.abs(eigenvalues).T
    ratios = np.divide(second, first, out=np.ones_like(first), where=first > 0)
    accepted = ratios <= gap
    clearest_first = np.argsort(np.where(accepted, ratios, np.inf), kind="stable")[: accepted.sum()]
    kept = _without_duplicates(vectors, clearest_first, m, same)
    W = np.ascontiguousarray(vectors[kept].T)
    if sign:
        W *= np.where(stats.skew(Y @ W, axis=0) < 0, -1, 1)
    found = len(kept) == m
    if not found:
        warnings.warn(f"{n_pairs} pairs gave {len(kept)} of the {m} columns wanted", RuntimeWarning, stacklevel=3)
    steps = min(n_iter, Y.shape[1])
    return SpectralStart(W, pairs, eigenvalues, accepted, kept, steps, found, "found" if found else "too few")


def _draw_pairs(Y, n_pairs, draws, rng):
    """Random pairs of different rows; of several drawn, the one with the largest inner product in modulus."""
    pairs = np.empty((n_pairs, 2), dtype=np.int64)
    for pair in pairs:
        u = rng.integers(len(Y), size=draws)
        v = (u + rng.integers(1, len(Y), size=draws)) % len(Y)
        best = np.abs(np.einsum("ij,ij->i", Y[u], Y[v])).argmax()
        pair[:] = u[best], v[best]
    return pairs


def _without_duplicates(vectors, candidates, m, same):
    """The first m candidates whose vectors are not nearly parallel to one taken before."""
    kept = []
    for pair in candidates:
        if len(kept) == m:
            break
        if not kept or np.abs(vectors[kept] @ vectors[pair]).max() <= same:
            kept.append(pair)
    return np.array(kept, dtype=np.int64)


def reweighted_moment(Y, u, v):
    r"""The reweighted second moment :math:`M_{u,v}` of samples, as a matrix.

    Parameters
    ----------
    Y : array_like, shape (n_samples, n)
        Samples.
    u, v : array_like, shape (n,)
        The two samples that reweight; to be left out of Y.

    Returns
    -------
    ndarray, shape (n, n)
    """
    Y = check_matrix("Y", Y)
    return (Y * ((Y @ u) * (Y @ v))[:, None]).T @ Y / len(Y)


def population_moment(A, u, v, k, moments, *, sigma_eta=0.0, centre=0.0):
    r"""The reweighted second moment in expectation, for uniform supports of size k and independent nonzero entries.

    Without noise it is :math:`A T A^T` with :math:`T_{kl} = \sum_{ij} b_i c_j\,\mathbb E\,x_i x_j x_k x_l`,
    :math:`b = A^Tu` and :math:`c = A^Tv`. By symmetry five different expectations occur, one for each way in which
    indices may coincide. Gaussian noise adds terms of second and of fourth order.

    Parameters
    ----------
    A : array_like, shape (n, m)
        Dictionary with unit columns.
    u, v : array_like, shape (n,)
        The two samples that reweight, less their share of the mean.
    k : int
        Size of the support.
    moments : array_like, shape (4,)
        First to fourth moment of a nonzero entry.
    sigma_eta : float
        Standard deviation of each entry of the noise.
    centre : float
        Share of the mean that is subtracted from the samples.

    Returns
    -------
    ndarray, shape (n, n)
    """
    A = check_unit_columns("A", A)
    n, m = A.shape
    k = check_count("k", k, high=m)
    moments = np.array([1.0, *moments])
    shift = centre * k * moments[1] / m

    def mixed(*powers):
        return _mixed_moment(m, k, moments, shift, powers)

    b, c = A.T @ u, A.T @ v
    d = b * c
    # sums of b, c and d without two atoms, then without one
    b_rest, c_rest, d_rest = (x.sum() - x[:, None] - x for x in (b, c, d))
    T = (
        mixed(2, 2) * (np.outer(b, c) + np.outer(c, b))
        + mixed(3, 1) * (d[:, None] + d)
        + mixed(2, 1, 1) * (d_rest + (b[:, None] + b) * c_rest + (c[:, None] + c) * b_rest)
        + mixed(1, 1, 1, 1) * (b_rest * c_rest - d_rest)
    )
    b_rest, c_rest, d_rest = (x.sum() - x for x in (b, c, d))
    own = mixed(4) * d + mixed(2, 2) * d_rest + mixed(3, 1) * (b * c_rest + c * b_rest)
    np.fill_diagonal(T, own + mixed(2, 1, 1) * (b_rest * c_rest - d_rest))
    second = np.full((m, m), mixed(1, 1))
    np.fill_diagonal(second, mixed(2))
    second = A @ second @ A.T
    cross = np.outer(second @ u, v) + np.outer(second @ v, u)
    of_second_order = (u @ v) * second + (u @ second @ v) * np.eye(n) + cross + cross.T
    of_fourth_order = (u @ v) * np.eye(n) + np.outer(u, v) + np.outer(v, u)
    return A @ T @ A.T + sigma_eta**2 * of_second_order + sigma_eta**4 * of_fourth_order


def _mixed_moment(m, k, moments, shift, powers):
    r"""Expectation of :math:`\prod_r (x_r - s)^{a_r}` over different atoms r, by which of them are active."""
    if len(powers) > m:
        return 0.0
    active = [sum(math.comb(a, j) * moments[j] * (-shift) ** (a - j) for j in range(a + 1)) for a in powers]
    idle = [(-shift) ** a for a in powers]
    total = 0.0
    for pattern in product((True, False), repeat=len(powers)):
        size = sum(pattern)
        ways = math.comb(m - len(powers), k - size) if size <= k else 0
        total += ways * math.prod(on if p else off for p, on, off in zip(pattern, active, idle, strict=True))
    return total / math.comb(m, k)


def leading_eigenpairs(Y, pairs, rng, *, n_iter=12, progress=False):
    r"""For each pair of samples the two leading eigenvalues of :math:`M_{u,v}` and the first eigenvector.

    Lanczos iteration with full orthogonalisation for many pairs in step, so that no moment is ever formed: a step
    multiplies the samples with one vector per pair, reweights, and multiplies back, block of samples by block.

    Parameters
    ----------
    Y : array_like, shape (n_samples, n)
        Samples.
    pairs : array_like of int, shape (n_pairs, 2)
        Rows u and v of Y, which are left out of the average of their pair.
    rng : int or numpy.random.Generator
        Draws the first vectors.
    n_iter : int
        Lanczos steps; more than n of them are not made.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    eigenvalues : ndarray, shape (n_pairs, 2)
        The one of largest modulus first.
    vectors : ndarray, shape (n_pairs, n)
        Of norm 1, with arbitrary sign.
    """
    Y = check_matrix("Y", Y)
    pairs = np.asarray(pairs)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.min() < 0 or pairs.max() >= len(Y):
        raise ValueError(f"pairs must be pairs of row numbers from 0 to {len(Y) - 1}; got shape {pairs.shape}")
    starts = np.random.default_rng(rng).standard_normal((len(pairs), Y.shape[1]))
    n_iter = min(check_count("n_iter", n_iter, low=2), Y.shape[1])
    batches = [slice(i, i + PAIRS_AT_ONCE) for i in range(0, len(pairs), PAIRS_AT_ONCE)]

    bar = tqdm(total=len(pairs), disable=not progress, desc="pairs")

    def solve(batch):
        weights = _pair_weights(Y, pairs[batch])
        found = _lanczos(lambda vectors: _apply_moments(Y, weights, vectors), starts[batch], n_iter)
        bar.update(len(weights[0]))
        return found

    with bar:
        found = map_in_threads(solve, batches)
    eigenvalues, vectors = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return eigenvalues, vectors


def _pair_weights(Y, pairs):
    """Weight of each sample for each pair, its share in the average included."""
    u, v = pairs.T
    weights = (Y @ Y[u].T) * (Y @ Y[v].T)
    columns = np.arange(len(pairs))
    weights[u, columns] = weights[v, columns] = 0
    return weights / (len(Y) - 2)


def _apply_moments(Y, weights, vectors):
    """The moment of each pair times its vector, in one pass over the samples."""
    total = np.zeros_like(vectors)
    for start in range(0, len(Y), ROWS_AT_ONCE):
        block = Y[start : start + ROWS_AT_ONCE]
        total += ((block @ vectors.T) * weights[start : start + ROWS_AT_ONCE]).T @ block
    return total


def _lanczos(apply, starts, n_iter):
    """Two leading eigenvalues and the first eigenvector of several symmetric operators at once."""
    n_operators, n = starts.shape
    basis = np.zeros((n_operators, n_iter, n))
    images = np.zeros_like(basis)
    vectors = starts
    for step in range(n_iter):
        for _ in range(2):
            vectors = vectors - np.einsum("pt,ptn->pn", np.einsum("ptn,pn->pt", basis, vectors), basis)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        # at the end of an invariant subspace rounding is left, which must not become a direction
        largest = np.abs(images[:, :step]).max(axis=(1, 2), initial=0)[:, None]
        basis[:, step] = np.where(norms > 1e-12 * largest, vectors / np.where(norms > 0, norms, 1), 0)
        images[:, step] = vectors = apply(basis[:, step])
    values, rotations = np.linalg.eigh(basis @ images.transpose(0, 2, 1), UPLO="L")
    order = np.argsort(-np.abs(values), axis=1)[:, :2]
    first = np.take_along_axis(rotations, order[:, None, :1], axis=2)[:, :, 0]
    leading = np.einsum("pt,ptn->pn", first, basis)
    return np.take_along_axis(values, order, axis=1), leading


# What people use ------------------------------------------------------------------------------------------------------


def pca_start(Y, m, centre=True):
    """Weights from the leading principal directions of the samples.

    Parameters
    ----------
    Y : array_like, shape (n_samples, n)
    m : int
        Number of columns, at most n and the number of samples.
    centre : bool
        Whether to subtract the mean first.

    Returns
    -------
    ndarray, shape (n, m)
        Orthonormal columns; their signs mean nothing.
    """
    Y = check_matrix("Y", Y)
    m = check_count("m", m, high=min(Y.shape))
    _, directions = np.linalg.eigh(np.cov(Y.T) if centre else Y.T @ Y)
    return np.ascontiguousarray(directions[:, : -m - 1 : -1])


def kmeans_start(Y, m, rng):
    """Weights from m samples that are far apart: the centres with which k-means++ starts, scaled to norm 1.

    Parameters
    ----------
    Y : array_like, shape (n_samples, n)
    m : int
        Number of columns, at most the number of samples.
    rng : int or numpy.random.Generator

    Returns
    -------
    ndarray, shape (n, m)
    """
    from sklearn.cluster import kmeans_plusplus

    Y = check_matrix("Y", Y)
    seed = int(np.random.default_rng(rng).integers(2**31))
    return normalize(kmeans_plusplus(Y, check_count("m", m, high=len(Y)), random_state=seed)[0].T)


def dictionary_learning_start(Y, m, rng):
    """Weights from ten passes of scikit-learn's online dictionary learning, with non-negative codes.

    Parameters
    ----------
    Y : array_like, shape (n_samples, n)
    m : int
        Number of columns.
    rng : int or numpy.random.Generator

    Returns
    -------
    ndarray, shape (n, m)
    """
    from sklearn.decomposition import MiniBatchDictionaryLearning

    options = {"fit_algorithm": "cd", "positive_code": True, "max_iter": 10}
    seed = int(np.random.default_rng(rng).integers(2**31))
    learner = MiniBatchDictionaryLearning(check_count("m", m), random_state=seed, **options)
    return normalize(learner.fit(check_matrix("Y", Y)).components_.T)
