"""Clusters of representations, how far they agree with each other, and with the digits."""

from itertools import pairwise

import naive
import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans, SpectralClustering
from sklearn.manifold import spectral_embedding
from sklearn.neighbors import kneighbors_graph
from tolerances import ROUND_OFF, SINGLE, assert_close

from aedyn import datasets
from aedyn.dictionaries import make_groups
from aedyn.digit_clusters import (
    CELLS,
    EIGENVALUES,
    _spectral_coordinates,
    activity,
    agreement,
    clusters,
    clusters_of_codes,
    confusion,
    digit_sample,
    group_norms,
    group_of,
    kmeans_clusters,
    matched_accuracy,
    mutual_information,
    positive,
    separation,
    spectral_clusters,
)

SCATTERED = make_groups(6, groups=[[4, 0, 2], [1], [5, 3]])


def blobs(n_blobs, size, distance, seed, d=12):
    """Normal samples around points that are `distance` from each other, and which is whose."""
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(n_blobs), size)
    return rng.standard_normal((len(owner), d)) + distance / np.sqrt(2) * np.eye(d)[owner], owner


def rings(size, seed):
    """Two rings around one centre."""
    rng = np.random.default_rng(seed)
    owner = np.repeat([0, 1], size)
    angles = 2 * np.pi * np.arange(2 * size) / size
    radii = 1 + 4 * owner + 0.1 * rng.standard_normal(2 * size)
    return radii[:, None] * np.column_stack([np.cos(angles), np.sin(angles)]), owner


# Codes ----------------------------------------------------------------------------------------------------------------


def test_positive_codes_sum_to_one():
    codes = np.array([[3.0, -2.0, 1.0], [0.0, 0.0, 0.0], [-1.0, -4.0, 0.0]], np.float32)
    scaled = positive(codes)
    assert np.array_equal(scaled, np.array([[0.75, 0, 0.25], [0, 0, 0], [0, 0, 0]], np.float32))
    assert scaled.dtype == np.float32
    assert np.array_equal(positive(7 * codes), scaled), "how strong an image is written no longer counts"


def test_most_active_group_by_hand():
    codes = np.random.default_rng(0).standard_normal((50, 6))
    codes[7] = 0
    norms = group_norms(codes, SCATTERED)
    by_hand = [[np.linalg.norm(code[SCATTERED[g]]) for g in range(3)] for code in codes]
    assert_close(norms, np.array(by_hand), ROUND_OFF)
    found = group_of(codes, SCATTERED)
    assert np.array_equal(found, np.argmax(by_hand, axis=1)) and set(found) == {0, 1, 2} and found[7] == 0
    with pytest.raises(ValueError, match=r"^codes must be a matrix of shape \(any, 6\); got shape \(50, 5\)$"):
        group_of(codes[:, :5], SCATTERED)


def test_activity_by_hand():
    codes = np.array([[0.0, 2, 0, 0, 0, 0], [3, 0, 0, 0, 4, 0], [0, 0, 0, 0, 0, 0], [1, 2, 0, 2, 0, 0]])
    # squared norms of the groups {4, 0, 2}, {1} and {5, 3}: (0, 4, 0), (25, 0, 0), zeros, (1, 4, 4)
    assert_close(activity(codes, SCATTERED), (1 / 4, 5 / 4, (1 + 1 + 0 + 4 / 9) / 4), ROUND_OFF)
    assert_close(activity(7 * codes.astype(np.float32), SCATTERED), activity(codes, SCATTERED), SINGLE)


# Clusters -------------------------------------------------------------------------------------------------------------


def test_kmeans_takes_the_best_of_its_starts():
    Z, owner = blobs(10, 12, 9.0, 1)
    single = [matched_accuracy(KMeans(10, n_init=1, random_state=s).fit(Z).labels_, owner) for s in range(20)]
    assert min(single) < 0.95, "one start need not do"
    for seed in range(3):
        assert matched_accuracy(kmeans_clusters(Z, seed), owner) == 1


def test_same_clusters_for_any_number_of_threads(set_threads):
    Z, _ = blobs(4, 25, 2.0, 2)
    found = []
    for n_threads in (1, 2, 4):
        set_threads(n_threads)
        found.append(clusters(Z, 3))
    for first, second in pairwise(found):
        assert all(np.array_equal(first[name], second[name]) for name in ("k-means", "spectral"))


def test_spectral_clustering_is_that_of_scikit_learn():
    Z, owner = blobs(10, 20, 5.0, 3)
    A = kneighbors_graph(Z, 20, include_self=True)
    theirs = spectral_embedding((A + A.T) / 2, n_components=10, eigen_solver="arpack", drop_first=False)
    ours = _spectral_coordinates(Z, 0, 10, 20)[:, ::-1]
    products = (naive.normalize(ours) * naive.normalize(theirs)).sum(axis=0)
    assert_close(np.abs(products), np.ones(10), EIGENVALUES)
    found = spectral_clusters(Z, 0)
    assert np.array_equal(found, spectral_clusters(Z, 0, n_neighbours=20)), "a tenth of the samples, unless said"
    scikit_learn = SpectralClustering(10, affinity="nearest_neighbors", n_neighbors=20, n_init=100, random_state=0)
    assert abs(matched_accuracy(scikit_learn.fit_predict(Z), owner) - matched_accuracy(found, owner)) <= 0.02


def test_spectral_clustering_follows_the_graph_where_kmeans_cannot():
    Z, owner = rings(80, 4)
    assert matched_accuracy(spectral_clusters(Z, 0, 2, n_neighbours=6), owner) == 1
    assert matched_accuracy(kmeans_clusters(Z, 0, 2), owner) < 0.8
    # and no longer when the graph joins what is far apart
    assert matched_accuracy(spectral_clusters(Z, 0, 2, n_neighbours=100), owner) < 0.8


def test_clusters_of_codes_are_those_of_each_row():
    Z, owner = blobs(10, 12, 12.0, 5)
    groups = make_groups(12, group_size=2)
    found = clusters_of_codes(Z, 1, groups)
    assert list(found) == [*CELLS, "group"] == ["k-means", "spectral", "k-means+", "spectral+", "group"]
    assert np.array_equal(found["k-means+"], kmeans_clusters(positive(Z), 1))
    assert np.array_equal(found["spectral"], spectral_clusters(Z, 1))
    assert np.array_equal(found["group"], group_of(Z, groups))
    assert matched_accuracy(found["k-means"], owner) == 1
    assert list(clusters_of_codes(Z, 1)) == list(found)[:-1]


# Agreement ------------------------------------------------------------------------------------------------------------


def test_agreement_by_hand():
    rng = np.random.default_rng(6)
    first = rng.integers(0, 3, 40)
    second, third = (np.where(rng.random(40) < share, first, rng.integers(0, 4, 40)) for share in (0.8, 0.3))
    by_hand = [naive.rand_index(*pair) for pair in ((first, second), (first, third), (second, third))]
    assert_close(agreement([first, second, third]), np.mean(by_hand), ROUND_OFF)
    assert agreement([first, (first + 1) % 3, 9 - first]) == 1, "names do not count"


def test_agreement_of_independent_partitions_is_zero_on_average():
    rng = np.random.default_rng(7)
    values = [agreement(rng.integers(0, 5, (2, 200))) for _ in range(200)]
    assert abs(np.mean(values)) < 5 * np.std(values) / np.sqrt(200) and np.std(values) > 0


def test_agreement_is_not_accuracy():
    Z, owner = blobs(2, 50, 12.0, 8)
    wrong = (np.arange(100) // 25) % 2
    assert agreement([wrong, 1 - wrong]) == 1 and matched_accuracy(wrong, owner) == 0.5


# Digits ---------------------------------------------------------------------------------------------------------------


def test_accuracy_by_trying_all_matchings():
    rng = np.random.default_rng(9)
    for share in (0.2, 0.9):
        digits = rng.integers(0, 5, 60)
        labels = np.where(rng.random(60) < share, (digits + 2) % 5, rng.integers(0, 5, 60))
        assert_close(matched_accuracy(labels, digits), naive.matched_accuracy(labels, digits, 5), ROUND_OFF)
    assert matched_accuracy((digits + 2) % 5, digits) == 1
    more = np.where(np.arange(60) % 2, labels, labels + 5)
    assert matched_accuracy(more, digits) < matched_accuracy(labels, digits), "five of ten clusters have no digit"
    assert_close(matched_accuracy(np.zeros(60), digits), np.bincount(digits).max() / 60, ROUND_OFF)


def test_confusion_has_the_matched_clusters_on_its_diagonal():
    rng = np.random.default_rng(10)
    digits = rng.integers(0, 4, 200)
    labels = np.where(rng.random(200) < 0.8, 5 - digits, rng.integers(0, 6, 200))
    counts = confusion(labels, digits)
    assert counts.shape == (6, 4) and counts.sum() == 200
    assert np.array_equal(counts.sum(axis=0), np.bincount(digits))
    assert_close(counts.diagonal().sum() / 200, matched_accuracy(labels, digits), ROUND_OFF)
    assert sorted(counts.sum(axis=1)) == sorted(np.bincount(labels))
    few = confusion(labels % 2, digits)
    assert few.shape == (2, 4) and few.max(axis=1).sum() == 200 * matched_accuracy(labels % 2, digits)


def test_mutual_information_by_hand():
    rng = np.random.default_rng(11)
    digits = rng.integers(0, 4, 300)
    labels = np.where(rng.random(300) < 0.5, digits, rng.integers(0, 7, 300))
    assert_close(mutual_information(labels, digits), naive.mutual_information(labels, digits), ROUND_OFF)
    assert_close(mutual_information((digits + 1) % 4, digits), 1.0, ROUND_OFF)
    finer = 2 * digits + np.arange(300) % 2
    assert 0.7 < mutual_information(finer, digits) < 1, "cut in halves, they still determine the digit"
    assert matched_accuracy(finer, digits) < 0.6
    assert mutual_information(rng.integers(0, 4, 300), digits) < 0.1


def test_sample_has_each_digit_in_turn():
    digits = datasets.load_digits().labels
    rows = digit_sample(digits, 20, 0)
    assert np.array_equal(digits[rows], np.repeat(np.arange(10), 20)) and len(set(rows)) == 200
    assert np.array_equal(rows, digit_sample(digits, 20, 0)) and not np.array_equal(rows, digit_sample(digits, 20, 1))


def test_separation_by_hand_and_in_its_limits():
    rng = np.random.default_rng(12)
    digits = np.repeat(np.arange(3), 5)
    D = np.round(4 * cdist(*2 * [rng.standard_normal((15, 2)) + digits[:, None]])) / 4
    value = separation(D, digits)
    assert_close(value, naive.separation(D, digits), ROUND_OFF)
    assert len(np.unique(D)) < D.size / 4, "there are ties"
    assert_close(separation(D**2, digits), value, ROUND_OFF)
    Z, owner = blobs(3, 30, 40.0, 13)
    assert separation(cdist(Z, Z), owner) == 1
    values = [separation(cdist(Z, Z), owner) for Z in rng.standard_normal((50, 90, 12))]
    assert abs(np.mean(values) - 0.5) < 5 * np.std(values) / np.sqrt(50)
