"""Groups of images without labels: communities of the graph in which each image is joined with those like it.

The community search is that of scikit-network (https://scikit-network.readthedocs.io): the Louvain algorithm (Blondel,
Guillaume, Lambiotte and Lefebvre 2008).
"""

import numpy as np
from scipy.sparse import csr_array, csr_matrix
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier, kneighbors_graph
from sknetwork.clustering import Louvain

from aedyn._checks import check_count, check_matrix
from aedyn._parallel import one_blas_thread

N_NEIGHBOURS = 10
N_COMPONENTS = 50
FINER = 1.25  # factor of the resolution while communities are too few


def neighbour_graph(Y, n_neighbours=N_NEIGHBOURS, n_components=N_COMPONENTS):
    """Graph in which two images are joined when one is among the nearest neighbours of the other.

    Parameters
    ----------
    Y : array_like, shape (n_samples, n)
        Images.
    n_neighbours : int
        Less than n_samples.
    n_components : int
        Number of principal components in which distances are taken; all where there are no more.

    Returns
    -------
    scipy.sparse.csr_array, shape (n_samples, n_samples)
        Symmetric, ones where two images are joined, nothing on the diagonal.
    """
    Y = check_matrix("Y", Y)
    n_neighbours = check_count("n_neighbours", n_neighbours, high=len(Y) - 1)
    (Z,) = _principal_components(Y, n_components)
    graph = kneighbors_graph(Z, n_neighbours)
    return csr_array(graph.maximum(graph.T))


def communities(graph, seed, n_communities=10):
    r"""Partition of a graph into a given number of communities of high modularity.

    The modularity :math:`\sum_c (e_c - a_c^2)` compares the share e of edges within a community with that expected if
    the same ends of edges, a share a of all, were joined at random (Newman and Girvan 2004). The search is for the
    partition with the highest one, of any number of communities. Where these are too many, the two whose union costs
    least modularity are united until the number is right; where they are too few, it is the search with a finer
    resolution that gives enough.

    Parameters
    ----------
    graph : scipy.sparse.csr_array, shape (n_samples, n_samples)
        Symmetric, as from `neighbour_graph`.
    seed : int
        Of the search.
    n_communities : int

    Returns
    -------
    ndarray of int64, shape (n_samples,)
        Community of each image, from 0, the largest, on.

    Raises
    ------
    ValueError
        When there are more communities to be made than images.
    """
    n_communities = check_count("n_communities", n_communities, high=graph.shape[0])
    adjacency, resolution, labels = csr_matrix(graph), 1.0, np.zeros(graph.shape[0], int)
    while labels.max() + 1 < n_communities:
        labels = Louvain(resolution, shuffle_nodes=True, random_state=seed).fit_predict(adjacency)
        resolution *= FINER
    labels = _unite(graph, labels, n_communities)
    by_size = np.argsort(-np.bincount(labels), kind="stable")
    return np.argsort(by_size)[labels]


def modularity(graph, labels):
    """Modularity of a partition, at most 1; see `communities`.

    Parameters
    ----------
    graph : scipy.sparse.csr_array, shape (n_samples, n_samples)
    labels : ndarray of int, shape (n_samples,)

    Returns
    -------
    float
    """
    shares = _shares(graph, labels)
    return float(np.trace(shares) - np.square(shares.sum(axis=0)).sum())


def vote(Y, labels, Y_new, n_neighbours=N_NEIGHBOURS, n_components=N_COMPONENTS):
    """Carry a partition over to other images: each gets the label that most of its nearest neighbours have.

    Parameters
    ----------
    Y : array_like, shape (n_samples, n)
        Images that have a label.
    labels : array_like of int, shape (n_samples,)
    Y_new : array_like, shape (n_new, n)
    n_neighbours, n_components : int
        As for `neighbour_graph`; the principal components are those of `Y`.

    Returns
    -------
    ndarray of int64, shape (n_new,)
    """
    Y = check_matrix("Y", Y)
    Z, Z_new = _principal_components(Y, n_components, check_matrix("Y_new", Y_new, n_columns=Y.shape[1]))
    return KNeighborsClassifier(n_neighbours, algorithm="brute").fit(Z, labels).predict(Z_new)


@one_blas_thread()
def _principal_components(Y, n_components, *others):
    pca = PCA(min(check_count("n_components", n_components), *Y.shape), svd_solver="covariance_eigh").fit(Y)
    return [pca.transform(images) for images in (Y, *others)]


def _shares(graph, labels):
    """Share of the ends of edges that join each community with each other."""
    members = csr_array((np.ones(len(labels)), (np.arange(len(labels)), labels)))
    return (members.T @ graph @ members).toarray() / graph.sum()


def _unite(graph, labels, n_communities):
    shares = _shares(graph, labels)
    while len(shares) > n_communities:
        totals = shares.sum(axis=0)
        gain = shares - np.outer(totals, totals)
        np.fill_diagonal(gain, -np.inf)
        kept, gone = sorted(np.unravel_index(gain.argmax(), gain.shape))
        labels = np.where(labels == gone, kept, labels) - (labels > gone)
        shares = _shares(graph, labels)
    return labels
