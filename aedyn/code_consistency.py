r"""Code consistency: when does the encoder find the support (and the signs) of the true code?

Theorem 3 of "On the Dynamics of Gradient Descent for Autoencoders" (Nguyen, Wong and Hegde 2019), its Claims 1 and 2
and its mixture-of-Gaussians case: the conditions as printed and corrected, the inputs that attain them, and a
Monte Carlo experiment that never forms a sample.

A unit i sees a sample as :math:`z_i = \langle W_i, A_i\rangle x_i^* + Z_i + \langle W_i, \eta\rangle + b_i`, where the
interference :math:`Z_i` sums :math:`\langle W_i, A_j\rangle x_j^*` over the other active atoms.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numba import njit
from scipy import optimize, stats

from aedyn._checks import check_count, check_matrix, check_number
from aedyn._parallel import map_in_threads, one_blas_thread
from aedyn.dictionaries import dictionary_with_gram, perturb
from aedyn.generative import draw_subsets, split_stream
from aedyn.interference import interference

BLOCK_SIZE = 512


class Interval(NamedTuple):
    """Biases from `low` to `high`; empty when low > high."""

    low: float
    high: float

    @property
    def empty(self):
        """Whether no bias lies in it."""
        return self.low > self.high


def printed_interval(delta, k=1, a1=1.0, a2=1.0):
    """Bias interval of Theorem 3 (ii) as printed."""
    reach = a2 * delta * np.sqrt(k)
    return Interval(-(1 - delta) * a1 + reach, -reach)


def corrected_interval(delta, k=1, a1=1.0, a2=1.0, *, noise=0.0, coherence=None):
    """Bias interval in which ReLU provably finds the support of non-negative codes.

    Parameters
    ----------
    delta : float
        Distance of each unit from its atom.
    k : int
        Size of the support.
    a1, a2 : float
        Smallest and largest nonzero entry.
    noise : float
        Largest modulus of a unit's noise; `noise_level` gives the one that holds with high probability.
    coherence : float, optional
        Largest absolute inner product of two atoms; without it delta / k, the most that the theorem allows.

    Returns
    -------
    Interval
        At the low end an active unit with the smallest entry just fires, at the high end an idle one just does not.
    """
    c = delta / k if coherence is None else coherence
    own = (1 - delta**2 / 2) * a1
    return Interval(
        -own + a2 * interference(delta, k - 1, c) + noise,
        -a2 * interference(delta, k, c) - noise,
    )


def threshold_margin(delta, k=1, a1=1.0, a2=1.0, *, noise=0.0, coherence=None):
    """How far each pre-activation provably stays from the threshold a1/2 of Theorem 3 (iii), with bias 0.

    Positive where the support is found; the parameters are those of `corrected_interval`, of which this is the
    distance of -a1/2 to the nearer end.
    """
    low, high = corrected_interval(delta, k, a1, a2, noise=noise, coherence=coherence)
    return np.minimum(-a1 / 2 - low, high + a1 / 2)


def noise_level(sigma_eta, n):
    """The bound sigma_eta log n of Claim 2 on the noise of every unit; natural logarithm."""
    return sigma_eta * np.log(n)


def noise_failure(n, m):
    """Probability that some of m orthonormal units has noise above the level of Claim 2, and its union bound.

    Returns
    -------
    exact, union_bound : float
    """
    tail = 2 * stats.norm.sf(np.log(n))
    return -np.expm1(m * np.log1p(-tail)), m * tail


def upper_end_example(n, m, k, delta):
    r"""Dictionary and weights that push an idle unit as far up as the theorem's assumptions allow.

    Atoms 0 to k have pairwise inner products delta/k, the others are orthonormal to all; unit 0 is tilted by delta
    towards the sum of atoms 1 to k, which form the dangerous support; the other units are their atoms.

    Returns
    -------
    A, W : ndarray, shape (n, m)
    """
    gram = np.eye(m)
    gram[: k + 1, : k + 1] = delta / k
    return _tilt_first(gram, n, delta, range(1, k + 1), 1)


def lower_end_example(n, m, k, delta):
    r"""Dictionary and weights that push an active unit as far down as the theorem's assumptions allow.

    Atoms 1 to k-1 have pairwise inner products delta/k, and -delta/k with atom 0; the others are orthonormal to all;
    unit 0 is tilted by delta away from the sum of atoms 1 to k-1. The dangerous support is 0 to k-1.

    Returns
    -------
    A, W : ndarray, shape (n, m)
    """
    gram = np.eye(m)
    gram[:k, :k] = delta / k
    gram[0, :k] = gram[:k, 0] = -delta / k
    return _tilt_first(gram, n, delta, range(1, k), -1)


def _tilt_first(gram, n, delta, support, sign):
    np.fill_diagonal(gram, 1)
    A = dictionary_with_gram(gram, n)
    towards = np.zeros_like(A)
    towards[:, 0] = sign * A[:, support].sum(axis=1)
    return A, perturb(A, delta, towards=towards)


@dataclass(frozen=True)
class Recovery:
    """Outcome of a support-recovery experiment.

    Attributes
    ----------
    n_samples : int
        Samples tried.
    n_exact : int
        Samples whose support (signs included, when asked) was found without error.
    n_missed : int
        Active entries that came out as zero or with the wrong sign, over all samples.
    n_spurious : int
        Idle entries that came out as active, over all samples.
    """

    n_samples: int
    n_exact: int
    n_missed: int
    n_spurious: int

    @property
    def probability(self):
        """Share of samples recovered exactly."""
        return self.n_exact / self.n_samples

    def confidence(self, level=0.95):
        """Wilson interval for the probability of exact recovery.

        Returns
        -------
        low, high : float
        """
        interval = stats.binomtest(self.n_exact, self.n_samples).proportion_ci(level, method="wilson")
        return float(interval.low), float(interval.high)


@one_blas_thread()
def support_recovery(model, W, b, activation, n_samples, rng, *, signed=False):
    """Draw samples and count on how many the encoder finds the support of the true code.

    Only pre-activations are needed, so no sample is formed: the signal part is a sparse product with the Gram matrix
    of A and W, and the noise is drawn in as few dimensions as the units span.

    Parameters
    ----------
    model : BilinearModel
        What draws the codes; its noise is used too.
    W : array_like, shape (n, m)
        Weights.
    b : float or array_like, shape (m,)
        Bias.
    activation : callable
        One of `aedyn.activations`.
    n_samples : int
    rng : int or numpy.random.Generator
    signed : bool
        Whether the signs must agree too, as in Theorem 3 (i).

    Returns
    -------
    Recovery
    """
    W = check_matrix("W", W, model.n, model.m)
    b = np.broadcast_to(np.asarray(b, dtype=float), model.m)
    overlaps = model.A.T @ W
    # orthogonal coordinates of the noise within the span of the units have the same distribution as the noise
    noise_map = model.sigma_eta * (np.linalg.qr(W, mode="r") if model.m < model.n else W)

    def count_block(block):
        size, stream = block
        codes = model.draw_codes(size, stream)
        Z = codes @ overlaps
        if model.sigma_eta:
            Z += stream.standard_normal((size, len(noise_map))) @ noise_map
        counts = np.zeros(3, dtype=np.int64)
        _count_errors(activation(Z + b), codes.indptr, codes.indices, codes.data, signed, counts)
        return counts

    counts = sum(map_in_threads(count_block, split_stream(n_samples, rng, BLOCK_SIZE)))
    return Recovery(n_samples, *(int(count) for count in counts))


@njit(cache=True, nogil=True)
def _count_errors(X, ptr, indices, values, signed, counts):
    """Add to `counts` the samples without error, the missed entries and the spurious entries."""
    n_samples, m = X.shape
    for s in range(n_samples):
        active = 0
        for i in range(m):
            active += X[s, i] != 0
        found = 0
        right = 0
        for q in range(ptr[s], ptr[s + 1]):
            x = X[s, indices[q]]
            found += x != 0
            right += x * values[q] > 0 if signed else x != 0
        missed = ptr[s + 1] - ptr[s] - right
        spurious = active - found
        counts[0] += missed == 0 and spurious == 0
        counts[1] += missed
        counts[2] += spurious


def mixture_recovery(overlaps, b, sigma_eta):
    r"""Probability that ReLU finds the component of a mixture of Gaussians exactly, in closed form.

    With :math:`\Phi` the normal distribution function it is the average over components j of
    :math:`\Phi((\langle W_j, A_j\rangle + b)/\sigma)\prod_{i\ne j}\Phi(-(\langle W_i, A_j\rangle + b)/\sigma)`. This is
    exact when the units are orthonormal, so that their noises are independent, and close when they nearly are.

    Parameters
    ----------
    overlaps : array_like, shape (m, m)
        Inner products of atoms (rows) and units (columns).
    b : float
        Bias.
    sigma_eta : float
        Standard deviation of the noise, positive.

    Returns
    -------
    float
    """
    z = (check_matrix("overlaps", overlaps) + b) / check_number("sigma_eta", sigma_eta, 0, open_low=True)
    np.negative(z, out=z, where=~np.eye(len(z), dtype=bool))
    return float(stats.norm.cdf(z).prod(axis=1).mean())


def hadamard_recovery(n, k, n_samples, rng):
    r"""Sign recovery with the dictionary :math:`[I, H/\sqrt n]`, random signs, no noise and W = A.

    The 2n atoms are the canonical basis and the scaled columns of the Hadamard matrix; coherence is 1/sqrt(n) (mu = 1)
    and the squared spectral norm 2. The threshold is a1/2 = 1/2.

    Parameters
    ----------
    n : int
        Dimension of the data, a power of 2.
    k : int
        Size of the support.
    n_samples : int
    rng : int or numpy.random.Generator

    Returns
    -------
    Recovery
    """
    n = check_count("n", n)
    if n & (n - 1):
        raise ValueError(f"n must be a power of 2, for which the Hadamard matrix is known here; got {n}")
    rng = np.random.default_rng(rng)
    counts = np.zeros(3, dtype=np.int64)
    for _ in range(check_count("n_samples", n_samples)):
        support = draw_subsets(1, 2 * n, check_count("k", k, high=2 * n), rng)[0]
        signs = 2.0 * rng.integers(2, size=k) - 1
        x = np.zeros(2 * n)
        x[support] = signs
        y = x[:n] + _hadamard(x[n:]) / np.sqrt(n)
        z = np.concatenate([y, _hadamard(y) / np.sqrt(n)])
        x = np.where(np.abs(z) >= 0.5, z, 0)
        _count_errors(x[None], np.array([0, k]), support, signs, True, counts)
    return Recovery(n_samples, *(int(count) for count in counts))


def _hadamard(vector):
    """Hadamard matrix times a vector, by the fast transform."""
    vector = vector.copy()
    _fast_hadamard(vector)
    return vector


@njit(cache=True)
def _fast_hadamard(v):
    """In place; the length is a power of 2."""
    half = 1
    while half < v.size:
        for start in range(0, v.size, 2 * half):
            for i in range(start, start + half):
                a, b = v[i], v[i + half]
                v[i], v[i + half] = a + b, a - b
        half *= 2


def hadamard_idle_failure(n, k):
    r"""Probability that a given idle unit of `hadamard_recovery` fires.

    The unit sees the active atoms of the other basis only, K of them, hypergeometric, as a walk of K signs over
    sqrt(n); it fires when the walk ends at least sqrt(n)/2 from 0.

    Parameters
    ----------
    n : int
        Dimension of the data.
    k : int
        Size of the support, which does not hold the unit.

    Returns
    -------
    float
        See `hadamard_idle_failure_exact` for the same number as a fraction.
    """
    active = np.arange(min(n, k) + 1)
    up = np.ceil((active + np.sqrt(n) / 2) / 2)
    far = 2 * stats.binom.sf(up - 1, active, 0.5)
    return float(stats.hypergeom.pmf(active, 2 * n - 1, n, k) @ far)


def hadamard_idle_failure_exact(n, k):
    """The probability of `hadamard_idle_failure` in exact arithmetic.

    Returns
    -------
    fractions.Fraction
    """
    total = Fraction(0)
    for active in range(max(0, k - n + 1), min(n, k) + 1):
        ways = sum(math.comb(active, up) for up in range(active + 1) if 4 * (2 * up - active) ** 2 >= n)
        total += Fraction(math.comb(n, active) * math.comb(n - 1, k - active) * ways, 2**active)
    return total / math.comb(2 * n - 1, k)


def smallest_width(constant, sigma_scale=1.0):
    r"""Smallest n from which the mixture case of Theorem 3 is proved, when delta = constant / log n.

    The threshold proof needs :math:`2\delta + \sigma_\eta\log n < 1/4`, here with :math:`\sigma_\eta` equal to
    `sigma_scale` over sqrt(n); from n = 8 on the left side decreases.

    Parameters
    ----------
    constant : float
        The constant hidden in delta = O*(1/log n).
    sigma_scale : float
        The constant hidden in sigma_eta = O(1/sqrt(n)).

    Returns
    -------
    float
    """
    check_number("constant", constant, 0)

    def excess(log_n):
        return 2 * constant / log_n + sigma_scale * log_n * np.exp(-log_n / 2) - 1 / 4

    if excess(np.log(8)) < 0:
        return 8.0
    return float(np.exp(optimize.brentq(excess, np.log(8), 8 * constant + 700)))
