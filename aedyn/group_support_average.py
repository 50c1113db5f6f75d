r"""Group support recovery on average, over random dictionaries.

The worst case of `aedyn.group_support_recovery` adds up norms as if all groups saw each other in the worst direction.
In high dimension a group of units that has nothing to do with a sample y sees about :math:`\|y\|/\sqrt n` times a
standard normal vector, which is much less.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import optimize, stats

from aedyn._checks import check_count, check_number
from aedyn.group_support_recovery import Interval

NODES, WEIGHTS = np.polynomial.legendre.leggauss(200)


@dataclass(frozen=True)
class AverageCase:
    r"""What groups see on average over random dictionaries with unit columns.

    A unit independent of the sample y sees a normal variable of variance :math:`\|y\|^2/n`, for large n.

    Parameters
    ----------
    n, n_groups, d, n_active : int
        Dimension of the data, number and size of groups, and number of active ones.
    b_min, b_max : float
        Norms of active codes are uniform between them.
    sigma_eta : float
        Standard deviation of each entry of the noise.
    overlap : float
        Inner product of each unit with its atom, from which it is tilted in a random direction; 1 when they are equal.
    """

    n: int
    n_groups: int
    d: int
    n_active: int
    b_min: float
    b_max: float
    sigma_eta: float = 0.0
    overlap: float = 1.0

    def __post_init__(self):
        for name in ("n", "d", "n_active"):
            check_count(name, getattr(self, name))
        check_count("n_groups", self.n_groups, self.n_active)
        check_number("b_max", self.b_max, check_number("b_min", self.b_min, 0, open_low=True))
        check_number("sigma_eta", self.sigma_eta, 0)
        check_number("overlap", self.overlap, 0, 1)

    @property
    def group_energy(self):
        """Mean squared norm of an active group's code."""
        return (self.b_min**2 + self.b_min * self.b_max + self.b_max**2) / 3

    @property
    def energy(self):
        """Mean squared norm of a sample, exactly."""
        return self.n_active * self.group_energy + self.n * self.sigma_eta**2

    @property
    def idle_scale(self):
        """Standard deviation of what a unit of an idle group sees."""
        return np.sqrt(self.energy / self.n)

    @property
    def active_scale(self):
        """Standard deviation of what a unit of an active group sees besides its own atom."""
        own = self.overlap**2 + (1 - self.overlap**2) / self.d  # a unit leaves its atom at right angles to it
        return np.sqrt((self.energy - own * self.group_energy) / self.n)


def _missed(case, lam):
    """Probability that an active group is not above lam: noncentral chi, averaged over the norm of its code."""
    lam = np.asarray(lam, dtype=float)[..., None]
    own = case.overlap * (case.b_min + (case.b_max - case.b_min) * (1 + NODES) / 2)
    if case.active_scale == 0:
        return (own <= lam) @ WEIGHTS / 2
    return stats.ncx2.cdf((lam / case.active_scale) ** 2, case.d, (own / case.active_scale) ** 2) @ WEIGHTS / 2


def average_recovery(case, lam):
    """Probability that the threshold finds the support of a sample, approximately.

    Parameters
    ----------
    case : AverageCase
    lam : float or array_like
        Thresholds.

    Returns
    -------
    float or ndarray
        Groups are taken as independent and the energy of a sample as its mean; the norm of an idle group is chi
        distributed with d degrees of freedom, times a scale, and that of an active group noncentral chi.
    """
    kept = stats.chi.cdf(np.asarray(lam) / case.idle_scale, case.d)
    return kept ** (case.n_groups - case.n_active) * (1 - _missed(case, lam)) ** case.n_active


def average_interval(case, failure):
    """Thresholds that find the support of most samples, approximately (see `average_recovery`).

    Parameters
    ----------
    case : AverageCase
    failure : float
        Expected number of wrong groups in a sample, at either end; 1 / n_samples is one in all samples.

    Returns
    -------
    Interval
        With groups of two and scale s the low end is ``s * sqrt(2 * log((n_groups - n_active) / failure))``.
    """
    failure = check_number("failure", failure, 0, 1, open_low=True)
    n_idle = case.n_groups - case.n_active
    low = case.idle_scale * stats.chi.isf(failure / n_idle, case.d) if n_idle else 0.0
    top = case.b_max + 10 * case.active_scale * np.sqrt(case.d)
    high = optimize.brentq(lambda lam: case.n_active * _missed(case, lam) - failure, 0, top)
    return Interval(float(low), high)


class PairHitRates(NamedTuple):
    """What an entrywise threshold finds completely.

    Attributes
    ----------
    entry, pair, sample : float
        Share of active entries, of active pairs and of samples.
    """

    entry: float
    pair: float
    sample: float


def pair_hit_rates(lam, b_min, b_max, n_active=1):
    r"""What a threshold on entries finds of groups of two, with uniform directions and uniform norms.

    An entry is :math:`c\cos\theta`: a single one is above :math:`\lambda\le c` with probability
    :math:`1-\frac2\pi\arcsin(\lambda/c)`, and both with :math:`1-\frac4\pi\arcsin(\lambda/c)` or 0, if that is less.

    Parameters
    ----------
    lam : float
        Threshold.
    b_min, b_max : float
        Norms c are uniform between them.
    n_active : int
        Number of active groups.

    Returns
    -------
    PairHitRates
        In closed form, without interference or noise.
    """

    def mean_above(least, factor):
        """Mean over c of 1 - factor arcsin(lam / c), and 0 where c is below `least`."""
        if least >= b_max:
            return 0.0
        if b_min == b_max:
            return 1 - factor * np.arcsin(lam / b_min)
        limits = max(least, b_min), b_max
        low, high = (c - factor * (c * np.arcsin(lam / c) + lam * np.arccosh(c / lam)) for c in limits)
        return (high - low) / (b_max - b_min)

    check_number("lam", lam, 0, open_low=True)
    entry, pair = mean_above(lam, 2 / np.pi), mean_above(np.sqrt(2) * lam, 4 / np.pi)
    return PairHitRates(float(entry), float(pair), float(pair**n_active))
