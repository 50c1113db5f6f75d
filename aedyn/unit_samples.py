"""Data sets of unit vectors, one sample a row: from spread out to nearly parallel.

The paper on joint training assumes samples of norm 1 (its Assumption 1) of which no two are parallel. How hard they are
to fit depends on how close they come to that. Random matrices are drawn with one sample a column and then transposed,
as in the paper's notation.
"""

import numpy as np

from aedyn import datasets
from aedyn._checks import check_count, check_matrix, check_number
from aedyn.dictionaries import normalize


def check_unit_rows(name, array):
    """Return `array` as a double-precision matrix, after checking that its rows have norm 1.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    array : array_like, shape (n, d)

    Returns
    -------
    ndarray of float64, shape (n, d)

    Raises
    ------
    ValueError
        When it is not a finite matrix, or a row norm differs from 1 by more than 1e-6.
    """
    array = check_matrix(name, array).astype(float, copy=False)
    norms = np.linalg.norm(array, axis=1)
    worst = np.abs(norms - 1).argmax()
    if abs(norms[worst] - 1) > 1e-6:
        raise ValueError(f"{name} must have rows of norm 1; row {worst} has norm {norms[worst]:.6g}")
    return array


def sphere(n, d, rng):
    """Samples drawn independently and uniformly from the unit sphere.

    Parameters
    ----------
    n, d : int
        Number of samples and dimension.
    rng : int or numpy.random.Generator

    Returns
    -------
    ndarray, shape (n, d)
    """
    n, d = check_count("n", n), check_count("d", d)
    return _rows(np.random.default_rng(rng).standard_normal((d, n)))


def orthonormal(n, d=None):
    """The first n canonical basis vectors.

    Parameters
    ----------
    n : int
    d : int, optional
        Dimension, at least n; n if not given.

    Returns
    -------
    ndarray, shape (n, d)
    """
    n = check_count("n", n)
    return np.eye(n, check_count("d", n if d is None else d, n))


def clusters(n_clusters, size, d, spread, rng):
    """Groups of samples around centres that are uniform on the sphere.

    Parameters
    ----------
    n_clusters, size : int
        How many groups, and samples in each; samples of one group are neighbours.
    d : int
    spread : float
        Root mean square distance of a sample from its centre, before it is normalised.
    rng : int or numpy.random.Generator

    Returns
    -------
    ndarray, shape (n_clusters size, d)
    """
    n_clusters, size, d = check_count("n_clusters", n_clusters), check_count("size", size), check_count("d", d)
    spread, rng = check_number("spread", spread, 0), np.random.default_rng(rng)
    centres = np.repeat(normalize(rng.standard_normal((d, n_clusters))), size, axis=1)
    return _rows(centres + spread * rng.standard_normal(centres.shape) / np.sqrt(d))


def near_duplicate(n, d, angle, rng):
    """Samples uniform on the sphere, but for the last, which is at a given angle from the first.

    Parameters
    ----------
    n : int
        At least 2, the near-duplicate included.
    d : int
        At least 2.
    angle : float
        In radians, from 0 (a duplicate) to pi (its antipode).
    rng : int or numpy.random.Generator

    Returns
    -------
    ndarray, shape (n, d)
    """
    n, d = check_count("n", n, 2), check_count("d", d, 2)
    angle, rng = check_number("angle", angle, 0, np.pi), np.random.default_rng(rng)
    X = sphere(n - 1, d, rng)
    tangent = rng.standard_normal(d)
    tangent -= (tangent @ X[0]) * X[0]
    return np.vstack([X, np.cos(angle) * X[0] + np.sin(angle) * tangent / np.linalg.norm(tangent)])


def antipodal(n_pairs, d, rng):
    """Samples uniform on the sphere, followed by their negatives.

    Parameters
    ----------
    n_pairs, d : int
    rng : int or numpy.random.Generator

    Returns
    -------
    ndarray, shape (2 n_pairs, d)
    """
    X = sphere(n_pairs, d, rng)
    return np.vstack([X, -X])


def pair(angle):
    """Two unit vectors of the plane at a given angle.

    Parameters
    ----------
    angle : float
        In radians, from 0 to pi.

    Returns
    -------
    ndarray, shape (2, 2)
    """
    angle = check_number("angle", angle, 0, np.pi)
    return np.array([[1.0, 0.0], [np.cos(angle), np.sin(angle)]])


def digits(n):
    """The first n of the small digits that come with scikit-learn, normalised.

    Parameters
    ----------
    n : int
        At most 1797.

    Returns
    -------
    ndarray, shape (n, 64)
    """
    n = check_count("n", n, 1, 1797)
    return _rows(datasets.load_digits().pixels[:n].T)


def _rows(columns):
    return np.ascontiguousarray(normalize(columns).T)
