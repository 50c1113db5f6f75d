"""Steps, bounds on movement, and what is measured along a descent."""

import numpy as np
import pytest
from tolerances import ROUND_OFF, assert_close, assert_mean

from aedyn import joint_training, unit_samples
from aedyn.joint_training import (
    flip_tail,
    follow,
    kernel,
    kernel_end,
    limit_losses,
    movement_bounds,
    path_bound,
    path_length,
    practical_step,
    rate,
    theorem_step,
)
from aedyn.ntk_kernels import decoder_kernel, encoder_kernel
from aedyn.ntk_limits import spectrum
from aedyn.wide_network import REGIMES, descend, draw_weights, outputs

SPHERE = unit_samples.sphere(10, 5, 0)
START = draw_weights(5, 2000, 0)
LAMBDA_0, LAMBDA_N = 0.0590833210, 4.3459409770


# Steps and bounds -----------------------------------------------------------------------------------------------------


def test_steps_of_the_theorems():
    known = spectrum(SPHERE)
    assert theorem_step(known, "encoder") == pytest.approx(LAMBDA_0 / (4 * 10 * 5 * LAMBDA_N))
    assert theorem_step(known, "joint") == pytest.approx(LAMBDA_0 / (64 * 10 * LAMBDA_N))
    assert theorem_step(known, "encoder") == pytest.approx(6.8e-5, abs=5e-7)
    assert theorem_step(known, "joint") == pytest.approx(2.1e-5, abs=5e-7)
    with pytest.raises(ValueError, match="regime must be encoder or joint"):
        theorem_step(known, "decoder")


@pytest.mark.parametrize("regime", REGIMES)
def test_largest_eigenvalue_formed_or_not(regime, monkeypatch):
    formed = kernel_end(*START, SPHERE, regime)
    monkeypatch.setattr(joint_training, "FORMED", 0)
    assert kernel_end(*START, SPHERE, regime) == pytest.approx(formed, rel=1e-3)
    assert practical_step(*START, SPHERE, regime, 0.5) == pytest.approx(5 / formed, rel=1e-3)


def test_kernels_of_the_start():
    ends = [np.linalg.eigvalsh(kernel(*START, SPHERE, regime))[[0, -1]] for regime in REGIMES]
    assert [low for low, _ in ends] == pytest.approx([0.0480851987, 0.0077897899, 0.0565091621], abs=1e-10)
    assert ends[2][1] == pytest.approx(4.0479870590, abs=1e-9)
    assert [practical_step(*START, SPHERE, r) for r in ("encoder", "joint")] == pytest.approx([1.52, 0.62], abs=5e-3)


@pytest.mark.parametrize("regime", REGIMES)
def test_largest_stable_step(regime):
    """Below it the loss falls; above it rises first, and for good where the kernel cannot change."""
    W, A = draw_weights(5, 4000, 1)
    below, above = (
        descend(W, A, SPHERE, regime=regime, step=practical_step(W, A, SPHERE, regime, share), n_steps=60).losses
        for share in (0.9, 1.2)
    )
    assert below.argmax() == 0 and below[-1] < 1e-3 * below[0]
    assert above.max() > 1.5 * above[0]
    assert above[-1] > 1e6 * above[0] if regime == "decoder" else above[-1] < 1e-2 * above[0]


def test_bounds_on_movement():
    bounds = movement_bounds(*START, SPHERE)
    expected = [60.8, 1258, 1251, 559, 50.1]
    found = [bounds.unit, bounds.encoder, bounds.decoder, bounds.decoder_printed, bounds.path]
    assert found == pytest.approx(expected, rel=2e-3)
    activations = np.linalg.norm(np.maximum(SPHERE @ START.W, 0), 2)
    ratio = np.sqrt(LAMBDA_N) * np.linalg.norm(START.W, 2) / activations
    assert bounds.decoder / bounds.decoder_corrected == pytest.approx(ratio)


def test_activations_can_outgrow_the_bound_on_movement():
    """For orthonormal samples the norm of the activations is larger than that of W, and so is the corrected radius."""
    X, start = np.eye(100), draw_weights(100, 1000, 0)
    bounds = movement_bounds(*start, X)
    assert bounds.decoder_corrected > 2 * bounds.decoder


def test_the_tail_of_flips():
    tail = flip_tail(1000, 0.003)
    assert np.exp(tail.exact) == pytest.approx(1.41760e-6, rel=1e-5)
    assert tail.printed == -3
    for m, radius in ((50, 0.01), (200, 0.05), (1000, 0.1), (30, 0.3)):
        assert flip_tail(m, radius).exact < flip_tail(m, radius).printed


# Along a descent ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("regime", ["encoder", "joint"])
@pytest.mark.parametrize("practical", [False, True])
def test_the_bound_on_the_loss_holds(regime, practical):
    known = spectrum(SPHERE)
    step = practical_step(*START, SPHERE, regime) if practical else theorem_step(known, regime)
    losses = descend(*START, SPHERE, regime=regime, step=step, n_steps=300).losses
    bound = losses[0] * rate(step, known) ** np.arange(301)
    assert (losses[1:] < bound[1:]).all()
    assert rate(step, known) == 1 - step * known.lambda_0 / 10


def test_the_bound_fails_for_the_decoder_alone():
    """Its kernel is H, whose smallest eigenvalue at a large width is below lambda_0 / 4."""
    W, A = draw_weights(5, 8192, 0)
    H = decoder_kernel(W, SPHERE)
    values, modes = np.linalg.eigh(H)
    assert values[0] < LAMBDA_0 / 4
    step = 5 / (2 * values[-1])
    energies = np.square(modes.T @ (SPHERE - outputs(W, A, SPHERE))).sum(axis=1)
    steps = np.arange(4000)
    squares = (1 - step / 5 * values) ** (2 * steps[:, None]) @ energies
    violated = squares > squares[0] * (1 - step * LAMBDA_0 / 10) ** steps
    assert steps[violated][0] == 2415


def test_path_is_what_it_says():
    step = practical_step(*START, SPHERE, "joint")
    path = follow(*START, SPHERE, regime="joint", step=step, steps=[0, 3, 40])
    run = descend(*START, SPHERE, regime="joint", step=step, n_steps=40)
    assert list(path.steps) == [0, 3, 40] and np.array_equal(path.losses, run.losses)
    for values in (path.unit_move, path.W_move, path.A_move, path.flips, path.G_drift, path.H_drift):
        assert not np.any(values[0]) and np.all(values[2] > 0)
    assert_close(path.W_move[2], np.linalg.norm(run.W - START.W), ROUND_OFF)
    assert_close(path.A_move[2], np.linalg.norm(run.A - START.A), ROUND_OFF)
    assert_close(path.unit_move[2], np.linalg.norm(run.W - START.W, axis=0).max(), ROUND_OFF)
    drift = encoder_kernel(run.W, run.A, SPHERE) - encoder_kernel(*START, SPHERE)
    assert_close(path.G_drift[2], np.abs(np.linalg.eigvalsh(drift)).max(), 1e-10)
    assert_close(path.smallest[2], np.linalg.eigvalsh(kernel(run.W, run.A, SPHERE, "joint"))[0], 1e-10)
    flips = [np.mean((run.W.T @ x >= 0) != (START.W.T @ x >= 0)) for x in SPHERE]
    assert_close(path.flips[2], np.array(flips), ROUND_OFF)


@pytest.mark.parametrize("regime", REGIMES)
def test_movement_stays_far_below_the_bounds(regime):
    step = practical_step(*START, SPHERE, regime)
    path = follow(*START, SPHERE, regime=regime, step=step, steps=[0, 500])
    bounds = movement_bounds(*START, SPHERE)
    assert path.losses[-1] < 0.02 * path.losses[0]
    assert path.unit_move[1] < bounds.unit / 50
    assert path.W_move[1] < bounds.encoder / 50 and path.A_move[1] < bounds.decoder_corrected / 50
    assert 2 < np.hypot(path.W_move[1], path.A_move[1]) < bounds.path / 3


@pytest.mark.parametrize("regime", ["encoder", "joint"])
def test_the_path_is_no_longer_than_the_error_pays_for(regime):
    W, A = draw_weights(5, 400, 0)
    options = {"regime": regime, "step": 0.1, "n_steps": 600}
    run, length = descend(W, A, SPHERE, **options), path_length(W, A, SPHERE, **options)
    low = 2 * min(np.linalg.eigvalsh(kernel(*ends, SPHERE, regime))[0] for ends in ((W, A), (run.W, run.A)))
    bound = path_bound(np.sqrt(2 * run.losses[0]), 5, low)
    assert run.losses[-1] < 0.04 * run.losses[0], "training moved"
    assert np.hypot(np.linalg.norm(run.W - W), np.linalg.norm(run.A - A)) <= length < bound
    assert length > 0.05 * bound


def test_the_bound_on_the_path_is_attained_by_one_unit():
    """One sample and one unit with d = 1, decoder fixed: the error falls from 1/2 to 0 while w moves by 1/2."""
    length = path_length([[0.5]], [[1.0]], [[1.0]], regime="encoder", step=0.01, n_steps=2000)
    assert length == pytest.approx(0.5, rel=1e-8)
    assert path_bound(0.5, 1, 2.0) == 0.5, "K = 1, so lambda may be 2"
    with pytest.raises(ValueError, match="low must lie in"):
        path_bound(0.5, 1, 0)


def test_joint_movement_after_convergence():
    step = practical_step(*START, SPHERE, "joint")
    path = follow(*START, SPHERE, regime="joint", step=step, steps=[0, 1000])
    assert [path.W_move[1], path.A_move[1]] == pytest.approx([5.07, 4.45], abs=0.01)
    step = practical_step(*START, SPHERE, "encoder")
    assert follow(*START, SPHERE, regime="encoder", step=step, steps=[500]).unit_move[0] == pytest.approx(
        0.43, abs=0.01
    )


@pytest.mark.parametrize("regime", REGIMES)
def test_losses_at_infinite_width(regime):
    X, steps = unit_samples.sphere(6, 4, 1), np.array([0, 1, 3, 10])
    limit, m = limit_losses(X, regime, 0.4, steps), 6000
    assert limit[0] == pytest.approx(0.75 * len(X))
    norms = dict(zip(REGIMES, spectrum(X)[-3:], strict=True))
    step = 0.4 * 2 * 4 / norms[regime]
    losses = [
        descend(*draw_weights(4, m, [2, i]), X, regime=regime, step=step, n_steps=10).losses[steps] for i in range(60)
    ]
    assert np.all(np.mean(losses, axis=0)[1:] < 0.9 * limit[0])
    # what finite width adds is less than what the sample size shows
    assert_mean(losses, limit)
