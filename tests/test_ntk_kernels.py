"""Tangent kernels against Jacobians, on average against their limits, and eigenvalues at the ends."""

import naive
import numpy as np
import pytest
from tolerances import DIFFERENCE, ITERATED, ROUND_OFF, STEP, assert_close, assert_digits, assert_mean

from aedyn.ntk_kernels import (
    KernelOperator,
    decoder_kernel,
    encoder_kernel,
    flipped_share,
    largest_eigenvalue,
    smallest_eigenvalue,
)
from aedyn.ntk_limits import limit_kernels
from aedyn.unit_samples import near_duplicate, sphere
from aedyn.wide_network import draw_weights


def ends(kernel):
    return np.linalg.eigvalsh(kernel)[[0, -1]]


# Finite width ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signs", [True, False])
def test_kernels_against_the_definition(signs):
    X = sphere(4, 3, 0)
    W, A = draw_weights(3, 11, 0)
    A = A if signs else A + 0.5 * np.random.default_rng(1).standard_normal(A.shape)
    encoder, decoder = naive.tangent_kernels(W, A, X)
    assert_close(encoder_kernel(W, A, X), encoder, ROUND_OFF)
    assert_close(np.kron(decoder_kernel(W, X), np.eye(3)), decoder, ROUND_OFF)


def test_kernels_against_jacobians_of_torch():
    torch = pytest.importorskip("torch", reason="torch is not installed; requirements-torch.txt names the version")
    X, (W, A) = sphere(6, 4, 1), draw_weights(4, 150, 0)
    assert np.abs(X @ W).min() > 1e-5, "away from the kinks"

    def outputs(W, A):
        return torch.relu(torch.tensor(X) @ W) @ A.T / np.sqrt(A.numel())

    jacobians = torch.autograd.functional.jacobian(outputs, (torch.tensor(W), torch.tensor(A)))
    of_W, of_A = (jacobian.numpy().reshape(24, -1) for jacobian in jacobians)
    assert_close(encoder_kernel(W, A, X), 4 * of_W @ of_W.T, ROUND_OFF)
    assert_close(np.kron(decoder_kernel(W, X), np.eye(4)), 4 * of_A @ of_A.T, ROUND_OFF)


@pytest.mark.parametrize("regime", ["encoder", "decoder", "joint"])
def test_outputs_flow_along_the_kernel(regime):
    X, (W, A) = sphere(5, 4, 2), draw_weights(4, 60, 0)
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
    X, (W, A) = sphere(7, 5, 3), draw_weights(5, 3000, 0)
    counted = encoder_kernel(W, A, X)
    assert np.array_equal(counted, counted.T)
    assert_close(counted, encoder_kernel(W, A * (1 + 1e-15), X), ROUND_OFF)


def test_the_mean_kernels_are_the_limits():
    X = sphere(4, 3, 0)
    kernels = [
        (encoder_kernel(W, A, X), decoder_kernel(W, X)) for W, A in (draw_weights(3, 50, seed) for seed in range(800))
    ]
    S, T = limit_kernels(X)
    assert_mean([G for G, _ in kernels], np.kron(S, np.eye(3)))
    assert_mean([H for _, H in kernels], T)


def test_reference_values_at_finite_width():
    X, (W, A) = sphere(10, 5, 0), draw_weights(5, 2000, 0)
    G, H = encoder_kernel(W, A, X), decoder_kernel(W, X)
    assert_digits([W[0, 0]], "0.1257302211")
    assert A.sum() == -82
    U = np.maximum(X @ W, 0) @ A.T / np.sqrt(A.size)
    assert_digits([((X - U) ** 2).sum(), ends(G)[0], ends(H)[0]], "14.8255925216", "0.0480851987", "0.0077897899")
    assert_digits(ends(G + np.kron(H, np.eye(5))), "0.0565091621", "4.047987059")
    assert_digits([np.linalg.norm(W, 2), np.linalg.norm(A, 2)], "46.0299754", "46.3034716")
    W = np.random.default_rng(0).standard_normal((20, 32000))
    assert_digits(ends(decoder_kernel(W, np.eye(20)))[:1], "0.3267192732")


def test_shares_of_flipped_units():
    A = draw_weights(3, 40, 0).A
    assert flipped_share(A, np.zeros((5, 40), dtype=bool)) == 0
    assert_close(flipped_share(A, np.ones((5, 40), dtype=bool)), np.linalg.norm(A, 2) ** 2 / 40, ROUND_OFF)
    flipped = np.zeros((5, 40), dtype=bool)
    flipped[1, 7] = flipped[3, 2:4] = True
    assert_close(flipped_share(A, flipped), np.linalg.norm(A[:, 2:4], 2) ** 2 / 40, ROUND_OFF)


# Never formed ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("m", [100, 5000])
@pytest.mark.parametrize("regime", ["encoder", "joint"])
def test_the_operator_is_the_kernel(regime, m):
    X, (W, A) = sphere(6, 4, 0), draw_weights(4, m, 0)
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
    W, A = draw_weights(6, 900, 0)
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
    products = [smallest_eigenvalue(KernelOperator(*draw_weights(6, m, 0), X)).n_products for m in (100, 10_000)]
    assert products[1] < products[0]


def test_too_few_products_are_told():
    operator = KernelOperator(*draw_weights(6, 300, 0), sphere(15, 6, 0))
    with pytest.warns(RuntimeWarning, match="the residual is .*, above 1e-09"):
        smallest_eigenvalue(operator, tolerance=1e-9, max_products=3)


def test_any_number_of_threads_gives_the_same_bits(set_threads):
    X, (W, A) = sphere(25, 3, 0), draw_weights(3, 2100, 0)  # two pieces each of pairs and of units
    outcomes = []
    for n_threads in (1, 2, 4):
        set_threads(n_threads)
        operator = KernelOperator(W, A, X)
        kernels = [encoder_kernel(W, A, X), encoder_kernel(W, 2 * A, X), decoder_kernel(W, X)]
        outcomes.append([*kernels, operator @ X.ravel()])
    for other in outcomes[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(outcomes[0], other, strict=True))


def test_bad_input_is_named():
    X, (W, A) = sphere(5, 3, 0), draw_weights(3, 7, 0)
    with pytest.raises(ValueError, match="regime must be 'encoder' or 'joint'; got 'tied'"):
        KernelOperator(W, A, X, "tied")
    with pytest.raises(ValueError, match=r"W must be a matrix of shape \(3, any\)"):
        encoder_kernel(W.T, A, X)
    with pytest.raises(ValueError, match=r"A must be a matrix of shape \(3, 7\)"):
        encoder_kernel(W, A[:, :6], X)
