"""The autoencoder: the fused gradient against its definition, differences, PyTorch, and its own other route."""

import re
from functools import partial
from types import SimpleNamespace

import naive
import numpy as np
import pytest
from scipy.linalg import block_diag
from threadpoolctl import threadpool_limits
from tolerances import DIFFERENCE, ROUND_OFF, SINGLE, STEP, assert_close

from aedyn import autoencoder
from aedyn.activations import GroupShrinkage, HardThreshold, ReLU
from aedyn.autoencoder import decode, encode, gradient, gradient_on_support, loss
from aedyn.dictionaries import make_groups, orthonormal_dictionary, perturb
from aedyn.generative import SparseCoding

LAM = 0.9
GROUPS = make_groups(9, groups=[[4], [0, 7, 3], [8, 1], [5, 2, 6]])  # unequal and interleaved
LISTED = [GROUPS[g] for g in range(len(GROUPS))]
SINGLES = make_groups(9, group_size=1)
ACTIVATIONS = {
    "ReLU": ReLU(),
    "hard threshold": HardThreshold(LAM),
    "group shrinkage": GroupShrinkage(LAM, GROUPS),
    "nonnegative shrinkage": GroupShrinkage(LAM, GROUPS, nonnegative=True),
    "soft threshold": GroupShrinkage(LAM, SINGLES),
}
LINEAR, SHRINKING = ["ReLU", "hard threshold"], ["group shrinkage", "nonnegative shrinkage", "soft threshold"]


def code(name, z):
    """The code of one sample, by definition."""
    if name in LINEAR:
        entrywise = {"ReLU": naive.relu, "hard threshold": partial(naive.hard_threshold, lam=LAM)}[name]
        return np.array([entrywise(entry) for entry in z])
    clipped = np.maximum(z, 0) if name == "nonnegative shrinkage" else z
    return naive.group_shrinkage(clipped, LAM, [[i] for i in range(9)] if name == "soft threshold" else LISTED)


def reference(p, W, b, Y, X):
    """Gradient in weights and bias, by definition."""
    if p.name in LINEAR:
        return naive.gradient(W, b, Y, X != 0, X)
    groups = [[i] for i in range(9)] if p.name == "soft threshold" else LISTED
    return naive.shrinkage_gradient(W, b, Y, LAM, groups, nonnegative=p.name == "nonnegative shrinkage")


def distance_to_kinks(name, Z):
    """Of the pre-activations, to where the activation has no derivative."""
    if name in LINEAR:
        return np.abs(Z[..., None] - {"ReLU": [0.0], "hard threshold": [-LAM, LAM]}[name]).min()
    clipped = np.maximum(Z, 0) if name == "nonnegative shrinkage" else Z
    groups = SINGLES if name == "soft threshold" else GROUPS
    norms = [np.linalg.norm(clipped[:, groups[g]], axis=1) for g in range(len(groups))]
    nearest = np.abs(np.array(norms) - LAM).min()
    return min(nearest, np.abs(Z).min()) if name == "nonnegative shrinkage" else nearest


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Several chunks for a few samples and a few columns already."""
    monkeypatch.setattr(autoencoder, "_chunk_rows", lambda n, m: 1)
    monkeypatch.setattr(autoencoder, "CHUNK_ATOMS", 2)


@pytest.fixture(params=[(name, seed) for name in ACTIVATIONS for seed in (4, 5)], ids=lambda p: f"{p[0]}-{p[1]}")
def problem(request):
    """Weights that are not unit, a bias that is not constant, and more samples than one block of a chunk holds."""
    name, seed = request.param
    rng = np.random.default_rng(seed)
    n, m, n_samples = 6, 9, 40
    W, b, Y = rng.standard_normal((n, m)) / 2, rng.standard_normal(m) / 5 - 0.2, rng.standard_normal((n_samples, n))
    X = np.array([code(name, W.T @ y + b) for y in Y])
    assert (X != 0).any(axis=0).all() and (X == 0).any(axis=0).all(), "each unit is active on some samples, not on all"
    loss = np.mean([np.sum((y - W @ x) ** 2) / 2 for y, x in zip(Y, X, strict=True)])
    return SimpleNamespace(W=W, b=b, Y=Y, X=X, loss=loss, name=name, activation=ACTIVATIONS[name])


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
    assert_close(loss(p.W, p.b, p.Y, p.activation), p.loss, ROUND_OFF)


def test_one_bias_for_all_units(problem):
    p = problem
    for function in (encode, loss, lambda *arguments: gradient(*arguments).weights):
        one, same = (function(p.W, b, p.Y, p.activation) for b in (-0.3, np.full(9, -0.3)))
        assert np.array_equal(one, same)


# Gradient -------------------------------------------------------------------------------------------------------------


def test_gradient_by_definition(problem, route):
    p = problem
    weights, bias = reference(p, p.W, p.b, p.Y, p.X)
    found = gradient(p.W, p.b, p.Y, p.activation)
    assert_close(found.weights, weights, ROUND_OFF)
    assert_close(found.bias, bias, ROUND_OFF)
    assert_close(found.loss, p.loss, ROUND_OFF)
    assert_close(found.activity, (p.X != 0).mean(axis=0), ROUND_OFF)


def test_gradient_is_the_slope_of_the_loss(problem, route):
    p = problem
    distance = distance_to_kinks(p.name, p.Y @ p.W + p.b)
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


def encode_in_torch(name, Z):
    if name == "ReLU":
        return Z.relu()
    if name == "hard threshold":
        return Z.where(Z.abs() >= LAM, Z.new_zeros(()))
    if name == "soft threshold":
        return (Z - LAM).relu() - (-Z - LAM).relu()
    Z = Z.relu() if name == "nonnegative shrinkage" else Z
    members = Z.new_tensor([[i in group for i in range(9)] for group in LISTED])
    norms = (Z.square() @ members.T).clamp(min=1e-9).sqrt() @ members
    return Z * (1 - LAM / norms).relu()


def test_gradient_against_automatic_differentiation(problem, route):
    torch = pytest.importorskip("torch", reason="torch is not installed; requirements-torch.txt names the version")
    p = problem
    W, b = (torch.tensor(array, requires_grad=True) for array in (p.W, p.b))
    Y = torch.tensor(p.Y)
    X = encode_in_torch(p.name, Y @ W + b)
    value = (Y - X @ W.T).pow(2).sum(dim=1).mean() / 2
    value.backward()
    found = gradient(p.W, p.b, p.Y, p.activation)
    assert_close(found.weights, W.grad.numpy(), ROUND_OFF)
    assert_close(found.bias, b.grad.numpy(), ROUND_OFF)
    assert_close(found.loss, value.item(), ROUND_OFF)


def test_wrong_formulas_would_be_noticed(problem):
    p = problem
    weights, bias = reference(p, p.W, p.b, p.Y, p.X)
    residuals = p.Y - p.X @ p.W.T
    decoder_only = -residuals.T @ p.X / len(p.Y)  # without the term of y W_i^T
    encoder_only = weights - decoder_only
    no_samples_mean = weights * len(p.Y)
    for wrong in (-weights, decoder_only, encoder_only, no_samples_mean):
        with pytest.raises(AssertionError, match="off by"):
            assert_close(wrong, weights, 0.01)
    with pytest.raises(AssertionError, match="off by"):
        assert_close(-bias, bias, 0.01)


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
    assert_close(gradient(p.W, p.b, Y, p.activation).weights, reference(p, p.W, p.b, Y, X)[0], ROUND_OFF)


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
@pytest.mark.parametrize("name", ["hard threshold", "group shrinkage"])
def test_same_bits_for_any_number_of_threads(set_threads, monkeypatch, share, name):
    monkeypatch.setattr(autoencoder, "DENSE_SHARE", share)
    rng = np.random.default_rng(1)
    W, Y = rng.standard_normal((100, 150)) / 10, rng.standard_normal((8 * 300, 100))
    activation = HardThreshold(1.5) if name == "hard threshold" else GroupShrinkage(2.8, make_groups(150, group_size=3))
    found = []
    for n_threads in (1, 2, 4):
        set_threads(n_threads)
        with threadpool_limits(n_threads):
            found.append(gradient(W, -0.5, Y, activation))
    assert 0 < found[0].activity.min() and found[0].activity.max() < 0.3
    for other in found[1:]:
        for first, second in zip(found[0], other, strict=True):
            assert np.array_equal(first, second)


# Group shrinkage ------------------------------------------------------------------------------------------------------


@pytest.fixture
def pairs():
    """One sample and three groups of two atoms, of which two are active."""
    rng = np.random.default_rng(42)
    W, y = rng.standard_normal((8, 6)) / np.sqrt(8), 3 * rng.standard_normal(8)
    return W, y, GroupShrinkage(1.0, make_groups(6, group_size=2))


def test_recorded_values(pairs, route):
    W, y, shrink = pairs
    x = encode(W, 0.0, y[None], shrink)[0]
    recorded = np.array([0.3454095992, 0.1306898297, 0, 0, -1.5905382192, -1.9722041781])
    assert np.abs(x - recorded).max() < 1e-10
    exact, approximate = (gradient(W, 0.0, y[None], shrink, rank_one=share) for share in (1, 0))
    assert abs(exact.loss - 11.6211697180) < 1e-10 and approximate.loss == exact.loss
    exact, approximate = exact.weights, approximate.weights
    norms = np.linalg.norm(exact), np.linalg.norm(approximate)
    cosine, error = np.vdot(exact, approximate) / (norms[0] * norms[1]), np.linalg.norm(exact - approximate) / norms[0]
    found = [*norms, cosine, error, exact[0, 0], approximate[0, 0]]
    recorded = [18.4328410123, 14.5312851761, 0.9297178770, 0.3944785223, -3.2694174030, -0.9093059205]
    assert np.abs(np.subtract(found, recorded)).max() < 1e-9


def test_the_diagonal_of_the_jacobian_is_not_enough(pairs):
    # equation (23) as printed has the derivative of the activation entry by entry
    W, y, shrink = pairs
    z = W.T @ y
    residual = y - W @ shrink(z)
    diagonal = np.array([shrink.jacobian_product(z, e)[i] for i, e in enumerate(np.eye(6))])
    printed = -np.outer(residual, shrink(z)) - np.outer(y, diagonal * (W.T @ residual))
    exact = gradient(W, 0.0, y[None], shrink).weights
    assert abs(np.linalg.norm(printed) - 17.6911218491) < 1e-9
    assert np.linalg.norm(printed - exact) > 0.05 * np.linalg.norm(exact)


@pytest.mark.parametrize("name", ["group shrinkage", "soft threshold"])
def test_approximation_is_equation_51(name, route):
    rng = np.random.default_rng(2)
    W, Y = rng.standard_normal((6, 9)) / 2, rng.standard_normal((30, 6))
    total = np.zeros_like(W)
    for y in Y:
        z, tau = W.T @ y, np.zeros(9)
        for group in [[i] for i in range(9)] if name == "soft threshold" else LISTED:
            tau[group] = max(1 - LAM / np.linalg.norm(z[group]), 0)
        left = np.outer(y, y) - W @ np.diag(tau) @ W.T @ np.outer(y, y)
        total -= (left + left.T) @ W * tau / len(Y)
    assert np.count_nonzero(total) == total.size
    assert_close(gradient(W, 0.0, Y, ACTIVATIONS[name], rank_one=0).weights, total, ROUND_OFF)


@pytest.mark.parametrize("name", SHRINKING)
def test_share_of_the_rank_one_part_interpolates(name, route):
    rng = np.random.default_rng(3)
    W, b, Y = rng.standard_normal((6, 9)) / 2, rng.standard_normal(9) / 5, rng.standard_normal((20, 6))
    none, some, whole = (gradient(W, b, Y, ACTIVATIONS[name], rank_one=share) for share in (0, 0.3, 1))
    assert np.abs(whole.weights - none.weights).max() > 0.05 * np.abs(whole.weights).max()
    assert_close(some.weights, 0.7 * none.weights + 0.3 * whole.weights, ROUND_OFF)
    assert_close(some.bias, 0.7 * none.bias + 0.3 * whole.bias, ROUND_OFF)
    groups = [[i] for i in range(9)] if name == "soft threshold" else LISTED
    by_definition = naive.shrinkage_gradient(W, b, Y, LAM, groups, name == "nonnegative shrinkage", 0.3)
    assert_close(some.weights, by_definition[0], ROUND_OFF)
    assert some.loss == whole.loss and np.array_equal(some.activity, whole.activity)


@pytest.mark.parametrize("name", LINEAR)
def test_the_share_is_of_no_effect_on_activations_that_are_linear_where_active(name):
    rng = np.random.default_rng(3)
    W, Y = rng.standard_normal((6, 9)) / 2, rng.standard_normal((20, 6))
    none, whole = (gradient(W, 0.1, Y, ACTIVATIONS[name], rank_one=share).weights for share in (0, 1))
    assert np.array_equal(none, whole)


def test_loss_does_not_see_rotations_within_groups_and_its_gradient_turns_along(route):
    rng = np.random.default_rng(4)
    n, n_groups, d = 20, 6, 3
    W, Y = rng.standard_normal((n, n_groups * d)) / 3, rng.standard_normal((50, n))
    shrink = GroupShrinkage(1.5, make_groups(n_groups * d, group_size=d))
    Q = block_diag(*(np.linalg.qr(rng.standard_normal((d, d)))[0] for _ in range(n_groups)))
    turned = W @ Q
    assert np.linalg.norm(turned - W) > 1
    assert_close(loss(turned, 0.0, Y, shrink), loss(W, 0.0, Y, shrink), ROUND_OFF)
    for share in (1.0, 0.0):
        before, after = (gradient(matrix, 0.0, Y, shrink, rank_one=share).weights for matrix in (W, turned))
        assert_close(after, before @ Q, ROUND_OFF)
        for g in range(n_groups):  # no step along the gradient turns a group
            group = shrink.groups[g]
            product = W[:, group].T @ before[:, group]
            assert np.abs(product - product.T).max() <= ROUND_OFF * np.abs(product).max()
    entrywise = GroupShrinkage(0.8, make_groups(n_groups * d, group_size=1))
    slopes = gradient(W, 0.0, Y, entrywise).weights
    assert abs(loss(turned, 0.0, Y, entrywise) / loss(W, 0.0, Y, entrywise) - 1) > 0.01
    product = W[:, :d].T @ slopes[:, :d]
    assert np.abs(product - product.T).max() > 0.01 * np.abs(product).max()


def test_zero_entries_of_an_active_group_pass_overlaps_back(route):
    # the first group has the code (1, 0), and its second column sees the residual through the second group
    W = np.array([[1.0, 0, 0.6, 0], [0, 1, 0, 0], [0, 0.8, 0.8, 0], [0, 0, 0, 1]])
    shrink = GroupShrinkage(1.0, make_groups(4, group_size=2))
    Y = np.array([[2.0, 0, 0, 0]])
    x = encode(W, 0.0, Y, shrink)[0]
    assert x[0] and x[1] == 0 and x[2] and x[3] == 0
    weights, bias = naive.shrinkage_gradient(W, 0.0, Y, 1.0, [[0, 1], [2, 3]])
    assert bias[1] != 0
    found = gradient(W, 0.0, Y, shrink)
    assert_close(found.weights, weights, ROUND_OFF)
    assert_close(found.bias, bias, ROUND_OFF)
    assert found.activity.tolist() == [1, 0, 1, 0]


def test_without_threshold_it_is_the_linear_autoencoder(route):
    rng = np.random.default_rng(5)
    W, Y = rng.standard_normal((5, 4)) / 2, rng.standard_normal((10, 5))
    second = Y.T @ Y / 10
    left = (np.eye(5) - W @ W.T) @ second
    found = gradient(W, 0.0, Y, GroupShrinkage(0.0, make_groups(4, group_size=2))).weights
    assert_close(found, -(left + left.T) @ W, ROUND_OFF)


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
    Y = np.random.default_rng(0).standard_normal((20, 9))
    Y[13, 2] = entry
    message = f"^the loss is {value}: samples or weights are not finite, or have grown too large$"
    with pytest.raises(FloatingPointError, match=message):
        gradient(np.eye(9), -0.5, Y, ACTIVATIONS[name])


W, Y = np.ones((4, 3)), np.ones((5, 4))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: gradient(W, 0, Y, np.tanh),
            TypeError,
            "activation must be ReLU, HardThreshold or GroupShrinkage",
        ),
        (lambda: gradient(W, 0, Y, ReLU(), rank_one=2), ValueError, "rank_one must lie in [0, 1]; got 2"),
        (
            lambda: gradient(W, 0, Y, ACTIVATIONS["soft threshold"]),
            ValueError,
            "the last axis must run over the 9 at",
        ),
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
