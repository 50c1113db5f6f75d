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


def sums():
    rng = np.random.default_rng(0)
    W, Y = rng.standard_normal((5, 8)), rng.standard_normal((30, 5))
    U, gram = Y @ W, W.T @ W
    X = np.where(np.abs(U) > 2.5, U, 0)
    assert 0 < np.count_nonzero(X) < X.size / 2
    start = [rng.standard_normal(shape) for shape in ((8, 5), (8, 8), 8, 8, 1)]  # the kernel adds to what is there
    added = naive.add_sparse(Y, U, X, gram)
    expected = np.concatenate([(before + part).ravel() for before, part in zip(start, added, strict=True)])
    return (Y, U, X, gram, *start), lambda *arrays: np.concatenate([part.ravel() for part in arrays[4:]]), expected


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


# For each kernel: its arguments, what to look at when it has run on them, and what that must be
CASES = {
    "generative._make_distinct": [distinct],
    "activations._hard_threshold": [threshold],
    "autoencoder._add_sparse": [sums],
    "code_consistency._count_errors": [lambda: errors(True), lambda: errors(False)],
    "code_consistency._fast_hadamard": [transform],
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
