"""How wide is wide enough: what a start does in one of the three regimes, and what trials over widths say."""

from typing import NamedTuple

import numpy as np
from scipy.stats import binom

from aedyn.joint_training import practical_step
from aedyn.wide_network import descend


class Trial(NamedTuple):
    """Outcome of a descent.

    Attributes
    ----------
    reached : bool
        Whether the loss came down to the target share of the first.
    steps : float
        How many steps that took; infinite when it was not reached.
    """

    reached: bool
    steps: float


def try_start(W, A, X, regime, *, share=0.25, target=1e-4, n_steps=4000):
    """Train a network until its loss has fallen far enough.

    Parameters
    ----------
    W, A : array_like, shape (d, m)
        Start.
    X : array_like, shape (n, d)
        Unit rows.
    regime : str
        As for `wide_network.descend`.
    share : float
        Step size, as for `joint_training.practical_step`.
    target : float
        Share of the first loss that is to be reached.
    n_steps : int
        Steps at most.

    Returns
    -------
    Trial
    """
    step = practical_step(W, A, X, regime, share)
    run = descend(W, A, X, regime=regime, step=step, n_steps=n_steps, target=target)
    reached = run.status == "reached"
    return Trial(reached, float(run.n_iter) if reached else np.inf)


def sufficient_width(widths, shares):
    """Smallest width from which on all starts succeed.

    Parameters
    ----------
    widths : sequence of int
        Ascending.
    shares : array_like, shape (n_widths,)
        Share of the starts that succeed.

    Returns
    -------
    float
        Infinite when some fail at the largest width.
    """
    some_fail = np.flatnonzero(np.asarray(shares) < 1)
    first = some_fail[-1] + 1 if len(some_fail) else 0
    return float(widths[first]) if first < len(widths) else np.inf


def cone_probability(m, d, n):
    r"""Chance that all of n orthonormal samples lie in the cones that encoder-only training can reach.

    For orthonormal samples every row of W is a sample's own, and a unit that is silent for a sample stays so. The
    outputs for it are then the positive combinations of the columns of A whose units are active, and the sample is
    among these with the probability that N symmetric vectors and its negative do not lie on one side of a hyperplane,
    P(Bin(N, 1/2) >= d) by Wendel's theorem (1962). With N from Bin(m, 1/2) this is P(Bin(m, 1/4) >= d). The samples
    are counted as independent, and the columns of A as in general position.

    Parameters
    ----------
    m, d, n : int or ndarray
        Width, dimension, number of samples.

    Returns
    -------
    float or ndarray
    """
    return binom.sf(d - 1, m, 0.25) ** n


def half_width(widths, shares):
    """Width at which half of the starts succeed, between the widths tried on the logarithmic scale.

    Parameters
    ----------
    widths : sequence of int
        Ascending.
    shares : array_like, shape (n_widths,)
        Share of the starts that succeed.

    Returns
    -------
    float
        The first width when half succeed there, and infinite when half succeed nowhere.
    """
    shares = np.asarray(shares)
    enough = np.flatnonzero(shares >= 0.5)
    if not len(enough):
        return np.inf
    last = int(enough[0]) + 1
    return float(np.exp(np.interp(0.5, shares[:last][-2:], np.log(widths[:last][-2:]))))
