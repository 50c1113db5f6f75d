"""Sufficient widths: trials against runs, the widths of the theorems, and Wendel's count for orthonormal samples."""

import numpy as np
import pytest
from scipy.optimize import nnls
from tolerances import ROUND_OFF, STANDARD_ERRORS

from aedyn import unit_samples
from aedyn.joint_training import practical_step, rate
from aedyn.joint_widths import cone_probability, half_width, sufficient_width, try_start
from aedyn.ntk_limits import spectrum
from aedyn.wide_network import descend, draw_weights, outputs

SPHERE = unit_samples.sphere(10, 5, 0)
LARGER = unit_samples.sphere(20, 10, 0)


def attempt(X, m, regime, seed, **options):
    return try_start(*draw_weights(X.shape[1], m, seed), X, regime, **options)


def test_trial_is_a_run():
    W, A = draw_weights(5, 40, 3)
    step = practical_step(W, A, SPHERE, "joint")
    run = descend(W, A, SPHERE, regime="joint", step=step, n_steps=500)
    shares = run.losses / run.losses[0]
    reached, steps = try_start(W, A, SPHERE, "joint", n_steps=500, target=1e-3)
    assert reached and shares[int(steps)] <= 1e-3 < shares[int(steps) - 1]
    assert try_start(W, A, SPHERE, "joint", n_steps=int(steps), target=1e-3) == (True, steps)
    assert try_start(W, A, SPHERE, "joint", n_steps=int(steps) - 1, target=1e-3) == (False, np.inf)


def test_bound_is_left_by_the_decoder_alone():
    W, A = draw_weights(5, 512, 0)
    step = practical_step(W, A, SPHERE, "decoder")
    losses = descend(W, A, SPHERE, regime="decoder", step=step, n_steps=4000).losses
    assert (losses > (1 + ROUND_OFF) * losses[0] * rate(step, spectrum(SPHERE)) ** np.arange(4001)).any()


def test_sufficient_width():
    assert sufficient_width([2, 4, 8], [0.5, 1, 1]) == 4
    assert sufficient_width([2, 4, 8], [1, 0.5, 1]) == 8
    assert sufficient_width([2, 4], [1, 1]) == 2
    assert sufficient_width([2, 4], [1, 0.9]) == np.inf


def test_half_width():
    assert half_width([2, 8, 32], [0, 1, 1]) == pytest.approx(4)
    assert half_width([2, 8, 32], [0, 0.25, 0.75]) == pytest.approx(16)
    assert half_width([2, 8, 32], [0.1, 0.5, 0.4]) == pytest.approx(8)
    assert half_width([2, 8, 32], [0.6, 1, 1]) == 2
    assert half_width([2, 8], [0, 0.4]) == np.inf


@pytest.mark.parametrize("n", [2, 50])
def test_two_units_for_each_dimension_copy_everything(n):
    """Their encoder is [I, -I], and so is their decoder up to a factor: joint training could get there for any n."""
    d = 4
    W = np.hstack([np.eye(d), -np.eye(d)])
    X = unit_samples.sphere(n, d, 1)
    assert np.abs(outputs(W, np.sqrt(W.size) * W, X) - X).max() < ROUND_OFF


@pytest.mark.parametrize(
    ("X", "enough"),
    [(SPHERE, {"encoder": 64, "joint": 12, "decoder": 64}), (LARGER, {"encoder": 96, "joint": 16, "decoder": 48})],
)
def test_widths_that_suffice(X, enough):
    """Joint training gets along with a few times fewer units: half of each width fails, and each suffices."""
    for regime, m in enough.items():
        shares = [
            np.mean([attempt(X, width, regime, i, n_steps=2000).reached for i in range(6)]) for width in (m // 4, m)
        ]
        assert shares[0] < 0.5 and shares[1] == 1


def test_steps_at_equal_width():
    """At a large width the encoder alone is the fastest, at a small one joint training is."""
    options = {"share": 0.5, "target": 1e-6, "n_steps": 1800}
    steps = {
        (regime, m): [attempt(LARGER, m, regime, i, **options).steps for i in range(3)]
        for regime in ("encoder", "joint", "decoder")
        for m in (64, 1024)
    }
    assert steps["encoder", 1024] == [48, 52, 55]
    assert steps["joint", 1024] == [102, 117, 120]
    assert steps["decoder", 1024] == [329, 390, 374]
    assert steps["encoder", 64] == [1584, 1524, 448]
    assert steps["joint", 64] == [233, 216, 250]


def test_cones_of_orthonormal_samples():
    """Wendel's count, against solving for the positive combinations."""
    d, n_draws = 8, 300
    for m in (28, 40):
        rng = np.random.default_rng([1, m])
        hits = 0
        for _ in range(n_draws):
            W, A = draw_weights(d, m, rng)
            A = A * rng.uniform(0.5, 1.5, A.shape)  # in general position
            hits += nnls(A[:, W[0] >= 0], np.eye(d)[0])[1] < 1e-9
        chance = cone_probability(m, d, 1)
        assert 0.1 < chance < 0.9
        assert abs(hits / n_draws - chance) < STANDARD_ERRORS * np.sqrt(chance * (1 - chance) / n_draws)
    assert cone_probability(40, d, 3) == pytest.approx(cone_probability(40, d, 1) ** 3)


def test_no_start_outside_the_cones_can_be_trained():
    X = unit_samples.orthonormal(6)
    outside = []
    for i in range(12):
        W, A = draw_weights(6, 16, i)
        if max(nnls(A[:, W[j] >= 0], X[j])[1] for j in range(6)) > 0.1:
            outside.append(i)
    assert len(outside) > 3
    assert not any(attempt(X, 16, "encoder", i, n_steps=2000).reached for i in outside)
    assert any(attempt(X, 16, "joint", i, n_steps=2000).reached for i in outside)


def test_training_is_slowest_with_as_many_weights_as_equations():
    """With many samples small networks find a way to copy, and large ones fit each sample."""
    X = unit_samples.sphere(48, 4, 0)
    small, middle, large = (
        np.median([attempt(X, m, "joint", i, share=0.5, n_steps=4000).steps for i in range(5)]) for m in (10, 24, 192)
    )
    assert max(small, large) < middle / 2
