"""Dictionaries: what their constructors promise, and how far weights are from them, by definition and brute force."""

import re

import naive
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from tolerances import ROUND_OFF, assert_close, assert_mean

from aedyn.dictionaries import (
    block_coherence,
    coherence,
    dictionary_with_gram,
    equiangular_dictionary,
    group_dictionary,
    incoherent_dictionary,
    make_groups,
    match_columns,
    normalize,
    orthonormal_dictionary,
    perturb,
    random_dictionary,
    welch_bound,
)


def refuses(message):
    return pytest.raises(ValueError, match=re.escape(message))


# Constructors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda rng: random_dictionary(5, 8, rng),
        lambda rng: orthonormal_dictionary(8, 5, rng),
        lambda rng: incoherent_dictionary(4, 6, 0.5, rng),
        lambda rng: group_dictionary(6, 3, 2, rng),
        lambda rng: equiangular_dictionary(5, 4, 0.3, rng),
    ],
    ids=["random", "orthonormal", "incoherent", "group", "equiangular"],
)
def test_unit_columns_and_the_same_bits_for_the_same_seed(make):
    A = make(3)
    assert_close(np.linalg.norm(A, axis=0), np.ones(A.shape[1]), ROUND_OFF)
    assert np.array_equal(A, make(np.random.default_rng(3)))
    assert not np.allclose(A, make(4))


def test_normalize_keeps_directions():
    B = np.random.default_rng(0).standard_normal((4, 6))
    A = normalize(B)
    assert_close(A, naive.normalize(B), ROUND_OFF)
    assert_close(normalize(-3 * B), -A, ROUND_OFF)
    with refuses("B must have no zero column to be normalised; column 2 is zero"):
        normalize(B * (np.arange(6) != 2))


@pytest.mark.parametrize(("n", "m"), [(7, 4), (5, 5), (3, 1)])
def test_orthonormal(n, m):
    A = orthonormal_dictionary(n, m, 0)
    assert A.shape == (n, m)
    assert_close(A.T @ A, np.eye(m), ROUND_OFF)


@pytest.mark.parametrize("make", [random_dictionary, orthonormal_dictionary])
def test_orientations_are_uniform(make):
    rng = np.random.default_rng(0)
    entries = np.array([make(3, 2, rng).ravel() for _ in range(4000)])
    assert_mean(entries, 0)
    assert_mean(entries**2, 1 / 3)
    assert_mean(entries**4, 1 / 5)


def test_orthonormal_refuses_more_atoms_than_dimensions():
    with refuses("m must be a whole number from 1 to 3; got 4"):
        orthonormal_dictionary(3, 4, 0)


@pytest.mark.parametrize("rng", [None, 0], ids=["first coordinates", "random orientation"])
@pytest.mark.parametrize("n", [4, 6])
def test_prescribed_gram_is_attained(n, rng):
    B = random_dictionary(4, 6, 1)  # rank 4 among 6 atoms
    gram = B.T @ B
    A = dictionary_with_gram(gram, n, rng)
    assert A.shape == (n, 6)
    assert_close(A.T @ A, gram, ROUND_OFF)
    if rng is None:
        assert not A[4:].any()


def test_prescribed_gram_refused():
    with refuses("gram must be positive semidefinite of rank at most n = 5; its smallest eigenvalue is -0.8"):
        equiangular_dictionary(5, 4, -0.6)
    with refuses("gram must be positive semidefinite of rank at most n = 2; its smallest eigenvalue is 1 and its rank"):
        dictionary_with_gram(np.eye(3), 2)
    for gram in (2 * np.eye(3), np.eye(3) + np.eye(3, k=1), np.ones((2, 3))):
        with refuses("gram must be symmetric with ones on its diagonal"):
            dictionary_with_gram(gram, 3)


@pytest.mark.parametrize("cosine", [-0.25, 0.0, 0.3, 0.9])
def test_equiangular(cosine):
    A = equiangular_dictionary(6, 5, cosine, 0)
    assert_close(A.T @ A, (1 - cosine) * np.eye(5) + cosine, ROUND_OFF)


@pytest.mark.parametrize(("n", "m"), [(2, 3), (3, 8), (8, 12), (16, 17)])
def test_no_random_dictionary_beats_the_welch_bound(n, m):
    rng = np.random.default_rng(n)
    smallest = min(coherence(random_dictionary(n, m, rng)) for _ in range(200))
    assert 0 < welch_bound(n, m) < smallest


@pytest.mark.parametrize("m", [2, 3, 5, 9])
def test_simplex_attains_the_welch_bound(m):
    A = equiangular_dictionary(m - 1, m, -1 / (m - 1))
    assert A.shape == (m - 1, m)
    assert_close(coherence(A), welch_bound(m - 1, m), ROUND_OFF)
    assert_close(welch_bound(m - 1, m), 1 / (m - 1), ROUND_OFF)


def test_welch_bound_is_zero_when_orthonormal_atoms_fit():
    assert welch_bound(4, 4) == welch_bound(5, 1) == 0
    assert welch_bound(4, 5) > 0


def test_incoherent_reaches_what_is_asked():
    target = 1.35 * welch_bound(16, 32)
    A = incoherent_dictionary(16, 32, target, 0)
    assert A.shape == (16, 32)
    assert welch_bound(16, 32) < coherence(A) <= target
    # which is worth the trouble
    assert target < 0.6 * min(coherence(random_dictionary(16, 32, seed)) for seed in range(20))


def test_incoherent_with_few_atoms_is_orthonormal():
    assert_close(1 + coherence(incoherent_dictionary(5, 4, 0.1, 0)), 1, ROUND_OFF)


def test_incoherent_asked_for_too_much():
    with refuses("target must be at least the Welch bound 0.1796; got 0.17"):
        incoherent_dictionary(16, 32, 0.17, 0)
    with pytest.raises(RuntimeError, match=r"coherence 0\.18 was not reached in 30 projections; got 0\.\d+$") as error:
        incoherent_dictionary(16, 32, 0.18, 0, max_iter=30)
    assert 0.18 < float(str(error.value).split()[-1]) < 0.4


# Groups ---------------------------------------------------------------------------------------------------------------


def test_groups_of_one_size():
    groups = make_groups(6, group_size=2)
    assert len(groups) == 3
    assert [list(groups[g]) for g in range(3)] == [[0, 1], [2, 3], [4, 5]]
    assert groups.sizes.tolist() == [2, 2, 2]


def test_groups_as_listed():
    listed = [[4], [0, 3], [5, 1, 2]]
    groups = make_groups(6, groups=listed)
    assert [list(groups[g]) for g in range(len(groups))] == listed
    assert groups.sizes.tolist() == [1, 2, 3]
    assert groups.ptr.tolist() == [0, 1, 3, 6]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give either group_size or groups"),
        ({"group_size": 2, "groups": [[0, 1]]}, "give either group_size or groups"),
        ({"group_size": 4}, "group_size must divide the number of atoms 6; got 4"),
        ({"group_size": 7}, "group_size must be a whole number from 1 to 6; got 7"),
        ({"groups": [[0, 1, 2], [], [3, 4, 5]]}, "groups must not be empty; got an empty one"),
        ({"groups": []}, "groups must hold each of the atoms 0 to 5 exactly once; got []"),
        ({"groups": [[0, 1, 2], [2, 3, 4, 5]]}, "groups must hold each of the atoms 0 to 5 exactly once; got [0 1 2 2"),
        ({"groups": [[0, 1.5], [2, 3, 4, 5]]}, "groups must hold each of the atoms 0 to 5 exactly once; got [0.  1.5"),
        ({"groups": [[0, 1], [3, 4, 5]]}, "groups must hold each of the atoms 0 to 5 exactly once; got [0 1 3 4 5]"),
        ({"groups": [[0, 1, 2], [3, 4, 6]]}, "groups must hold each of the atoms 0 to 5 exactly once; got [0 1 2 3 4"),
    ],
)
def test_groups_refused(options, message):
    with refuses(message):
        make_groups(6, **options)


def test_a_count_cannot_pass_for_a_size():
    with pytest.raises(TypeError, match="positional argument"):
        make_groups(6, 3)


def test_group_dictionary_is_orthonormal_within_groups_only():
    A = group_dictionary(6, 3, 2, 0)
    assert A.shape == (6, 6)
    for g in range(3):
        block = A[:, 2 * g : 2 * g + 2]
        assert_close(block.T @ block, np.eye(2), ROUND_OFF)
    assert coherence(A) > 0.1
    with refuses("m must be a whole number from 1 to 2; got 3"):
        group_dictionary(2, 2, 3, 0)


# Coherence ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_coherence_by_definition(seed):
    A = random_dictionary(4, 7, seed)
    assert_close(coherence(A), naive.coherence(A), ROUND_OFF)


def test_coherence_at_its_ends():
    assert coherence(np.eye(3)) == 0 == coherence(np.eye(3)[:, :1])
    assert coherence(np.eye(3)[:, [0, 1, 1]]) == 1
    with refuses("A must have columns of norm 1"):
        coherence(2 * np.eye(3))


@pytest.mark.parametrize("seed", range(5))
def test_block_coherence_by_definition_and_within_its_limits(seed):
    A = random_dictionary(5, 12, seed)
    groups = make_groups(12, groups=np.random.default_rng(seed).permutation(12).reshape(4, 3))
    found = block_coherence(A, groups)
    assert_close(found, naive.block_coherence(A, [groups[g] for g in range(4)]), ROUND_OFF)
    assert 0 < found < coherence(A)


def test_block_coherence_attains_its_limits():
    # repeated atoms: the overlap of the groups is full, and mu_B = mu = 1
    repeated = np.repeat(np.eye(2)[:, :1], 4, axis=1)
    assert_close(block_coherence(repeated, make_groups(4, group_size=2)), 1.0, ROUND_OFF)
    assert block_coherence(np.eye(4), make_groups(4, group_size=2)) == 0
    assert block_coherence(np.eye(4), make_groups(4, group_size=4)) == 0


def test_block_coherence_at_group_size_one_is_the_coherence():
    A = random_dictionary(4, 7, 0)
    assert_close(block_coherence(A, make_groups(7, group_size=1)), coherence(A), ROUND_OFF)


def test_block_coherence_refused():
    A = random_dictionary(4, 6, 0)
    with refuses("block coherence is defined for groups of one size; got sizes [2 4]"):
        block_coherence(A, make_groups(6, groups=[[0, 1], [2, 3, 4, 5]]))
    with refuses("groups must be of the 6 columns of A; got groups of 4"):
        block_coherence(A, make_groups(4, group_size=2))


# Matching -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signs", [False, True])
def test_known_permutation_and_signs_are_recovered(signs):
    rng = np.random.default_rng(5)
    A = random_dictionary(20, 12, rng)
    near = perturb(A, 0.3, rng)
    shuffle = rng.permutation(12)
    flips = rng.choice([-1.0, 1.0], 12) if signs else np.ones(12)
    assert not signs or (len(set(flips)) == 2)
    W = np.empty_like(A)
    W[:, shuffle] = near * flips
    matching = match_columns(W, A, signs=signs)
    assert np.array_equal(matching.order, shuffle)
    assert np.array_equal(matching.signs, flips)
    assert np.array_equal(matching.weights, near)
    assert_close(matching.distances, np.full(12, 0.3), ROUND_OFF)
    assert_close(matching.delta, 0.3, ROUND_OFF)
    assert_close(matching.frobenius, 0.3 * np.sqrt(12), ROUND_OFF)


def test_flips_are_found_only_where_they_are_allowed():
    A = orthonormal_dictionary(4, 3, 0)
    assert_close(1 + match_columns(-A, A, signs=True).delta, 1, ROUND_OFF)
    assert_close(match_columns(-A, A).delta, np.sqrt(2), ROUND_OFF)


@pytest.mark.parametrize("signs", [False, True])
@pytest.mark.parametrize("m", [1, 2, 3, 4, 5])
def test_matching_against_all_matchings(m, signs):
    rng = np.random.default_rng(m)
    for _ in range(3 if m == 5 else 10):
        W, A = rng.standard_normal((3, m)), random_dictionary(3, m, rng)
        delta, squares = naive.best_matching(W, A, signs)
        matching = match_columns(W, A, signs=signs)
        assert_close(matching.delta, delta, ROUND_OFF)
        assert_close((matching.distances**2).sum(), squares, ROUND_OFF)


def test_smallest_largest_distance_wins_over_the_smallest_sum():
    # squared distances [[0, 0.6], [0.6, 1.1]]: the identity has the smaller sum, the swap the smaller maximum
    sine = np.sqrt(0.51)
    turn = np.arccos(-0.04 / 0.51)
    atom, learned = [0.7, sine, 0], [0.7, sine * np.cos(turn), sine * np.sin(turn)]
    A, W = np.column_stack([[1, 0, 0], atom]), np.column_stack([[1, 0, 0], learned])
    squares = np.array([[np.sum((A[:, i] - W[:, j]) ** 2) for j in range(2)] for i in range(2)])
    assert_close(squares, np.array([[0, 0.6], [0.6, 1.1]]), ROUND_OFF)
    assert linear_sum_assignment(squares)[1].tolist() == [0, 1]
    matching = match_columns(W, A)
    assert matching.order.tolist() == [1, 0]
    assert_close(matching.delta, np.sqrt(0.6), ROUND_OFF)


def test_distances_by_definition():
    rng = np.random.default_rng(0)
    A, W = random_dictionary(5, 8, rng), rng.standard_normal((5, 8))
    matching = match_columns(W, A, signs=True)
    difference = W[:, matching.order] * matching.signs - A
    assert np.array_equal(matching.weights, W[:, matching.order] * matching.signs)
    singular_values = np.linalg.svd(difference, compute_uv=False)
    assert_close(matching.xi, singular_values[0] / np.linalg.svd(A, compute_uv=False)[0], ROUND_OFF)
    assert_close(matching.frobenius, np.sqrt((singular_values**2).sum()), ROUND_OFF)
    assert matching.delta == matching.distances.max() > matching.distances.min()


def test_weights_of_another_shape_are_refused():
    with refuses("W must be a matrix of shape (3, 2); got shape (3, 3)"):
        match_columns(np.eye(3), np.eye(3)[:, :2])


# Perturbations --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delta", [1e-6, 0.1, 0.7, np.sqrt(2), 1.9, 2.0])
def test_perturbed_columns_are_unit_and_exactly_delta_away(delta):
    rng = np.random.default_rng(1)
    A = random_dictionary(6, 9, rng)
    for W in (perturb(A, delta, rng), perturb(A, delta, towards=rng.standard_normal(A.shape))):
        assert_close(np.linalg.norm(W, axis=0), np.ones(9), ROUND_OFF)
        # W - A is known up to rounding of its entries, which are of size 1
        assert np.abs(np.linalg.norm(W - A, axis=0) - delta).max() <= ROUND_OFF
        assert np.abs((A * W).sum(axis=0) - (1 - delta**2 / 2)).max() <= ROUND_OFF


def test_perturbation_at_its_ends():
    A = random_dictionary(4, 6, 0)
    assert np.array_equal(perturb(A, 0, 1), A)
    assert_close(perturb(A, 2, 1), -A, ROUND_OFF)
    for delta, shown in ((-0.1, "-0.1"), (2.001, "2.001")):
        with refuses(f"delta must lie in [0, 2]; got {shown}"):
            perturb(A, delta, 1)


@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e6])
def test_chosen_direction_is_the_direction_taken(scale):
    A = np.eye(3)[:, :2]
    towards = np.zeros((3, 2))
    towards[:, 0] = scale * np.array([5.0, 3.0, 4.0])  # the part along atom 0 does not count
    W = perturb(A, 0.2, towards=towards)
    assert np.array_equal(W[:, 1], A[:, 1]), "an atom without direction stays"
    assert_close(W[1:, 0] / np.linalg.norm(W[1:, 0]), np.array([0.6, 0.8]), ROUND_OFF)
    # the direction chosen is the worst: no other point at this distance has a larger product with it
    others = perturb(np.repeat(A[:, :1], 500, axis=1), 0.2, 0)
    assert (others.T @ towards[:, 0]).max() < W[:, 0] @ towards[:, 0]


def test_random_directions_are_uniform():
    A = np.repeat(np.eye(3)[:, :1], 20_000, axis=1)
    tangents = perturb(A, np.sqrt(2), 0)  # unit, orthogonal to the atom
    angle = np.arctan2(tangents[2], tangents[1])
    for moment in (1, 2, 3):
        assert_mean(np.column_stack([np.cos(moment * angle), np.sin(moment * angle)]), 0)


def test_perturbation_refused():
    A = random_dictionary(4, 3, 0)
    for options in ({}, {"rng": 0, "towards": A}):
        with refuses("give either rng, for random directions, or towards, for chosen ones"):
            perturb(A, 0.1, **options)
    for scale in (1.0, -1e6, 1e-20):
        towards = np.random.default_rng(1).standard_normal(A.shape)
        towards[:, 1] = scale * A[:, 1]
        with refuses("towards must not be parallel to the atom it tilts; column 1 is"):
            perturb(A, 0.1, towards=towards)
    with refuses("towards must be a matrix of shape (4, 3); got shape (3, 4)"):
        perturb(A, 0.1, towards=A.T)
