"""How close is close: each tolerance with its reason, and the comparisons that use them.

What must be the same bits is compared with `numpy.array_equal` and needs no tolerance.
"""

import numpy as np

# float64: rounding of 1e-16 an operation, some thousand operations, a little cancellation
ROUND_OFF = 1e-12

# float32: rounding of 6e-8 an operation, some hundred operations
SINGLE = 2e-5

# central differences with this step: truncation of its square, plus float64 rounding divided by it
STEP = 1e-5
DIFFERENCE = 1e-8

# iterations that contract an error until only rounding is left, and rounding that was divided by something small
ITERATED = 1e-9

# Monte Carlo, as a multiple of the standard error: a normal variable is further away once in two million comparisons
STANDARD_ERRORS = 5.0


def assert_close(actual, expected, tolerance):
    """Equal shapes, and no entry differs by more than `tolerance` times the largest modulus expected."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    error, scale = np.abs(actual - expected).max(), np.abs(expected).max()
    assert error <= tolerance * scale, f"off by {error:.3g}, where {tolerance:g} times {scale:.3g} is allowed"


def assert_mean(values, expected):
    """The mean over the first axis is as expected, up to its standard error."""
    values = np.asarray(values, dtype=float)
    error = np.abs(values.mean(axis=0) - expected)
    allowed = STANDARD_ERRORS * values.std(axis=0) / np.sqrt(len(values))
    assert (error <= allowed).all(), f"off by up to {(error / allowed).max():.3g} times what the sample size allows"


def assert_digits(values, *expected):
    """The values as decimals, up to the last digit given."""
    for value, text in zip(values, expected, strict=True):
        assert abs(value - float(text)) < 0.6 * 10.0 ** -len(text.partition(".")[2]), f"{value} is not {text}"
