"""Theorems 1 and 2 of the group-sparse paper: identities, the bounds in the proofs, and exact counterexamples."""

from fractions import Fraction

import naive
import numpy as np
import pytest
from tolerances import ITERATED, ROUND_OFF, assert_close

from aedyn import group_descent_theorems as theorems
from aedyn.dictionaries import group_dictionary, make_groups, orthonormal_dictionary
from aedyn.generative import GroupSparse
from aedyn.group_geometry import blocks, columns, nearest_rotation, orthonormalize_groups, rotate_groups, turn_groups
from aedyn.group_population import expected_gradient, own_gradient, tangential

PAIRS = make_groups(60, group_size=2)
TENTH = Fraction(1, 20)  # tangent of half an angle of about 0.1


def near(distance, d=2, n_groups=6, n=30, seed=0):
    """Orthogonal groups, and orthonormal ones at about the given distance in random directions."""
    rng = np.random.default_rng(seed)
    A, groups = orthonormal_dictionary(n, n_groups * d, rng), make_groups(n_groups * d, group_size=d)
    noise = blocks(rng.standard_normal(A.shape), groups)
    noise *= distance / np.linalg.norm(noise, axis=(1, 2), keepdims=True)
    return A, orthonormalize_groups(A + columns(noise, groups), groups), groups


def distances(W, A, groups):
    return np.linalg.norm(blocks(W - A, groups), axis=(1, 2))


# Theorem 1 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tau", [0.5, 0.8, 1.0])
@pytest.mark.parametrize("n_active", [1, 3])
def test_identity_behind_theorem_1_and_its_valid_bound(tau, n_active):
    groups = make_groups(12, group_size=3)
    A = group_dictionary(8, 4, 3, 0)
    for noise in (0.0, 0.05, 0.3):
        W = orthonormalize_groups(A + noise * np.random.default_rng(1).standard_normal(A.shape), groups)
        sides = theorems.theorem1_sides(A, W, groups, n_active, tau, 2.0)
        kappa = 2.0 * tau * (2 - tau) * n_active / 4 * (W * A).sum(axis=0)
        # adding back the bound and taking off the norm itself makes either side an equality
        for side, bound in ((sides.printed, sides.v_printed), (sides.valid, sides.v_valid)):
            assert_close(side + (bound**2 - sides.v**2) / kappa + 1, sides.left + 1, ROUND_OFF)
        assert (sides.v <= sides.v_valid + ROUND_OFF).all()
        assert (sides.left >= sides.valid - ROUND_OFF).all()


def test_parts_of_the_bounds_group_by_group():
    A, W, groups = near(0.4, d=3)
    tau, p = 0.7, 1 / 6
    sides = theorems.theorem1_sides(A, W, groups, 1, tau)
    for g in range(6):
        truth, weights = A[:, groups[g]], W[:, groups[g]]
        far = np.linalg.norm(weights - truth)
        for i in range(3):
            omega = max(abs(truth[:, j] @ weights[:, i]) for j in range(3) if j != i)
            printed = tau * (2 - tau) * p * (omega * np.sqrt(10) + far) * far
            valid = tau * p * ((2 - tau) * omega * np.sqrt(2) * far + 2 * (1 - tau) + tau * far)
            assert sides.v_printed[groups[g][i]] == pytest.approx(printed, rel=ROUND_OFF)
            assert sides.v_valid[groups[g][i]] == pytest.approx(valid, rel=ROUND_OFF)


@pytest.mark.parametrize("tau", [0.3, 0.556, 0.8, 1.0])
def test_valid_bound_never_promises_that_the_gradient_helps(tau):
    for distance in (0.01, 0.1, 0.5, 0.95):
        A, W, groups = near(distance)
        assert distances(W, A, groups).max() <= 1
        sides = theorems.theorem1_sides(A, W, groups, 1, tau)
        kappa = tau * (2 - tau) / 6 * (W * A).sum(axis=0)
        assert (sides.v_valid >= kappa * np.linalg.norm(W - A, axis=0)).all()


def test_printed_bound_fails_for_most_directions():
    for tau, least in ((0.556, 1.0), (0.8, 1.0), (1.0, 0.2)):
        A, W, groups = near(0.05, n_groups=10, n=50)
        sides = theorems.theorem1_sides(A, W, groups, 1, tau)
        assert np.mean(sides.left < sides.printed) >= least
        assert np.mean(sides.v > sides.v_printed) >= least
    A, W, groups = near(0.2, n_groups=10, n=50)
    sides = theorems.theorem1_sides(A, W, groups, 1, 1.0)
    assert (sides.left >= sides.printed).all(), "far enough away, and without shrinkage, it holds"


def test_theorem_1_at_the_truth():
    tau, p = 0.8, 1 / 30
    sides = theorems.theorem1_sides(np.eye(60), np.eye(60), PAIRS, 1, tau)
    left, right = theorems.theorem1_at_truth(tau, p)
    assert left == 0 and right == pytest.approx(3.6e-3, abs=6e-5)
    assert_close(sides.printed, np.full(60, right), ROUND_OFF)
    assert not sides.left.any() and not sides.v_printed.any()
    assert_close(sides.v, np.full(60, 2 * tau * (1 - tau) * p), ROUND_OFF)
    assert theorems.theorem1_at_truth(Fraction(4, 5), Fraction(1, 30)) == (0, Fraction(4, 1125))
    assert theorems.theorem1_at_truth(1, p) == (0, 0), "without shrinkage the truth is no counterexample"


@pytest.mark.parametrize("tau", [Fraction(1), Fraction(4, 5)])
def test_theorem_1_after_a_rotation(tau):
    left, right = theorems.theorem1_rotation(tau, Fraction(1, 30), TENTH)
    assert isinstance(right, Fraction) and left < right
    turned = turn_groups(np.eye(60), PAIRS, 2 * np.arctan(1 / 20))
    sides = theorems.theorem1_sides(np.eye(60), turned, PAIRS, 1, float(tau))
    assert_close(sides.left + 1, np.full(60, 1 + float(left)), ROUND_OFF)
    assert (sides.printed >= float(right)).all() and (sides.printed < 1.5 * float(right)).all()
    left, right = theorems.theorem1_rotation(Fraction(1), Fraction(1, 30), Fraction(1, 2))
    assert right < left, "a large rotation is no counterexample"


@pytest.mark.parametrize(("tau", "left", "right"), [(1.0, 0, 7.27e-4), (0.8, -3.2e-4, 1.14e-2)])
def test_theorem_1_after_a_rotation_with_recorded_values(tau, left, right):
    A, groups = np.eye(20), make_groups(20, group_size=2)
    sides = theorems.theorem1_sides(A, turn_groups(A, groups, 0.1), groups, 1, tau)
    assert sides.left == pytest.approx(left, abs=6e-6) and sides.printed == pytest.approx(right, rel=0.01)
    if tau == 1:
        assert sides.v == pytest.approx(9.95e-3, abs=6e-6) and sides.v_printed == pytest.approx(5.15e-3, abs=6e-6)


@pytest.mark.parametrize("rank_one", [0.0, 1.0])
@pytest.mark.parametrize("distance", [0.02, 0.5, 1.2])
def test_corrected_theorem_1(distance, rank_one):
    A, W, groups = near(distance, d=3)
    W = rotate_groups(W, groups, 0)
    for tau in (0.3, 1.0):
        left, right = theorems.corrected_sides(A, W, groups, tau, 1 / 6, 2.0, rank_one=rank_one)
        assert (left >= right).all() and (right > 0.3 * left).all()
        turns = tangential(own_gradient(A, W, groups, tau, 1 / 6, 2.0, rank_one=rank_one), W, groups)
        for g in range(6):
            cosines = np.linalg.svd(W[:, groups[g]].T @ A[:, groups[g]], compute_uv=False)
            rate = 2.0 / 6 * (tau * (2 - tau) + rank_one * (1 - tau) ** 2)
            assert left[g] == pytest.approx(2 * rate * (cosines * (1 - cosines**2)).sum(), rel=ITERATED)
        errors = W - nearest_rotation(A, W, groups)
        step = 0.1
        assert (
            np.linalg.norm(blocks(errors - step * turns, groups), axis=(1, 2))
            < np.linalg.norm(blocks(errors, groups), axis=(1, 2))
        ).all()


def test_corrected_theorem_1_is_an_equality_for_equal_small_angles():
    basis, groups = np.eye(12), make_groups(6, group_size=2)
    A, W = basis[:, :6], np.cos(1e-3) * basis[:, :6] + np.sin(1e-3) * basis[:, 6:]
    left, right = theorems.corrected_sides(A, W, groups, 0.7, 0.5)
    assert_close(left, right, ROUND_OFF * 1e6)  # sines and 1 - cosines of small angles
    left, right = theorems.corrected_sides(A, turn_groups(A, groups, 0.3), groups, 0.7, 0.5)
    assert np.abs([left, right]).max() < ROUND_OFF, "a rotation is no error"


@pytest.mark.parametrize("tau", [0.556, 0.8])
def test_step_of_the_largest_size_leads_away_and_its_tangential_part_does_not(tau):
    for distance in (0.02, 0.2, 0.5):
        A, W, groups = near(distance, n=50)
        G = expected_gradient(A, W, groups, 1, tau).total
        step = 1 / (tau * (2 - tau) / 6 * (W * A).sum(axis=0).max())
        assert (distances(W - step * G, A, groups) > distances(W, A, groups)).all()
        turns, errors = blocks(tangential(G, W, groups), groups), blocks(W - A, groups)
        cosines = (turns * errors).sum(axis=(1, 2)) / np.linalg.norm(turns, axis=(1, 2)) / distances(W, A, groups)
        assert (cosines > 0.9).all()


# Bounds in the proof --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 2, 5])
def test_sum_of_distances_of_the_other_atoms(d):
    errors = np.random.default_rng(0).standard_normal((200, 7, d))
    errors[0] = np.append(np.zeros((7, 1)), np.ones((7, d - 1)), axis=1)
    sums = np.linalg.norm(errors, axis=1)[:, 1:].sum(axis=1)
    printed, sharp = theorems.off_column_bounds(np.linalg.norm(errors, axis=(1, 2)), d)
    assert (sums <= sharp * (1 + ROUND_OFF)).all() and (sharp <= np.sqrt(2 / 3) * printed).all()
    assert sums[0] == pytest.approx(sharp[0], rel=ROUND_OFF)


@pytest.mark.parametrize("tau", [0.3, 0.8, 1.0])
def test_expansion_66_holds_with_the_group_size(tau):
    A, W, groups = near(0.7, d=3, n=40)
    M = W[:, groups[0]].T @ A[:, groups[0]]
    direct = np.linalg.norm(tau * M - (2 - tau) * np.eye(3)) ** 2
    assert theorems.same_group_square(M, tau) == pytest.approx(direct, rel=ROUND_OFF)
    assert theorems.same_group_square(M, tau, 40) == pytest.approx(direct + 37 * (2 - tau) ** 2, rel=ROUND_OFF)
    assert theorems.same_group_square(np.eye(3), 1.0) == 0
    assert np.linalg.norm(tau * M - (2 - tau) * np.eye(3), 2) <= 2 * (1 - tau) + tau * distances(W, A, groups)[0]


# Theorem 2: the condition ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tau", [0.6, 0.8, 1.0])
@pytest.mark.parametrize("delta", [0.2, 0.9])
def test_condition_is_equivalent_to_the_bound_it_stands_for(tau, delta):
    edge = theorems.norm_condition(tau, 3, delta)
    for square in (edge - 1e-9, edge + 1e-9):
        # (68), with the smallest inner product that (67) allows
        bound = (2 - tau) ** 2 * 3 + tau**2 * square - 2 * (2 - tau) * tau * (3 - delta**2 / 2)
        assert (square <= edge) == (bound <= (2 - tau) * delta**2)


def test_condition_with_recorded_values():
    condition = theorems.norm_condition
    assert condition(0.9, 2, 0.1) == pytest.approx(1.90259259, abs=6e-9)
    assert theorems.smallest_overlap(2, 0.1) == pytest.approx(1.99001250, abs=6e-9)
    assert condition(0.6, 2, 1) == pytest.approx(0, abs=ROUND_OFF) and condition(0.5, 2, 1) == pytest.approx(-3)
    assert condition(0.9, 950, 0.1) == pytest.approx(903.087778, abs=6e-7)
    assert [condition(tau, 950, 1) for tau in (0.5, 0.6)] == pytest.approx([-2847, -737.3], abs=0.1)
    assert condition(0.8, 60, 0) == pytest.approx(45)
    for d, delta in ((2, 0.5), (5, 0.1)):
        zero = (2 * d - delta**2) / (3 * d - delta**2)
        assert condition(zero * 0.999, d, delta) < 0 < condition(zero * 1.001, d, delta)


@pytest.mark.parametrize("delta", [0.1, 0.6, 1.0])
def test_smallest_overlap_is_attained_and_not_undercut(delta):
    angle = np.arccos(1 - delta**2 / 6)
    M = np.cos(angle) * np.eye(3)
    assert 2 * (3 - np.trace(M)) == pytest.approx(delta**2, rel=ROUND_OFF), "squared distance of orthonormal groups"
    assert (M**2).sum() == pytest.approx(theorems.smallest_overlap(3, delta), rel=ROUND_OFF)
    A, W, groups = near(delta, d=3, n_groups=8, n=40)
    inside = distances(W, A, groups)
    squares = [np.linalg.norm(W[:, groups[g]].T @ A[:, groups[g]]) ** 2 for g in range(8)]
    assert (squares >= theorems.smallest_overlap(3, inside)).all() and max(squares) <= 3


@pytest.mark.parametrize(
    ("delta", "tau"), [(0.01, 0.9965), (0.05, 0.9825), (0.1, 0.9653), (0.3, 0.8988), (0.5, 0.8353), (1, 0.6783)]
)
def test_smallest_tau_with_recorded_values(delta, tau):
    assert theorems.smallest_tau(2, delta) == pytest.approx(tau, abs=1.1e-4)


@pytest.mark.parametrize("d", [1, 2, 16])
@pytest.mark.parametrize("delta", [0.001, 0.3, 1.0])
def test_smallest_tau_from_both_sides_and_its_bound(d, delta):
    tau = theorems.smallest_tau(d, delta)
    least = theorems.smallest_overlap(d, delta)
    assert theorems.norm_condition(tau + 1e-6, d, delta) > least > theorems.norm_condition(tau - 1e-6, d, delta)
    assert 0.75 * delta / (2 * np.sqrt(d)) < 1 - tau < delta / (2 * np.sqrt(d))
    assert theorems.smallest_tau(d, 0) == 1


def test_lemma_1_asks_for_a_larger_threshold_than_theorem_2_allows():
    # with the smallest threshold of Lemma 1 no sample has tau as large as the condition needs
    A, W, groups = near(0.3, n_groups=4, n=12)
    delta, b_max, n_active = distances(W, A, groups).max(), 5.0, 2
    samples = GroupSparse(A, groups=groups, n_active=n_active, b_min=4.0, b_max=b_max).sample(500, 0)
    lam = n_active * b_max * delta  # the groups are orthogonal
    norms = np.linalg.norm((samples.Y @ W).reshape(500, 4, 2), axis=2)
    assert 4 < norms.max() <= n_active * b_max
    assert 1 - lam / norms.max() <= 1 - delta < 1 - delta / np.sqrt(8) < theorems.smallest_tau(2, delta)


# Theorem 2: the rate --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 2, 4, 16])
def test_rho_is_positive_up_to_the_largest_delta(d):
    edge = theorems.largest_delta(d)
    for delta in (edge * (1 - 1e-6), edge * (1 + 1e-6)):
        omega = delta if d > 1 else 0.0
        rho = theorems.contraction_rho(1.0, 0.8, 0.1, d, delta, omega, 1 - delta**2 / 2)
        assert (rho > 0) == (delta < edge)


def test_rho_with_recorded_values():
    for d, delta in ((1, 0.293), (2, 0.155), (4, 0.069), (16, 0.010)):
        edge = 1 / (np.sqrt(2 * d) * (np.sqrt(d**2 + 1) + 1))  # for omega = delta and alpha = 1
        assert edge == pytest.approx(delta, abs=6e-4)
        assert theorems.contraction_rho(1.0, 0.8, 0.1, d, edge, edge, 1.0) == pytest.approx(0, abs=ROUND_OFF)
    assert theorems.largest_delta(2) == pytest.approx(0.153, abs=6e-4)
    assert theorems.largest_delta(1) == pytest.approx(np.sqrt(4) - np.sqrt(2), rel=ROUND_OFF)
    assert theorems.contraction_rho(1 / 0.096, 0.8, 0.1, 2, 0.0, 0.0, 1.0) == pytest.approx(1, rel=ROUND_OFF)


@pytest.mark.parametrize(("rank_one", "square"), [(0, Fraction(2, 9)), (1, Fraction(9, 32))])
def test_step_from_the_truth_leaves_it(rank_one, square):
    assert theorems.step_from_truth(Fraction(4, 5), 2, rank_one) == square
    tau, p = 0.8, 1 / 30
    step = 1 / (tau * (2 - tau) * p)
    A = np.eye(60)
    after = A - step * own_gradient(A, A, PAIRS, tau, p, rank_one=rank_one)
    assert_close(distances(after, A, PAIRS) ** 2, np.full(30, float(square)), ROUND_OFF)
    circle = np.sqrt(2) * np.column_stack([f(2 * np.pi * np.arange(8) / 8) for f in (np.cos, np.sin)])
    sampled = naive.group_descent_gradient(A[:, :2], circle @ A[:, :2].T, [[0, 1]], 0.2 * np.sqrt(2), rank_one)
    assert_close(A[:, :2] - step * p * sampled, after[:, :2], ROUND_OFF)
    assert theorems.norm_condition(tau, 60, 0) >= 2 > theorems.norm_condition(tau, 2, 0), "with d it would not apply"
    assert theorems.step_from_truth(1, 2) == 0


@pytest.mark.parametrize("tau", [Fraction(1), Fraction(4, 5)])
def test_step_from_a_rotation_does_not_come_closer(tau):
    after, claimed = theorems.step_from_rotation(tau, TENTH)
    assert isinstance(after, Fraction) and after > claimed
    angle = 2 * np.arctan(1 / 20)
    A, groups = np.eye(8), make_groups(8, group_size=2)
    W = turn_groups(A, groups, angle)
    step = 1 / (float(tau) * (2 - float(tau)) * 0.25 * np.cos(angle))
    G = expected_gradient(A, W, groups, 1, float(tau)).total
    assert_close(distances(W - step * G, A, groups) ** 2, np.full(4, float(after)), ROUND_OFF * 100)
    far = distances(W, A, groups)[0]
    rho = theorems.contraction_rho(step, float(tau), 0.25, 2, far, np.sin(angle), np.cos(angle))
    assert 0.8 * float(claimed) < (1 - rho) * far**2 <= float(claimed)
    assert theorems.norm_condition(float(tau), 2, far) >= 2 - ROUND_OFF or tau < 1


@pytest.mark.parametrize(("tau", "after"), [(1, 0.0200), (0.8, 0.251)])
def test_step_from_a_rotation_with_recorded_values(tau, after):
    assert theorems.step_from_rotation(tau, np.tan(0.05))[0] == pytest.approx(after, abs=6e-4)
    cosine = np.cos(0.1)
    far = np.sqrt(4 * (1 - cosine))
    rho = theorems.contraction_rho(1 / cosine, 1.0, 1.0, 2, far, np.sin(0.1), cosine)
    assert (1 - rho) * far**2 == pytest.approx(0.01073, abs=6e-6)
