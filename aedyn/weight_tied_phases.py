"""Tied networks trained from many scales and widths: what they are in the end, on inputs with and without data.

A trained network is compared with two maps, the identity and the projector on the span of the training samples. They
agree on the span and differ across it, so the gain there tells which of them the network has become.
"""

from typing import NamedTuple

import numpy as np
from joblib import Parallel, delayed

from aedyn._checks import check_count, check_matrix
from aedyn._parallel import one_blas_thread
from aedyn.unit_samples import sphere
from aedyn.weight_tied_degeneracy import reconstruct, tied_weights
from aedyn.weight_tied_training import descend_tied, gain, natural_step, subspaces


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


class Grid(NamedTuple):
    """Networks before and after training, for each width, variance and seed.

    Attributes
    ----------
    gain_before, gain : ndarray, shape (n_widths, n_variances, n_seeds)
        Mean gain on directions without data.
    held_out, unseen, random : ndarray, shape (n_widths, n_variances, n_seeds)
        Distances after training.
    training : ndarray, shape (n_widths, n_variances, n_seeds)
        Mean square error on the training samples; NaN, as all after training, where a run diverged.
    """

    gain_before: np.ndarray
    gain: np.ndarray
    held_out: np.ndarray
    unseen: np.ndarray
    random: np.ndarray
    training: np.ndarray


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


def train_grid(X, variances, widths, inputs, *, n_seeds, n_steps, seed, n_jobs=1):
    """Train a tied network from each scale at each width.

    Networks of one width and seed start from the same normal numbers, times the square root of the variance.

    Parameters
    ----------
    X : array_like, shape (n, d)
        Training samples, which do not span the space.
    variances : sequence of float
        Of the entries of the weights at the start.
    widths : sequence of int
    inputs : Inputs
        From `draw_inputs`.
    n_seeds, n_steps : int
        Networks for each variance and width, and steps of size `natural_step` for each.
    seed : int
    n_jobs : int
        Processes; the results are the same bits for any number.

    Returns
    -------
    Grid
    """
    X, n_seeds = check_matrix("X", X), check_count("n_seeds", n_seeds)
    cells = [(m, variance, i) for m in widths for variance in variances for i in range(n_seeds)]
    large_first = sorted(range(len(cells)), key=lambda c: -cells[c][0])
    jobs = (
        delayed(_train)(X, m, variance, [seed, m, i], n_steps, inputs)
        for m, variance, i in map(cells.__getitem__, large_first)
    )
    rows = np.empty((len(cells), len(Grid._fields)))
    rows[large_first] = Parallel(n_jobs=n_jobs)(jobs)
    return Grid(*np.moveaxis(rows.reshape(len(widths), len(variances), n_seeds, -1), -1, 0))


def _train(X, m, variance, rng, n_steps, inputs):
    unseen = subspaces(X).unseen
    with one_blas_thread():
        W = tied_weights(X.shape[1], m, variance, rng)
        run = descend_tied(W, X, step=natural_step(W, X), n_steps=n_steps)
        if run.status == "diverged":
            return [gain(W, unseen)] + [np.nan] * 5
        after = distances(lambda x: reconstruct(run.W, x), inputs)
        return [gain(W, unseen), gain(run.W, unseen), *after, 2 * run.losses[-1] / len(X)]
