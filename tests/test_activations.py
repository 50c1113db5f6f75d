"""Activations: both sides of each threshold, derivatives against differences, and what makes the shrinkage proximal."""

import re

import naive
import numpy as np
import pytest
from tolerances import DIFFERENCE, ROUND_OFF, SINGLE, STEP, assert_close

from aedyn.activations import GroupShrinkage, HardThreshold, ReLU, all_units
from aedyn.dictionaries import make_groups

LAM = 0.7
GROUPS = make_groups(6, groups=[[4], [0, 3], [5, 1, 2]])  # unequal and interleaved
LISTED = [GROUPS[g] for g in range(3)]
SHRINK = GroupShrinkage(LAM, GROUPS)
ONE_SIDED = GroupShrinkage(LAM, GROUPS, nonnegative=True)
BELOW, ABOVE = np.nextafter(LAM, 0), np.nextafter(LAM, 1)

every_activation = pytest.mark.parametrize(
    ("activation", "reference"),
    [
        (ReLU(), np.vectorize(naive.relu)),
        (HardThreshold(LAM), np.vectorize(lambda z: naive.hard_threshold(z, LAM))),
        (SHRINK, lambda z: np.apply_along_axis(naive.group_shrinkage, -1, z, LAM, LISTED)),
        (ONE_SIDED, lambda z: np.apply_along_axis(naive.group_shrinkage, -1, np.maximum(z, 0), LAM, LISTED)),
    ],
    ids=["ReLU", "hard threshold", "group shrinkage", "nonnegative shrinkage"],
)


@every_activation
@pytest.mark.parametrize("shape", [(6,), (40, 6), (2, 5, 6)])
def test_by_definition(activation, reference, shape):
    z = np.random.default_rng(0).standard_normal(shape)
    x = activation(z)
    assert_close(x, reference(z), ROUND_OFF)
    assert 0 < np.count_nonzero(x) < x.size or len(shape) == 1


@every_activation
def test_layout_does_not_matter_and_input_is_left_alone(activation, reference):
    z = np.asfortranarray(np.random.default_rng(1).standard_normal((30, 6)))
    before = z.copy()
    assert_close(activation(z), activation(np.ascontiguousarray(z)), ROUND_OFF)
    assert_close(activation(z[::2]), activation(z)[::2], ROUND_OFF)
    assert np.array_equal(z, before)


@every_activation
def test_single_precision_is_kept(activation, reference):
    z = np.random.default_rng(2).standard_normal((10, 6))
    x = activation(z.astype(np.float32))
    assert x.dtype == np.float32
    assert_close(x, activation(z), SINGLE)


@pytest.mark.parametrize("activation", [ReLU(), HardThreshold(LAM)], ids=["ReLU", "hard threshold"])
def test_numbers(activation):
    assert activation(2.0) == 2 and activation(0.0) == 0 and activation(2.0).shape == ()
    assert activation.derivative(2.0) == 1 and activation.derivative(0.0) == 0
    assert activation.derivative(np.float32(2)).dtype == np.float32


def test_relu_at_zero():
    tiny = np.nextafter(0, 1)
    assert ReLU()(np.array([-tiny, 0, tiny])).tolist() == [0, 0, tiny]
    assert ReLU().derivative(np.array([-tiny, 0, tiny])).tolist() == [0, 0, 1]


def test_hard_threshold_on_both_sides_and_at_the_threshold():
    z = np.array([-ABOVE, -LAM, -BELOW, 0, BELOW, LAM, ABOVE])
    assert HardThreshold(LAM)(z).tolist() == [-ABOVE, -LAM, 0, 0, 0, LAM, ABOVE]
    assert HardThreshold(LAM).derivative(z).tolist() == [1, 0, 0, 0, 0, 0, 1]
    assert HardThreshold(0)(z).tolist() == z.tolist()


@pytest.mark.parametrize(("activation", "kinks"), [(ReLU(), [0.0]), (HardThreshold(LAM), [-LAM, LAM])])
def test_derivative_against_differences_away_from_kinks(activation, kinks):
    z = np.random.default_rng(3).uniform(-2, 2, 400)
    z = z[np.abs(z[:, None] - kinks).min(axis=1) > 10 * STEP]
    slope = (activation(z + STEP) - activation(z - STEP)) / (2 * STEP)
    assert_close(activation.derivative(z), slope, DIFFERENCE)
    assert 0 < activation.derivative(z).mean() < 1


# Group shrinkage ------------------------------------------------------------------------------------------------------


def objective(x, z):
    """What the proximal operator at z is the minimiser of."""
    return ((x - z) ** 2).sum(axis=-1) / 2 + LAM * sum(np.linalg.norm(x[..., group], axis=-1) for group in LISTED)


@pytest.mark.parametrize("size", [0.5, 1.0, 3.0])
def test_shrinkage_is_proximal(size):
    rng = np.random.default_rng(4)
    z = size * rng.standard_normal(6)
    least = objective(SHRINK(z), z)
    for distance in (1e-6, 1e-3, 0.1, 1.0):
        others = SHRINK(z) + distance * rng.standard_normal((300, 6))
        # the objective is strongly convex: away from its minimum it is larger by half the squared distance
        gain = objective(others, z) - least - ((others - SHRINK(z)) ** 2).sum(axis=1) / 2
        assert gain.min() >= -ROUND_OFF * least


def test_another_shortening_is_not_proximal():
    z = np.random.default_rng(4).standard_normal(6)
    wrong = GroupShrinkage(1.1 * LAM, GROUPS)(z)
    assert objective(wrong, z) > objective(SHRINK(z), z) + 1e-3


@pytest.mark.parametrize("group", LISTED, ids=["one atom", "two atoms", "three atoms"])
def test_shrinkage_on_both_sides_of_the_threshold(group):
    direction = np.zeros(6)
    direction[group] = 1 / np.sqrt(len(group))
    for norm in (0, 0.5 * LAM, LAM * (1 - 1e-12)):
        assert not SHRINK(norm * direction).any()
    for norm in (1.1 * LAM, 3 * LAM):
        assert_close(SHRINK(norm * direction), (norm - LAM) * direction, ROUND_OFF)
    assert 0 < np.linalg.norm(SHRINK(LAM * (1 + 1e-12) * direction)) < 1e-11


def test_shrinkage_at_exactly_the_threshold_is_zero():
    exact = GroupShrinkage(5.0, make_groups(2, group_size=2))
    assert not exact(np.array([3.0, 4.0])).any()
    assert not exact.jacobian_product(np.array([3.0, 4.0]), np.ones(2)).any()


def test_without_threshold_nothing_changes():
    free = GroupShrinkage(0, GROUPS)
    z, v = np.random.default_rng(5).standard_normal((2, 4, 6))
    z[1] = 0
    assert np.array_equal(free(z), z) and np.array_equal(free.jacobian_product(z, v), v)


def test_groups_of_one_atom_give_the_soft_threshold():
    soft = GroupShrinkage(LAM, make_groups(6, group_size=1))
    z, v = np.random.default_rng(6).standard_normal((2, 50, 6))
    expected = np.sign(z) * np.maximum(np.abs(z) - LAM, 0)
    assert 0 < np.count_nonzero(expected) < expected.size
    assert_close(soft(z), expected, ROUND_OFF)
    assert_close(soft.jacobian_product(z, v), np.where(np.abs(z) > LAM, v, 0), ROUND_OFF)


def test_jacobian_product_against_differences_and_symmetric():
    rng = np.random.default_rng(7)
    z = rng.standard_normal((30, 6))
    norms = np.column_stack([np.linalg.norm(z[:, group], axis=1) for group in LISTED])
    assert np.abs(norms - LAM).min() > 10 * STEP
    assert (norms > LAM).any(axis=0).all() and (norms < LAM).any(axis=0).all(), "each group on both sides"
    jacobian = np.stack([SHRINK.jacobian_product(z, np.broadcast_to(e, z.shape)) for e in np.eye(6)], axis=-1)
    slopes = np.stack([(SHRINK(z + STEP * e) - SHRINK(z - STEP * e)) / (2 * STEP) for e in np.eye(6)], axis=-1)
    assert_close(jacobian, slopes, DIFFERENCE)
    assert_close(jacobian, jacobian.transpose(0, 2, 1), ROUND_OFF)
    values = np.linalg.eigvalsh(jacobian)  # firmly non-expansive
    assert values.min() >= -ROUND_OFF and values.max() <= 1 + ROUND_OFF


@pytest.mark.parametrize("rank_one", [1.0, 0.3, 0.0])
def test_jacobian_by_its_formula_from_the_code_alone(rank_one):
    rng = np.random.default_rng(8)
    z, v = rng.standard_normal((2, 30, 6))
    expected = [naive.shrinkage_jacobian(a, LAM, LISTED, rank_one) @ b for a, b in zip(z, v, strict=True)]
    pulled = SHRINK.pull_back(SHRINK(z).ravel(), v.ravel(), all_units(30, 6), rank_one)
    assert_close(pulled.reshape(30, 6), np.array(expected), ROUND_OFF)


@pytest.mark.parametrize(
    ("z", "lam", "code", "jacobian"),
    [
        ([3, 4], 2, [1.8, 2.4], [[0.744, 0.192], [0.192, 0.856]]),
        (
            [1, 2, 2],
            1.5,
            [0.5, 1, 1],
            np.array([[5, 1, 1], [1, 6.5, 2], [1, 2, 6.5]]) / 9,
        ),
    ],
)
def test_values_computed_by_hand(z, lam, code, jacobian):
    shrink = GroupShrinkage(lam, make_groups(len(z), group_size=len(z)))
    assert_close(shrink(z), np.array(code), ROUND_OFF)
    found = np.array([shrink.jacobian_product(z, e) for e in np.eye(len(z))])
    assert_close(found, np.array(jacobian), ROUND_OFF)
    values = np.linalg.eigvalsh(found)
    assert_close(values, np.array([1 - lam / np.linalg.norm(z)] * (len(z) - 1) + [1]), ROUND_OFF)


def test_nonnegative_shrinkage_is_proximal():
    rng = np.random.default_rng(9)
    z = 2 * rng.standard_normal(6)
    least = objective(ONE_SIDED(z), z)
    assert ONE_SIDED(z).min() == 0 < ONE_SIDED(z).max() and (z < -LAM).any()
    for distance in (1e-6, 1e-3, 0.1, 1.0):
        others = np.maximum(ONE_SIDED(z) + distance * rng.standard_normal((300, 6)), 0)
        gain = objective(others, z) - least - ((others - ONE_SIDED(z)) ** 2).sum(axis=1) / 2
        assert gain.min() >= -ROUND_OFF * least
    assert objective(SHRINK(z), z) < least, "which two-sided codes do better"


def test_nonnegative_shrinkage_by_hand_and_on_groups_of_one_atom():
    whole = GroupShrinkage(0.7, make_groups(3, group_size=3), nonnegative=True)
    z = np.array([2, -1, 0.5])
    assert_close(whole(z), np.array([2, 0, 0.5]) * (1 - 0.7 / np.sqrt(4.25)), ROUND_OFF)
    one_by_one = GroupShrinkage(0.4, make_groups(3, group_size=1), nonnegative=True)
    assert_close(one_by_one(z), np.array([1.6, 0, 0.1]), ROUND_OFF)
    relu = GroupShrinkage(0, make_groups(3, group_size=3), nonnegative=True)
    assert relu(z).tolist() == [2, 0, 0.5] and relu.jacobian_product(z, [1, 1, 1]).tolist() == [1, 0, 1]


def test_nonnegative_jacobian_product_against_differences():
    z = np.random.default_rng(7).standard_normal((30, 6))
    norms = np.column_stack([np.linalg.norm(np.maximum(z[:, group], 0), axis=1) for group in LISTED])
    assert min(np.abs(norms - LAM).min(), np.abs(z).min()) > 10 * STEP
    for e in np.eye(6):
        slopes = (ONE_SIDED(z + STEP * e) - ONE_SIDED(z - STEP * e)) / (2 * STEP)
        product = ONE_SIDED.jacobian_product(z, np.broadcast_to(e, z.shape))
        assert_close(product, slopes, DIFFERENCE)
        assert 0 < np.count_nonzero(product) < product.size


def test_active_units_are_listed_by_group_or_one_by_one():
    X = np.array([[0, 0, 1, 0, 0, 0], [0.0] * 6, [2, 0, 0, 0, 3, 0]])
    expected = {SHRINK: [[5, 1, 2], [], [0, 3, 4]], ONE_SIDED: [[2], [], [0, 4]], ReLU(): [[2], [], [0, 4]]}
    for activation, lists in expected.items():
        atoms, ends = activation.active(X, 18)
        assert [part.tolist() for part in np.split(atoms, ends[:-1])] == lists
        assert activation.active(X, len(atoms)) and activation.active(X, len(atoms) - 1) is None
        assert activation.active(0 * X, -1) is None


def test_integers_are_taken():
    assert_close(SHRINK([3, 1, 0, 4, 2, 0]), SHRINK(np.array([3.0, 1, 0, 4, 2, 0])), ROUND_OFF)
    assert SHRINK([3, 1, 0, 4, 2, 0]).dtype == np.float64


def test_shrinkage_refuses_codes_of_another_length():
    for m in (5, 7):
        with pytest.raises(ValueError, match=f"^the last axis must run over the 6 atoms of the groups; got {m}$"):
            SHRINK(np.ones((2, m)))


@pytest.mark.parametrize("make", [HardThreshold, lambda lam: GroupShrinkage(lam, GROUPS)])
def test_negative_threshold_refused(make):
    with pytest.raises(ValueError, match=re.escape("lam must lie in [0, inf); got -0.1")):
        make(-0.1)
