r"""Group support recovery: which thresholds let the encoder find the active groups of the true code?

Propositions 1 and 2 and Lemma 1 of the group-sparse autoencoder paper, as printed and corrected, and a measurement
that needs one pass for all thresholds. What attains or breaks the bounds is in `aedyn.group_support_examples`, what to
expect of random dictionaries in `aedyn.group_support_average`.

Group g of the encoder sees :math:`z_g = W_g^\top A_g x_g^* + \sum_{h\ne g} W_g^\top A_h x_h^* + W_g^\top\eta` and
survives a threshold :math:`\lambda` when :math:`\|z_g\| > \lambda`. The support is found when :math:`\lambda` is at
least the largest norm of an idle group and below the smallest norm of an active one.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from scipy import stats

from aedyn._checks import check_count, check_matrix
from aedyn._parallel import map_in_threads
from aedyn.dictionaries import block_norms
from aedyn.generative import split_stream
from aedyn.interference import interference

BLOCK_SIZE = 512


class Interval(NamedTuple):
    """Thresholds from `low` up to, and without, `high`.

    Attributes
    ----------
    low, high : float
    """

    low: float
    high: float

    @property
    def empty(self):
        """Whether no threshold lies in it."""
        return self.low >= self.high


def printed_interval(n_active, b_min, b_max, mu_b, delta):
    """Thresholds of Lemma 1 as printed, with exact ends for exact arguments.

    Parameters
    ----------
    n_active : int
        Number of active groups (the paper's gamma).
    b_min, b_max : float or fractions.Fraction
        Smallest and largest norm of an active group's code.
    mu_b : float or fractions.Fraction
        Block coherence of the dictionary.
    delta : float or fractions.Fraction
        Largest distance (Frobenius norm) of a group of weights from its group of atoms.

    Returns
    -------
    Interval
        The paper includes the upper end too.
    """
    cross = n_active * b_max * (mu_b + delta)
    return Interval(cross, b_min * (1 - delta) - cross)


def corrected_interval(n_active, b_min, b_max, mu_b, delta, d, *, noise=0, group_norm=1):
    r"""Thresholds that provably find the support, by the paper's proof without its slips.

    The spectral norm of :math:`A_v^\top A_h` is at most d times the block coherence, and an active group has one group
    fewer to suffer from. Each group of weights must be orthonormal.

    Parameters
    ----------
    n_active, b_min, b_max, mu_b, delta
        As in `printed_interval`; exact arguments give exact ends.
    d : int
        Group size.
    noise : float
        Largest norm of the noise that a group of weights sees; `noise_level` gives one.
    group_norm : float
        Largest spectral norm of a group of atoms; 1 when they are orthonormal, which the paper assumes.

    Returns
    -------
    Interval
    """
    cross = b_max * (d * mu_b + group_norm * delta)
    return Interval(n_active * cross + noise, b_min * (1 - delta) - (n_active - 1) * cross - noise)


def sharper_interval(n_active, b_min, b_max, mu_b, delta, d, *, noise=0):
    r"""Thresholds that provably find the support when the groups of weights and of atoms are orthonormal.

    An active group keeps :math:`1-\delta^2/2` of its code's norm, and delta meets the norm of the whole sum of active
    groups, which grows like the root of their number. With groups of one atom it is the ReLU's interval of biases,
    `aedyn.code_consistency.corrected_interval`, with the sign turned; `aedyn.group_support_examples.tight_interval` is
    the last word.

    Parameters
    ----------
    n_active, b_min, b_max, mu_b, delta, d, noise
        As in `corrected_interval`, whose interval this one contains.

    Returns
    -------
    Interval
    """
    cosine = d * mu_b
    return Interval(
        b_max * interference(delta, n_active, cosine) + noise,
        b_min * (1 - delta**2 / 2) - b_max * interference(delta, n_active - 1, cosine) - noise,
    )


def block_interval(A, W, groups, n_active, b_min, b_max, *, noise=0):
    r"""Thresholds that provably find the support for given weights and atoms, whatever they are.

    Parameters
    ----------
    A, W : array_like, shape (n, m)
        Dictionary and weights.
    groups : Groups
        Groups of one size.
    n_active, b_min, b_max, noise
        As in `corrected_interval`.

    Returns
    -------
    Interval
        The triangle inequality with the largest of :math:`\|W_v^\top A_h\|_2` in place of a common bound, and the
        smallest singular value of :math:`W_g^\top A_g` for what a group keeps of its own code.
    """
    others = block_norms(W, A, groups)
    n_active = check_count("n_active", n_active, high=len(groups))
    np.fill_diagonal(others, 0)
    others.sort(axis=1)
    sums = np.cumsum(others[:, ::-1], axis=1)  # of the 1, 2, ... groups that a group sees best
    own = [np.linalg.norm(W[:, g].T @ A[:, g], -2) for g in groups]
    cross = sums[:, n_active - 2] if n_active > 1 else 0
    low = b_max * sums[:, n_active - 1].max() if n_active < len(groups) else 0.0
    return Interval(float(low + noise), float((b_min * np.array(own) - b_max * cross).min() - noise))


def noise_level(sigma_eta, d, n_groups, failure):
    """Norm of the noise that none of some orthonormal groups of weights exceeds, up to a small probability.

    Parameters
    ----------
    sigma_eta : float
        Standard deviation of each entry of the noise.
    d, n_groups : int
        Group size and number of groups.
    failure : float
        Probability that some group exceeds it, at most (union bound over the exact chi distribution of each).

    Returns
    -------
    float
    """
    return sigma_eta * stats.chi.isf(failure / n_groups, d)


def limit_interval(c, b_min, b_max, factor):
    """Limit of the interval as n grows, with log n active groups and block coherence and delta c / log n.

    Parameters
    ----------
    c : float
    b_min, b_max : float
    factor : int
        2 as printed, d + 1 for `corrected_interval`, d for `sharper_interval`, in which delta drops out.

    Returns
    -------
    Interval
        It is not empty for c below ``b_min / (2 * factor * b_max)``, see `largest_constant`.
    """
    return Interval(factor * c * b_max, b_min - factor * c * b_max)


def largest_constant(b_min, b_max, factor):
    """The constant c from which on `limit_interval` is empty.

    Parameters
    ----------
    b_min, b_max : float
    factor : int

    Returns
    -------
    float
    """
    return b_min / (2 * factor * b_max)


def norm_extremes(model, W, groups, n_samples, rng):
    """Draw samples and find the smallest norm of an active group and the largest of an idle one, in each.

    Success at every threshold follows, see `success`; memory does not grow with the number of samples but for the two
    numbers a sample.

    Parameters
    ----------
    model : BilinearModel
        What draws the samples.
    W : array_like, shape (n, m)
        Weights.
    groups : Groups
        Groups of the encoder; one is active if it holds an atom of the support. With groups of one atom it is an
        entrywise threshold on the modulus. The samples do not depend on them.
    n_samples : int
    rng : int or numpy.random.Generator

    Returns
    -------
    smallest_active, largest_inactive : ndarray, shape (n_samples,)
        Infinity where no group is active and 0 where none is idle, so that neither stands in the way.
    """
    W = check_matrix("W", W, model.n, model.m)
    _check_groups(groups, model.m)
    blocks = split_stream(n_samples, rng, BLOCK_SIZE)
    smallest, largest = np.full(n_samples, np.inf), np.zeros(n_samples)

    def fill(q):
        samples = model.sample(*blocks[q])
        part = slice(q * BLOCK_SIZE, (q + 1) * BLOCK_SIZE)
        pattern = samples.codes.indptr, samples.codes.indices
        _write_extremes(samples.Y @ W, groups.indices, groups.ptr, *pattern, smallest[part], largest[part])

    map_in_threads(fill, range(len(blocks)))
    return smallest, largest


@njit(cache=True, nogil=True)
def _write_extremes(Z, indices, ptr, support_ptr, support, smallest, largest):
    """Lower `smallest` to the norms of active groups of each row of Z, and raise `largest` to those of idle ones."""
    active = np.zeros(Z.shape[1], dtype=np.bool_)
    for s in range(Z.shape[0]):
        atoms = support[support_ptr[s] : support_ptr[s + 1]]
        active[atoms] = True
        for g in range(len(ptr) - 1):
            square = 0.0
            found = False
            for i in indices[ptr[g] : ptr[g + 1]]:
                square += Z[s, i] ** 2
                found |= active[i]
            norm = np.sqrt(square)
            if found:
                smallest[s] = min(smallest[s], norm)
            else:
                largest[s] = max(largest[s], norm)
        active[atoms] = False


def success(smallest_active, largest_inactive, lams):
    """Share of samples whose support each threshold finds.

    Parameters
    ----------
    smallest_active, largest_inactive : array_like, shape (n_samples,)
        From `norm_extremes`.
    lams : float or array_like
        Thresholds.

    Returns
    -------
    float or ndarray
    """
    starts, ends = _stretches(smallest_active, largest_inactive)
    counts = np.searchsorted(starts, lams, side="right") - np.searchsorted(ends, lams, side="right")
    return counts / np.size(smallest_active)


def best_threshold(smallest_active, largest_inactive):
    """The threshold that finds the support of most samples, among all there are.

    Parameters
    ----------
    smallest_active, largest_inactive : array_like, shape (n_samples,)
        From `norm_extremes`.

    Returns
    -------
    lam, share : float
        The middle of the first stretch of best thresholds, and the share of samples; NaN and 0 when no threshold
        finds any support.
    """
    starts, ends = _stretches(smallest_active, largest_inactive)
    if not len(starts):
        return np.nan, 0.0
    shares = success(smallest_active, largest_inactive, starts)
    low = starts[shares.argmax()]
    high = ends[np.searchsorted(ends, low, side="right")]  # nothing can start before the next end
    middle = low + (high - low) / 2
    return float(middle if middle < high else low), float(shares.max())


def _stretches(smallest_active, largest_inactive):
    """Where the stretches of good thresholds start and end, sorted, over the samples that have one."""
    smallest, largest = np.asarray(smallest_active), np.asarray(largest_inactive)
    possible = largest < smallest
    return np.sort(largest[possible]), np.sort(smallest[possible])


def group_norms(Z, groups):
    """Norm of each group of entries.

    Parameters
    ----------
    Z : array_like, shape (n_samples, m)
        Pre-activations or codes.
    groups : Groups

    Returns
    -------
    ndarray, shape (n_samples, n_groups)
    """
    Z = check_matrix("Z", Z)
    _check_groups(groups, Z.shape[1])
    return np.sqrt(np.add.reduceat(Z[:, groups.indices] ** 2, groups.ptr[:-1], axis=1))


def cluster_labels(X, groups, *, by="strongest"):
    """Membership of samples in clusters, read from their codes.

    Parameters
    ----------
    X : array_like, shape (n_samples, m)
        Codes.
    groups : Groups
    by : {"strongest", "support"}
        The group of largest norm, -1 for a zero code, as in a union of subspaces; or one label for each set of active
        groups that occurs.

    Returns
    -------
    ndarray of int, shape (n_samples,)
    """
    norms = group_norms(X, groups)
    if by == "support":
        return np.unique(norms > 0, axis=0, return_inverse=True)[1].ravel()
    return np.where(norms.any(axis=1), norms.argmax(axis=1), -1)


def _check_groups(groups, m):
    if len(groups.indices) != m:
        raise ValueError(f"groups must be of the {m} columns of W; got groups of {len(groups.indices)}")
