"""Dictionaries, weights and codes that attain or break the bounds on group support recovery.

Group 0 is the centre, and groups 1 to n_active are the rays, all equally close to it. What the centre sees of a code x
is ``W[:, :d].T @ A @ x``. Given fractions, the functions without a root answer in fractions: their numbers are proofs.
"""

from fractions import Fraction

import numpy as np

from aedyn._checks import check_count
from aedyn.dictionaries import equiangular_dictionary, perturb
from aedyn.group_support_recovery import Interval
from aedyn.interference import worst_interference


def pythagorean(q):
    """A rational cosine, about 2/q, whose sine is rational too.

    Parameters
    ----------
    q : int

    Returns
    -------
    cosine, sine : fractions.Fraction
    """
    return Fraction(2 * q, q * q + 1), Fraction(q * q - 1, q * q + 1)


def factor_d_example(d, n_active, cosine, sine):
    """Dictionary with orthonormal groups that breaks Proposition 2 and Lemma 1 with W = A.

    Parameters
    ----------
    d, n_active : int
    cosine, sine : float or fractions.Fraction
        Every ray sees the centre through `cosine` times the identity, so the block coherence is cosine / d.

    Returns
    -------
    ndarray, shape (d (n_active + 1), d (n_active + 1))
        Holds fractions if it is given fractions. Two rays see each other through the square of `cosine`.

    Raises
    ------
    ValueError
        When the two are not the cosine and sine of an angle.
    """
    if abs(cosine**2 + sine**2 - 1) > 1e-12:
        raise ValueError(f"cosine and sine must have squares that sum to 1; got {cosine} and {sine}")
    atoms = np.diag([1] + [sine] * n_active)
    atoms[0, 1:] = cosine
    return np.kron(atoms, np.eye(d, dtype=int))


def worst_codes(d, n_active, b_min, b_max):
    """Codes that push the centre as far up and as far down as they can, one with it idle and one with it active.

    Parameters
    ----------
    d, n_active : int
    b_min, b_max : float or fractions.Fraction

    Returns
    -------
    idle, active : ndarray, shape (d (n_active + 1),)
        All rays active with norm b_max; the centre active with norm b_min, and all rays but the last against it.
    """
    idle, active = np.zeros((2, n_active + 1, d), dtype=np.result_type(np.array([b_min, b_max])))
    idle[1:, 0] = b_max
    active[:-1, 0] = [b_min] + [-b_max] * (n_active - 1)
    return idle.ravel(), active.ravel()


def tight_interval(n_active, b_min, b_max, mu_b, delta, d, *, noise=0):
    r"""Exactly the thresholds that find the support whenever the groups of weights and of atoms are orthonormal.

    An active group keeps at least :math:`1-\delta^2/2` of its code's norm, and any group sees at most
    `aedyn.interference.worst_interference` of the others, with d times the block coherence as the cosine. No
    threshold outside will do for all weights and codes: `low_end_example` and `high_end_example` attain the ends.

    Parameters
    ----------
    n_active, b_min, b_max, mu_b, delta, d, noise
        As in `aedyn.group_support_recovery.sharper_interval`, whose interval this one contains.

    Returns
    -------
    Interval
    """
    cosine = d * mu_b
    return Interval(
        b_max * _largest_sum(delta, n_active, cosine) + noise,
        b_min * (1 - delta**2 / 2) - b_max * _largest_sum(delta, n_active - 1, cosine) - noise,
    )


def _largest_sum(delta, n_codes, cosine):
    """Largest norm that a group sees of codes of norm 1: at most the norm of their sum, reached by a large tilt."""
    norm = np.sqrt(n_codes * (1 + (n_codes - 1) * cosine))
    short = n_codes * cosine <= (1 - delta**2 / 2) * norm
    return np.where(short, worst_interference(delta, n_codes, cosine, sqrt=np.sqrt), norm)[()]


def low_end_example(d, n_active, cosine, delta):
    """Dictionary and weights with which an idle centre attains the low end of `tight_interval`.

    Parameters
    ----------
    d, n_active : int
    cosine : float
        Any two groups see each other through it times the identity: d times the block coherence.
    delta : float
        Distance of the centre's weights, which are tilted towards the rays; the other weights are their atoms.

    Returns
    -------
    A, W : ndarray, shape (d (n_active + 1), d (n_active + 1))
        To be used with the first of `worst_codes`.
    """
    return _tilt_centre(d, n_active, cosine, delta, n_active)


def high_end_example(d, n_active, cosine, delta):
    """Dictionary and weights with which an active centre attains the high end of `tight_interval`.

    Parameters
    ----------
    d, n_active : int
    cosine, delta : float
        As in `low_end_example`, but the centre's weights are tilted towards all rays but the last.

    Returns
    -------
    A, W : ndarray, shape (d (n_active + 1), d (n_active + 1))
        To be used with the second of `worst_codes`.
    """
    return _tilt_centre(d, n_active, cosine, delta, max(n_active - 1, 1))


def _tilt_centre(d, n_rays, cosine, delta, n_towards):
    A = np.kron(equiangular_dictionary(n_rays + 1, n_rays + 1, cosine), np.eye(d))
    towards = np.zeros_like(A)
    towards[:, 0] = A[:, d : d * n_towards + 1 : d].sum(axis=1)
    return A, perturb(A, delta, towards=towards)


def prop1_example(d, delta):
    """A group of atoms and of weights that attain Proposition 1, at the last canonical basis vector.

    Parameters
    ----------
    d : int
        At least 2.
    delta : float or fractions.Fraction

    Returns
    -------
    A, W : ndarray, shape (d, d)
        W is the identity, and A has spectral norm 1, as the paper assumes, but its last atom is shorter than 1. Were
        all its atoms of norm 1, the group would be orthonormal.
    """
    d = check_count("d", d, 2)
    return np.diag([1] * (d - 1) + [1 - delta]), np.eye(d, dtype=int)
