"""What the tests of an assignment compare with. A message says what was expected and why, never the value itself."""

import numpy as np

from course.student import Failed

__all__ = ["BY_HAND", "NUMERICAL", "ROUNDING", "STANDARD_ERRORS", "expect_close", "expect_share"]

# float64: any order of operations, any method that does not subtract numbers of nearly equal size
ROUNDING = 1e-9

# a maximum, a root or a limit, found by a numerical method to half of the digits
NUMERICAL = 1e-6

# a number that was computed by hand, or read off with three digits
BY_HAND = 2e-3

# Monte Carlo, as a multiple of the standard error: a normal variable is further away once in a thousand million tests
STANDARD_ERRORS = 6.0


def expect_close(actual, expected, within, because):
    """Equal shapes, and no entry differs by more than `within` times the largest modulus expected."""
    actual, expected = _numbers(actual), np.asarray(expected, dtype=float)
    if actual.shape != expected.shape:
        raise Failed(f"{because} The shape should be {expected.shape}; got {actual.shape}.")
    if np.isnan(actual).any():
        raise Failed(f"{because} Some of the numbers are not a number (nan).")
    error, scale = np.abs(actual - expected).max(initial=0), np.abs(expected).max(initial=0)
    if error > within * scale:
        raise Failed(f"{because} {_distance(error / scale if scale else np.inf)}")


def expect_share(actual, expected, n_samples, because):
    """A share counted on `n_samples` samples is as expected, up to its standard error."""
    actual = _numbers(actual)
    if actual.shape != ():
        raise Failed(f"{because} One number was expected; the shape is {actual.shape}.")
    spread = np.sqrt(max(expected * (1 - expected), 1 / n_samples) / n_samples)
    if not abs(actual - expected) <= STANDARD_ERRORS * spread:
        raise Failed(f"{because} The share is further from it than chance explains.")


def _numbers(value):
    """An array; a tuple of numbers counts as one."""
    try:
        return np.asarray(value, dtype=float)
    except ValueError:
        raise Failed("One array was expected; several of different shapes came back.") from None


def _distance(error):
    """How far off, as a power of ten: close enough to help, too coarse to find the value from it."""
    if not np.isfinite(error):
        return "Yours is not of the same size at all."
    return f"Yours is off by about 10^{np.floor(np.log10(error)):.0f} of the size of the largest entry."
