"""Graph of nearest neighbours, its communities, and how they are carried over to other images."""

import naive
import numpy as np
import pytest
from scipy.sparse import block_array, csr_array
from tolerances import ROUND_OFF, assert_close

from aedyn import datasets
from aedyn.digit_clusters import matched_accuracy
from aedyn.digit_graph import communities, modularity, neighbour_graph, vote


def cliques(*sizes):
    """Complete graphs, and one edge from each to the next."""
    owner = np.repeat(np.arange(len(sizes)), sizes)
    A = np.equal.outer(owner, owner) - np.eye(len(owner))
    first = np.flatnonzero(np.diff(owner, prepend=-1))
    for i, j in zip(first, first[1:], strict=False):
        A[i, j] = A[j, i] = 1
    return csr_array(A), owner


# Graph ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 4])
def test_graph_by_hand(k):
    Y = np.random.default_rng(0).standard_normal((60, 5)) * [5, 4, 3, 2, 1]
    graph = neighbour_graph(Y, k)
    assert np.array_equal(graph.toarray(), naive.neighbour_matrix(Y, k)), "all components: distances are those of Y"
    assert (graph != graph.T).nnz == 0 and not graph.diagonal().any()
    degrees = graph.sum(axis=1)
    assert degrees.min() >= k and degrees.max() > k, "someone is a neighbour of more than k"


def test_distances_are_taken_in_principal_components():
    rng = np.random.default_rng(1)
    line, noise = 10 * rng.standard_normal((50, 1)), rng.standard_normal((50, 1))
    turn = np.linalg.qr(rng.standard_normal((2, 2)))[0]
    Y = np.hstack([line, noise]) @ turn
    leading = Y @ np.linalg.svd(Y - Y.mean(axis=0))[2][0]
    graph = neighbour_graph(Y, 3, n_components=1)
    assert np.array_equal(graph.toarray(), naive.neighbour_matrix(leading[:, None], 3))
    assert (graph != neighbour_graph(Y, 3)).nnz > 10


# Communities ----------------------------------------------------------------------------------------------------------


def test_modularity_by_hand():
    graph, owner = cliques(6, 4, 3)
    for labels in (owner, owner // 2, np.random.default_rng(2).integers(0, 4, 13)):
        assert_close(modularity(graph, labels), naive.modularity(graph.toarray(), labels), ROUND_OFF)
    assert abs(modularity(graph, np.zeros(13, int))) < ROUND_OFF
    apart = csr_array(block_array([[cliques(5)[0], None], [None, cliques(5)[0]]]))
    assert_close(modularity(apart, np.repeat([0, 1], 5)), 0.5, ROUND_OFF)


@pytest.mark.parametrize("seed", range(3))
def test_communities_are_those_that_were_made(seed):
    graph, owner = cliques(4, 9, 6, 7)
    labels = communities(graph, seed, 4)
    assert matched_accuracy(labels, owner) == 1
    assert np.bincount(labels).tolist() == [9, 7, 6, 4], "the largest comes first"


def test_too_many_communities_are_united_at_the_least_cost():
    graph, owner = cliques(8, 8, 8, 8)
    A = graph.toarray()
    A[0:3, 24:27] = A[24:27, 0:3] = 1  # the first and the last one have more in common
    graph = csr_array(A)
    labels = communities(graph, 0, 3)
    cost = {}
    for i in range(4):
        for j in range(i):
            cost[i, j] = naive.modularity(A, np.where(owner == i, j, owner))
    assert max(cost, key=cost.get) == (3, 0)
    assert matched_accuracy(labels, np.where(owner == 3, 0, owner)) == 1
    assert_close(modularity(graph, labels), cost[3, 0], ROUND_OFF)
    assert communities(graph, 0, 1).tolist() == [0] * 32


def test_too_few_communities_are_made_finer():
    rng = np.random.default_rng(3)
    owner = np.repeat(np.arange(3), 30)
    share = np.where(np.equal.outer(owner, owner), 0.5, 0.02)
    A = np.triu(rng.random(share.shape) < share, 1).astype(float)
    graph = csr_array(A + A.T)
    found = {n: communities(graph, 0, n) for n in (3, 5, 8)}
    assert [len(np.unique(labels)) for labels in found.values()] == [3, 5, 8]
    assert matched_accuracy(found[3], owner) == 1
    for labels in (found[5], found[8]):
        assert np.mean([owner[labels == c].std() == 0 for c in range(labels.max() + 1)]) == 1, "parts of the three"
    qualities = [modularity(graph, labels) for labels in found.values()]
    assert qualities == sorted(qualities, reverse=True)


def test_without_structure_there_is_little_modularity_and_nothing_to_find():
    Y = np.random.default_rng(4).standard_normal((300, 20))
    labels = np.repeat([0, 1, 2], 100)
    found, quality = {}, {}
    for distance in (0.0, 8.0):
        moved = Y + distance * np.eye(20)[labels]
        graph = neighbour_graph(moved, 8)
        found[distance] = communities(graph, 0, 3)
        quality[distance] = modularity(graph, found[distance])
    assert matched_accuracy(found[8.0], labels) == 1 > 0.5 > matched_accuracy(found[0.0], labels)
    assert quality[8.0] > quality[0.0] + 0.2


def test_the_seed_is_all_that_is_random():
    graph = neighbour_graph(datasets.load_digits().pixels)
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    first, again = communities(graph, 1), communities(graph, 1)
    assert np.array_equal(first, again) and np.array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    assert any(not np.array_equal(first, communities(graph, seed)) for seed in range(2, 5))


def test_communities_of_digits_are_digits_without_a_look_at_labels():
    images = datasets.load_digits()
    labels = communities(neighbour_graph(images.pixels), 0)
    assert len(np.unique(labels)) == 10
    assert matched_accuracy(labels, images.labels) > 0.8


# Vote -----------------------------------------------------------------------------------------------------------------


def test_vote_by_hand():
    rng = np.random.default_rng(6)
    Y, Y_new = rng.standard_normal((2, 40, 3))
    labels = rng.integers(0, 3, 40)
    nearest = np.argsort(((Y_new[:, None] - Y) ** 2).sum(axis=2), axis=1)[:, :5]
    majority = [np.bincount(labels[row]).argmax() for row in nearest]
    assert np.array_equal(vote(Y, labels, Y_new, n_neighbours=5), majority)
    assert np.array_equal(vote(Y, labels, Y, n_neighbours=1), labels)
    assert np.array_equal(vote(1e3 * Y + 7, labels, 1e3 * Y_new + 7, n_neighbours=5), majority)


def test_inputs_are_checked():
    Y = np.ones((5, 3)) + np.eye(5, 3)
    with pytest.raises(ValueError, match="^n_neighbours must be a whole number from 1 to 4; got 5$"):
        neighbour_graph(Y, 5)
    with pytest.raises(ValueError, match="^n_communities must be a whole number from 1 to 13; got 14$"):
        communities(cliques(6, 4, 3)[0], 0, 14)
    with pytest.raises(ValueError, match=r"^Y_new must be a matrix of shape \(any, 3\); got shape \(2, 2\)$"):
        vote(Y, [0] * 5, np.ones((2, 2)))
