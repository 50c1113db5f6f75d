"""How wide is wide enough: trials of the three regimes over widths and random starts, and what they say."""

from typing import NamedTuple

import numpy as np
from joblib import Parallel, delayed
from scipy.stats import binom

from aedyn._checks import check_count, check_matrix, check_number
from aedyn.joint_training import practical_step, rate
from aedyn.ntk_limits import spectrum
from aedyn.wide_network import descend, draw_weights

ROUNDING = 1e-13  # share of the first loss by which one may exceed the bound


class Trial(NamedTuple):
    """Outcome of a descent from one random start.

    Attributes
    ----------
    reached : bool
        Whether the loss came down to the target share of the first.
    within : bool
        Whether it stayed below the bound (1 - eta lambda_0 / (2 d))^k all the way.
    n_iter : int
        Number of steps to the target; of all steps when it was not reached.
    """

    reached: bool
    within: bool
    n_iter: int


def try_width(X, m, regime, rng, *, share=0.25, target=1e-4, n_steps=4000, to_the_end=False):
    """Train a network of some width from a random start.

    Parameters
    ----------
    X : array_like, shape (n, d)
        Unit rows.
    m : int
    regime : str
        As for `wide_network.descend`.
    rng : int or numpy.random.Generator
    share : float
        Step size, as for `joint_training.practical_step`.
    target : float
        Share of the first loss that is to be reached.
    n_steps : int
        Steps at most.
    to_the_end : bool
        Whether to take all steps, for the sake of the bound, also when the target is reached before.

    Returns
    -------
    Trial
    """
    X, target = check_matrix("X", X), check_number("target", target, 0)
    W, A = draw_weights(X.shape[1], m, rng)
    step = practical_step(W, A, X, regime, share)
    run = descend(W, A, X, regime=regime, step=step, n_steps=n_steps, target=None if to_the_end else target)
    shares = run.losses / run.losses[0]
    within = shares <= rate(step, spectrum(X)) ** np.arange(len(shares)) + ROUNDING
    reached = shares <= target
    return Trial(bool(reached.any()), bool(within.all()), int(reached.argmax()) if reached.any() else run.n_iter)


def try_widths(X, widths, regime, *, n_seeds, seed=0, n_jobs=1, **options):
    """Trials over widths and random starts; further options are those of `try_width`.

    Parameters
    ----------
    X : array_like, shape (n, d)
        Unit rows.
    widths : sequence of int
    regime : str
        As for `wide_network.descend`.
    n_seeds : int
        Random starts for each width.
    seed : int
        Start i of width m is drawn with the seeds `seed`, m and i.
    n_jobs : int
        Processes.

    Returns
    -------
    Trial
        Of arrays of shape (n_widths, n_seeds).
    """
    grid = [(m, i) for m in widths for i in range(check_count("n_seeds", n_seeds))]
    trials = Parallel(n_jobs)(delayed(try_width)(X, m, regime, [seed, m, i], **options) for m, i in grid)
    return Trial(*(np.reshape(values, (len(widths), n_seeds)) for values in zip(*trials, strict=True)))


def sufficient_width(widths, successes):
    """Smallest width from which on all trials succeed.

    Parameters
    ----------
    widths : sequence of int
        Ascending.
    successes : array_like of bool, shape (n_widths, n_seeds)

    Returns
    -------
    float
        Infinite when some fail at the largest width.
    """
    all_succeed = np.all(successes, axis=1)[::-1]
    n_good = len(all_succeed) if all_succeed.all() else int(np.argmin(all_succeed))
    return float(widths[-n_good]) if n_good else np.inf


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
    enough = np.flatnonzero(np.asarray(shares) >= 0.5)
    if not len(enough):
        return np.inf
    last = int(enough[0]) + 1
    return float(np.exp(np.interp(0.5, shares[:last][-2:], np.log(widths[:last][-2:]))))


def median_steps(trials):
    """Steps to the target at each width, median over the starts.

    Parameters
    ----------
    trials : Trial
        Of arrays of shape (n_widths, n_seeds).

    Returns
    -------
    ndarray, shape (n_widths,)
        Infinite where most starts do not reach it.
    """
    return np.median(np.where(trials.reached, trials.n_iter, np.inf), axis=1)
