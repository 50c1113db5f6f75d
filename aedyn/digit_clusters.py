"""Clusters of handwritten digits: k-means, spectral clustering, the most active group, and how right they are.

Table 1 of the group-sparse paper clusters the 10,000 test images of MNIST by k-means with 10 centres, and by spectral
clustering on a graph of 1,000 nearest neighbours, from their pixels, their codes, and their codes made non-negative and
scaled to sum 1. It leaves open the number of starts of k-means, of which here the one with the lowest inertia of
`N_STARTS` counts, in each row.
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import eigsh
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, roc_auc_score
from sklearn.metrics.cluster import contingency_matrix
from sklearn.neighbors import kneighbors_graph

from aedyn._checks import check_count, check_matrix
from aedyn._parallel import map_in_threads
from aedyn.digit_recipe import k_means

N_CLUSTERS = 10
N_STARTS = 100
N_PIECES = 4  # in which the starts are made
GRAPH_SHARE = 10  # one in so many images is a neighbour: 1,000 of 10,000
EIGENVALUES = 1e-6  # relative error allowed
CELLS = ("k-means", "spectral", "k-means+", "spectral+")  # of a row of Table 1, for codes


class Activity(NamedTuple):
    """How many groups speak.

    Attributes
    ----------
    empty : float
        Share of codes without an active group.
    active_groups : float
        Mean number of active groups.
    top : float
        Mean share of the squared norm of a code that its most active group has.
    """

    empty: float
    active_groups: float
    top: float


def positive(codes):
    """Codes without their negative entries, scaled to sum 1: the index + of Table 1.

    Parameters
    ----------
    codes : array_like, shape (n_samples, m)

    Returns
    -------
    ndarray, shape (n_samples, m)
        A code without a positive entry becomes zero.
    """
    kept = np.maximum(check_matrix("codes", codes), 0)
    sums = kept.sum(axis=1, keepdims=True)
    return kept / np.where(sums > 0, sums, 1)


def group_norms(codes, groups):
    """Norm of each group of each code.

    Parameters
    ----------
    codes : array_like, shape (n_samples, m)
    groups : Groups

    Returns
    -------
    ndarray, shape (n_samples, n_groups)
    """
    codes = check_matrix("codes", codes, n_columns=len(groups.indices))
    return np.sqrt(np.add.reduceat(np.square(codes[:, groups.indices]), groups.ptr[:-1], axis=1))


def group_of(codes, groups):
    """The most active group of each code: the one with the largest norm, and the first one of a zero code.

    Parameters
    ----------
    codes : array_like, shape (n_samples, m)
    groups : Groups

    Returns
    -------
    ndarray of int64, shape (n_samples,)
    """
    return group_norms(codes, groups).argmax(axis=1)


def activity(codes, groups):
    """How many groups speak in codes, and how loud the first one is.

    Parameters
    ----------
    codes : array_like, shape (n_samples, m)
    groups : Groups

    Returns
    -------
    Activity
    """
    norms = group_norms(codes, groups)
    energy = np.square(norms)
    return Activity(
        empty=float(np.mean(norms.max(axis=1) == 0)),
        active_groups=float(np.mean((norms > 0).sum(axis=1))),
        top=float(np.mean(energy.max(axis=1) / np.maximum(energy.sum(axis=1), np.finfo(np.float32).tiny))),
    )


# Clusters -------------------------------------------------------------------------------------------------------------


def kmeans_clusters(Z, seed, n_clusters=N_CLUSTERS):
    """Clusters of k-means: those with the lowest inertia of `N_STARTS` starts.

    Parameters
    ----------
    Z : array_like, shape (n_samples, d)
        Representation of the images.
    seed, n_clusters : int

    Returns
    -------
    ndarray of int, shape (n_samples,)
    """
    Z = check_matrix("Z", Z)

    def best(piece):
        return k_means(Z, n_clusters, n_starts=N_STARTS // N_PIECES, seed=N_PIECES * seed + piece)

    return min(map_in_threads(best, range(N_PIECES)), key=lambda found: found.inertia_).labels_


def spectral_clusters(Z, seed, n_clusters=N_CLUSTERS, n_neighbours=None):
    r"""Clusters of spectral clustering: k-means of the first eigenvectors of a graph of nearest neighbours.

    It is that of scikit-learn: with the graph :math:`(A + A^T)/2` of nearest neighbours, itself one of its own, and its
    degrees D, it takes the eigenvectors of the largest eigenvalues of :math:`D^{-1/2}AD^{-1/2}`, and
    :math:`D^{-1/2}` times them as coordinates (von Luxburg 2007). Only the eigenvalue solver is another one, which
    does not factor a dense matrix.

    Parameters
    ----------
    Z : array_like, shape (n_samples, d)
        Representation of the images.
    seed, n_clusters : int
    n_neighbours : int, optional
        A tenth of the samples if not given.

    Returns
    -------
    ndarray of int, shape (n_samples,)
    """
    Z = check_matrix("Z", Z)
    n_neighbours = check_count("n_neighbours", n_neighbours or max(2, len(Z) // GRAPH_SHARE), high=len(Z) - 1)
    return kmeans_clusters(_spectral_coordinates(Z, seed, n_clusters, n_neighbours), seed, n_clusters)


def _spectral_coordinates(Z, seed, n_clusters, n_neighbours):
    graph = csr_array(kneighbors_graph(Z, n_neighbours, include_self=True))
    graph = (graph + graph.T) / 2
    graph.setdiag(0)
    scale = diags_array(1 / np.sqrt(graph.sum(axis=1)))
    start = np.random.default_rng([seed, 2]).uniform(-1, 1, len(Z))
    _, vectors = eigsh(scale @ graph @ scale, k=n_clusters, which="LA", v0=start, tol=EIGENVALUES)
    return scale @ vectors


def clusters(Z, seed):
    """The clusters of a row of Table 1.

    Parameters
    ----------
    Z : array_like, shape (n_samples, d)
        Representation of the images.
    seed : int

    Returns
    -------
    dict
        Clusters by name of the method, "k-means" and "spectral".
    """
    return {"k-means": kmeans_clusters(Z, seed), "spectral": spectral_clusters(Z, seed)}


def clusters_of_codes(codes, seed, groups=None):
    """All clusters of codes: the two rows of Table 1, and the most active groups.

    Parameters
    ----------
    codes : array_like, shape (n_samples, m)
    seed : int
    groups : Groups, optional

    Returns
    -------
    dict
        Clusters by name: "k-means", "spectral", "k-means+" and "spectral+" (of `positive` codes), and with `groups`
        "group".
    """
    found = clusters(codes, seed) | {f"{name}+": labels for name, labels in clusters(positive(codes), seed).items()}
    return found | ({"group": group_of(codes, groups)} if groups else {})


def agreement(partitions):
    """How far several partitions of the same images are one: a judgement that needs no labels.

    Parameters
    ----------
    partitions : list of ndarray of int, shape (n_samples,)

    Returns
    -------
    float
        Mean of the adjusted Rand index (Hubert and Arabie 1985) over all pairs; 1 when they are equal.
    """
    return float(np.mean([adjusted_rand_score(*pair) for pair in combinations(partitions, 2)]))


# Digits ---------------------------------------------------------------------------------------------------------------


def confusion(labels, digits):
    """Counts of images by cluster and digit, with the cluster matched with a digit in its row.

    The matching is the one with most images in matched clusters (Hungarian algorithm).

    Parameters
    ----------
    labels : array_like of int, shape (n_samples,)
        Cluster of each image.
    digits : array_like of int, shape (n_samples,)
        What it shows.

    Returns
    -------
    ndarray of int64, shape (n_clusters, n_digits)
        Clusters that are matched with no digit come last; with fewer clusters than digits, rows follow the order of
        the digits they are matched with.
    """
    counts = contingency_matrix(labels, digits)
    rows, columns = linear_sum_assignment(-counts)
    order = rows[np.argsort(columns)]
    rest = np.setdiff1d(np.arange(len(counts)), order)
    return counts[np.concatenate([order, rest])]


def matched_accuracy(labels, digits):
    """Share of images whose cluster is matched with their digit, in the best matching of clusters with digits.

    Parameters
    ----------
    labels, digits : array_like of int, shape (n_samples,)

    Returns
    -------
    float
    """
    counts = contingency_matrix(labels, digits)
    return float(counts[linear_sum_assignment(-counts)].sum() / counts.sum())


def mutual_information(labels, digits):
    """Mutual information of clusters and digits over the mean of their entropies: for any number of clusters.

    Parameters
    ----------
    labels, digits : array_like of int, shape (n_samples,)

    Returns
    -------
    float
        From 0, independent, to 1, one determines the other.
    """
    return float(normalized_mutual_info_score(digits, labels))


def digit_sample(digits, per_digit, rng):
    """Images drawn in equal number from each digit, in the order of the digits, as for Figure 5.

    Parameters
    ----------
    digits : array_like of int, shape (n_samples,)
    per_digit : int
    rng : int or numpy.random.Generator

    Returns
    -------
    ndarray of int64, shape (n_digits * per_digit,)
        Where they are.
    """
    digits, rng = np.asarray(digits), np.random.default_rng(rng)
    return np.concatenate(
        [rng.choice(np.flatnonzero(digits == digit), per_digit, replace=False) for digit in np.unique(digits)]
    )


def separation(distances, digits):
    """How clearly distances show the digits, whatever their scale.

    Parameters
    ----------
    distances : array_like, shape (n_samples, n_samples)
    digits : array_like of int, shape (n_samples,)

    Returns
    -------
    float
        Probability that two images of one digit are closer than two of different digits: 1 when the classes are apart,
        1/2 when distances say nothing.
    """
    pairs = np.triu_indices(len(digits), 1)
    different = np.not_equal.outer(digits, digits)[pairs]
    return float(roc_auc_score(different, np.asarray(distances)[pairs]))
