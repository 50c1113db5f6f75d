"""Tangent kernels: limits against Monte Carlo, finite width against Jacobians, and eigenvalues at the ends."""

import naive
import numpy as np
import pytest
from tolerances import DIFFERENCE, ITERATED, ROUND_OFF, STEP, assert_close, assert_mean

from aedyn import ntk_kernels
from aedyn.ntk_kernels import KernelOperator, decoder_kernel, encoder_kernel, largest_eigenvalue, smallest_eigenvalue
from aedyn.unit_samples import antipodal, clusters, digits, near_duplicate, orthonormal, pair, sphere


def assert_digits(values, *expected):
    """The values as decimals, up to the last digit given."""
    for value, text in zip(values, expected, strict=True):
        assert abs(value - float(text)) < 0.6 * 10.0 ** -len(text.partition(".")[2]), f"{value} is not {text}"


def weights(d, m, seed=0):
    rng = np.random.default_rng(seed)
    W = rng.standard_normal((d, m))
    return W, rng.choice([-1.0, 1.0], size=(d, m))


def ends(kernel):
    return np.linalg.eigvalsh(kernel)[[0, -1]]


# Limits ---------------------------------------------------------------------------------------------------------------


ANGLES = [
    (60, "0.1666666667", "0.3044988905"),
    (135, "-0.0883883476", "0.0241511919"),
    (90, "0.00000000", "0.15915494"),
]


@pytest.mark.parametrize(("degrees", "S", "T"), ANGLES)
def test_limits_at_an_angle(degrees, S, T):
    limits = ntk_kernels.limit_kernels(pair(np.deg2rad(degrees)))
    assert_digits([limits.encoder[0, 1], limits.decoder[0, 1]], S, T)
    assert_close(np.diag(limits.joint), np.ones(2), ROUND_OFF)


@pytest.mark.parametrize("angle", [0.2, np.pi / 2, 2.5])
def test_limits_are_means_over_random_units(angle):
    X = pair(angle)
    Z = np.random.default_rng(0).standard_normal((200_000, 2)) @ X.T
    limits = ntk_kernels.limit_kernels(X)
    assert_mean((Z >= 0).all(axis=1) * (X[0] @ X[1]), limits.encoder[0, 1])
    products = np.maximum(Z, 0).prod(axis=1)
    assert_mean(products, limits.decoder[0, 1])
    with pytest.raises(AssertionError):
        assert_mean(products, limits.encoder[0, 1])  # the paper's value


# Norm of the Gram matrix, smallest eigenvalues of S and T
REFERENCE = {
    "sphere, d = 5": (lambda: sphere(10, 5, 0), "4.3459409770", "0.0590833210", "0.0074777067"),
    "sphere, d = 10": (lambda: sphere(20, 10, 0), "4.1884382386", "0.1404570761", "0.0404579382"),
    "sphere, n = 50": (lambda: sphere(50, 10, 0), "10.0364849288", "0.0540124121", "0.0056179788"),
    "orthonormal": (lambda: orthonormal(20), "1.0", "0.5000000000", "0.3408450569"),
    "50 digits": (lambda: digits(50), "34.9292067", "0.0332978", "0.00266686"),
    "200 digits": (lambda: digits(200), "138.929248", "0.0218887", "0.000754457"),
    "clusters": (lambda: clusters(4, 5, 10, 0.2, 1), "8.0888012708", "0.0190233076", "0.0009632094"),
}


@pytest.mark.parametrize("name", REFERENCE)
def test_reference_values_of_the_limits(name):
    draw, *expected = REFERENCE[name]
    X = draw()
    S, T = ntk_kernels.limit_kernels(X)
    assert_digits([ends(X @ X.T)[1], ends(S)[0], ends(T)[0]], *expected)


def test_more_reference_values_of_the_limits():
    limits = S, T = ntk_kernels.limit_kernels(sphere(10, 5, 0))
    assert_digits([ends(limits.joint)[0], ends(S)[1], ends(T)[1]], "0.0668072249", "1.49430372", "2.53985941")
    assert_digits([T.sum(), S.sum()], "24.36546612", "11.96566783")
    limits = ntk_kernels.limit_kernels(sphere(20, 10, 0))
    assert_digits([ends(limits.joint)[0], ends(limits.decoder)[1]], "0.1820755552", "3.63040650")
    limits = ntk_kernels.limit_kernels(orthonormal(20))
    assert_digits([ends(limits.joint)[0], ends(limits.decoder)[1]], "0.8408450569", "3.5239439187")
    S, T = ntk_kernels.limit_kernels(pair(np.deg2rad(135)))
    assert_digits([ends(S)[0], ends(T)[0]], "0.411612", "0.475849")
    S, T = ntk_kernels.limit_kernels(pair(0.1))
    assert_digits([S[0, 0] - S[0, 1], T[0, 0] - T[0, 1]], "0.0183339005", "0.0024449187")


def test_angles_are_exact_near_0_and_pi():
    for angle in (1e-9, 1e-5, 1.0, np.pi - 1e-5, np.pi):
        assert_close(ntk_kernels.angles(pair(angle))[0, 1], angle, 1e-6 if angle < 1e-8 else 1e-10)
    X = antipodal(3, 4, 0)
    assert_close(np.diag(ntk_kernels.angles(X)[:3, 3:]), np.full(3, np.pi), ROUND_OFF)
    assert not np.diag(ntk_kernels.angles(X)).any()


# Finite width ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signs", [True, False])
def test_kernels_against_the_definition(signs):
    X = sphere(4, 3, 0)
    W, A = weights(3, 11)
    A = A if signs else A + 0.5 * np.random.default_rng(1).standard_normal(A.shape)
    encoder, decoder = naive.tangent_kernels(W, A, X)
    assert_close(encoder_kernel(W, A, X), encoder, ROUND_OFF)
    assert_close(np.kron(decoder_kernel(W, X), np.eye(3)), decoder, ROUND_OFF)


def test_kernels_against_jacobians_of_torch():
    torch = pytest.importorskip("torch", reason="torch is not installed; requirements-torch.txt names the version")
    X, (W, A) = sphere(6, 4, 1), weights(4, 150)
    assert np.abs(X @ W).min() > 1e-5, "away from the kinks"

    def outputs(W, A):
        return torch.relu(torch.tensor(X) @ W) @ A.T / np.sqrt(A.numel())

    jacobians = torch.autograd.functional.jacobian(outputs, (torch.tensor(W), torch.tensor(A)))
    of_W, of_A = (jacobian.numpy().reshape(24, -1) for jacobian in jacobians)
    assert_close(encoder_kernel(W, A, X), 4 * of_W @ of_W.T, ROUND_OFF)
    assert_close(np.kron(decoder_kernel(W, X), np.eye(4)), 4 * of_A @ of_A.T, ROUND_OFF)


@pytest.mark.parametrize("regime", ["encoder", "decoder", "joint"])
def test_outputs_flow_along_the_kernel(regime):
    X, (W, A) = sphere(5, 4, 2), weights(4, 60)
    assert np.abs(X @ W).min() > 10 * STEP, "away from the kinks"

    def outputs(W, A):
        return np.maximum(X @ W, 0) @ A.T / np.sqrt(A.size)

    E = X - outputs(W, A)
    dW = X.T @ ((X @ W >= 0) * (E @ A)) / np.sqrt(A.size) * (regime != "decoder")
    dA = E.T @ np.maximum(X @ W, 0) / np.sqrt(A.size) * (regime != "encoder")
    slope = (outputs(W + STEP * dW, A + STEP * dA) - outputs(W - STEP * dW, A - STEP * dA)) / (2 * STEP)
    G, H = encoder_kernel(W, A, X), np.kron(decoder_kernel(W, X), np.eye(4))
    kernel = {"encoder": G, "decoder": H, "joint": G + H}[regime]
    assert_close(slope.ravel(), kernel @ E.ravel() / 4, 10 * DIFFERENCE)


def test_counted_sums_are_those_of_products():
    X, (W, A) = sphere(7, 5, 3), weights(5, 3000)
    counted = encoder_kernel(W, A, X)
    assert np.array_equal(counted, counted.T)
    assert_close(counted, encoder_kernel(W, A * (1 + 1e-15), X), ROUND_OFF)


def test_the_mean_kernels_are_the_limits():
    X = sphere(4, 3, 0)
    kernels = [
        (encoder_kernel(W, A, X), decoder_kernel(W, X)) for W, A in (weights(3, 50, seed) for seed in range(800))
    ]
    S, T = ntk_kernels.limit_kernels(X)
    assert_mean([G for G, _ in kernels], np.kron(S, np.eye(3)))
    assert_mean([H for _, H in kernels], T)


def test_reference_values_at_finite_width():
    X, (W, A) = sphere(10, 5, 0), weights(5, 2000)
    G, H = encoder_kernel(W, A, X), decoder_kernel(W, X)
    assert_digits([W[0, 0]], "0.1257302211")
    assert A.sum() == -82
    U = np.maximum(X @ W, 0) @ A.T / np.sqrt(A.size)
    assert_digits([((X - U) ** 2).sum(), ends(G)[0], ends(H)[0]], "14.8255925216", "0.0480851987", "0.0077897899")
    assert_digits(ends(G + np.kron(H, np.eye(5))), "0.0565091621", "4.047987059")
    assert_digits([np.linalg.norm(W, 2), np.linalg.norm(A, 2)], "46.0299754", "46.3034716")
    W = np.random.default_rng(0).standard_normal((20, 32000))
    assert_digits(ends(decoder_kernel(W, np.eye(20)))[:1], "0.3267192732")


# Never formed ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("m", [100, 5000])
@pytest.mark.parametrize("regime", ["encoder", "joint"])
def test_the_operator_is_the_kernel(regime, m):
    X, (W, A) = sphere(6, 4, 0), weights(4, m)
    A = A * np.random.default_rng(1).uniform(0.5, 1.5, A.shape)
    dense = encoder_kernel(W, A, X) + (regime == "joint") * np.kron(decoder_kernel(W, X), np.eye(4))
    operator = KernelOperator(W, A, X, regime)
    assert operator.shape == (24, 24)
    assert_close(operator @ np.eye(24), dense, ROUND_OFF)
    assert_close(operator.T @ np.eye(24), dense, ROUND_OFF)
    assert operator.n_products == 48


@pytest.mark.parametrize("regime", ["encoder", "joint"])
@pytest.mark.parametrize("data", [lambda: sphere(15, 6, 0), lambda: near_duplicate(12, 6, 0.1, 0)])
def test_extreme_eigenvalues_without_forming(regime, data):
    X = data()
    W, A = weights(6, 900)
    dense = encoder_kernel(W, A, X) + (regime == "joint") * np.kron(decoder_kernel(W, X), np.eye(6))
    low, high = ends(dense)
    found = smallest_eigenvalue(KernelOperator(W, A, X, regime), tolerance=1e-7)
    assert_close(found.value, low, ITERATED)
    assert low * (1 - ROUND_OFF) <= found.value, "a Rayleigh quotient"
    assert found.residual <= 1e-7 and found.n_products > 0
    found = largest_eigenvalue(KernelOperator(W, A, X, regime))
    assert_close(found.value, high, ITERATED)
    assert found.value <= high * (1 + ROUND_OFF)
    assert_close([smallest_eigenvalue(dense).value, largest_eigenvalue(dense).value], [low, high], ROUND_OFF)
    assert smallest_eigenvalue(dense).n_products == 0 and smallest_eigenvalue(dense).residual < 1e-13


def test_the_limit_as_preconditioner_pays_at_large_width():
    X = near_duplicate(12, 6, 0.02, 0)
    products = [smallest_eigenvalue(KernelOperator(*weights(6, m), X)).n_products for m in (100, 10_000)]
    assert products[1] < products[0]


def test_too_few_products_are_told():
    operator = KernelOperator(*weights(6, 300), sphere(15, 6, 0))
    with pytest.warns(RuntimeWarning, match="the residual is .*, above 1e-09"):
        smallest_eigenvalue(operator, tolerance=1e-9, max_products=3)


def test_any_number_of_threads_gives_the_same_bits(set_threads):
    X, (W, A) = sphere(25, 3, 0), weights(3, 2100)  # two pieces each of pairs and of units
    outcomes = []
    for n_threads in (1, 2, 4):
        set_threads(n_threads)
        operator = KernelOperator(W, A, X)
        kernels = [encoder_kernel(W, A, X), encoder_kernel(W, 2 * A, X), decoder_kernel(W, X)]
        outcomes.append([*kernels, operator @ X.ravel()])
    for other in outcomes[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(outcomes[0], other, strict=True))


def test_bad_input_is_named():
    X, (W, A) = sphere(5, 3, 0), weights(3, 7)
    with pytest.raises(ValueError, match="regime must be 'encoder' or 'joint'; got 'tied'"):
        KernelOperator(W, A, X, "tied")
    with pytest.raises(ValueError, match=r"W must be a matrix of shape \(3, any\)"):
        encoder_kernel(W.T, A, X)
    with pytest.raises(ValueError, match=r"A must be a matrix of shape \(3, 7\)"):
        encoder_kernel(W, A[:, :6], X)
    with pytest.raises(ValueError, match="X must have rows of norm 1"):
        ntk_kernels.limit_kernels(2 * X)
