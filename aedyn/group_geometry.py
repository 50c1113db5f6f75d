"""Groups of atoms as subspaces: bases, rotations within groups, angles and distances.

The loss of a group-sparse autoencoder does not change when the atoms of a group are turned within their subspace, so
distances have to tell what a rotation explains from what it does not.
"""

from typing import NamedTuple

import numpy as np

from aedyn._checks import check_matrix
from aedyn.dictionaries import normalize


def blocks(W, groups):
    """Atoms of each group as rows.

    Parameters
    ----------
    W : ndarray, shape (n, m)
    groups : Groups
        Groups of one size d.

    Returns
    -------
    ndarray, shape (n_groups, d, n)

    Raises
    ------
    ValueError
        When the groups differ in size, or are of another number of atoms.
    """
    if len(groups.indices) != W.shape[1] or len(set(groups.sizes)) != 1:
        raise ValueError(f"groups must partition the {W.shape[1]} columns into groups of one size; got {groups}")
    return W.T[groups.indices].reshape(len(groups), -1, len(W))


def columns(rows, groups):
    """Matrix whose `blocks` are given.

    Parameters
    ----------
    rows : ndarray, shape (n_groups, d, n)
    groups : Groups
        Groups of size d.

    Returns
    -------
    ndarray, shape (n, m)
    """
    W = np.empty((rows.shape[2], len(groups.indices)))
    W[:, groups.indices] = rows.reshape(-1, rows.shape[2]).T
    return W


# Bases and rotations --------------------------------------------------------------------------------------------------


def orthonormalize_groups(W, groups):
    """Orthonormal atoms closest to those of each group: its polar factor.

    Parameters
    ----------
    W : array_like, shape (n, m)
    groups : Groups
        Groups of one size, each with linearly independent atoms.

    Returns
    -------
    ndarray, shape (n, m)
    """
    return columns(_polar(blocks(check_matrix("W", W), groups)), groups)


def nearest_rotation(A, W, groups):
    """Dictionary with the atoms of each group turned so that they come closest to the weights.

    Parameters
    ----------
    A, W : array_like, shape (n, m)
        Dictionary and weights.
    groups : Groups
        Groups of one size.

    Returns
    -------
    ndarray, shape (n, m)
    """
    A, W = _pair(A, W, groups)
    return columns(_polar(W @ _transpose(A)) @ A, groups)


def rotate_groups(W, groups, rng):
    """Weights with the atoms of each group turned by a uniformly random orthogonal matrix.

    Parameters
    ----------
    W : array_like, shape (n, m)
    groups : Groups
        Groups of one size.
    rng : int or numpy.random.Generator

    Returns
    -------
    ndarray, shape (n, m)
    """
    W = blocks(check_matrix("W", W), groups)
    return columns(_polar(np.random.default_rng(rng).standard_normal((len(W), W.shape[1], W.shape[1]))) @ W, groups)


def turn_groups(W, groups, angle):
    """Weights with the first two atoms of each group turned in their plane.

    Parameters
    ----------
    W : array_like, shape (n, m)
    groups : Groups
        Groups of one size, at least 2.
    angle : float
        In radians.

    Returns
    -------
    ndarray, shape (n, m)
    """
    W = blocks(check_matrix("W", W), groups).copy()
    W[:, :2] = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) @ W[:, :2]
    return columns(W, groups)


# Angles and distances -------------------------------------------------------------------------------------------------


def principal_tangents(W, A, groups):
    """Tangents of the principal angles between the subspaces of corresponding groups.

    Parameters
    ----------
    W, A : array_like, shape (n, m)
    groups : Groups
        Groups of one size, each with linearly independent atoms.

    Returns
    -------
    ndarray, shape (n_groups, d)
        Largest first; infinite for a right angle.
    """
    A, W = (_orthonormal(matrix) for matrix in _pair(A, W, groups))
    overlaps = W @ _transpose(A)
    cosines = np.linalg.svd(overlaps, compute_uv=False)[:, ::-1]
    sines = np.linalg.svd(_triangle(W - overlaps @ A), compute_uv=False)
    with np.errstate(divide="ignore"):
        return sines / cosines


class GroupErrors(NamedTuple):
    """How far weights are from a dictionary, with what a rotation inside the groups explains told apart.

    Attributes
    ----------
    distance : float
        Squared Frobenius distance of the weights, with columns scaled to norm 1, from the dictionary.
    rotation : float
        Squared distance of the dictionary from its copy in which each group is turned by the rotation that brings it
        closest to the weights.
    procrustes : float
        Squared distance of the weights from that copy.
    sin2 : float
        Sum of the squared sines of all principal angles between the subspaces of corresponding groups.
    """

    distance: float
    rotation: float
    procrustes: float
    sin2: float


def group_errors(W, A, groups):
    """Distance of weights from a dictionary, before and after the best rotation of each group.

    Parameters
    ----------
    W : array_like, shape (n, m)
        Weights; their columns are normalised first.
    A : array_like, shape (n, m)
        Dictionary with unit columns.
    groups : Groups
        Groups of one size, each with linearly independent atoms.

    Returns
    -------
    GroupErrors
    """
    A, W = _pair(A, normalize(W), groups)
    overlaps = W @ _transpose(A)
    turned = _polar(overlaps) @ A
    whiten = [np.linalg.inv(np.linalg.cholesky(atoms @ _transpose(atoms))) for atoms in (W, A)]
    cosines = whiten[0] @ overlaps @ _transpose(whiten[1])
    return GroupErrors(
        distance=_square(W - A),
        rotation=_square(turned - A),
        procrustes=_square(W - turned),
        sin2=max(0.0, A.shape[0] * A.shape[1] - _square(cosines)),
    )


def _pair(A, W, groups):
    A = check_matrix("A", A)
    return tuple(blocks(matrix.astype(float), groups) for matrix in (A, check_matrix("W", W, *A.shape)))


def _transpose(rows):
    return rows.swapaxes(1, 2)


def _triangle(rows):
    return np.linalg.qr(_transpose(rows), mode="r")


def _orthonormal(rows):
    """Orthonormal rows with the same span, for each block."""
    return _transpose(np.linalg.qr(_transpose(rows))[0])


def _polar(rows):
    """Closest matrix with orthonormal rows, for each block."""
    u, _, v = np.linalg.svd(rows, full_matrices=False)
    return u @ v


def _square(array):
    return float(np.vdot(array, array))
