"""Gaussian moments against Monte Carlo and against what the paper prints; Lemma 3.1 for a deep network."""

import numpy as np
import pytest
from scipy.stats import chi2
from tolerances import ITERATED, ROUND_OFF, assert_close, assert_mean

from aedyn import ntk_moments
from aedyn.ntk_kernels import decoder_kernel
from aedyn.ntk_limits import limit_kernels
from aedyn.unit_samples import orthonormal, sphere


def test_fourth_moment_reference_and_monte_carlo():
    assert ntk_moments.fourth_moment(50).exact == pytest.approx(232.1105819, abs=1e-7)
    assert ntk_moments.fourth_moment(400).exact == pytest.approx(12992, abs=0.5)
    relu = np.maximum(np.random.default_rng(0).standard_normal((200_000, 6)), 0)
    squares = (relu**2).sum(axis=1)
    assert_mean(squares * relu.sum(axis=1) ** 2 / 6, ntk_moments.fourth_moment(6).exact)
    assert_mean(relu[:, 0] ** 2 * relu[:, 1] * relu[:, 2], 1 / (4 * np.pi))  # printed: 0


def test_fourth_moment_is_the_norm_and_the_corrected_bound_holds():
    for n in (1, 2, 5, 29, 30, 300):
        found = ntk_moments.fourth_moment(n)
        matrix = np.full((n, n), 2 / np.pi + (n - 2) / (4 * np.pi)) if n > 1 else np.zeros((1, 1))
        np.fill_diagonal(matrix, 1.5 + (n - 1) / 4)
        assert_close(found.exact, np.linalg.norm(matrix, 2), ITERATED)
        assert found.exact <= found.corrected
        assert (found.exact > found.printed) == (n >= 30)
    # the corrected bound on other data
    for X in (sphere(12, 3, 0), np.tile([[1.0, 0, 0]], (12, 1))):
        relu = np.maximum(X @ np.random.default_rng(1).standard_normal((3, 100_000)), 0)
        weighted = np.linalg.norm((relu * (relu**2).sum(axis=0)) @ relu.T / 100_000, 2)
        assert weighted <= ntk_moments.fourth_moment(12).corrected * 1.02


@pytest.mark.parametrize("n", [3, 40])
def test_fluctuation_of_the_decoder_kernel(n):
    T = limit_kernels(orthonormal(n)).decoder
    m = 40
    draws = np.random.default_rng(0).standard_normal((600, n, m))
    found = [m * (((decoder_kernel(W, np.eye(n)) - T).sum(axis=1)) ** 2).sum() / n for W in draws]
    assert_mean(found, ntk_moments.decoder_fluctuation(n) ** 2)
    assert ntk_moments.decoder_fluctuation(4000) / 4000 == pytest.approx(
        np.sqrt(1 / (4 * np.pi) - 1 / (4 * np.pi**2)), rel=0.01
    )


@pytest.mark.parametrize(("d", "delta", "tail"), [(1, 1e-4, 3.9e-4), (2, 1e-8, 2.5e-8), (5, 1e-40, 1.1e-39)])
def test_where_the_printed_quantile_of_the_norm_fails(d, delta, tail):
    found = ntk_moments.norm_quantiles(d, delta)
    assert found.printed_failure == pytest.approx(tail, rel=0.05)
    assert found.printed_failure > delta >= found.corrected_failure
    assert_close(found.printed_failure, chi2.sf(4 * d * np.sqrt(np.log(2 / delta)), d), ITERATED)


def test_the_corrected_quantile_always_holds_and_the_printed_one_often():
    for d in (1, 3, 20, 300):
        for delta in (0.9, 0.1, 1e-3, 1e-10, 1e-60):
            assert ntk_moments.norm_quantiles(d, delta).corrected_failure <= delta
    found = ntk_moments.norm_quantiles(20, 1e-3)
    assert found.printed_failure < 1e-3 and found.printed > found.corrected


def test_fourth_moment_of_the_norm():
    squares = (np.random.default_rng(0).standard_normal((200_000, 4)) ** 2).sum(axis=1)
    assert_mean(squares**2, 4**2 + 2 * 4)  # the proof of Claim C.3 has 3 d^2, which is larger
    with pytest.raises(AssertionError):
        assert_mean(squares**2, 3 * 4**2)


# Lemma 3.1 ------------------------------------------------------------------------------------------------------------


def deep_network(theta, X):
    """Three layers with tanh, d = 4 inputs and outputs, 3 hidden units each."""
    first, second, third = theta[:12].reshape(4, 3), theta[12:21].reshape(3, 3), theta[21:].reshape(3, 4)
    return np.tanh(np.tanh(X @ first) @ second) @ third


def test_outputs_of_a_deep_network_flow_without_the_second_factor():
    X, theta = sphere(6, 4, 0), np.random.default_rng(1).standard_normal(33)
    found = ntk_moments.flow_rate(deep_network, theta, X)
    assert_close(found.measured, found.corrected, ROUND_OFF)
    assert_close(found.measured, 4 * found.printed, ROUND_OFF)
    step = 1e-6
    E = X - deep_network(theta, X) / 2
    gradient = [
        (
            ((X - deep_network(theta - step * e, X) / 2) ** 2).sum()
            - ((X - deep_network(theta + step * e, X) / 2) ** 2).sum()
        )
        / (4 * step)
        for e in np.eye(33)
    ]
    moved = (deep_network(theta + step * np.array(gradient), X) - deep_network(theta, X)) / 2 / step
    assert_close(moved, found.corrected, 1e-4)
    assert np.linalg.norm(E) > 1


def test_outputs_of_a_deep_network_against_torch():
    torch = pytest.importorskip("torch", reason="torch is not installed; requirements-torch.txt names the version")
    X, theta = sphere(6, 4, 0), np.random.default_rng(1).standard_normal(33)

    def network(theta):
        x = torch.tensor(X)
        return torch.tanh(torch.tanh(x @ theta[:12].reshape(4, 3)) @ theta[12:21].reshape(3, 3)) @ theta[21:].reshape(
            3, 4
        )

    jacobian = torch.autograd.functional.jacobian(network, torch.tensor(theta)).numpy().reshape(24, 33)
    residual = (X - deep_network(theta, X) / 2).ravel()
    rate = (jacobian @ (jacobian.T @ residual) / 4).reshape(6, 4)
    assert_close(ntk_moments.flow_rate(deep_network, theta, X).corrected, rate, ROUND_OFF)
