"""What a trained network does on inputs with and without data.

A trained network is compared with two maps, the identity and the projector on the span of the training samples. They
agree on the span and differ across it, so the gain there tells which of them the network has become.
"""

from typing import NamedTuple

import numpy as np

from aedyn.dictionaries import orthonormal_dictionary
from aedyn.unit_samples import sphere
from aedyn.weight_tied_training import subspaces


class Inputs(NamedTuple):
    """Unit vectors to try a trained network on, one a row.

    Attributes
    ----------
    held_out : ndarray, shape (n_tests, d)
        Uniform in the span of the training samples.
    unseen : ndarray, shape (n_tests, d)
        Uniform in its orthogonal complement.
    random : ndarray, shape (n_tests, d)
        Uniform in the whole space.
    """

    held_out: np.ndarray
    unseen: np.ndarray
    random: np.ndarray


class Distances(NamedTuple):
    """Mean square distance between outputs and inputs, for the three kinds of `Inputs`.

    Attributes
    ----------
    held_out, unseen, random : float
    """

    held_out: float
    unseen: float
    random: float


def draw_samples(n, d, k, rng):
    """Samples that are uniform on the sphere of a random subspace.

    Parameters
    ----------
    n, d, k : int
        Number of samples, and dimensions of the whole space and of the subspace, k at most d.
    rng : int or numpy.random.Generator
        Draws the subspace first, which is the same for any n.

    Returns
    -------
    ndarray, shape (n, d)
        Unit rows.
    """
    rng = np.random.default_rng(rng)
    basis = orthonormal_dictionary(d, k, rng)
    return sphere(n, k, rng) @ basis.T


def draw_inputs(X, n_tests, rng):
    """Inputs within the span of samples, across it, and anywhere.

    Parameters
    ----------
    X : array_like, shape (n, d)
        Training samples, which do not span the space.
    n_tests : int
        Of each kind.
    rng : int or numpy.random.Generator

    Returns
    -------
    Inputs
    """
    seen, unseen = subspaces(X)
    if not unseen.size:
        raise ValueError(f"X must leave directions without data; got samples that span all {len(seen)} of them")
    rng = np.random.default_rng(rng)
    parts = (sphere(n_tests, basis.shape[1], rng) @ basis.T for basis in (seen, unseen))
    return Inputs(*parts, sphere(n_tests, len(seen), rng))


def distances(network, inputs):
    """How far a network is from the identity.

    Parameters
    ----------
    network : callable
        Gives outputs, shape (n, d), for inputs, shape (n, d).
    inputs : Inputs

    Returns
    -------
    Distances
    """
    return Distances(*(float(np.square(network(X) - X).sum(axis=1).mean()) for X in inputs))
