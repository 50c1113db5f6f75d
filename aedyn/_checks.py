"""What public functions ask of their arguments, said once: a sentence with what was expected and what came."""

import numpy as np


def check_matrix(name, array, n_rows=None, n_columns=None, *, finite=True):
    """Return `array` as a C-contiguous floating-point matrix.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    array : array_like, shape (n_rows, n_columns)
    n_rows, n_columns : int, optional
        Expected sizes.
    finite : bool
        Whether to look at the entries too, which costs a pass over them.

    Returns
    -------
    ndarray of float32 or float64
        Double precision unless `array` is single precision; a copy only where dtype or layout ask for one.

    Raises
    ------
    ValueError
        When it is not two-dimensional, is empty, has another size, or (when `finite`) holds NaN or infinity.
    """
    array = np.asarray(array)
    expected = f"({n_rows or 'any'}, {n_columns or 'any'})"
    sizes = zip(array.shape, (n_rows, n_columns), strict=False)
    if array.ndim != 2 or array.size == 0 or any(want not in (None, size) for size, want in sizes):
        raise ValueError(f"{name} must be a matrix of shape {expected}; got shape {array.shape}")
    array = np.ascontiguousarray(array, dtype=np.float32 if array.dtype == np.float32 else np.float64)
    if finite and not np.isfinite(array).all():
        raise ValueError(f"{name} must have finite entries; got {np.count_nonzero(~np.isfinite(array))} that are not")
    return array


def check_unit_columns(name, array):
    """Return `array` as a matrix, after checking that its columns have norm 1.

    Raises
    ------
    ValueError
        When it is not a finite matrix, or a column norm differs from 1 by more than 1e-6.
    """
    array = check_matrix(name, array)
    norms = np.linalg.norm(array, axis=0)
    worst = np.abs(norms - 1).argmax()
    if abs(norms[worst] - 1) > 1e-6:
        raise ValueError(f"{name} must have columns of norm 1; column {worst} has norm {norms[worst]:.6g}")
    return array


def check_number(name, value, low, high=np.inf, *, open_low=False):
    """Return `value` as a float, after checking that it lies in [low, high], or in (low, high] when `open_low`.

    Raises
    ------
    ValueError
        When it lies outside, is infinite or is not a number.
    """
    value = float(value)
    if not (low < value <= high or (value == low and not open_low)) or value == np.inf:
        interval = f"{'(' if open_low else '['}{low:g}, {high:g}{')' if high == np.inf else ']'}"
        raise ValueError(f"{name} must lie in {interval}; got {value:g}")
    return value


def check_count(name, value, low=1, high=None):
    """Return `value` as an int, after checking that it is a whole number from `low` to `high`.

    Raises
    ------
    ValueError
        When it is not whole or lies outside.
    """
    if value % 1 != 0 or value < low or (high is not None and value > high):
        limits = f"at least {low}" if high is None else f"from {low} to {high}"
        raise ValueError(f"{name} must be a whole number {limits}; got {value}")
    return int(value)
