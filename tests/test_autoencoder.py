"""The autoencoder: the fused gradient against its definition, differences, PyTorch, and its own other route."""

import re
from functools import partial
from types import SimpleNamespace

import naive
import numpy as np
import pytest
from threadpoolctl import threadpool_limits
from tolerances import DIFFERENCE, ROUND_OFF, SINGLE, STEP, assert_close

from aedyn import autoencoder
from aedyn.activations import GroupShrinkage, HardThreshold, ReLU
from aedyn.autoencoder import decode, encode, gradient, gradient_on_support, loss
from aedyn.dictionaries import make_groups, orthonormal_dictionary, perturb
from aedyn.generative import SparseCoding

LAM = 0.9
ACTIVATIONS = {"ReLU": ReLU(), "hard threshold": HardThreshold(LAM)}
REFERENCES = {"ReLU": naive.relu, "hard threshold": partial(naive.hard_threshold, lam=LAM)}
KINKS = {"ReLU": [0.0], "hard threshold": [-LAM, LAM]}


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Several chunks for a few samples already."""
    monkeypatch.setattr(autoencoder, "CHUNK_ROWS", 1)


@pytest.fixture(params=[(name, seed) for name in ACTIVATIONS for seed in (4, 5)], ids=lambda p: f"{p[0]}-{p[1]}")
def problem(request):
    """Weights that are not unit, a bias that is not constant, and more samples than one block of a chunk holds."""
    name, seed = request.param
    rng = np.random.default_rng(seed)
    n, m, n_samples = 6, 9, 40
    W, b, Y = rng.standard_normal((n, m)) / 2, rng.standard_normal(m) / 5 - 0.2, rng.standard_normal((n_samples, n))
    X = naive.encode(W, b, Y, REFERENCES[name])
    assert (X != 0).any(axis=0).all() and (X == 0).any(axis=0).all(), "each unit is active on some samples, not on all"
    return SimpleNamespace(
        W=W, b=b, Y=Y, X=X, name=name, activation=ACTIVATIONS[name], reference=REFERENCES[name], kinks=KINKS[name],
    )  # fmt: skip


@pytest.fixture(params=[0.0, 1.0], ids=["dense", "sparse"])
def route(request, monkeypatch):
    """Whether the sums come from matrix products or from the compiled loop over active units."""
    monkeypatch.setattr(autoencoder, "DENSE_SHARE", request.param)
    monkeypatch.setattr(autoencoder, "BLOCK_ROWS", 3)
    return request.param


# Encode, decode, loss -------------------------------------------------------------------------------------------------


def test_encode_decode_and_loss_by_definition(problem):
    p = problem
    assert_close(encode(p.W, p.b, p.Y, p.activation), p.X, ROUND_OFF)
    assert_close(decode(p.W, p.X), np.array([p.W @ x for x in p.X]), ROUND_OFF)
    assert_close(loss(p.W, p.b, p.Y, p.activation), naive.loss(p.W, p.b, p.Y, p.reference), ROUND_OFF)


def test_one_bias_for_all_units(problem):
    p = problem
    for function in (encode, loss, lambda *arguments: gradient(*arguments).weights):
        one, same = (function(p.W, b, p.Y, p.activation) for b in (-0.3, np.full(9, -0.3)))
        assert np.array_equal(one, same)


def test_group_shrinkage_encodes():
    rng = np.random.default_rng(0)
    W, Y = rng.standard_normal((5, 6)), rng.standard_normal((8, 5))
    groups = make_groups(6, group_size=2)
    expected = [naive.group_shrinkage(W.T @ y - 0.1, 1.5, [groups[g] for g in range(3)]) for y in Y]
    assert_close(encode(W, -0.1, Y, GroupShrinkage(1.5, groups)), np.array(expected), ROUND_OFF)


# Gradient -------------------------------------------------------------------------------------------------------------


def test_gradient_is_the_average_of_equation_4(problem, route):
    p = problem
    weights, bias = naive.gradient(p.W, p.b, p.Y, p.X != 0, p.X)
    found = gradient(p.W, p.b, p.Y, p.activation)
    assert_close(found.weights, weights, ROUND_OFF)
    assert_close(found.bias, bias, ROUND_OFF)
    assert_close(found.loss, naive.loss(p.W, p.b, p.Y, p.reference), ROUND_OFF)
    assert_close(found.activity, (p.X != 0).mean(axis=0), ROUND_OFF)


def test_gradient_is_the_slope_of_the_loss(problem, route):
    p = problem
    distance = np.abs((p.Y @ p.W + p.b)[..., None] - p.kinks).min()
    assert distance > 10 * STEP * np.abs(p.Y).max(), "no sample crosses a kink within a step"

    def slope(dW, db):
        ahead = loss(p.W + STEP * dW, p.b + STEP * db, p.Y, p.activation)
        return (ahead - loss(p.W - STEP * dW, p.b - STEP * db, p.Y, p.activation)) / (2 * STEP)

    still_W, still_b = np.zeros_like(p.W), np.zeros_like(p.b)
    in_weights = [slope(e.reshape(p.W.shape), still_b) for e in np.eye(p.W.size)]
    in_bias = [slope(still_W, e) for e in np.eye(p.b.size)]
    found = gradient(p.W, p.b, p.Y, p.activation)
    assert_close(found.weights, np.reshape(in_weights, p.W.shape), DIFFERENCE)
    assert_close(found.bias, np.array(in_bias), DIFFERENCE)


def test_gradient_against_automatic_differentiation(problem, route):
    torch = pytest.importorskip("torch", reason="torch is not installed; requirements-torch.txt names the version")
    p = problem
    W, b = (torch.tensor(array, requires_grad=True) for array in (p.W, p.b))
    Y = torch.tensor(p.Y)
    Z = Y @ W + b
    X = torch.relu(Z) if p.name == "ReLU" else torch.where(Z.abs() >= LAM, Z, torch.zeros_like(Z))
    value = (Y - X @ W.T).pow(2).sum(dim=1).mean() / 2
    value.backward()
    found = gradient(p.W, p.b, p.Y, p.activation)
    assert_close(found.weights, W.grad.numpy(), ROUND_OFF)
    assert_close(found.bias, b.grad.numpy(), ROUND_OFF)
    assert_close(found.loss, value.item(), ROUND_OFF)


def test_wrong_formulas_would_be_noticed(problem):
    p = problem
    found = gradient(p.W, p.b, p.Y, p.activation)
    residuals = p.Y - p.X @ p.W.T
    decoder_only = -residuals.T @ p.X / len(p.Y)  # without the term of y W_i^T
    encoder_only = found.weights - decoder_only
    no_samples_mean = found.weights * len(p.Y)
    for wrong in (-found.weights, decoder_only, encoder_only, no_samples_mean):
        with pytest.raises(AssertionError, match="off by"):
            assert_close(wrong, naive.gradient(p.W, p.b, p.Y, p.X != 0, p.X)[0], 0.01)
    with pytest.raises(AssertionError, match="off by"):
        assert_close(-found.bias, naive.gradient(p.W, p.b, p.Y, p.X != 0, p.X)[1], 0.01)


def test_both_routes_are_taken_and_agree(problem, monkeypatch):
    p = problem
    calls = []
    compiled = autoencoder._add_sparse
    monkeypatch.setattr(autoencoder, "_add_sparse", lambda *arrays: calls.append(1) or compiled(*arrays))
    found = []
    for share in (0.0, 1.0):
        monkeypatch.setattr(autoencoder, "DENSE_SHARE", share)
        found.append(gradient(p.W, p.b, p.Y, p.activation))
        assert len(calls) == (8 if share else 0), "one block for each of the eight chunks, or none"
    for dense, sparse in zip(*found, strict=True):
        assert_close(sparse, dense, ROUND_OFF)


@pytest.mark.parametrize("n_samples", [1, 2, 7, 8, 9])
def test_few_samples(problem, route, n_samples):
    p = problem
    Y, X = p.Y[:n_samples], p.X[:n_samples]
    assert_close(gradient(p.W, p.b, Y, p.activation).weights, naive.gradient(p.W, p.b, Y, X != 0, X)[0], ROUND_OFF)


def test_silent_units_leave_the_whole_sample_as_loss(route):
    Y = np.random.default_rng(0).standard_normal((10, 4))
    found = gradient(np.eye(4), -100.0, Y, ReLU())
    assert not found.weights.any() and not found.bias.any() and not found.activity.any()
    assert_close(found.loss, (Y**2).sum() / 20, ROUND_OFF)


def test_perfect_reconstruction(route):
    A = orthonormal_dictionary(8, 5, 0)
    Y = SparseCoding(A, k=2).sample(100, 0).Y
    found = gradient(A, 0.0, Y, HardThreshold(0.5))
    scale = (Y**2).sum() / (2 * len(Y))
    assert 0 <= found.loss <= ROUND_OFF * scale
    assert np.abs(found.weights).max() <= ROUND_OFF * scale
    assert_close(found.activity.sum(), 2.0, ROUND_OFF)


def test_layout_does_not_matter(problem, route):
    p = problem
    plain = gradient(p.W, p.b, p.Y, p.activation)
    for W, Y in ((np.asfortranarray(p.W), np.asfortranarray(p.Y)), (p.W.tolist(), np.repeat(p.Y, 2, axis=0)[::2])):
        assert np.array_equal(gradient(W, p.b, Y, p.activation).weights, plain.weights)


def test_single_precision_is_kept(problem, route):
    p = problem
    single = [array.astype(np.float32) for array in (p.W, p.b, p.Y)]
    assert encode(*single, p.activation).dtype == np.float32
    found, double = gradient(*single, p.activation), gradient(p.W, p.b, p.Y, p.activation)
    assert found.weights.dtype == np.float32 and double.weights.dtype == np.float64
    assert np.array_equal(found.activity, double.activity)
    assert_close(found.weights, double.weights, SINGLE)
    assert_close(found.bias, double.bias, SINGLE)
    assert_close(found.loss, double.loss, SINGLE)


@pytest.mark.parametrize("share", [0.0, 1.0], ids=["dense", "sparse"])
def test_same_bits_for_any_number_of_threads(set_threads, monkeypatch, share):
    monkeypatch.setattr(autoencoder, "DENSE_SHARE", share)
    rng = np.random.default_rng(1)
    W, Y = rng.standard_normal((100, 150)) / 10, rng.standard_normal((8 * 300, 100))
    found = []
    for n_threads in (1, 2, 4):
        set_threads(n_threads)
        with threadpool_limits(n_threads):
            found.append(gradient(W, -0.5, Y, HardThreshold(1.5)))
    assert 0 < found[0].activity.min() and found[0].activity.max() < 0.3
    for other in found[1:]:
        for first, second in zip(found[0], other, strict=True):
            assert np.array_equal(first, second)


# On the true support --------------------------------------------------------------------------------------------------


@pytest.fixture
def planted():
    """Weights at distance 0.1 from an orthonormal dictionary, with samples of two random signs."""
    A = orthonormal_dictionary(8, 6, 0)
    drawn = SparseCoding(A, k=2).sample(60, 1)
    return SimpleNamespace(W=perturb(A, 0.1, 2), Y=drawn.Y, codes=drawn.codes)


def test_on_the_support_it_is_the_gradient_when_the_code_is_consistent(planted, route):
    X = encode(planted.W, 0.0, planted.Y, HardThreshold(0.5))
    assert np.array_equal(np.sign(X), np.sign(planted.codes.toarray()))
    on_support = gradient_on_support(planted.W, 0.0, planted.Y, planted.codes)
    for first, second in zip(on_support, gradient(planted.W, 0.0, planted.Y, HardThreshold(0.5)), strict=True):
        assert np.array_equal(first, second)


def test_on_the_support_it_differs_when_the_code_is_not_consistent(planted):
    X = encode(planted.W, 0.0, planted.Y, HardThreshold(0.05))
    assert not np.array_equal(X != 0, planted.codes.toarray() != 0)
    encoded = gradient(planted.W, 0.0, planted.Y, HardThreshold(0.05)).weights
    assert not np.allclose(gradient_on_support(planted.W, 0.0, planted.Y, planted.codes).weights, encoded, atol=1e-3)


def test_on_the_support_by_definition(planted, route):
    rng = np.random.default_rng(3)
    W, b = rng.standard_normal((8, 6)), rng.standard_normal(6)  # far from the dictionary, and with bias
    on = planted.codes.toarray() != 0
    X = np.where(on, planted.Y @ W + b, 0)
    weights, bias = naive.gradient(W, b, planted.Y, on, X)
    found = gradient_on_support(W, b, planted.Y, planted.codes)
    assert_close(found.weights, weights, ROUND_OFF)
    assert_close(found.bias, bias, ROUND_OFF)
    assert_close(found.loss, ((planted.Y - X @ W.T) ** 2).sum() / (2 * len(X)), ROUND_OFF)
    assert_close(found.activity, on.mean(axis=0), ROUND_OFF)


# Bad input ------------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize(("entry", "value"), [(np.nan, "nan"), (np.inf, "(nan|inf)"), (1e200, "(nan|inf)")])
def test_samples_that_are_not_finite_or_too_large(route, name, entry, value):
    Y = np.random.default_rng(0).standard_normal((20, 4))
    Y[13, 2] = entry
    message = f"^the loss is {value}: samples or weights are not finite, or have grown too large$"
    with pytest.raises(FloatingPointError, match=message):
        gradient(np.eye(4), -0.5, Y, ACTIVATIONS[name])


W, Y = np.ones((4, 3)), np.ones((5, 4))
SHRINKAGE = GroupShrinkage(0.1, make_groups(3, group_size=1))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: gradient(W, 0, Y, SHRINKAGE), TypeError, "activation must be ReLU or HardThreshold, linear where act"),
        (lambda: gradient(W, 0, Y, np.tanh), TypeError, "activation must be ReLU or HardThreshold, linear where"),
        (lambda: gradient(W * np.nan, 0, Y, ReLU()), ValueError, "W must have finite entries; got 12 that are not"),
        (lambda: gradient(W, 0, Y.T, ReLU()), ValueError, "Y must be a matrix of shape (any, 4); got shape (4, 5)"),
        (lambda: gradient(W, np.ones(4), Y, ReLU()), ValueError, "b must be a number or have shape (3,); got shape (4"),
        (lambda: encode(W, np.ones((1, 3)), Y, ReLU()), ValueError, "b must be a number or have shape (3,); got shape"),
        (lambda: encode(W[0], 0, Y, ReLU()), ValueError, "W must be a matrix of shape (any, any); got shape (3,)"),
        (lambda: loss(W, 0, Y[0], ReLU()), ValueError, "Y must be a matrix of shape (any, 4); got shape (4,)"),
        (lambda: decode(W, Y), ValueError, "X must be a matrix of shape (any, 3); got shape (5, 4)"),
        (lambda: gradient_on_support(W, 0, Y, W), ValueError, "codes must have shape (5, 3); got (4, 3)"),
    ],
)
def test_bad_input_is_refused(call, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}"):
        call()
