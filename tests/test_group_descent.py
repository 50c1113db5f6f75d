"""The law of the principal angles, what interference does to it, and where descent ends."""

import naive
import numpy as np
import pytest
from scipy.linalg import hadamard
from tolerances import ROUND_OFF, assert_close

from aedyn import descent, group_descent
from aedyn.dictionaries import block_coherence, group_dictionary, make_groups, orthonormal_dictionary, random_dictionary
from aedyn.group_geometry import blocks, orthonormalize_groups, principal_tangents, rotate_groups
from aedyn.group_population import expected_gradient, law_rates, tangential
from aedyn.population import support_probabilities

CIRCLE = np.column_stack([f(2 * np.pi * np.arange(256) / 256) for f in (np.cos, np.sin)])


def with_angles(angles, seed=0):
    """Orthogonal groups, and weights with the given principal angles (one row a group), each turned at random."""
    n_groups, d = np.shape(angles)
    m = n_groups * d
    basis = orthonormal_dictionary(2 * m + 1, 2 * m, seed)
    A, groups = basis[:, :m], make_groups(m, group_size=d)
    frame = rotate_groups(A, groups, seed)  # of principal vectors
    W = frame * np.cos(np.ravel(angles)) + basis[:, m:] * np.sin(np.ravel(angles))
    return A, rotate_groups(W, groups, seed + 1), groups


ANGLES = np.array([[1.3, 0.7, 0.1], [1.5, 1.5, 0.0]])

# The law --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rank_one", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("step", [0.5, 20.0, 200.0])
@pytest.mark.parametrize("tau", [0.3, 0.556, 1.0])
def test_law_is_one_step(tau, step, rank_one):
    A, W, groups = with_angles(ANGLES)
    before = principal_tangents(W, A, groups)
    assert_close(before, np.tan(ANGLES), ROUND_OFF * 1e3)
    after = group_descent.subspace_step(A, W, groups, tau, 0.05, step, 2.0, rank_one=rank_one)
    law = group_descent.tangent_law(before, *law_rates(tau, 0.05, step, 2.0, rank_one=rank_one))
    assert_close(principal_tangents(after, A, groups), np.sort(law)[:, ::-1], ROUND_OFF * 1e3)
    assert_close(after.T @ after, np.eye(6), ROUND_OFF)


def test_law_with_recorded_values():
    e = np.eye(5)
    A, groups = e[:, :2], make_groups(2, group_size=2)
    W = np.cos([0.6, 0.3]) * A + np.sin([0.6, 0.3]) * e[:, 2:4]
    tau, p = 0.8, 0.05
    step = 1 / (tau * (2 - tau) * p)
    gradient = expected_gradient(A, W, groups, 1, tau).total * p
    assert np.linalg.norm(gradient) == pytest.approx(0.03187529, abs=6e-9)
    after = group_descent.subspace_step(A, W, groups, tau, p, step)
    assert principal_tangents(after, A, groups)[0] == pytest.approx([0.2415820971, 0.0870408354], abs=6e-11)
    rates = 1.0, 0.556**2 / (0.556 * 1.444)
    assert group_descent.tangent_law([2.660, 1.453, 1.032], *rates) == pytest.approx([1.297, 0.679, 0.463], abs=6e-4)


def test_gradient_of_rank_one_turns_faster():
    slow, fast = (law_rates(0.556, 0.1, 5.0, rank_one=share) for share in (0.0, 1.0))
    assert slow[1] == fast[1] <= slow[0] < fast[0]
    assert slow[0] / fast[0] == pytest.approx(1 - (1 - 0.556) ** 2, rel=ROUND_OFF)
    tangents = np.array([3.0, 0.5, 0.01])
    assert (group_descent.tangent_law(tangents, *fast) < group_descent.tangent_law(tangents, *slow)).all()
    assert law_rates(1.0, 0.1, 5.0, rank_one=1.0) == law_rates(1.0, 0.1, 5.0)


@pytest.mark.parametrize("a", [0.01, 1.0])
def test_rate_from_every_start_and_for_every_threshold(a):
    tangents, b = np.logspace(-6, 6, 60), np.linspace(0, 1, 7)[:, None]
    after = group_descent.tangent_law(tangents, a, b)
    assert (after <= tangents / (1 + a) * (1 + ROUND_OFF)).all()
    assert_close(after[0], tangents / (1 + a), ROUND_OFF)
    assert group_descent.tangent_law(1e6, a, 1.0) == pytest.approx(1e6 / (1 + a), rel=1e-9), "attained at 90 degrees"
    small = 1e-3
    assert group_descent.tangent_law(small, a, 1.0) == pytest.approx(small**3 / a, rel=small), "cubic at b = 1"


@pytest.mark.parametrize("a", [0.1, 2.0])
def test_angles_shrink_up_to_the_largest_step(a):
    edge = 1 + a / 2
    tangents = np.logspace(-4, 3, 40)
    assert (group_descent.tangent_law(tangents, a, edge * (1 - 1e-9)) < tangents).all()
    assert group_descent.tangent_law(1e-9, a, edge * (1 + 1e-6)) > 1e-9
    assert group_descent.tangent_law(1e-9, a, edge * (1 - 1e-6)) < 1e-9


@pytest.mark.parametrize("lam", [0.0, 0.2, 0.6])
def test_single_atoms_obey_the_law_of_part_one_with_the_shrinkage_as_bias(lam):
    angle, u = 0.7, 0.8
    tau = 1 - lam / np.cos(angle)
    rates = law_rates(tau, u, 1.0, rank_one=1.0)
    after = group_descent.tangent_law(np.tan(angle), *rates)
    assert after == pytest.approx(np.tan(descent.angle_law(angle, u, -lam)), rel=ROUND_OFF)
    codes = np.array([[1.0], [-1.0]])
    threshold = group_descent.threshold_law([np.tan(angle)], codes, lam, u, rank_one=1.0)
    assert_close(threshold, [after], ROUND_OFF)


# The true threshold ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rank_one", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("lam", [0.0, 1.0, 2.0, 5.0])
def test_law_with_the_threshold_is_one_step(lam, rank_one):
    angles = np.array([[1.1, 0.4]])
    A, W, groups = with_angles(angles)
    codes, u = 4.5 * CIRCLE[::4], 0.05
    active = np.linalg.norm(codes * np.cos(angles), axis=1) > lam
    assert active.all() == (lam <= 2) and active.any() == (lam < 4.5)
    # a frame of principal vectors, in which the codes lie on the nodes of the law
    frame = A @ np.linalg.svd(A.T @ W)[0][:, ::-1]
    stepped = W - u * naive.group_descent_gradient(W, codes @ frame.T, groups, lam, rank_one)
    law = group_descent.threshold_law(np.tan(angles[0]), codes, lam, u, rank_one=rank_one)
    after = principal_tangents(orthonormalize_groups(stepped, groups), A, groups)[0]
    assert_close(after, law, ROUND_OFF * 1e3)
    assert (law < np.tan(angles[0])).all() if active.any() else np.allclose(law, np.tan(angles[0]))


def test_law_with_the_threshold_reduces_to_that_of_constant_tau():
    tangents, codes = np.full(2, 0.8), 4.5 * CIRCLE
    tau = 1 - 2 / (4.5 * np.cos(np.arctan(0.8)))
    for share in (0.0, 1.0):
        law = group_descent.tangent_law(tangents, *law_rates(tau, 0.03, 1.0, 4.5**2 / 2, rank_one=share))
        assert_close(group_descent.threshold_law(tangents, codes, 2.0, 0.03, rank_one=share), law, ROUND_OFF)


def test_exact_gradient_has_a_rate_that_does_not_depend_on_the_threshold():
    codes, tangents, u = 4.5 * CIRCLE, np.array([1.5, 0.2]), 0.02
    for lam in (0.0, 1.0, 2.0):
        law = group_descent.threshold_law(tangents, codes, lam, u, rank_one=1.0)
        assert (law <= tangents / (1 + u * 4.5**2 / 2)).all()
    slower = group_descent.threshold_law(tangents, codes, 2.0, u)
    assert (slower > tangents / (1 + u * 4.5**2 / 2)).any(), "the approximate gradient is slower"


def test_law_needs_codes_without_a_preferred_sign():
    angles = np.array([[1.1, 0.4]])
    A, W, groups = with_angles(angles)
    frame = A @ np.linalg.svd(A.T @ W)[0][:, ::-1]
    codes = np.array([[1.0, 1.0]])
    stepped = W - 0.3 * naive.group_descent_gradient(W, codes @ frame.T, groups, 0.1, 1.0)
    after = principal_tangents(orthonormalize_groups(stepped, groups), A, groups)[0]
    law = group_descent.threshold_law(np.tan(angles[0]), codes, 0.1, 0.3, rank_one=1.0)
    assert np.abs(after / law - 1).max() > 0.05


# Interference ---------------------------------------------------------------------------------------------------------


def interfering(n=40, n_groups=40, d=2, noise=0.02, seed=0):
    rng = np.random.default_rng(seed)
    A, groups = group_dictionary(n, n_groups, d, rng), make_groups(n_groups * d, group_size=d)
    return A, orthonormalize_groups(A + noise * rng.standard_normal(A.shape), groups), groups


def spectral_norms(gradient, groups):
    return np.linalg.norm(blocks(gradient, groups), 2, axis=(1, 2))


@pytest.mark.parametrize("n_active", [2, 3, 6])
@pytest.mark.parametrize("tau", [0.3, 0.6, 1.0])
def test_bound_on_the_cross_part(n_active, tau):
    for noise in (0.0, 0.05, 1.0):
        A, W, groups = interfering(noise=noise)
        bound = group_descent.cross_bound(A, W, groups, n_active, tau, 2.0)
        norms = spectral_norms(expected_gradient(A, W, groups, n_active, tau, 2.0).cross, groups)
        assert 0.01 * bound < norms.max() < bound
    assert group_descent.cross_bound(A, W, groups, 1, tau) == 0


def test_norm_of_weights_grows_at_most_with_the_root_of_the_number_of_groups():
    n_groups, sine = 100, 0.5
    basis, groups = np.eye(2 * n_groups + 1), make_groups(2 * n_groups, group_size=2)
    A = basis[:, :-1]
    W = A.copy()
    W[:, ::2] = np.sqrt(1 - sine**2) * A[:, ::2] + sine * basis[:, -1:]  # all groups lean the same way
    assert principal_tangents(W, A, groups).max() == pytest.approx(np.tan(np.arcsin(sine)), rel=ROUND_OFF)
    assert 0.8 < np.linalg.norm(W, 2) / (np.linalg.norm(A, 2) + np.sqrt(n_groups) * sine) <= 1


def test_cross_term_of_the_dictionary_of_the_experiment():
    A, groups = random_dictionary(950, 1000, 0), make_groups(1000, group_size=2)
    norm = group_descent.cross_term_norm(A, groups, 0)
    assert norm == pytest.approx(1.515779, abs=6e-7)
    assert 3 * block_coherence(A, groups) == pytest.approx(0.246085, abs=6e-7), "what (73) has for it"
    assert norm < np.linalg.norm(A, 2) ** 2 == pytest.approx(4.108965, abs=6e-7)


@pytest.mark.parametrize("n", [16, 64])
def test_cross_term_of_identity_and_hadamard_is_long_and_turns_nothing(n):
    A, groups = group_descent.identity_hadamard(n), make_groups(2 * n, group_size=2)
    assert np.array_equal(np.sqrt(n) * A[:, n:], hadamard(n)) and np.array_equal(A[:, :n], np.eye(n))
    norms = [group_descent.cross_term_norm(A, groups, g) for g in (0, n // 2, n - 1)]
    assert_close(norms, np.ones(3), ROUND_OFF)
    assert block_coherence(A, groups) == pytest.approx(1 / np.sqrt(2 * n), rel=ROUND_OFF)
    tau, pair = 0.8, support_probabilities(n, 3).p_ij
    cross = expected_gradient(A, A, groups, 3, tau).cross
    assert_close(cross, 2 * tau * (3 * tau - 1) * pair * A, ROUND_OFF)
    assert np.abs(tangential(cross, A, groups)).max() < ROUND_OFF
    assert group_descent.subspace_floor(A, groups, 3, 2.0).max() < ROUND_OFF


@pytest.mark.parametrize("noise", [0.0, 0.05, 0.2])
@pytest.mark.parametrize("tau", [0.4, 0.8])
def test_bound_on_a_step_with_interference(tau, noise):
    A, W, groups = interfering(noise=noise)
    gradient = expected_gradient(A, W, groups, 2, tau)
    errors = spectral_norms(gradient.cross, groups)
    for step in (0.1, 1.0 / (tau**2 * 2 / 40)):
        a, b = law_rates(tau, 2 / 40, step)
        assert b <= 1 + ROUND_OFF
        after = orthonormalize_groups(W - step * gradient.total, groups)
        before, found = (principal_tangents(matrix, A, groups)[:, 0] for matrix in (W, after))
        bounds = group_descent.tangent_bound(before, a, step * errors)
        assert (found <= bounds * (1 + ROUND_OFF) + ROUND_OFF).all()


def test_bound_on_a_step_is_the_law_without_interference_and_nothing_when_there_is_too_much():
    assert group_descent.tangent_bound(2.0, 0.5, 0.0) == pytest.approx(2 / 1.5, rel=ROUND_OFF)
    assert np.isinf(group_descent.tangent_bound(np.array([0.0, 1.0]), 0.5, 1.0)).all()
    assert np.isfinite(group_descent.tangent_bound(0.0, 0.5, 0.999))


@pytest.mark.parametrize("a", [0.01, 0.5, 3.0])
def test_floor_of_the_bound_and_its_basin(a):
    edge = a / (1 + a) / (2 * np.sqrt(2))
    assert group_descent.tangent_floor(a, 0.0) == 0
    assert group_descent.tangent_floor(a, edge * (1 - 1e-9)) == pytest.approx(1, abs=1e-3)
    assert np.isinf(group_descent.tangent_floor(a, edge * (1 + 1e-9)))
    error = edge / 3
    floor = group_descent.tangent_floor(a, error)
    for fixed in (floor, 1 / floor):
        assert group_descent.tangent_bound(fixed, a, error) == pytest.approx(fixed, rel=1e-9)
    inside, outside = 0.999 / floor, 1.001 / floor
    assert group_descent.tangent_bound(inside, a, error) < inside
    assert group_descent.tangent_bound(outside, a, error) > outside
    assert group_descent.tangent_floor(a, edge * 1e-6) == pytest.approx(edge * 1e-6 * (1 + a) / a, rel=1e-5)


def descend(A, W, groups, n_active, tau, step, n_steps):
    """Weights at the end, and the largest spectral norm of a cross part on the way."""
    largest = 0.0
    for _ in range(n_steps):
        gradient = expected_gradient(A, W, groups, n_active, tau)
        largest = max(largest, spectral_norms(gradient.cross, groups).max())
        W = orthonormalize_groups(W - step * gradient.total, groups)
    return W, largest


def test_descent_from_far_away_ends_below_the_floor():
    A, W, groups = interfering(n=80, n_groups=80, noise=0.15)
    tau, step = 0.7, 10.0
    start = principal_tangents(W, A, groups).max()
    W, error = descend(A, W, groups, 2, tau, step, 60)
    floor = group_descent.tangent_floor(law_rates(tau, 2 / 80, step)[0], step * error)
    assert 1 < start < 1 / floor, "the start is in the basin"
    assert 0.005 < principal_tangents(W, A, groups).max() < floor < 0.3


@pytest.mark.parametrize("tau", [0.3, 0.8])
def test_where_descent_ends_to_first_order(tau):
    misses = []
    for n_groups in (20, 80):
        A, _, groups = interfering(n=n_groups, n_groups=n_groups)
        W, _ = descend(A, A, groups, 2, tau, 0.5 / (tau**2 * 2 / n_groups), 40)
        found = principal_tangents(W, A, groups)
        predicted = group_descent.subspace_floor(A, groups, 2, group_descent.floor_factor(tau))
        assert predicted.min() > 1e-4
        misses.append(np.linalg.norm(found - predicted) / np.linalg.norm(predicted))
    assert misses[1] < 0.08 and misses[1] < 0.4 * misses[0]


def test_no_floor_at_first_order_for_half_the_norm():
    A, _, groups = interfering()
    W, _ = descend(A, A, groups, 2, 0.5, 10.0, 5)
    assert principal_tangents(W, A, groups).max() < ROUND_OFF * 10
    W, _ = descend(A, A, groups, 3, 0.5, 5.0, 60)
    first = group_descent.subspace_floor(A, groups, 3, group_descent.floor_factor(0.8))
    second = principal_tangents(W, A, groups)
    assert 1e-4 < second.max() < 0.2 * first.max(), "three groups at a time leave the second order"


@pytest.mark.parametrize("rank_one", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("lam", [0.2, 0.5])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_turn_by_interference_with_the_true_threshold(d, lam, rank_one):
    # the signed axes have the second moments of the sphere, and no others count to first order
    axes = np.vstack([np.eye(d), -np.eye(d)])
    codes = np.array([np.concatenate(pair) for pair in ((x, y) for x in axes for y in axes)])
    base, groups = orthonormal_dictionary(3 * d, 2 * d, 0), make_groups(2 * d, group_size=d)
    overlap = np.random.default_rng(0).standard_normal((d, d))
    tau, size = 1 - lam, 1e-4
    A = orthonormalize_groups(np.hstack([base[:, :d], base[:, d:] + size * base[:, :d] @ overlap]), groups)
    gradient = naive.group_descent_gradient(A, codes @ A.T, groups, lam, rank_one)
    mean = tau + (1 - tau) / d
    factor = (1 - rank_one) * 2 * (1 - 2 * tau) * mean + rank_one * (1 - 3 * tau * mean)
    first_order = -factor / d * tangential(A @ (A.T @ A), A, groups)
    assert np.abs(tangential(gradient, A, groups) - first_order).max() < 10 * size**2
    assert np.abs(first_order).max() > 1e-2 * size or abs(factor) < 1e-2
    pull, _ = law_rates(tau, 1.0, 1.0, rank_one=rank_one)
    assert group_descent.floor_factor(tau, d, rank_one=rank_one) == pytest.approx(abs(factor) / pull, rel=ROUND_OFF)


def test_shrinkage_lowers_the_floor():
    assert group_descent.floor_factor(1.0) == group_descent.floor_factor(1.0, 2, rank_one=1.0) == 2
    tau = 1 - 2 / 4.5
    assert group_descent.floor_factor(tau, 2) == pytest.approx(0.215, abs=6e-4)
    assert group_descent.floor_factor(tau, 2, rank_one=1.0) == pytest.approx(0.296, abs=6e-4)
    assert group_descent.floor_factor(0.5, 3) == 0
    root = (np.sqrt(1 + 8 / 3) - 1) / 2  # of tau (1 + tau) / 2 = 1 / 3
    assert group_descent.floor_factor(root, 2, rank_one=1.0) < ROUND_OFF
