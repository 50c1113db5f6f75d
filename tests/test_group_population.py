"""Expected gradients of group-sparse autoencoders: against all supports, samples, and the threshold as it is."""

import naive
import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from tolerances import ITERATED, ROUND_OFF, assert_close, assert_mean

from aedyn import group_population, population
from aedyn.activations import GroupShrinkage
from aedyn.dictionaries import group_dictionary, make_groups, orthonormal_dictionary
from aedyn.generative import GroupSparse
from aedyn.group_geometry import blocks, orthonormalize_groups, principal_tangents, rotate_groups

CIRCLE = np.column_stack([f(2 * np.pi * np.arange(64) / 64) for f in (np.cos, np.sin)])


def example(n_groups=4, d=2, n=6, seed=0):
    """Dictionary and weights of any norms, in groups whose atoms are not neighbours."""
    rng = np.random.default_rng(seed)
    A, W = rng.standard_normal((2, n, n_groups * d))
    order = rng.permutation(n_groups * d).reshape(n_groups, d)
    return A, W, make_groups(n_groups * d, groups=[list(group) for group in order])


# The approximate gradient ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_groups", "d"), [(4, 2), (3, 3), (5, 1)])
@pytest.mark.parametrize("n_active", [1, 2, 3])
def test_gradient_on_all_supports(n_groups, d, n_active):
    A, W, groups = example(n_groups, d)
    expected = naive.expected_approximate_gradient(A, W, groups, n_active, 0.6, 1.7)
    gradient = group_population.expected_gradient(A, W, groups, n_active, 0.6, 1.7)
    assert_close(gradient.total, expected, ROUND_OFF)
    assert np.abs(gradient.cross).max() > 1 if n_active > 1 else not gradient.cross.any()


def test_gradient_for_groups_of_different_sizes():
    A, W = np.random.default_rng(0).standard_normal((2, 5, 6))
    groups = make_groups(6, groups=[[4], [0, 3, 5], [2, 1]])
    expected = naive.expected_approximate_gradient(A, W, groups, 2, 0.7, 1.0)
    assert_close(group_population.expected_gradient(A, W, groups, 2, 0.7).total, expected, ROUND_OFF)


def test_parts_are_those_of_equation_56():
    A, W, groups = example()
    A, W = (orthonormalize_groups(matrix, groups) for matrix in (A, W))
    tau, p = 0.6, 2 / 4
    parts = group_population.expected_gradient(A, W, groups, 2, tau)
    for g in range(4):
        truth, weights = A[:, groups[g]], W[:, groups[g]]
        M = weights.T @ truth
        main = tau * (2 - tau) * p * (weights - truth) @ M.T
        same = tau * p * weights @ (tau * M - (2 - tau) * np.eye(2)) @ M.T
        assert_close(parts.main[:, groups[g]], main, ROUND_OFF)
        assert_close(parts.same_group[:, groups[g]], same, ROUND_OFF)


@pytest.mark.parametrize("n_active", [1, 2, 3])
def test_single_atoms_without_shrinkage_reduce_to_zero_mean_codes(n_active):
    A, W, groups = example(5, 1)
    reduced = group_population.expected_gradient(A, W, groups, n_active, 1.0, 1.0).total
    assert_close(reduced, population.sparse_gradient(A, W, n_active), ROUND_OFF)
    assert np.abs(group_population.expected_gradient(A, W, groups, n_active, 0.9).total - reduced).max() > 0.1


def test_gradient_without_shrinkage_vanishes_at_orthogonal_groups_only():
    A, groups = orthonormal_dictionary(8, 6, 0), make_groups(6, group_size=2)
    turned = rotate_groups(A, groups, 0)
    assert np.abs(group_population.expected_gradient(A, turned, groups, 2, 1.0).total).max() < ROUND_OFF
    shrunk = group_population.expected_gradient(A, turned, groups, 2, 0.8).total
    assert_close(shrunk, -2 * 0.8 * 0.2 * (2 / 3) * turned, ROUND_OFF)
    B = group_dictionary(8, 3, 2, 0)
    assert np.abs(group_population.expected_gradient(B, B, groups, 2, 1.0).total).max() > 0.01


def test_expected_gradient_is_the_mean_over_samples():
    groups = make_groups(6, group_size=2)
    A = group_dictionary(5, 3, 2, 0)
    W = A + 0.4 * np.random.default_rng(1).standard_normal(A.shape)
    model = GroupSparse(A, groups=groups, n_active=2, b_min=1.0, b_max=2.0)
    tau, means = 0.7, []
    for samples in model.blocks(40_000, 3, block_size=400):
        active = samples.codes.toarray() != 0
        seen = np.where(active, samples.Y @ W, 0)
        residual = samples.Y - tau * seen @ W.T
        # of the active units, tau [(I - tau W_S W_S^T) y y^T + y y^T (I - tau W_S W_S^T)] w_i
        means.append(-tau * (residual.T @ seen + samples.Y.T @ (active * (residual @ W))) / len(seen))
    expected = group_population.expected_gradient(A, W, groups, 2, tau, (1 + 2 + 4) / 3 / 2)
    assert_mean(means, expected.total)
    assert np.std(means, axis=0).max() / 10 < 0.1 * np.abs(expected.total).max(), "there is something to see"
    assert np.abs(expected.cross).max() > 0.1


# Without interference -------------------------------------------------------------------------------------------------


def equal_angles(angle, d=2, seed=0):
    """Weights whose subspaces make one angle with those of orthogonal groups, turned at random."""
    basis = orthonormal_dictionary(6 * d, 4 * d, seed)
    A, groups = basis[:, : 2 * d], make_groups(2 * d, group_size=d)
    return A, rotate_groups(np.cos(angle) * A + np.sin(angle) * basis[:, 2 * d :], groups, seed), groups


def test_own_gradient_is_the_expected_one_for_orthogonal_groups():
    A, W, groups = equal_angles(0.5)
    expected = group_population.expected_gradient(A, W, groups, 1, 0.7, 2.0)
    assert_close(group_population.own_gradient(A, W, groups, 0.7, 0.5, 2.0), expected.total, ROUND_OFF)
    both = group_population.expected_gradient(A, W, groups, 2, 0.7, 2.0)
    assert np.abs(both.cross).max() < ROUND_OFF, "orthogonal groups do not interfere"


@pytest.mark.parametrize("rank_one", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("angle", [0.0, 0.6])
def test_own_gradient_is_that_of_the_true_threshold(rank_one, angle):
    A, W, groups = equal_angles(angle)
    norm, lam = 4.5, 2.0
    tau = 1 - lam / (norm * np.cos(angle))
    Y = norm * np.vstack([CIRCLE @ A[:, groups[g]].T for g in range(2)])
    expected = naive.group_descent_gradient(W, Y, groups, lam, rank_one)
    own = group_population.own_gradient(A, W, groups, tau, 0.5, norm**2 / 2, rank_one=rank_one)
    assert_close(own, expected, ROUND_OFF)
    # the Jacobian's mean tau + (1 - tau) / d in the encoder's term would be another gradient
    mean = group_population.own_gradient(A, W, groups, tau, 0.5, norm**2 / 2, rank_one=rank_one / 2)
    assert rank_one == 0 or np.abs(mean - expected).max() > 0.05 * np.abs(expected).max()


@pytest.mark.parametrize("lam", [0.2, 2.0, 3.0])
def test_approximate_gradient_is_shorter_at_the_truth(lam):
    A, groups = orthonormal_dictionary(8, 4, 0), make_groups(4, group_size=2)
    Y = 4.5 * CIRCLE @ A[:, :2].T
    approximate, exact = (naive.group_descent_gradient(A, Y, groups, lam, share) for share in (0.0, 1.0))
    tau = 1 - lam / 4.5
    assert_close(approximate, 2 * tau / (1 + tau) * exact, ROUND_OFF)
    assert_close(exact[:, :2], -(1 - tau**2) * 4.5**2 / 2 * A[:, :2], ROUND_OFF)


def test_norms_that_vary_enter_by_their_moments():
    nodes, weights = np.polynomial.legendre.leggauss(6)
    A, groups, lam = np.eye(4)[:, :2], make_groups(2, group_size=2), 2.0
    moments = group_population.tau_moments(lam, 4, 5)
    for rank_one, gain in ((0.0, 2 * (moments.tau_square - moments.tau2_square)), (1.0, None)):
        gain = moments.square - moments.tau2_square if gain is None else gain
        gradient = sum(
            weight / 2 * naive.group_descent_gradient(A, (4.5 + node / 2) * CIRCLE @ A.T, groups, lam, rank_one)
            for node, weight in zip(nodes, weights, strict=True)
        )
        assert_close(gradient, -gain / 2 * A, ROUND_OFF)


def test_tangential_part_and_symmetry():
    A, W, groups = example()
    W = orthonormalize_groups(W, groups)
    G = group_population.expected_gradient(A, W, groups, 2, 0.7).total
    turns = group_population.tangential(G, W, groups)
    for g in range(4):
        own = W[:, groups[g]]
        radial = own.T @ G[:, groups[g]]
        assert_close(radial, radial.T, ROUND_OFF)
        assert_close(G[:, groups[g]] - own @ (radial + radial.T) / 2, turns[:, groups[g]], ROUND_OFF)
        assert np.abs(own.T @ turns[:, groups[g]]).max() < ROUND_OFF


@pytest.mark.parametrize("rank_one", [0.0, 1.0])
def test_loss_ignores_rotations_within_groups_and_so_does_its_gradient(rank_one):
    rng = np.random.default_rng(0)
    groups = make_groups(12, group_size=3)
    W, Y = rng.standard_normal((8, 12)), 2 * rng.standard_normal((5, 8))
    turned, shrink = rotate_groups(W, groups, 1), GroupShrinkage(3.0, groups)
    losses = [((Y - shrink(Y @ matrix) @ matrix.T) ** 2).sum() / 2 for matrix in (W, turned)]
    assert np.linalg.norm(W - turned) > 5 and losses[0] == pytest.approx(losses[1], rel=ROUND_OFF)
    gradient = naive.group_descent_gradient(W, Y, groups, 3.0, rank_one)
    products = blocks(W, groups) @ blocks(gradient, groups).swapaxes(1, 2)
    assert_close(products, products.swapaxes(1, 2), ROUND_OFF)
    single = make_groups(12, group_size=1)
    entrywise = naive.group_descent_gradient(W, Y, single, 1.0, rank_one)
    products = blocks(W, groups) @ blocks(entrywise, groups).swapaxes(1, 2)
    assert np.abs(products - products.swapaxes(1, 2)).max() > 0.01 * np.abs(products).max()


# Moments and scales ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ends", "recorded"),
    [((4, 5), (0.553713, 20.333333, 11.333333, 6.333333, 1.0066, 1.0159)), ((2.1, 6), (None,) * 4 + (1.173, 1.453))],
)
def test_moments_of_the_factor(ends, recorded):
    moments = group_population.tau_moments(2, *ends)
    nodes, weights = np.polynomial.legendre.leggauss(40)
    norms, weights = np.mean(ends) + nodes * np.ptp(ends) / 2, weights / 2
    tau = 1 - 2 / norms
    direct = [weights @ values for values in (tau, norms**2, tau * norms**2, tau**2 * norms**2)]
    assert_close(moments[:4], direct, ROUND_OFF)
    assert_close(
        moments[4:], [direct[2] / (direct[0] * direct[1]), direct[3] / (direct[0] ** 2 * direct[1])], ROUND_OFF
    )
    for value, text in zip(moments, recorded, strict=True):
        assert text is None or value == pytest.approx(text, abs=6e-7 if text > 2 or text < 1 else 6e-4)


def test_moments_are_products_only_for_one_norm():
    assert group_population.tau_moments(2, 4.5, 4.5)[4:] == pytest.approx((1, 1), rel=ROUND_OFF)
    assert group_population.tau_moments(0, 4, 5)[4:] == pytest.approx((1, 1), rel=ROUND_OFF)
    assert min(group_population.tau_moments(2, 4.4, 4.6)[4:]) > 1
    with pytest.raises(ValueError, match="lam must lie in"):
        group_population.tau_moments(4.1, 4, 5)


@pytest.mark.parametrize(("norm", "scale"), [(4.5, 1.246616), (4, 1.28078), (5, 1.21980)])
def test_scale_of_zero_loss(norm, scale):
    found = group_population.zero_loss_scale(norm, 2)
    assert found == pytest.approx(scale, abs=6e-6)
    y = norm * np.array([0.6, 0.8])
    output = found * naive.group_shrinkage(found * y, 2, [[0, 1]])
    assert_close(output, y, ROUND_OFF)
    G = naive.group_descent_gradient(found * np.eye(2), norm * CIRCLE, make_groups(2, group_size=2), 2, 1.0)
    assert np.abs(G).max() < ROUND_OFF * norm**2
    assert np.abs(naive.group_descent_gradient(np.eye(2), norm * CIRCLE, [[0, 1]], 2, 1.0)).max() > 1


def test_best_scale_has_the_smallest_loss():
    nodes, weights = np.polynomial.legendre.leggauss(5)
    norms = 4.5 + nodes / 2

    def half_square(s):
        return weights / 2 @ (s**2 * norms - s * 2 - norms) ** 2 / 2

    scale = group_population.best_scale(2, 4, 5)
    assert scale == pytest.approx(1.245269, abs=6e-7)
    assert half_square(scale) == pytest.approx(0.0127, abs=6e-5)
    assert scale == pytest.approx(minimize_scalar(half_square, bounds=(1, 2), options={"xatol": 1e-10}).x, rel=1e-6)
    assert group_population.best_scale(2, 4.5, 4.5) == pytest.approx(group_population.zero_loss_scale(4.5, 2), rel=1e-9)
    assert group_population.best_scale(0, 4, 5) == pytest.approx(1, rel=ROUND_OFF)


def test_training_by_the_expected_gradient_ends_at_the_scale_of_zero_loss():
    A, W, groups = equal_angles(0.6)
    for _ in range(200):
        W = W - 0.02 * naive.group_descent_gradient(W, 4.5 * CIRCLE[::8] @ A[:, :2].T, groups, 2, 1.0)
    assert principal_tangents(W, A, groups)[0].max() < ITERATED
    assert_close(W[:, :2].T @ W[:, :2], group_population.zero_loss_scale(4.5, 2) ** 2 * np.eye(2), ITERATED)
