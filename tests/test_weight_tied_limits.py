"""Laws of the gain: linear networks exactly, finite width to first order."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from tolerances import ITERATED, ROUND_OFF, assert_close

from aedyn import weight_tied_limits as limits
from aedyn.unit_samples import antipodal
from aedyn.weight_tied_degeneracy import odd_part, reconstruct, tied_weights
from aedyn.weight_tied_training import descend_tied, natural_step, paired, subspaces

d, k, m = 7, 3, 20
X = antipodal(6, k, 0) @ np.linalg.qr(np.random.default_rng(1).standard_normal((d, k)))[0].T


def tight_weights(start):
    """Weights with the gain `start` in every direction, exactly."""
    frame = np.linalg.qr(np.random.default_rng(2).standard_normal((m, d)))[0].T
    return np.sqrt(2 * start * m) * frame


@pytest.mark.parametrize("start", [0.005, 0.5, 1.0, 2.5])
def test_gain_law_solves_its_equation(start):
    times = np.array([0.0, 0.3, 2.0])
    solution = solve_ivp(lambda t, g: 2 * 1.7 * g * (1 - g), (0, 2), [start], t_eval=times, rtol=1e-10, atol=1e-12)
    assert_close(limits.gain_law(start, 1.7, times), solution.y[0], 1e-8)
    assert limits.gain_law(start, 0.0, 5.0) == pytest.approx(start, rel=ROUND_OFF), "without data"
    assert limits.gain_law(start, 1.0, 50.0) == pytest.approx(1.0, rel=ROUND_OFF)


@pytest.mark.parametrize("start", [0.01, 0.7, 1.6])
def test_gain_step_is_descent_on_paired_weights(start):
    weights = paired(tight_weights(start))
    rates, axes = np.linalg.eigh(X.T @ X)
    step, gains, V = 0.3 / rates[-1], np.full(d, start), weights
    for _ in range(25):
        V = descend_tied(V, X, step=step, n_steps=1).W
        gains = limits.gain_step(gains, rates, step)
        assert_close(axes.T @ odd_part(V) @ axes, np.diag(gains), ITERATED)
    assert gains[0] == pytest.approx(start, rel=ROUND_OFF) and rates[d - k - 1] < ROUND_OFF
    assert_close(reconstruct(V, np.eye(d)), odd_part(V), ITERATED)


def test_gain_step_becomes_the_law_as_steps_shrink():
    errors = []
    for n_steps in (100, 200):
        g = 0.05
        for _ in range(n_steps):
            g = limits.gain_step(g, 1.3, 2.0 / n_steps)
        errors.append(abs(g - limits.gain_law(0.05, 1.3, 2.0)))
    assert errors[1] < 0.6 * errors[0] < 0.02


@pytest.mark.parametrize(("product", "attracts"), [(0.98, True), (1.02, False)])
def test_identity_attracts_up_to_the_largest_step(product, attracts):
    after = limits.gain_step(1 + 1e-6, product, 1.0)
    assert (abs(after - 1) < 1e-6) == attracts


def test_linear_step_is_descent_on_any_paired_weights():
    weights = paired(tied_weights(d, m, 1.0, 3))
    step, G, V = natural_step(weights, X), odd_part(weights), weights
    for _ in range(25):
        V, G = descend_tied(V, X, step=step, n_steps=1).W, limits.linear_step(G, X, step)
    assert_close(odd_part(V), G, ITERATED)


def test_linear_step_needs_the_negatives():
    weights, half = paired(tied_weights(d, m, 1.0, 3)), X[:6]
    V = descend_tied(weights, half, step=0.1, n_steps=1).W
    assert np.abs(odd_part(V) - limits.linear_step(odd_part(weights), half, 0.1)).max() > 1e-3


def test_linear_training_ends_at_the_identity_on_the_span():
    seen, unseen = subspaces(X)
    G = odd_part(tied_weights(d, m, 0.4, 4))
    start = np.linalg.eigvalsh(unseen.T @ G @ unseen)
    for _ in range(3000):
        G = limits.linear_step(G, X, 0.05)
    assert_close(G @ seen, seen, ITERATED)
    end = np.linalg.eigvalsh(unseen.T @ G @ unseen)
    assert (end < start).all() and (end > 0).all()


# Finite width ---------------------------------------------------------------------------------------------------------


def test_limits_of_the_share():
    assert limits.paired_loss_of_gain(1.0) == pytest.approx(0.5, rel=ROUND_OFF)
    assert limits.paired_loss_of_gain(1e-12) == pytest.approx(1.0, abs=1e-9)
    shares = limits.paired_loss_of_gain(np.geomspace(1e-3, 10, 50))
    assert (np.diff(shares) < 0).all()


@pytest.mark.parametrize("start", [0.02, 0.6, 1.0, 1.8])
def test_share_integrates_its_equations(start):
    def rates(t, y):
        a, b, _ = y
        return [2 * a * (1 - a), 0.5 * (2 - 3 * a - start) * b, b**2]

    end = solve_ivp(rates, (0, 60), [start, 1.0, 0.0], rtol=1e-9, atol=1e-12).y[:, -1]
    assert start * end[2] == pytest.approx(limits.paired_loss_of_gain(start), rel=1e-6)


@pytest.mark.parametrize("start", [0.05, 1.0])
def test_share_by_simulation(start):
    samples = antipodal(5, 2, 1) @ np.eye(2, 12)
    step, width, shares = 0.1 / max(start, 1), 3000, []
    for seed in range(40):
        G = odd_part(tied_weights(12, width, 2 * start, [seed, 1]))
        before = np.trace(G[2:, 2:])
        for _ in range(400):
            G = limits.linear_step(G, samples, step)
        shares.append((1 - np.trace(G[2:, 2:]) / before) * width / 2)
    error = np.std(shares) / np.sqrt(40)
    # what first order leaves out is smaller by one over the root of the width
    assert abs(np.mean(shares) - limits.paired_loss_of_gain(start)) < 4 * error + 2 / np.sqrt(width)
