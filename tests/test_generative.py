"""The generative models: supports, moments, noise and blocks, each against the assumption that it is to satisfy."""

import re
import tracemalloc
from dataclasses import FrozenInstanceError
from itertools import islice, product

import naive
import numpy as np
import pytest
from scipy.special import comb
from tolerances import ROUND_OFF, assert_close, assert_mean

from aedyn import generative
from aedyn.dictionaries import make_groups, orthonormal_dictionary, random_dictionary
from aedyn.generative import (
    GroupSparse,
    MixtureOfGaussians,
    NonnegativeSparse,
    SparseCoding,
    draw_subsets,
    split_stream,
)

A = random_dictionary(5, 8, 0)
INTERLEAVED = make_groups(8, groups=[[0, 4], [7, 1], [2, 6], [5, 3]])
MODELS = {
    "mixture": MixtureOfGaussians(A, 0.1),
    "sparse coding": SparseCoding(A, 0.1, k=3, a1=0.4),
    "non-negative": NonnegativeSparse(A, 0.1, k=3, a1=0.5, a2=2.0),
    "group-sparse": GroupSparse(A, 0.1, groups=INTERLEAVED, n_active=2, b_min=0.5, b_max=2.0),
}
every_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
N = 20_000


def supports(codes):
    """Indicator of the support, shape (n_samples, m)."""
    return codes.toarray() != 0


# Supports -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("m", "k"), [(5, 3), (4, 1), (4, 4), (6, 2)])
def test_subsets_are_exactly_uniform_when_the_draws_are(m, k):
    # all draws there are, each once: every subset must come out equally often
    draws = np.array(list(product(*(range(m - k + t + 1) for t in range(k)))))
    subsets = draws.copy()
    generative._make_distinct(subsets, np.zeros(m, dtype=np.bool_))
    assert [set(subset) for subset in subsets] == [naive.floyd(draw, m) for draw in draws]
    found, counts = np.unique(np.sort(subsets, axis=1), axis=0, return_counts=True)
    assert len(found) == comb(m, k, exact=True)
    assert set(counts) == {len(draws) // len(found)}


@pytest.mark.parametrize(("m", "k"), [(7, 3), (7, 1), (7, 7)])
def test_subsets_are_sorted_and_distinct_and_uniform(m, k):
    subsets = draw_subsets(N, m, k, np.random.default_rng(0))
    assert subsets.shape == (N, k) and subsets.min() >= 0 and subsets.max() < m
    assert (np.diff(subsets, axis=1) > 0).all()
    on = np.zeros((N, m))
    np.put_along_axis(on, subsets, 1, axis=1)
    assert_mean(on, k / m)
    pairs = [on[:, i] * on[:, j] for i in range(m) for j in range(i)]
    assert_mean(np.column_stack(pairs), k * (k - 1) / (m * (m - 1)))


@every_model
def test_codes_are_sparse_matrices_with_supports_of_the_right_size(model):
    codes = model.draw_codes(500, 0)
    size = 4 if isinstance(model, GroupSparse) else model.k
    assert codes.shape == (500, 8) and codes.dtype == np.float64
    assert (np.diff(codes.indptr) == size).all()
    rows = codes.indices.reshape(500, size)
    assert (np.diff(rows, axis=1) > 0).all()
    assert np.count_nonzero(codes.data) == 500 * size


@pytest.mark.parametrize("name", ["sparse coding", "non-negative"])
def test_supports_of_the_models_are_uniform(name):
    on = supports(MODELS[name].draw_codes(N, 1)).astype(float)
    assert_mean(on, 3 / 8)
    pairs = [on[:, i] * on[:, j] for i in range(8) for j in range(i)]
    assert_mean(np.column_stack(pairs), 3 * 2 / (8 * 7))


def test_mixture_follows_its_probabilities():
    p = np.array([0.05, 0.1, 0.05, 0.3, 0.1, 0.1, 0.2, 0.1])
    codes = MixtureOfGaussians(A, probabilities=p).draw_codes(N, 0)
    assert (codes.data == 1).all()
    assert_mean(supports(codes), p)
    assert_mean(supports(MODELS["mixture"].draw_codes(N, 0)), 1 / 8)


# Entries --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model",
    [
        SparseCoding(A, k=3, a1=0.4),
        SparseCoding(A, k=3, a1=1e-3),
        NonnegativeSparse(A, k=3, a1=0.5, a2=2.0),
        MixtureOfGaussians(A),
    ],
    ids=["sparse coding", "sparse coding, small a1", "non-negative", "mixture"],
)
def test_moments_and_range_of_the_entries(model):
    entries = model.draw_codes(N, 2).data
    assert_mean(entries, model.kappa1)
    assert_mean(entries**2, model.kappa2)
    assert np.abs(entries).min() >= model.a1 and np.abs(entries).max() <= model.a2
    if model.a1 < 1:
        assert np.abs(entries).min() < 1.05 * model.a1 + 1e-3, "the lower end is reached"
    if model.k > 1:
        first, second = entries.reshape(N, model.k)[:, :2].T
        assert_mean(first * second, model.kappa1**2)  # assumption A2: entries are independent


def test_entries_of_sparse_coding_have_the_law_documented():
    a1 = 0.4
    entries = MODELS["sparse coding"].draw_codes(N, 3).data
    assert_mean(entries > 0, 0.5)
    squares = (entries**2 - a1**2) / (1 - a1**2)
    assert_mean(squares, 1.0)
    assert_mean(squares**2, 3.0)  # as the square of a standard normal variable


def test_sparse_coding_with_entries_of_modulus_one_draws_signs():
    entries = SparseCoding(A, k=3).draw_codes(N, 0).data
    assert set(entries) == {-1.0, 1.0}
    assert_mean(entries, 0.0)


def test_nonnegative_entries_are_uniform():
    entries = MODELS["non-negative"].draw_codes(N, 0).data
    for quarter in (0.25, 0.5, 0.75):
        assert_mean(entries < 0.5 + 1.5 * quarter, quarter)


def test_nonnegative_codes_with_one_entry_equal_to_one_are_the_mixture():
    one, mixture = NonnegativeSparse(A).draw_codes(N, 0), MixtureOfGaussians(A).draw_codes(N, 1)
    assert (one.data == 1).all() and (mixture.data == 1).all()
    assert_mean(supports(one).astype(float) - supports(mixture), 0)
    assert (NonnegativeSparse(A).kappa1, NonnegativeSparse(A).kappa2) == (1, 1)


def test_group_sparse_codes():
    model = MODELS["group-sparse"]
    codes = model.draw_codes(N, 0).toarray()
    norms = np.column_stack([np.linalg.norm(codes[:, INTERLEAVED[g]], axis=1) for g in range(4)])
    active = norms > 0
    assert (active.sum(axis=1) == 2).all()
    assert norms[active].min() >= 0.5 - ROUND_OFF and norms[active].max() <= 2 + ROUND_OFF
    assert_mean(active, 2 / 4)
    assert_mean(np.column_stack([active[:, g] & active[:, h] for g in range(4) for h in range(g)]), 2 * 1 / (4 * 3))
    assert_mean(norms[active], (0.5 + 2) / 2)
    assert_mean(norms[active] ** 2, (0.5**2 + 0.5 * 2 + 2**2) / 3)
    first, second = codes[:, INTERLEAVED[1]][active[:, 1]].T
    angle = np.arctan2(second, first)
    for moment in (1, 2, 3):
        assert_mean(np.column_stack([np.cos(moment * angle), np.sin(moment * angle)]), 0)


def test_groups_of_one_atom_draw_signs():
    codes = GroupSparse(A, groups=make_groups(8, group_size=1), n_active=3).draw_codes(N, 0)
    assert (np.diff(codes.indptr) == 3).all()
    assert_close(np.abs(codes.data), np.ones(3 * N), ROUND_OFF)
    assert_mean(codes.data, 0)
    assert_mean(supports(codes), 3 / 8)


# Samples --------------------------------------------------------------------------------------------------------------


@every_model
def test_samples_are_codes_times_dictionary_plus_noise(model):
    drawn = model.sample(4000, 0)
    noise = drawn.Y - naive.samples(A, drawn.codes)
    assert_mean(noise, 0)
    assert_mean(noise**2, model.sigma_eta**2)
    assert_mean(noise[:, 0] * noise[:, 1], 0)
    assert_mean(noise * (drawn.codes @ A.T), 0)


@every_model
def test_samples_without_noise_are_codes_times_dictionary(model):
    quiet = type(model)(**{name: getattr(model, name) for name in model.__dataclass_fields__} | {"sigma_eta": 0})
    drawn = quiet.sample(50, 0)
    assert_close(drawn.Y, naive.samples(A, drawn.codes), ROUND_OFF)
    assert np.array_equal(drawn.codes.toarray(), model.sample(50, 0).codes.toarray()), "codes are drawn first"


@every_model
def test_same_seed_same_bits_and_another_seed_others(model):
    first, again, other = model.sample(20, 7), model.sample(20, np.random.default_rng(7)), model.sample(20, 8)
    assert np.array_equal(first.Y, again.Y) and np.array_equal(first.codes.toarray(), again.codes.toarray())
    assert not np.allclose(first.Y, other.Y)


# Blocks ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_samples", "sizes"), [(10, [4, 4, 2]), (8, [4, 4]), (3, [3])])
def test_blocks_add_up(n_samples, sizes):
    assert [size for size, _ in split_stream(n_samples, 0, 4)] == sizes
    blocks = list(MODELS["sparse coding"].blocks(n_samples, 0, block_size=4))
    assert [len(block.Y) for block in blocks] == sizes == [block.codes.shape[0] for block in blocks]


@every_model
def test_a_block_does_not_depend_on_how_many_are_drawn(model):
    every = [block.Y for block in model.blocks(50, 3, block_size=10)]
    some = [block.Y for block in islice(model.blocks(50, 3, block_size=10), 2)]
    fewer = [block.Y for block in model.blocks(20, 3, block_size=10)]
    assert np.array_equal(every[:2], some) and np.array_equal(every[:2], fewer)
    assert not any(np.allclose(every[i], every[j]) for i in range(5) for j in range(i))


@every_model
def test_blocks_may_be_drawn_in_any_order(model):
    every = [block.Y for block in model.blocks(25, 3, block_size=10)]
    for block, (size, stream) in reversed(list(enumerate(split_stream(25, 3, 10)))):
        assert np.array_equal(model.sample(size, stream).Y, every[block])


def test_many_samples_need_little_memory():
    n, n_samples = 784, 100_000
    model = MixtureOfGaussians(orthonormal_dictionary(n, 10, 0), 0.1)
    total, seen = np.zeros(n), 0
    tracemalloc.start()
    for block in model.blocks(n_samples, 0, block_size=1024):
        total += block.Y.sum(axis=0)
        seen += len(block.Y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seen == n_samples
    assert 1024 * n * 8 < peak < 0.06 * n_samples * n * 8


# Bad input ------------------------------------------------------------------------------------------------------------


@every_model
def test_models_are_frozen(model):
    for name in ("A", "sigma_eta", "k", "new"):
        with pytest.raises(FrozenInstanceError):
            setattr(model, name, 1)


@every_model
def test_sizes_come_from_the_dictionary(model):
    assert (model.n, model.m) == (5, 8)


UNEVEN = make_groups(8, groups=[[0, 1, 2], [3, 4, 5, 6, 7]])
EVEN = make_groups(8, group_size=2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SparseCoding(2 * A), "A must have columns of norm 1; column 0 has norm 2"),
        (lambda: MixtureOfGaussians(A, -0.1), "sigma_eta must lie in [0, inf); got -0.1"),
        (lambda: MixtureOfGaussians(A, probabilities=np.ones(8)), "probabilities must be 8 positive numbers that sum"),
        (lambda: MixtureOfGaussians(A, probabilities=np.ones(4) / 4), "probabilities must be 8 positive numbers"),
        (lambda: MixtureOfGaussians(A, probabilities=[-0.2, 0.6] + [0.1] * 6), "probabilities must be 8 positive num"),
        (lambda: MixtureOfGaussians(A, probabilities=[np.nan] * 8), "probabilities must be 8 positive numbers"),
        (lambda: SparseCoding(A, k=9), "k must be a whole number from 1 to 8; got 9"),
        (lambda: NonnegativeSparse(A, k=0), "k must be a whole number from 1 to 8; got 0"),
        (lambda: SparseCoding(A, k=1.5), "k must be a whole number from 1 to 8; got 1.5"),
        (lambda: SparseCoding(A, a1=0), "a1 must lie in (0, 1]; got 0"),
        (lambda: SparseCoding(A, a1=1.1), "a1 must lie in (0, 1]; got 1.1"),
        (lambda: NonnegativeSparse(A, a1=0), "a1 must lie in (0, inf); got 0"),
        (lambda: NonnegativeSparse(A, a1=2, a2=1), "a2 must lie in [2, inf); got 1"),
        (lambda: GroupSparse(A), "groups must partition the 8 atoms into groups of one size; got None"),
        (lambda: GroupSparse(A, groups=UNEVEN), "groups must partition the 8 atoms into groups of one size; got Group"),
        (lambda: GroupSparse(A, groups=make_groups(4, group_size=2)), "groups must partition the 8 atoms into groups"),
        (lambda: GroupSparse(A, groups=EVEN, n_active=5), "n_active must be a whole number from 1 to 4; got 5"),
        (lambda: GroupSparse(A, groups=EVEN, b_min=0), "b_min must lie in (0, inf); got 0"),
        (lambda: GroupSparse(A, groups=EVEN, b_min=3), "b_max must lie in [3, inf); got 1"),
        (lambda: MODELS["mixture"].sample(0, 0), "n_samples must be a whole number at least 1; got 0"),
        (lambda: split_stream(5, 0, 0), "block_size must be a whole number at least 1; got 0"),
    ],
)
def test_bad_parameters_are_refused(make, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        make()
