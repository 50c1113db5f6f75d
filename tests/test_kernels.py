"""Compiled kernels: found one by one, compared with their Python and a naive reference, and safely compiled."""

import importlib
import pkgutil

import naive
import numba
import numpy as np
import pytest
from numba.extending import is_jitted
from tolerances import ROUND_OFF, assert_close

import aedyn
from aedyn.generative import SparseCoding

compiled = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="NUMBA_DISABLE_JIT is set, so nothing is compiled")


def kernels():
    """Compiled functions of the package by name, such as ``generative._make_distinct``."""
    found = {}
    for module in pkgutil.iter_modules(aedyn.__path__):
        for name, value in vars(importlib.import_module(f"aedyn.{module.name}")).items():
            if is_jitted(value) and value.py_func.__module__ == f"aedyn.{module.name}":
                found[f"{module.name}.{name}"] = value
    return found


def distinct():
    rng = np.random.default_rng(0)
    draws = rng.integers(np.arange(5, 9) + 1, size=(50, 4))
    assert any(len(set(draw)) < 4 for draw in draws)
    expected = [sorted(naive.floyd(draw, 9)) for draw in draws]
    return (draws, np.zeros(9, dtype=np.bool_)), lambda subsets, taken: np.sort(subsets, axis=1), np.array(expected)


def threshold():
    z = np.append(np.random.default_rng(0).standard_normal(40), [-0.7, 0.7, 0.0])
    return (z, 0.7, np.empty_like(z)), lambda z, lam, x: x, np.vectorize(naive.hard_threshold)(z, 0.7)


GROUPS = [[6], [0, 5, 3], [7, 1], [2, 4]]
INDICES, PTR = np.array([6, 0, 5, 3, 7, 1, 2, 4]), np.array([0, 1, 4, 6, 8])
LABELS = np.array([1, 2, 3, 1, 3, 1, 0, 2])


def shrinkage():
    Z = np.random.default_rng(0).standard_normal((20, 8))
    expected = np.array([naive.group_shrinkage(z, 1.2, GROUPS) for z in Z])
    assert 0 < np.count_nonzero(expected) < expected.size
    return (Z, 1.2, LABELS, INDICES, PTR, np.zeros_like(Z)), lambda *arrays: arrays[-1], expected


def group_lists():
    """Codes with some active groups, and the lists of these."""
    X = shrinkage()[2]
    X[2, 5] = 0  # an active group of which an entry is zero
    X[4] = 0  # a sample without any
    lists = naive.list_groups(X, GROUPS)
    assert 5 in lists[2] and [] in lists
    return X, lists, np.array([atom for atoms in lists for atom in atoms]), np.cumsum([len(atoms) for atoms in lists])


def listing(room):
    X, _, atoms, ends = group_lists()
    expected = np.append(atoms, ends)
    if room < len(atoms):
        full = np.searchsorted(ends, room, side="right")  # the sample whose list does not fit
        expected = np.concatenate([atoms[:room], ends[: full + 1], np.zeros(len(X) - full - 2), ends[[full]]])
    arrays = (X, LABELS, INDICES, PTR, np.full(min(room, len(atoms)), -1), np.zeros(len(X), dtype=np.int64))
    return arrays, lambda *arrays: np.concatenate(arrays[-2:]), expected


def pulling():
    X, lists, atoms, ends = group_lists()
    v = np.random.default_rng(1).standard_normal(len(atoms))
    expected, entries = [], iter(v)
    for x, listed in zip(X, lists, strict=True):
        full = np.zeros(8)
        full[listed] = [next(entries) for _ in listed]
        # the code is the shrinkage of itself prolonged by lam
        norms = {i: np.linalg.norm(x[group]) for group in GROUPS for i in group}
        z = np.array([x[i] * (1 + 1.2 / norms[i]) if norms[i] else 0 for i in range(8)])
        expected += list((naive.shrinkage_jacobian(z, 1.2, GROUPS, 0.7) @ full)[listed])
    rows = np.repeat(np.arange(len(X)), [len(listed) for listed in lists])
    arrays = (X[rows, atoms], v, LABELS[atoms], ends, 1.2, 0.7, np.zeros((2, 4)), np.zeros_like(v))
    return arrays, lambda *arrays: np.append(arrays[-1], arrays[-2]), np.append(expected, np.zeros(8))


def overlaps():
    X, lists, atoms, ends = group_lists()
    rng = np.random.default_rng(1)
    W, Y = rng.standard_normal((5, 8)), rng.standard_normal((20, 5))
    U, gram = Y @ W, W.T @ W
    x, c, explained = naive.overlaps(U, X, gram, lists)
    arrays = (U, X, gram, atoms, ends, np.zeros_like(x), np.zeros_like(c), np.array([3.0]))
    return arrays, lambda *arrays: np.concatenate(arrays[-3:]), np.concatenate([x, c, [3.0 - explained]])


def sums():
    _, lists, atoms, ends = group_lists()
    rng = np.random.default_rng(2)
    Y, (x, weights) = rng.standard_normal((20, 5)), rng.standard_normal((2, len(atoms)))
    start = [rng.standard_normal(shape) for shape in ((8, 5), (8, 8), 1)]  # the kernel adds to what is there
    added = naive.add_sparse(Y, lists, x, weights, 8)
    expected = np.concatenate([(before + part).ravel() for before, part in zip(start, added, strict=True)])
    return (
        (Y, atoms, ends, x, weights, *start),
        lambda *arrays: np.concatenate([a.ravel() for a in arrays[5:]]),
        expected,
    )


def errors(signed):
    codes = SparseCoding(np.eye(6), k=2).draw_codes(40, 0)
    X = codes.toarray()
    X[::3] *= -1
    X[::4, 2] = 0
    X[::5, 3] = 1
    expected = np.array(naive.count_errors(X, codes.toarray(), signed))
    assert expected.all() and expected[0] < 40
    counts = np.zeros(3, dtype=np.int64)
    return (X, codes.indptr, codes.indices, codes.data, signed, counts), lambda *arrays: arrays[-1], expected


def transform():
    v = np.random.default_rng(0).standard_normal(16)
    return (v,), lambda v: v, naive.hadamard(v)


def extremes():
    codes = SparseCoding(np.eye(6), k=2).draw_codes(30, 0)
    Z = np.random.default_rng(1).standard_normal((30, 6))
    groups = [[0, 4], [1, 2, 5], [3]]
    expected = np.concatenate(naive.norm_extremes(Z, codes.toarray(), groups))
    indices, ptr = np.array([0, 4, 1, 2, 5, 3]), np.array([0, 2, 5, 6])
    arrays = (Z, indices, ptr, codes.indptr, codes.indices, np.full(30, np.inf), np.zeros(30))
    return arrays, lambda *arrays: np.concatenate(arrays[-2:]), expected


def adam_change():
    gradient, mean, square = np.random.default_rng(4).standard_normal((3, 6, 5))
    square *= square
    expected = naive.adam_change(gradient, mean, square, 0.1, 0.9, 0.99, 3)
    arrays = (gradient, mean, square, 0.1, 0.9, 0.99, 3, np.zeros_like(gradient))
    return arrays, lambda *arrays: np.array([arrays[1], arrays[2], arrays[-1]]), np.array(expected)


def proximal_step(nonnegative):
    rng = np.random.default_rng(5)
    S, P, before, X, Z = rng.standard_normal((5, 8, 20))
    codes = np.array([naive.sparse_group_proximal(v, 0.2, 0.7, GROUPS, nonnegative) for v in (S + P).T]).T
    assert 0 < np.count_nonzero(codes) < 0.8 * codes.size
    expected = np.array([codes, codes + 0.3 * (codes - before)])
    arrays = (S, P, 0.2, 0.7, nonnegative, INDICES, PTR, 0.3, before, X, Z)
    return arrays, lambda *arrays: np.array(arrays[-2:]), expected


def proximal_pull_back(nonnegative):
    rng = np.random.default_rng(6)
    v, D, V, C, V_sum = rng.standard_normal((5, 8, 20))
    X = np.array([naive.sparse_group_proximal(z, 0.2, 0.7, GROUPS, nonnegative) for z in v.T]).T
    lost = rng.standard_normal((2, 20))
    pulled = [naive.sparse_group_pull_back(z, d, 0.2, 0.7, GROUPS, nonnegative) for z, d in zip(v.T, D.T, strict=True)]
    pulled, entries, groups = (np.array(part).T for part in zip(*pulled, strict=True))
    assert 0 < np.count_nonzero(pulled) < 0.8 * pulled.size
    expected = np.concatenate([pulled, 1.4 * pulled - 0.3 * V, V_sum + pulled, lost + [entries, groups]])
    arrays = (X, D, 0.7, INDICES, PTR, 0.4, 0.3, V, C, V_sum, lost)
    return arrays, lambda *arrays: np.concatenate(arrays[-4:]), expected


def common_bits():
    rng = np.random.default_rng(7)
    rows, masks = rng.random((4, 128)) < 0.5, rng.random((3, 128)) < 0.5
    i, j = np.triu_indices(4)
    words = [np.packbits(bits, axis=1).view(np.uint64) for bits in (rows, masks)]
    expected = naive.common_bits(rows, i, j, masks)
    return (words[0], i, j, words[1], np.zeros((10, 3))), lambda *arrays: arrays[-1], expected


def wide_step(regime):
    """Two pieces of three units, of which one unit is exactly at 0 for a sample."""
    rng = np.random.default_rng(6)
    X, E = rng.standard_normal((2, 4, 5))
    W, A = rng.standard_normal((2, 2, 5, 3))
    X[1, 0] = 0.0
    W[1, :, 2] = [1.0, 0, 0, 0, 0]
    moves_W, moves_A = regime != "decoder", regime != "encoder"
    Z = X @ W
    assert Z[1, 1, 2] == 0 and 0 < np.mean(Z < 0) < 1
    H = np.where(Z < 0, -0.0, Z)
    W1 = W + moves_W * 0.1 * X.T @ (E @ A * (Z >= 0))
    A1 = A + moves_A * 0.1 * E.T @ np.maximum(Z, 0)
    H1 = np.maximum(X @ W1, 0)
    U = sum(H1 @ A1.swapaxes(1, 2))
    expected = np.concatenate([V.ravel() for V in (W1, A1, H1, U)])
    arrays = (X, E, W, A, H, 0.1, moves_W, moves_A, np.full((4, 5), np.nan))
    return arrays, lambda *arrays: np.concatenate([arrays[k].ravel() for k in (2, 3, 4, 8)]), expected


def added():
    total, part = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 0.0], [-2.0, 6.0]])
    return (total, -0.5, part), lambda total, factor, part: total, np.array([[0.5, 2.0], [4.0, 1.0]])


def rectified():
    Z = np.array([[1.5, -2.0, 0.0], [-3.0, 3.0, -1e-300]])
    return (Z,), lambda Z: np.copysign(1 + np.abs(Z), Z), np.array([[2.5, -1, 1], [-1, 4, -1]])


def silenced():
    B, H = np.array([[1.0, 2.0, 3.0]]), np.array([[0.0, -0.0, 4.0]])
    return (B, H), lambda B, H: B, np.array([[1.0, 0, 3]])


def found_errors():
    rng = np.random.default_rng(8)
    X, U = rng.standard_normal((4, 5)), rng.standard_normal((3, 4, 5))
    return (X, U, 0.7, np.zeros_like(X)), lambda *arrays: arrays[-1], X - 0.7 * U.sum(axis=0)


# For each kernel: its arguments, what to look at when it has run on them, and what that must be
CASES = {
    "generative._make_distinct": [distinct],
    "activations._hard_threshold": [threshold],
    "activations._shrink_groups": [shrinkage],
    "activations._fill_list": [lambda: listing(1000), lambda: listing(10)],
    "activations._pull_back_groups": [pulling],
    "autoencoder._overlaps": [overlaps],
    "autoencoder._add_sparse": [sums],
    "code_consistency._count_errors": [lambda: errors(True), lambda: errors(False)],
    "code_consistency._fast_hadamard": [transform],
    "group_support_recovery._write_extremes": [extremes],
    "ntk_kernels._count": [common_bits],
    "optimizers._adam_change": [adam_change],
    "wide_network._advance": [lambda r=regime: wide_step(r) for regime in ("encoder", "decoder", "joint")],
    "wide_network._add": [added],
    "wide_network._rectify": [rectified],
    "wide_network._drop_silent": [silenced],
    "wide_network._find_errors": [found_errors],
    "unfolded._step": [lambda: proximal_step(True), lambda: proximal_step(False)],
    "unfolded._pull_back_step": [lambda: proximal_pull_back(True), lambda: proximal_pull_back(False)],
}
every_case = pytest.mark.parametrize(
    ("kernel", "case"), [(kernel, case) for kernel, cases in CASES.items() for case in cases]
)


def outcome(function, arguments, look):
    arguments = [argument.copy() if isinstance(argument, np.ndarray) else argument for argument in arguments]
    function(*arguments)
    return look(*arguments)


def find(kernel):
    module, name = kernel.split(".")
    return getattr(importlib.import_module(f"aedyn.{module}"), name)


@every_case
def test_against_the_naive_reference(kernel, case):
    arguments, look, expected = case()
    before = [np.copy(argument) for argument in arguments]
    assert_close(outcome(find(kernel), arguments, look), expected, ROUND_OFF)
    assert not np.array_equal(look(*before), expected), "the kernel had something to do"


@compiled
@every_case
def test_compiled_against_python(kernel, case):
    arguments, look, _ = case()
    function = find(kernel)
    assert_close(outcome(function, arguments, look), outcome(function.py_func, arguments, look), ROUND_OFF)


@compiled
def test_every_kernel_has_its_case():
    assert set(kernels()) == set(CASES)


@compiled
@pytest.mark.parametrize("kernel", CASES)
def test_kernels_are_cached_and_keep_nan_and_infinity(kernel):
    function = find(kernel)
    outcome(function, *CASES[kernel][0]()[:2])
    assert function.stats.cache_path, "cache=True"
    flags = function.targetoptions.get("fastmath", False)
    assert flags is not True and not {"fast", "nnan", "ninf"} & set(flags or ())
    assert function.__doc__
