"""Theorem 3 of the dynamics paper: what it says, where it stops, and what replaces its printed ranges."""

from itertools import combinations

import naive
import numpy as np
import pytest
from mpmath import iv
from scipy import linalg, stats
from tolerances import ITERATED, ROUND_OFF, STANDARD_ERRORS

from aedyn import autoencoder, code_consistency, dictionaries, generative
from aedyn.activations import HardThreshold, ReLU
from aedyn.code_consistency import support_recovery
from aedyn.interference import interference, worst_interference

SIZES = [(1, 0.1), (2, 0.1), (4, 0.1), (6, 0.1), (9, 0.02), (3, 0.3)]


def preactivation(W, A, entries, b=0.0):
    """What unit 0 sees when atom i is active with entry entries[i]."""
    return W[:, 0] @ sum(x * A[:, i] for i, x in entries.items()) + b


def assert_rate(recovery, probability):
    """The share found is as likely as `probability` makes it, up to its standard error."""
    error = np.sqrt(probability * (1 - probability) / recovery.n_samples)
    assert abs(recovery.probability - probability) <= STANDARD_ERRORS * error


# What one unit sees ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delta", [0.05, 0.3, 1.0])
def test_own_overlap_is_an_identity_and_the_others_are_bounded(delta):
    rng = np.random.default_rng(0)
    A = dictionaries.random_dictionary(20, 40, rng)
    bound = dictionaries.coherence(A) + delta
    gaps = []
    for _ in range(50):
        overlaps = A.T @ dictionaries.perturb(A, delta, rng)
        assert np.allclose(np.diag(overlaps), 1 - delta**2 / 2, rtol=ROUND_OFF)
        gaps.append(bound - abs(overlaps - np.diag(np.diag(overlaps))).max())
    assert 0 <= min(gaps) < bound


@pytest.mark.parametrize(("k", "delta"), SIZES)
def test_worst_unit_attains_the_closed_form_and_stays_below_the_bound(k, delta):
    A, W = code_consistency.upper_end_example(30, 15, k, delta)
    assert dictionaries.coherence(A) == pytest.approx(delta / k, rel=ITERATED)
    assert dictionaries.match_columns(W, A).delta == pytest.approx(delta, rel=ITERATED)
    seen = preactivation(W, A, dict.fromkeys(range(1, k + 1), 1.0))
    assert seen == pytest.approx(worst_interference(delta, k, delta / k), rel=ITERATED)
    bound = interference(delta, k, delta / k)
    assert 0.95 * bound < seen <= bound


def test_no_unit_within_delta_sees_more_than_the_worst_one():
    rng = np.random.default_rng(1)
    k, delta = 4, 0.2
    A, W = code_consistency.upper_end_example(8, 5, k, delta)
    total = A[:, 1:].sum(axis=1)
    others = np.array([dictionaries.perturb(A, delta, rng)[:, 0] @ total for _ in range(2000)])
    assert 0.5 * (W[:, 0] @ total) < others.max() <= W[:, 0] @ total


def test_interference_bound_holds_for_random_dictionaries_and_entries():
    rng = np.random.default_rng(2)
    ratios = []
    for _ in range(300):
        A = dictionaries.random_dictionary(12, 10, rng)
        delta, k = rng.uniform(0.01, 1), rng.integers(1, 9)
        codes = rng.uniform(0, 1, k)
        seen = dictionaries.perturb(A, delta, rng)[:, 0] @ A[:, 1 : k + 1] @ codes
        ratios.append(abs(seen) / interference(delta, k, dictionaries.coherence(A)))
    assert 0.3 < max(ratios) <= 1


def test_printed_interference_bound_is_exceeded():
    for k, expected in ((2, 0.2439), (4, 0.3064), (6, 0.3539)):
        seen = worst_interference(iv.mpf("0.1"), k, iv.mpf("0.1") / k, sqrt=iv.sqrt)
        printed = iv.sqrt(iv.mpf("0.01") * (k + 1))
        assert seen.a > printed.b
        assert float(seen.a) == pytest.approx(expected, abs=5e-5)


def test_interval_arithmetic_encloses_the_float():
    enclosed = worst_interference(iv.mpf("0.1"), 3, iv.mpf("0.1") / 3, sqrt=iv.sqrt)
    assert float(enclosed.a) - ROUND_OFF < worst_interference(0.1, 3, 0.1 / 3) < float(enclosed.b) + ROUND_OFF
    assert float(enclosed.delta) < ROUND_OFF


# The bias window ------------------------------------------------------------------------------------------------------


def test_reference_value_of_the_upper_end_counterexample():
    A, W = code_consistency.upper_end_example(1000, 10, 1, 0.1)
    assert W[:, 0] @ A[:, 1] == pytest.approx(0.1988742925, abs=5e-11)
    assert preactivation(W, A, {1: 1.0}, b=-0.1) == pytest.approx(0.09887429245, abs=5e-12)


@pytest.mark.parametrize(("k", "expected"), [(2, 0.103), (4, 0.106), (6, 0.109)])
def test_idle_unit_fires_at_the_printed_upper_end(k, expected):
    A, W = code_consistency.upper_end_example(30, 15, k, 0.1)
    active = dict.fromkeys(range(1, k + 1), 1.0)
    printed = code_consistency.printed_interval(0.1, k)
    assert preactivation(W, A, active, printed.high) == pytest.approx(expected, abs=1e-3)
    assert preactivation(W, A, active, code_consistency.corrected_interval(0.1, k).high) <= 0


@pytest.mark.parametrize(
    ("k", "delta", "a2", "expected"),
    [(3, 0.02, 4, -0.0085), (4, 0.02, 4, -0.0194), (6, 0.01, 4, -0.0151), (9, 0.01, 3, -0.0119)],
)
def test_active_unit_is_silent_at_the_printed_lower_end(k, delta, a2, expected):
    A, W = code_consistency.lower_end_example(30, 15, k, delta)
    active = {0: 1.0} | dict.fromkeys(range(1, k), float(a2))
    assert preactivation(W, A, active, code_consistency.printed_interval(delta, k, 1, a2).low) == pytest.approx(
        expected, abs=5e-5
    )
    corrected = code_consistency.corrected_interval(delta, k, 1, a2)
    assert 0 < preactivation(W, A, active, corrected.low) < 1e-4


def test_recovery_around_the_exact_upper_threshold_from_both_sides():
    A, W = code_consistency.upper_end_example(20, 6, 2, 0.1)
    model = generative.NonnegativeSparse(A, k=2)
    edge = -worst_interference(0.1, 2, 0.05)
    below, above = (support_recovery(model, W, edge + step, ReLU(), 3000, 0) for step in (-1e-6, 1e-6))
    assert below.probability == 1
    assert_rate(above, 1 - 1 / 15)  # one support of the 15 is the dangerous one
    assert above.n_spurious == above.n_samples - above.n_exact
    assert above.n_missed == 0


def test_recovery_around_the_lower_threshold_from_both_sides():
    A, W = code_consistency.lower_end_example(20, 3, 3, 0.1)
    model = generative.NonnegativeSparse(A, k=3)  # the only support, entries 1: what unit 0 sees is one number
    edge = -(1 - 0.1**2 / 2 - worst_interference(0.1, 2, 0.1 / 3))
    below, above = (support_recovery(model, W, edge + step, ReLU(), 100, 0) for step in (-1e-6, 1e-6))
    assert (below.probability, above.probability) == (0, 1)
    assert (below.n_missed, below.n_spurious) == (100, 0)


@pytest.mark.parametrize(("k", "delta"), [(1, 0.1), (2, 0.1), (3, 0.05)])
def test_no_error_at_either_end_of_the_corrected_window_with_noise(k, delta):
    n, m = 400, 8
    sigma = 0.5 / np.sqrt(n)
    window = code_consistency.corrected_interval(delta, k, noise=code_consistency.noise_level(sigma, n))
    assert not window.empty
    examples = ((code_consistency.upper_end_example, window.high), (code_consistency.lower_end_example, window.low))
    for example, b in examples:
        A, W = example(n, m, k, delta)
        assert support_recovery(generative.NonnegativeSparse(A, sigma, k=k), W, b, ReLU(), 4000, 0).probability == 1


def test_window_at_one_active_atom_and_where_it_closes():
    window = code_consistency.corrected_interval(0.1, noise=0.02)
    assert window.low == pytest.approx(-(1 - 0.005) + 0.02, rel=ROUND_OFF)
    assert window.high == pytest.approx(-0.2 - 0.02, rel=ROUND_OFF)
    closes = np.sqrt(6) - 2
    for interval, last in ((code_consistency.printed_interval, 1 / 3), (code_consistency.corrected_interval, closes)):
        assert not interval(last - 1e-9).empty
        assert interval(last + 1e-9).empty


def test_a_known_coherence_widens_the_window():
    assumed, known = (code_consistency.corrected_interval(0.1, 3, coherence=c) for c in (None, 0.0))
    assert known.low < assumed.low < assumed.high < known.high


def test_noise_alone_needs_a_negative_bias():
    A = dictionaries.orthonormal_dictionary(784, 10, 0)
    model = generative.MixtureOfGaussians(A, 1 / 28)
    for b, expected in ((0.0, 2.0**-9), (-1.0, 0.5)):
        assert code_consistency.mixture_recovery(np.eye(10), b, 1 / 28) == pytest.approx(expected, rel=1e-6)
        assert_rate(support_recovery(model, A, b, ReLU(), 20_000, 1), expected)
    assert support_recovery(model, A, -0.5, ReLU(), 20_000, 1).probability == 1
    assert 1 - code_consistency.mixture_recovery(np.eye(10), 0, 1e-3) == pytest.approx(0.998046875, rel=1e-12)


def test_mixture_closed_form_against_counting_for_tilted_units():
    A = dictionaries.orthonormal_dictionary(60, 5, 2)
    W = A @ linalg.expm(0.3 * np.triu(np.ones((5, 5)), 1) - 0.3 * np.tril(np.ones((5, 5)), -1))  # still orthonormal
    expected = code_consistency.mixture_recovery(A.T @ W, -0.4, 0.2)
    assert 0.1 < expected < 0.9
    assert_rate(support_recovery(generative.MixtureOfGaussians(A, 0.2), W, -0.4, ReLU(), 20_000, 3), expected)


# The threshold --------------------------------------------------------------------------------------------------------


def test_threshold_margin_is_the_place_of_half_a1_in_the_window():
    for k in range(1, 30):
        window = code_consistency.corrected_interval(0.1, k, 2.0, 2.0, noise=0.01)
        inside = window.low < -1 < window.high
        assert (code_consistency.threshold_margin(0.1, k, 2.0, 2.0, noise=0.01) > 0) == inside
    margins = code_consistency.threshold_margin(0.1, np.arange(1, 30))
    assert (np.diff(margins) < 0).all()
    assert margins[0] > 0 > margins[-1]


@pytest.mark.parametrize(("k", "delta", "expected"), [(25, 0.1, 0.622), (100, 0.05, 0.562)])
def test_threshold_fails_at_a_quarter_over_delta_squared(k, delta, expected):
    assert k == pytest.approx(0.25 / delta**2)
    A, W = code_consistency.upper_end_example(k + 1, k + 1, k, delta)
    seen = preactivation(W, A, dict.fromkeys(range(1, k + 1), 1.0))
    assert seen == pytest.approx(expected, abs=1e-3)
    assert code_consistency.threshold_margin(delta, k) < 0


def test_coherence_beyond_the_hypothesis_breaks_non_negative_codes_and_not_signed_ones():
    A = dictionaries.equiangular_dictionary(64, 64, 0.05)
    for k, survives in ((9, True), (11, False)):  # c k passes 1/2 at k = 10
        model = generative.NonnegativeSparse(A, k=k)
        assert support_recovery(model, A, 0, HardThreshold(0.5), 200, 0).probability == survives
    signed = support_recovery(generative.SparseCoding(A, k=11), A, 0, HardThreshold(0.5), 2000, 0, signed=True)
    assert signed.probability > 0.95


# Noise ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "expected"), [(50, 4.6e-3), (100, 4.1e-4), (784, 2.1e-8), (10_000, 3.3e-16)])
def test_noise_failure_reference_values(n, expected):
    exact, union_bound = code_consistency.noise_failure(n, n)
    assert exact == pytest.approx(expected, rel=0.03)
    assert exact <= union_bound <= n * np.exp(-(np.log(n) ** 2) / 2)


def test_noise_failure_against_counting():
    sigma, n, m = 0.3, 12, 6
    W = dictionaries.orthonormal_dictionary(n, m, 0)
    noise = sigma * np.random.default_rng(4).standard_normal((20_000, n)) @ W
    failed = int((abs(noise).max(axis=1) > code_consistency.noise_level(sigma, n)).sum())
    assert_rate(code_consistency.Recovery(20_000, failed, 0, 0), code_consistency.noise_failure(n, m)[0])


# Signed codes and the Hadamard dictionary -----------------------------------------------------------------------------


def test_fast_transform_is_the_hadamard_matrix():
    v = np.random.default_rng(5).standard_normal(64)
    assert np.allclose(code_consistency._hadamard(v), linalg.hadamard(64) @ v, rtol=ROUND_OFF, atol=ROUND_OFF)


def test_hadamard_experiment_meets_the_hypotheses_and_counts_like_the_dense_one():
    n, k = 64, 15
    A = np.hstack([np.eye(n), linalg.hadamard(n) / np.sqrt(n)])
    assert dictionaries.coherence(A) == pytest.approx(1 / np.sqrt(n), rel=ROUND_OFF)
    assert np.linalg.norm(A, 2) ** 2 == pytest.approx(2, rel=ROUND_OFF)
    fast = code_consistency.hadamard_recovery(n, k, 1500, 6)
    dense = support_recovery(generative.SparseCoding(A, k=k), A, 0, HardThreshold(0.5), 1500, 7, signed=True)
    firing = 2 * stats.norm.sf(0.5 / np.sqrt(k / (2 * n)))
    assert 0.5 * firing < code_consistency.hadamard_idle_failure(n, k) < 2 * firing
    expected = code_consistency.hadamard_idle_failure(n, k) * (2 * n - k) * 1500
    for recovery in (fast, dense):
        assert recovery.n_spurious == pytest.approx(expected, rel=0.1)
    assert fast.n_missed == pytest.approx(dense.n_missed, rel=0.2)


def test_idle_failure_by_enumeration_and_in_exact_arithmetic():
    n, k = 4, 3
    H = linalg.hadamard(n) / 2
    A = np.hstack([np.eye(n), H])
    fired = tried = 0
    for support in combinations(range(1, 2 * n), k):
        for bits in range(2**k):
            signs = np.array([1 - 2 * (bits >> t & 1) for t in range(k)])
            fired += abs(A[:, 0] @ A[:, support] @ signs) >= 0.5
            tried += 1
    exact = code_consistency.hadamard_idle_failure_exact(n, k)
    assert exact * tried == fired
    for n, k in ((4, 3), (64, 10), (256, 46)):
        assert code_consistency.hadamard_idle_failure(n, k) == pytest.approx(
            float(code_consistency.hadamard_idle_failure_exact(n, k)), rel=1e-10
        )


@pytest.mark.parametrize(("n", "k", "expected"), [(8192, 909, 0.0337751416), (65536, 5909, 0.0185289068)])
def test_failure_of_the_printed_sparsity_reference_values(n, k, expected):
    assert k == int(n / np.log(n))
    gaussian = 2 * stats.norm.sf(0.5 / np.sqrt(k / (2 * n)))
    assert gaussian == pytest.approx(expected, rel=1e-8)
    assert code_consistency.hadamard_idle_failure(n, k) == pytest.approx(gaussian, rel=0.04)


def test_printed_sparsity_fails_and_corrected_sparsity_works():
    n = 1024
    dense = code_consistency.hadamard_recovery(n, int(n / np.log(n)), 20, 8)
    sparse = code_consistency.hadamard_recovery(n, int(n / (4 * np.log(n) ** 2)), 20, 8)
    assert (dense.n_exact, sparse.n_exact) == (0, 20)


def test_hadamard_width_must_be_a_power_of_two():
    with pytest.raises(ValueError, match="n must be a power of 2, .*got 96"):
        code_consistency.hadamard_recovery(96, 3, 1, 0)


# The experiment -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(("n", "m", "sigma"), [(60, 80, 0.0), (60, 80, 0.05), (80, 60, 0.0)])
def test_recovery_counts_like_encoding_the_samples(n, m, sigma, signed):
    A = dictionaries.random_dictionary(n, m, 9)
    W = dictionaries.perturb(A, 0.3, 10)
    model = generative.SparseCoding(A, sigma, k=2, a1=0.5)
    counted = support_recovery(model, W, -0.1, HardThreshold(0.4), 1100, 11, signed=signed)
    expected = np.zeros(3, dtype=int)
    for size, stream in generative.split_stream(1100, 11, code_consistency.BLOCK_SIZE):
        samples = model.sample(size, stream)
        X = autoencoder.encode(W, -0.1, samples.Y, HardThreshold(0.4))
        expected += naive.count_errors(X, samples.codes.toarray(), signed)
    assert (counted.n_exact, counted.n_missed, counted.n_spurious) == tuple(expected)
    assert 0 < counted.n_exact < 1100


def test_noise_drawn_within_the_span_of_the_units_has_the_same_law():
    A = dictionaries.random_dictionary(40, 6, 12)
    model = generative.MixtureOfGaussians(A, 0.25)
    fast = support_recovery(model, A, -0.5, ReLU(), 20_000, 13)
    samples = model.sample(20_000, 14)
    found = (autoencoder.encode(A, -0.5, samples.Y, ReLU()) != 0) == (samples.codes.toarray() != 0)
    direct = code_consistency.Recovery(20_000, int(found.all(axis=1).sum()), 0, 0)
    assert 0.1 < direct.probability < 0.9
    spread = np.sqrt(2 * direct.probability * (1 - direct.probability) / 20_000)
    assert abs(fast.probability - direct.probability) < STANDARD_ERRORS * spread


def test_same_bits_for_any_number_of_threads(set_threads):
    A = dictionaries.random_dictionary(120, 150, 15)
    model = generative.NonnegativeSparse(A, 0.05, k=2)
    outcomes = set()
    for threads in (1, 2, 4):
        set_threads(threads)
        outcomes.add(support_recovery(model, A, 0, HardThreshold(0.5), 3000, 16))
    assert len(outcomes) == 1
    assert 0 < outcomes.pop().n_exact < 3000


def test_confidence_interval_is_wilsons():
    low, high = code_consistency.Recovery(100, 0, 0, 0).confidence()
    z = stats.norm.ppf(0.975)
    assert low == 0
    assert high == pytest.approx(z**2 / (100 + z**2), rel=ITERATED)


def test_weights_of_another_shape_are_refused():
    model = generative.MixtureOfGaussians(np.eye(4))
    with pytest.raises(ValueError, match=r"W must be a matrix of shape \(4, 4\); got shape \(4, 3\)"):
        support_recovery(model, np.eye(4)[:, :3], 0, ReLU(), 10, 0)


def test_smallest_width_is_where_the_proof_starts_to_work():
    for constant, scale in ((1.0, 1.0), (0.25, 1.0), (0.25, 3.0)):
        n = code_consistency.smallest_width(constant, scale)
        for width, works in ((n * 0.999, False), (n * 1.001, True)):
            left = 2 * constant / np.log(width) + scale * np.log(width) / np.sqrt(width)
            assert (left < 0.25) == works
    assert code_consistency.smallest_width(0.0, 0.0) == 8
