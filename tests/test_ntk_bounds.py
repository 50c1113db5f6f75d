"""What is known of the limit kernels' spectra, distances from the limits, and units that flip."""

import numpy as np
import pytest
from tolerances import ITERATED, ROUND_OFF, STANDARD_ERRORS, assert_close, assert_mean

from aedyn import ntk_bounds
from aedyn.ntk_kernels import decoder_kernel, encoder_kernel
from aedyn.ntk_limits import limit_kernels, spectrum
from aedyn.unit_samples import antipodal, clusters, digits, near_duplicate, orthonormal, pair, sphere
from aedyn.wide_network import draw_weights

MANY = [sphere(n, d, seed) for seed in range(20) for n, d in ((6, 3), (12, 8), (30, 5))] + [
    clusters(3, 4, 6, 0.1, 0),
    near_duplicate(8, 5, 0.05, 0),
    orthonormal(7),
    antipodal(6, 4, 0),
    digits(40),
]


# Spectra --------------------------------------------------------------------------------------------------------------


def test_powers_of_the_cosine():
    coefficients = ntk_bounds.decoder_coefficients(400)
    assert_close(coefficients[:5], [1 / (2 * np.pi), 1 / 4, 1 / (4 * np.pi), 0, 1 / (48 * np.pi)], ROUND_OFF)
    assert (coefficients >= 0).all() and not coefficients[3::2].any()
    for angle in (0.5, 1.2, 2.0, 2.8):
        S, T = limit_kernels(pair(angle))
        powers = np.cos(angle) ** np.arange(400)
        assert_close([coefficients @ powers, (coefficients * np.arange(400)) @ powers], [T[0, 1], S[0, 1]], 1e-10)
    assert 0 < 1 / 2 - coefficients.sum() < 1e-4, "the sum at 1 is the diagonal of T"
    assert np.array_equal(ntk_bounds.decoder_coefficients(1), coefficients[:1])


def test_the_decoder_without_its_mean_direction_is_below_the_encoder():
    for X in MANY:
        S, T = limit_kernels(X)
        assert np.linalg.eigvalsh(S - T + 1 / (2 * np.pi))[0] > -ROUND_OFF
        interlaced = np.linalg.eigvalsh(S)[1:] - np.linalg.eigvalsh(T)[:-1]
        assert interlaced.min() > -ROUND_OFF
    smallest = [spectrum(X) for X in MANY[:60]]
    assert np.mean([s.lambda_T < 0.75 * s.lambda_0 for s in smallest]) > 0.9
    exception = spectrum(pair(np.deg2rad(135)))
    assert exception.lambda_T > exception.lambda_0, "it is no bound for the smallest eigenvalues themselves"


def test_norms_of_the_limits():
    for X in MANY:
        s = spectrum(X)
        share = s.n / (2 * np.pi)
        assert share * (1 - ROUND_OFF) <= s.norm_T <= (share + (1 / 2 - 1 / (2 * np.pi)) * s.lambda_n) * (1 + ROUND_OFF)
        assert s.norm_S <= s.lambda_n / 2 * (1 + ROUND_OFF)
        assert max(1, s.n / min(s.n, s.d)) * (1 - ROUND_OFF) <= s.lambda_n <= s.n * (1 + ROUND_OFF)
        assert s.lambda_0 <= 1 / 2 + ROUND_OFF
    equal = spectrum(orthonormal(9))
    assert_close(equal.norm_T, 9 / (2 * np.pi) + 1 / 2 - 1 / (2 * np.pi), ROUND_OFF)
    assert_close(equal.norm_S, 1 / 2, ROUND_OFF)


def test_near_duplicates():
    for angle in (0.03, 0.01):
        S, T = limit_kernels(pair(angle))
        assert_close(S[0, 0] - S[0, 1], angle / (2 * np.pi), angle * 2)
        assert_close(T[0, 0] - T[0, 1], angle**2 / 4, angle)
        s = spectrum(near_duplicate(11, 10, angle, 0))
        assert s.lambda_0 <= S[0, 0] - S[0, 1] and s.lambda_T <= T[0, 0] - T[0, 1]


def test_the_kernels_are_singular_together():
    few, many = spectrum(antipodal(4, 5, 0)), spectrum(antipodal(6, 5, 0))
    assert min(few.lambda_0, few.lambda_T) > 1e-3, "antipodes alone do no harm"
    assert max(abs(many.lambda_0), abs(many.lambda_T)) < 1e-14, "more pairs than dimensions do"
    distances = ntk_bounds.separation(antipodal(6, 5, 0))
    assert distances.points > 0.3 and distances.lines < 1e-12


def test_the_table_of_spectra():
    rows = {
        (50, 20, 0): (2.56, 0.2486, 0.1056, 0.356),
        (3, 50, 0): (19.3, 0.00903, 4.6e-5, 0.0091),
        (10, 20, 0): (4.19, 0.1405, 0.04046, 0.182),
    }
    for (d, n, seed), (lambda_n, lambda_0, lambda_T, joint) in rows.items():
        s = spectrum(sphere(n, d, seed))
        assert_close([s.lambda_n, s.lambda_0, s.lambda_T, s.lambda_joint], [lambda_n, lambda_0, lambda_T, joint], 3e-3)
        assert s.lambda_T == pytest.approx(lambda_T, rel=0.02)
        assert s.lambda_joint < 2 * s.lambda_0 and s.lambda_joint > s.lambda_0


def test_separation():
    found = ntk_bounds.separation(np.array([[1, 0], [0.6, 0.8], [-0.8, 0.6]]))
    assert_close(found, [np.sqrt(0.8), np.sqrt(0.4)], ROUND_OFF)


# Random weights -------------------------------------------------------------------------------------------------------


def test_distances_fall_like_the_root_of_the_width_but_not_from_the_printed_limit():
    X = orthonormal(5)
    found = np.array(
        [ntk_bounds.against_limits(*draw_weights(5, m, seed), X) for m in (250, 4000) for seed in range(8)]
    )
    few, many = found[:8].mean(axis=0), found[8:].mean(axis=0)
    assert_close(many[2:4] / few[2:4], np.full(2, 1 / 4), 0.25)
    assert_close(many[4], 4 / (2 * np.pi), 0.05)


def test_a_network_against_the_limits():
    X, (W, A) = sphere(10, 5, 0), draw_weights(5, 2000, 0)
    found = ntk_bounds.against_limits(W, A, X)
    assert_close([found.G_to_S, found.H_to_T], [0.1623892, 0.1059164], 1e-6)
    H, S = decoder_kernel(W, X), limit_kernels(X).encoder
    assert_close(found.H_to_S, np.linalg.norm(H - S, 2), ITERATED)
    lowest = [np.linalg.eigvalsh(kernel)[0] for kernel in (encoder_kernel(W, A, X), H)]
    assert_close([found.smallest_G, found.smallest_H], lowest, ITERATED)


def test_lemma_4_1_holds_long_before_its_width():
    X = sphere(10, 5, 0)
    expected = {100: 0.0226, 400: 0.0446, 1600: 0.0507}
    for m, value in expected.items():
        lows = [np.linalg.eigvalsh(encoder_kernel(*draw_weights(5, m, seed), X))[0] for seed in range(5)]
        assert np.mean(lows) == pytest.approx(value, rel=0.25)
        assert (np.mean(lows) > 0.75 * spectrum(X).lambda_0) == (m >= 400)


def test_the_initial_error():
    X = sphere(10, 5, 0)
    expected = ntk_bounds.initial_error(X)
    assert expected.mean == 15 and expected.deviation == pytest.approx(3.62930, abs=1e-5)
    errors = []
    for seed in range(3000):
        W, A = draw_weights(5, 100, seed)
        errors.append(((X - np.maximum(X @ W, 0) @ A.T / np.sqrt(A.size)) ** 2).sum())
    assert_mean(errors, 15)
    assert np.std(errors) == pytest.approx(expected.deviation, rel=STANDARD_ERRORS / np.sqrt(2 * 3000) + 0.02)
    assert max(errors) < 2 * 10 / 0.1, "Markov's inequality is loose"


# Flips ----------------------------------------------------------------------------------------------------------------


def test_pushing_units_across():
    X, (W, A) = sphere(10, 5, 0), draw_weights(5, 2000, 0)
    pushed = ntk_bounds.push_across(W, X, 0.1)
    moves = np.linalg.norm(pushed - W, axis=0)
    within = np.abs(X @ W).min(axis=0) <= 0.1 - 1e-8
    flips = ((X @ W >= 0) != (X @ pushed >= 0)).any(axis=0)
    assert moves.max() <= 0.1 and 0 < within.sum() < 2000
    assert np.array_equal(flips, moves > 0) and flips[within].all()
    change = np.linalg.norm(encoder_kernel(pushed, A, X) - encoder_kernel(W, A, X), 2)
    assert 0.01 < change < 2 * 10**2 * 5 * 0.1, "Lemma 4.2, loose"


def test_the_encoder_kernel_jumps():
    X, (W, A) = sphere(4, 3, 0), draw_weights(3, 20, 0)
    closest = np.unravel_index(np.abs(X @ W).argmin(), (4, 20))
    W[:, closest[1]] -= (X @ W)[closest] * X[closest[0]]  # on the hyperplane
    kernels = []
    for sign in (1, -1):
        nudged = W.copy()
        nudged[:, closest[1]] += sign * 1e-9 * X[closest[0]]
        kernels.append(encoder_kernel(nudged, A, X))
    assert np.linalg.norm(kernels[0] - kernels[1], 2) > 0.05


def test_no_move_of_the_weights_flips_more_than_the_bound():
    X, (W, _) = sphere(6, 4, 0), draw_weights(4, 300, 0)
    bound = ntk_bounds.flip_bound(W, X, 0.8)

    def flips(change):
        return ((X @ W >= 0) != (X @ (W + change) >= 0)).sum(axis=1).max()

    rng = np.random.default_rng(1)
    changes = rng.standard_normal((100, *W.shape)) * rng.random((100, 1, W.shape[1])) ** rng.uniform(0, 9, (100, 1, 1))
    assert max(flips(0.8 * change / np.linalg.norm(change)) for change in changes) <= bound
    costs = np.sort(np.abs(X @ W), axis=1)
    assert np.linalg.norm(costs[:, : bound + 1], axis=1).min() > 0.8, "one more is out of reach"
    best = np.linalg.norm(costs[:, :bound], axis=1).argmin()
    cheapest = np.abs(X @ W)[best].argsort()[:bound]
    change = np.zeros_like(W)
    change[:, cheapest] = -(1 + 1e-9) * np.outer(X[best], (X @ W)[best, cheapest])
    assert flips(change) >= bound and np.linalg.norm(change) < 0.8 + 1e-6, "attained"
    W = np.random.default_rng(2).standard_normal((4, 100_000))
    assert ntk_bounds.flip_bound(W, X, 1.0) == pytest.approx((6 / np.pi) ** (1 / 3) * 1e5 ** (2 / 3), rel=0.05)
