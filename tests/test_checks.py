"""What the checks of arguments accept and refuse, and the sentence with which they refuse."""

import re

import numpy as np
import pytest

from aedyn._checks import check_count, check_matrix, check_number, check_unit_columns


def refuses(message):
    return pytest.raises(ValueError, match=f"^{re.escape(message)}")


def test_matrix_keeps_single_precision_and_makes_everything_else_double():
    assert check_matrix("W", np.ones((2, 3), np.float32)).dtype == np.float32
    for other in (np.ones((2, 3), np.float16), np.ones((2, 3), int), [[1, 2], [3, 4]]):
        assert check_matrix("W", other).dtype == np.float64


def test_matrix_is_contiguous_and_copied_only_when_it_must_be():
    right = np.ones((2, 3))
    assert check_matrix("W", right) is right
    turned = check_matrix("W", np.arange(6.0).reshape(3, 2).T)
    assert turned.flags.c_contiguous and np.array_equal(turned, [[0, 2, 4], [1, 3, 5]])


@pytest.mark.parametrize(
    ("array", "sizes", "message"),
    [
        (np.ones(3), (), "W must be a matrix of shape (any, any); got shape (3,)"),
        (np.ones((2, 3, 4)), (), "W must be a matrix of shape (any, any); got shape (2, 3, 4)"),
        (np.ones((0, 3)), (), "W must be a matrix of shape (any, any); got shape (0, 3)"),
        (np.ones((2, 3)), (3, None), "W must be a matrix of shape (3, any); got shape (2, 3)"),
        (np.ones((2, 3)), (None, 2), "W must be a matrix of shape (any, 2); got shape (2, 3)"),
        ([[1.0, np.nan], [np.inf, 0.0]], (), "W must have finite entries; got 2 that are not"),
    ],
)
def test_matrix_refused(array, sizes, message):
    with refuses(message):
        check_matrix("W", array, *sizes)


def test_matrix_that_need_not_be_finite():
    assert np.isnan(check_matrix("Y", [[np.nan]], finite=False)).all()


def test_unit_columns_from_both_sides_of_the_tolerance():
    almost = np.array([[1.0, 0.0], [0.0, 1.0 + 9e-7]])
    assert check_unit_columns("A", almost) is almost
    with refuses("A must have columns of norm 1; column 1 has norm 1.00001"):
        check_unit_columns("A", np.diag([1.0, 1.00001]))
    with refuses("A must have columns of norm 1; column 0 has norm 0.5"):
        check_unit_columns("A", np.diag([0.5, 1.0]))


@pytest.mark.parametrize("value", [0, 1, 0.5, np.float32(0.5)])
def test_number_accepted(value):
    number = check_number("lam", value, 0, 1)
    assert number == value and type(number) is float


@pytest.mark.parametrize(
    ("value", "limits", "options", "message"),
    [
        (-1e-9, (0,), {}, "lam must lie in [0, inf); got -1e-09"),
        (np.inf, (0,), {}, "lam must lie in [0, inf); got inf"),
        (np.nan, (0,), {}, "lam must lie in [0, inf); got nan"),
        (1.5, (0, 1), {}, "lam must lie in [0, 1]; got 1.5"),
        (0, (0, 1), {"open_low": True}, "lam must lie in (0, 1]; got 0"),
    ],
)
def test_number_refused(value, limits, options, message):
    with refuses(message):
        check_number("lam", value, *limits, **options)


@pytest.mark.parametrize("value", [1, 3, 2.0, np.int32(2)])
def test_count_accepted(value):
    count = check_count("k", value, high=3)
    assert count == value and type(count) is int


@pytest.mark.parametrize(
    ("value", "limits", "message"),
    [
        (0, {}, "k must be a whole number at least 1; got 0"),
        (1.5, {}, "k must be a whole number at least 1; got 1.5"),
        (np.nan, {}, "k must be a whole number at least 1; got nan"),
        (np.inf, {}, "k must be a whole number at least 1; got inf"),
        (4, {"high": 3}, "k must be a whole number from 1 to 3; got 4"),
        (-1, {"low": 0}, "k must be a whole number at least 0; got -1"),
    ],
)
def test_count_refused(value, limits, message):
    with refuses(message):
        check_count("k", value, **limits)
