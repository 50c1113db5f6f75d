"""Starts of the descent: the reweighted moment, the spectral start and its limits, and the starts that people use."""

from itertools import combinations

import naive
import numpy as np
import pytest
from scipy import stats
from tolerances import ITERATED, ROUND_OFF, STANDARD_ERRORS, assert_close, assert_mean

from aedyn import dictionaries, generative, initialization
from aedyn.initialization import spectral_start


def moment(r):
    """E x^r for x uniform on [1, 2]."""
    return (2 ** (r + 1) - 1) / (r + 1)


def sharing(codes, shared, n_pairs, rng):
    """Pairs of samples with this many atoms in common, and the first of these atoms."""
    active = codes.toarray() != 0
    u, v = np.random.default_rng(rng).integers(len(active), size=(2, 60_000))
    common = active[u] & active[v]
    fits = np.flatnonzero((u != v) & (common.sum(axis=1) == shared))[:n_pairs]
    assert len(fits) == n_pairs
    return np.column_stack([u, v])[fits], common[fits].argmax(axis=1)


def planted(model, n_samples, rng, *, centre=0.0, n_pairs=25):
    """Moduli of the eigenvalues of pairs that share one atom and of pairs that share none; overlaps of the former."""
    samples = model.sample(n_samples, rng)
    Y = samples.Y - centre * samples.Y.mean(axis=0)
    (one, atoms), (none, _) = (sharing(samples.codes, shared, n_pairs, rng) for shared in (1, 0))
    values, vectors = initialization.leading_eigenpairs(Y, np.vstack([one, none]), rng)
    overlaps = (vectors[:n_pairs] * model.A[:, atoms].T).sum(axis=1)
    right = np.sign(stats.skew(Y @ vectors[:n_pairs].T, axis=0)) == np.sign(overlaps)
    return abs(values[:n_pairs]), abs(values[n_pairs:]), abs(overlaps), right


def auc(high, low):
    """Probability that one of `high` is above one of `low`."""
    return np.mean(high[:, None] > low)


def distance(overlaps):
    return np.sqrt(2 - 2 * np.minimum(overlaps, 1))


# The moment -----------------------------------------------------------------------------------------------------------


def test_moment_is_the_average_it_says():
    Y, (u, v) = (np.random.default_rng(0).standard_normal(shape) for shape in ((30, 4), (2, 4)))
    assert_close(initialization.reweighted_moment(Y, u, v), naive.reweighted_moment(Y, u, v), ROUND_OFF)


@pytest.mark.parametrize("centre", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_population_moment_by_enumeration(k, centre):
    """Entries 1 and 2 with equal probability, all supports and values."""
    m = 5
    A, (u, v) = dictionaries.random_dictionary(4, m, 0), np.random.default_rng(1).standard_normal((2, 4))
    codes = []
    for support in combinations(range(m), k):
        for bits in range(2**k):
            code = np.zeros(m)
            code[list(support)] = [1 + (bits >> t & 1) for t in range(k)]
            codes.append(code)
    Y = np.array(codes) @ A.T
    moments = [(1 + 2**r) / 2 for r in range(1, 5)]
    M = initialization.population_moment(A, u, v, k, moments, centre=centre)
    assert_close(M, naive.reweighted_moment(Y - centre * Y.mean(axis=0), u, v), ROUND_OFF)


def test_population_moment_with_noise_by_monte_carlo():
    model = generative.NonnegativeSparse(dictionaries.random_dictionary(3, 4, 2), 0.5, k=2, a1=1, a2=2)
    u, v = np.random.default_rng(3).standard_normal((2, 3))
    Y = model.sample(200_000, 4).Y
    terms = ((Y @ u) * (Y @ v))[:, None, None] * Y[:, :, None] * Y[:, None, :]
    moments = [moment(r) for r in range(1, 5)]
    assert_mean(terms, initialization.population_moment(model.A, u, v, 2, moments, sigma_eta=0.5))
    without = initialization.population_moment(model.A, u, v, 2, moments)
    assert (abs(terms.mean(axis=0) - without) > STANDARD_ERRORS * terms.std(axis=0) / np.sqrt(len(Y))).any()


def test_signed_codes_leave_the_shared_atom_alone():
    """Equation (signed-moment) of the chapter, orthonormal atoms: diagonal but for the unshared atoms' cross terms."""
    m, k = 8, 2
    u, v = np.eye(m)[0] + np.eye(m)[1], np.eye(m)[0] + np.eye(m)[2]
    M = initialization.population_moment(np.eye(m), u, v, k, (0, 1, 0, 1))
    pairs = k * (k - 1) / (m * (m - 1))
    expected = np.diag([k / m] + (m - 1) * [pairs])
    for i, j in ((0, 1), (0, 2), (1, 2)):
        expected[i, j] = expected[j, i] = pairs
    assert_close(M, expected, ROUND_OFF)


def test_mixture_without_noise_is_of_rank_one():
    A = dictionaries.orthonormal_dictionary(12, 5, 5)
    ones = (1, 1, 1, 1)
    shared = initialization.population_moment(A, A[:, 2], A[:, 2], 1, ones)
    assert_close(shared, np.outer(A[:, 2], A[:, 2]) / 5, ROUND_OFF)
    assert abs(initialization.population_moment(A, A[:, 2], A[:, 3], 1, ones)).max() < ROUND_OFF


# Eigenpairs -----------------------------------------------------------------------------------------------------------


def test_eigenpairs_against_dense_matrices():
    Y = generative.NonnegativeSparse(dictionaries.random_dictionary(24, 30, 6), 0.1, k=2).sample(700, 7).Y
    pairs = np.random.default_rng(8).permutation(700)[:80].reshape(40, 2)  # more than a batch
    values, vectors = initialization.leading_eigenpairs(Y, pairs, 9, n_iter=24)
    for (u, v), value, vector in zip(pairs, values, vectors, strict=True):
        others = np.delete(np.arange(700), [u, v])
        exact, basis = np.linalg.eigh(naive.reweighted_moment(Y[others], Y[u], Y[v]))
        order = np.argsort(-abs(exact))
        assert_close(value, exact[order[:2]], ITERATED)
        if abs(exact[order[1]]) < 0.9 * abs(exact[order[0]]):
            assert abs(vector @ basis[:, order[0]]) == pytest.approx(1, rel=ITERATED)


def test_a_dozen_steps_are_enough_where_the_gap_is():
    Y = generative.NonnegativeSparse(dictionaries.random_dictionary(60, 60, 10), k=2, a1=1, a2=2).sample(3000, 11).Y
    pairs = np.random.default_rng(12).permutation(3000)[:600].reshape(300, 2)
    few, vectors = initialization.leading_eigenpairs(Y, pairs, 13)
    many, exact = initialization.leading_eigenpairs(Y, pairs, 14, n_iter=60)
    clear = abs(many[:, 1]) < 0.5 * abs(many[:, 0])
    assert 20 < clear.sum() < 280
    assert np.allclose(few[clear, 0], many[clear, 0], rtol=1e-4)
    assert (abs((vectors * exact).sum(axis=1))[clear] > 1 - 1e-4).all()


def test_data_of_low_rank_end_the_iteration_early():
    Y = np.random.default_rng(15).standard_normal((50, 2)) @ np.eye(2, 9)
    (values,), (vector,) = initialization.leading_eigenpairs(Y, [[0, 1]], 16, n_iter=9)
    exact, basis = np.linalg.eigh(naive.reweighted_moment(Y[2:], Y[0], Y[1]))
    order = np.argsort(-abs(exact))
    assert_close(values, exact[order[:2]], ITERATED)
    assert abs(vector @ basis[:, order[0]]) == pytest.approx(1, rel=ITERATED)


def test_same_bits_for_any_number_of_threads(set_threads):
    Y = generative.NonnegativeSparse(dictionaries.random_dictionary(40, 30, 17), 0.05, k=2).sample(1500, 18).Y
    starts = []
    for threads in (1, 2, 4):
        set_threads(threads)
        starts.append(spectral_start(Y, 10, 19, n_pairs=150))
    for start in starts[1:]:
        assert np.array_equal(start.weights, starts[0].weights)
        assert np.array_equal(start.eigenvalues, starts[0].eigenvalues)
    assert starts[0].weights.shape == (40, 10)


# Pairs that share an atom ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [0.03, 0.1])
def test_mixture_reference_values(sigma):
    model = generative.MixtureOfGaussians(dictionaries.random_dictionary(100, 10, 20), sigma)
    one, none, overlaps, right = planted(model, 10_000, 21)
    assert np.median(overlaps) >= 0.996
    assert auc(one[:, 0], none[:, 0]) == 1
    assert right.all()
    centred = planted(model, 10_000, 21, centre=1.0)[2]
    directions = dictionaries.normalize(model.A - model.A.mean(axis=1, keepdims=True))
    assert np.median(centred) == pytest.approx(np.median((directions * model.A).sum(axis=0)), abs=0.01)
    assert np.median(centred) < 0.96, "centring takes a tenth of the atoms' sum off each of them"


def test_sharing_pairs_separate_and_centring_pays_for_three_active_atoms():
    A = dictionaries.random_dictionary(256, 256, 22)
    positive = generative.NonnegativeSparse(A, k=3, a1=1, a2=2)
    distances = {}
    for centre in (0, 1, 2 / 3):
        one, none, overlaps, right = planted(positive, 10_000, 23, centre=centre)
        assert auc(one[:, 0], none[:, 0]) > 0.95
        assert auc(none[:, 1] / none[:, 0], one[:, 1] / one[:, 0]) > 0.95
        assert right.all()
        distances[centre] = np.median(distance(overlaps))
    control = np.median(distance(planted(generative.SparseCoding(A, k=3), 10_000, 23)[2]))
    assert distances[2 / 3] < distances[1] < distances[0]
    assert distances[2 / 3] < 1.15 * control < distances[0]


def test_signs_of_symmetric_codes_are_a_coin():
    right = planted(generative.SparseCoding(dictionaries.random_dictionary(60, 60, 24), k=2), 4000, 25, n_pairs=60)[3]
    assert stats.binomtest(int(right.sum()), 60).pvalue > 1e-3


def test_too_many_active_atoms_break_the_method_at_any_sample_size():
    """In expectation, so with infinitely many samples: the hypothesis k^2 << m fails, and with it the conclusion."""
    m, moments = 64, [moment(r) for r in range(1, 5)]
    A = dictionaries.random_dictionary(m, m, 26)
    medians = {}
    for k in (1, 2, 10):
        overlaps = []
        for trial in range(15):
            rng = np.random.default_rng([27, trial])
            order, x = rng.permutation(m), np.zeros((m, 2))
            x[order[:k], 0], x[order[k - 1 : 2 * k - 1], 1] = rng.uniform(1, 2, (2, k))
            values, vectors = np.linalg.eigh(initialization.population_moment(A, *(A @ x).T, k, moments))
            overlaps.append(abs(vectors[:, abs(values).argmax()] @ A[:, order[k - 1]]))
        medians[k] = np.median(overlaps)
    assert medians[1] > 0.99 and medians[2] > 0.95
    assert medians[10] < 0.5
    pairs = planted(generative.NonnegativeSparse(A, k=10, a1=1, a2=2), 4000, 28)
    assert np.median(pairs[2]) < 0.5
    assert auc(pairs[1][:, 1] / pairs[1][:, 0], pairs[0][:, 1] / pairs[0][:, 0]) < 0.75


def test_tilt_towards_the_mean():
    """First order in 1/sqrt(m), so the exact moment comes ever closer to the formula; and 1 - 1/k removes it."""
    moments, k = [moment(r) for r in range(1, 5)], 2
    gaps = []
    for m in (50, 200, 400):
        x = np.zeros((m, 2))
        x[[0, 1], 0] = x[[0, 2], 1] = 1.5

        def tilt(centre, m=m, x=x):
            shifted = x - centre * k * moments[0] / m
            M = initialization.population_moment(np.eye(m), *shifted.T, k, moments, centre=centre)
            vector = np.linalg.eigh(M)[1][:, -1]
            return abs(vector[3:].mean() * np.sqrt(m - 1) / vector[0])  # atoms in neither sample

        predicted = moments[0] * moments[2] / moments[3] * np.sqrt(m - 1) * (k - 1) / (m - 1)
        gaps.append(abs(tilt(0.0) / predicted - 1))
        assert tilt(0.5) < 0.1 * tilt(0.0)
        assert tilt(1.0) == pytest.approx(tilt(0.0), rel=0.1), "at k = 2 centring makes no difference"
    assert gaps[0] > gaps[1] > gaps[2] and gaps[2] < 0.05


def test_error_falls_like_the_square_root_of_the_samples():
    sizes, sigma, m = np.array([500, 2000, 8000, 32_000]), 0.05, 32
    model = generative.MixtureOfGaussians(dictionaries.orthonormal_dictionary(m, m, 29), sigma)
    errors = [np.median(distance(planted(model, N, [30, N])[2])) for N in sizes]
    slope = stats.linregress(np.log(sizes), np.log(errors)).slope
    assert slope == pytest.approx(-0.5, abs=0.08)
    assert np.allclose(errors, sigma * m / np.sqrt(sizes), rtol=0.25), "the error of the mean of one cluster"


# The spectral start ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 2])
def test_recovers_all_atoms_with_their_signs(k):
    A = dictionaries.random_dictionary(80, 24, 31)
    Y = generative.NonnegativeSparse(A, 0.02, k=k, a1=1, a2=2).sample(6000, 32).Y
    start = spectral_start(Y, 24, 33, n_pairs=500, centre=1 - 1 / k, draws=6)
    assert start.converged and start.status == "found" and start.n_iter == 12
    assert dictionaries.match_columns(start.weights, A).delta < 0.3
    assert_close(np.linalg.norm(start.weights, axis=0), np.ones(24), ROUND_OFF)
    assert start.accepted[start.kept].all() and not start.accepted.all()
    first, second = abs(start.eigenvalues).T
    assert np.array_equal(start.accepted, second <= 0.5 * first)
    assert (np.diff((second / first)[start.kept]) >= 0).all(), "the clearest first"
    assert (start.pairs[:, 0] != start.pairs[:, 1]).all()
    gram = abs(start.weights.T @ start.weights) - np.eye(24)
    assert gram.max() <= 0.7, "no atom twice"


def test_mirrored_data_give_mirrored_columns_unless_signs_are_left_alone():
    Y = generative.MixtureOfGaussians(dictionaries.orthonormal_dictionary(20, 4, 34), 0.05).sample(800, 35).Y
    options = {"n_pairs": 60}
    start, mirrored = (spectral_start(data, 4, 36, **options) for data in (Y, -Y))
    assert np.array_equal(start.weights, -mirrored.weights)
    left, right = (spectral_start(data, 4, 36, sign=None, **options) for data in (Y, -Y))
    assert np.array_equal(left.weights, right.weights)


@pytest.mark.filterwarnings("ignore:60 pairs gave")
def test_several_draws_make_sharing_pairs_likely():
    samples = generative.MixtureOfGaussians(dictionaries.orthonormal_dictionary(30, 20, 37), 0.03).sample(2000, 38)
    labels = samples.codes.indices
    shares = {}
    for draws in (1, 40):
        pairs = spectral_start(samples.Y, 20, 39, n_pairs=60, draws=draws).pairs
        shares[draws] = np.mean(labels[pairs[:, 0]] == labels[pairs[:, 1]])
    assert shares[1] < 0.2 and shares[40] > 0.7


def test_too_few_pairs_are_reported():
    Y = generative.MixtureOfGaussians(dictionaries.orthonormal_dictionary(20, 10, 40), 0.03).sample(500, 41).Y
    with pytest.warns(RuntimeWarning, match="3 pairs gave . of the 10 columns wanted"):
        start = spectral_start(Y, 10, 42, n_pairs=3)
    assert not start.converged and start.status == "too few"
    assert start.weights.shape == (20, len(start.kept)) and len(start.kept) <= 3


def test_data_of_zeros_give_no_column():
    with pytest.warns(RuntimeWarning, match="gave 0 of the 2"):
        start = spectral_start(np.zeros((10, 3)), 2, 43, n_pairs=4)
    assert start.weights.shape == (3, 0) and not start.accepted.any()


Y = np.random.default_rng(44).standard_normal((30, 5))


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((Y, 29), {}, r"Y must have at least m \+ 2 = 31 samples, two of them for a pair; got 30"),
        ((Y, 0), {}, "m must be a whole number at least 1; got 0"),
        ((Y, 2.5), {}, "m must be a whole number at least 1; got 2.5"),
        ((np.where(Y > 2, np.nan, Y), 3), {}, "Y must have finite entries; got . that are not"),
        ((Y[0], 3), {}, r"Y must be a matrix of shape \(any, any\); got shape \(5,\)"),
        ((Y, 3), {"n_pairs": 0}, "n_pairs must be a whole number at least 1; got 0"),
        ((Y, 3), {"draws": 0}, "draws must be a whole number at least 1; got 0"),
        ((Y, 3), {"n_iter": 1}, "n_iter must be a whole number at least 2; got 1"),
        ((Y, 3), {"gap": 1.5}, r"gap must lie in \[0, 1\]; got 1.5"),
        ((Y, 3), {"same": -1}, r"same must lie in \[0, 1\]; got -1"),
        ((Y, 3), {"centre": 2}, r"centre must lie in \[0, 1\]; got 2"),
        ((Y, 3), {"sign": "mean"}, "sign must be 'skewness' or None; got 'mean'"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(arguments, options, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        spectral_start(*arguments, 0, **{"n_pairs": 5} | options)


@pytest.mark.parametrize("pairs", [[[0, 30]], [[-1, 2]], [0, 1], [[0, 1, 2]]])
def test_pairs_must_be_rows_of_the_data(pairs):
    with pytest.raises(ValueError, match="pairs must be pairs of row numbers from 0 to 29"):
        initialization.leading_eigenpairs(Y, pairs, 0)


def test_impossible_support_is_refused():
    with pytest.raises(ValueError, match="k must be a whole number from 1 to 3; got 4"):
        initialization.population_moment(np.eye(3), Y[0, :3], Y[1, :3], 4, (1, 1, 1, 1))


# What people use ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("centre", [True, False])
def test_principal_directions(centre):
    data = Y + 3
    W = initialization.pca_start(data, 3, centre)
    _, _, directions = np.linalg.svd(data - centre * data.mean(axis=0))
    assert_close(abs(directions[:3] @ W), np.eye(3), ITERATED)
    with pytest.raises(ValueError, match="m must be a whole number from 1 to 5; got 6"):
        initialization.pca_start(Y, 6)


def test_kmeans_columns_are_samples_of_different_clusters():
    A = dictionaries.orthonormal_dictionary(20, 4, 45)
    data = generative.MixtureOfGaussians(A, 0.01).sample(200, 46).Y
    W = initialization.kmeans_start(data, 4, 47)
    assert dictionaries.match_columns(W, A).delta < 0.1
    assert (abs(dictionaries.normalize(data.T).T @ W - 1).min(axis=0) < ITERATED).all(), "each is one of the samples"
    assert np.array_equal(W, initialization.kmeans_start(data, 4, 47))
    with pytest.raises(ValueError, match="m must be a whole number from 1 to 30; got 31"):
        initialization.kmeans_start(Y, 31, 0)


def test_dictionary_learning_comes_closer_than_chance():
    A = dictionaries.orthonormal_dictionary(20, 4, 48)
    data = generative.NonnegativeSparse(A, 0.01, k=1, a1=1, a2=2).sample(400, 49).Y
    W = initialization.dictionary_learning_start(data, 4, 50)
    assert_close(np.linalg.norm(W, axis=0), np.ones(4), ROUND_OFF)
    assert np.median((A.T @ W).max(axis=1)) > 0.9
    assert np.array_equal(W, initialization.dictionary_learning_start(data, 4, 50))
