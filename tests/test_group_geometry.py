"""Groups of atoms as subspaces: what a rotation inside a group changes, and what it does not."""

import numpy as np
import pytest
from scipy.linalg import subspace_angles
from tolerances import ITERATED, ROUND_OFF, SINGLE, assert_close

from aedyn import group_geometry
from aedyn.dictionaries import group_dictionary, make_groups, normalize, orthonormal_dictionary, random_dictionary


def shuffled(n_groups, d, seed=0):
    """Groups whose atoms are not neighbours."""
    order = np.random.default_rng(seed).permutation(n_groups * d)
    return make_groups(n_groups * d, groups=[list(group) for group in order.reshape(n_groups, d)])


def example(n=9, n_groups=4, d=3, noise=0.3):
    rng = np.random.default_rng(1)
    A, groups = random_dictionary(n, n_groups * d, rng), shuffled(n_groups, d)
    return A, A + noise * rng.standard_normal(A.shape), groups


def test_blocks_hold_the_atoms_of_each_group_and_columns_put_them_back():
    _, W, groups = example()
    rows = group_geometry.blocks(W, groups)
    for g in range(4):
        assert np.array_equal(rows[g].T, W[:, groups[g]])
    assert np.array_equal(group_geometry.columns(rows, groups), W)


def test_groups_of_different_sizes_are_refused():
    for groups in (make_groups(5, groups=[[0, 1], [2, 3, 4]]), make_groups(4, group_size=2)):
        with pytest.raises(ValueError, match="groups must partition the 5 columns into groups of one size"):
            group_geometry.group_errors(np.eye(5), np.eye(5), groups)


def test_orthonormal_atoms_are_the_closest_ones():
    _, W, groups = example()
    basis = group_geometry.orthonormalize_groups(W, groups)
    for g in range(4):
        own = basis[:, groups[g]]
        assert_close(own.T @ own, np.eye(3), ROUND_OFF)
        stretch = own.T @ W[:, groups[g]]
        assert_close(stretch, stretch.T, ROUND_OFF)
        assert np.linalg.eigvalsh(stretch).min() > 0.1, "the polar factor has a positive stretch"
        assert_close(own @ stretch, W[:, groups[g]], ROUND_OFF)


def test_nearest_rotation_beats_all_others():
    A, W, groups = example()
    nearest = group_geometry.nearest_rotation(A, W, groups)
    distance = np.linalg.norm(group_geometry.blocks(W - nearest, groups), axis=(1, 2))
    for seed in range(50):
        other = group_geometry.rotate_groups(nearest, groups, seed)
        assert (np.linalg.norm(group_geometry.blocks(W - other, groups), axis=(1, 2)) > distance).all()
    turned = group_geometry.rotate_groups(A, groups, 5)
    assert_close(group_geometry.nearest_rotation(A, turned, groups), turned, ROUND_OFF)


def test_rotations_stay_within_the_groups_and_are_uniform():
    A, _, groups = example()
    turned = group_geometry.rotate_groups(A, groups, 0)
    for g in range(4):
        own = slice(None), groups[g]
        assert_close(turned[own] @ turned[own].T, A[own] @ A[own].T, ROUND_OFF)
    assert np.linalg.norm(turned - A) > 1
    plane, pair = np.eye(2), make_groups(2, group_size=2)
    draws = np.array([group_geometry.rotate_groups(plane, pair, seed) for seed in range(400)])
    assert np.abs(draws.mean(axis=0)).max() < 5 * np.sqrt(0.5 / 400)
    assert 150 < np.count_nonzero(np.linalg.det(draws) > 0) < 250


def test_turning_by_an_angle():
    A, groups = np.eye(6), make_groups(6, group_size=3)
    turned = group_geometry.turn_groups(A, groups, 0.3)
    assert_close(turned[:, 0], np.cos(0.3) * A[:, 0] + np.sin(0.3) * A[:, 1], ROUND_OFF)
    assert_close(turned.T @ turned, np.eye(6), ROUND_OFF)
    assert np.array_equal(turned[:, [2, 5]], A[:, [2, 5]])
    assert_close(np.diag(turned)[[0, 1, 3, 4]], np.full(4, np.cos(0.3)), ROUND_OFF)


# Angles and distances -------------------------------------------------------------------------------------------------


def test_tangents_are_those_of_the_angles_between_subspaces():
    A, W, groups = example()
    tangents = group_geometry.principal_tangents(W, A, groups)
    for g in range(4):
        assert_close(tangents[g], np.tan(subspace_angles(W[:, groups[g]], A[:, groups[g]])), ROUND_OFF)
    mixed = group_geometry.columns(
        np.random.default_rng(0).standard_normal((4, 3, 3)) @ group_geometry.blocks(W, groups), groups
    )
    assert_close(group_geometry.principal_tangents(mixed, A, groups), tangents, ITERATED)


def test_small_and_right_angles():
    e = np.eye(6)
    angles = np.array([1e-9, 0.4])
    W = e[:, :2] * np.cos(angles) + e[:, 2:4] * np.sin(angles)
    tangents = group_geometry.principal_tangents(W, e[:, :2], make_groups(2, group_size=2))
    assert_close(tangents[0], np.tan(angles[::-1]), ROUND_OFF)
    assert tangents[0, 1] == pytest.approx(1e-9, rel=1e-6)
    right = group_geometry.principal_tangents(e[:, 2:4], e[:, :2], make_groups(2, group_size=2))
    assert np.isinf(right).all()


def errors_one_by_one(W, A, groups):
    W = normalize(W)
    distance = rotation = procrustes = sin2 = 0.0
    for g in range(len(groups)):
        atoms, weights = A[:, groups[g]], W[:, groups[g]]
        u, _, v = np.linalg.svd(atoms.T @ weights)
        distance += np.linalg.norm(weights - atoms) ** 2
        rotation += np.linalg.norm(atoms @ (u @ v) - atoms) ** 2
        procrustes += np.linalg.norm(weights - atoms @ (u @ v)) ** 2
        sin2 += (np.sin(subspace_angles(weights, atoms)) ** 2).sum()
    return distance, rotation, procrustes, sin2


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_errors_group_by_group(dtype):
    A, W, groups = example()
    W = W.astype(dtype)
    tolerance = ROUND_OFF if dtype is np.float64 else SINGLE
    errors = group_geometry.group_errors(W, A, groups)
    assert_close(errors, errors_one_by_one(W.astype(float), A, groups), tolerance)
    assert_close(group_geometry.group_errors(W * np.arange(1, 13, dtype=dtype), A, groups), errors, tolerance)


def test_a_rotation_is_told_apart_from_an_error():
    A, groups = group_dictionary(8, 3, 2, 0), make_groups(6, group_size=2)
    turned = group_geometry.group_errors(group_geometry.turn_groups(A, groups, 0.3), A, groups)
    assert turned.distance == pytest.approx(3 * 4 * (1 - np.cos(0.3)), rel=ROUND_OFF)
    assert turned.rotation == pytest.approx(turned.distance, rel=ROUND_OFF)
    assert turned.procrustes < ROUND_OFF and turned.sin2 < ROUND_OFF
    swapped = group_geometry.group_errors(A[:, [1, 0, 3, 2, 5, 4]], A, groups)
    assert swapped.distance > 11 and swapped.procrustes < ROUND_OFF


def test_errors_of_single_atoms_forgive_signs_only():
    A = orthonormal_dictionary(6, 4, 0)
    W = normalize(A + 0.2 * np.random.default_rng(0).standard_normal(A.shape))
    errors = group_geometry.group_errors(W * [1, -1, 1, -1], A, make_groups(4, group_size=1))
    cosines = (W * A).sum(axis=0)
    assert errors.procrustes == pytest.approx((2 - 2 * cosines).sum(), rel=ROUND_OFF)
    assert errors.sin2 == pytest.approx((1 - cosines**2).sum(), rel=ROUND_OFF)
    assert errors.rotation == pytest.approx(8, rel=ROUND_OFF)


def test_rotation_hidden_in_a_random_start():
    n, n_groups, correlation = 400, 60, 0.15
    rng = np.random.default_rng(0)
    A = random_dictionary(n, 2 * n_groups, rng)
    variance = (1 / correlation**2 - 1) / n
    errors = group_geometry.group_errors(
        A + np.sqrt(variance) * rng.standard_normal(A.shape), A, make_groups(2 * n_groups, group_size=2)
    )
    assert errors.distance == pytest.approx(2 * 2 * n_groups * (1 - correlation), rel=0.02)
    assert errors.rotation == pytest.approx(n_groups * variance, rel=5 * np.sqrt(2 / n_groups))
