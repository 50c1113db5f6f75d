"""One step taken apart: the identity (5.19), the terms of the induction, and their bounds."""

import naive
import numpy as np
import pytest
from tolerances import ITERATED, ROUND_OFF, assert_close

from aedyn import unit_samples
from aedyn.joint_induction import (
    claimed_bounds,
    descent_bound,
    encoder_bounds,
    largest_step,
    provable_bounds,
    slope_gap,
    take_apart,
    terms,
)
from aedyn.joint_training import kernel, practical_step, theorem_step
from aedyn.ntk_kernels import decoder_kernel, encoder_kernel
from aedyn.ntk_limits import spectrum
from aedyn.wide_network import REGIMES, descend, draw_weights, outputs

SPHERE = unit_samples.sphere(10, 5, 0)
START = draw_weights(5, 2000, 0)


@pytest.fixture(params=range(3))
def start(request):
    """A start with weights of both layers that are no random signs, and a step at which units change sides."""
    rng = np.random.default_rng([1, request.param])
    W, A = rng.standard_normal((2, 4, 30))
    return W, A, unit_samples.sphere(6, 4, rng)


@pytest.mark.parametrize("regime", REGIMES)
def test_decomposition(start, regime):
    W, A, X = start
    step, d = 2.0, 4
    parts = take_apart(*start, regime=regime, step=step)
    run = descend(*start, regime=regime, step=step, n_steps=1)
    assert_close(parts.W, run.W, ROUND_OFF)
    assert_close(parts.A, run.A, ROUND_OFF)
    assert_close(parts.change, outputs(run.W, run.A, X) - outputs(W, A, X), ROUND_OFF)
    v1 = step / d * (parts.Ge + parts.He - parts.Ge_perp - parts.He_perp) + parts.v3
    assert_close(v1 + parts.v2, parts.change, ROUND_OFF)
    assert parts.flipped.any() == (regime != "decoder") == (np.abs(parts.v2).max() > 0)
    assert (np.abs(parts.v3).max() > 0) == (regime == "joint")


def test_kernels_times_errors(start):
    W, A, X = start
    parts = take_apart(*start, regime="joint", step=2.0)
    e = parts.E.ravel()
    G_perp, H_perp = naive.perpendicular_kernels(W, A, X, parts.flipped)
    assert_close(parts.Ge.ravel(), encoder_kernel(W, A, X) @ e, ROUND_OFF)
    assert_close(parts.He, decoder_kernel(W, X) @ parts.E, ROUND_OFF)
    assert_close(parts.Ge_perp.ravel(), G_perp @ e, ROUND_OFF)
    assert_close(parts.He_perp.ravel(), H_perp @ e, ROUND_OFF)


@pytest.mark.parametrize("regime", REGIMES)
def test_expansion_of_the_squared_error(start, regime):
    """It closes with 2 in the cross terms; with 2 eta / d, as printed, it does not."""
    step = 2.0
    parts = take_apart(*start, regime=regime, step=step)
    after = np.linalg.norm(parts.E - parts.change) ** 2 / np.linalg.norm(parts.E) ** 2
    assert_close(1 + sum(terms(parts, step)), after, ROUND_OFF)
    if regime != "decoder":
        assert abs(1 + sum(terms(parts, step, factor=2 * step / 4)) - after) > 1e-4


@pytest.mark.parametrize("step", [1e-3, 0.5, 5.0])
@pytest.mark.parametrize("regime", REGIMES)
def test_provable_bounds(start, regime, step):
    parts = take_apart(*start, regime=regime, step=step)
    found, bounds = terms(parts, step), provable_bounds(*start, parts, step)
    for name in ("C2", "C3", "C4", "C5") if regime != "joint" else found._fields:
        assert getattr(found, name) <= getattr(bounds, name) * (1 + ROUND_OFF)


def test_claims_b_at_the_step_of_the_theorem():
    step = theorem_step(spectrum(SPHERE), "encoder")
    parts = take_apart(*START, SPHERE, regime="encoder", step=step)
    moved = np.linalg.norm(parts.W - START.W, axis=0).max()
    found, bounds = terms(parts, step), encoder_bounds(SPHERE, step=step, radius=moved)
    assert all(value <= bound for value, bound in zip(found, bounds, strict=True))
    assert found.C5 / bounds.C5 == pytest.approx(1.6e-3, abs=1e-3)
    # with the radius lambda_0 / (64 n d) the bounds add up to what (4.12) says, with equality
    radius = spectrum(SPHERE).lambda_0 / (64 * 10 * 5)
    total = sum(encoder_bounds(SPHERE, step=step, radius=radius))
    assert total == pytest.approx(-step * spectrum(SPHERE).lambda_0 / 10, rel=1e-12)


def test_claim_c8_does_not_hold_at_large_width():
    step = theorem_step(spectrum(SPHERE), "joint")
    shares, claims = [], []
    for m in (1000, 10_000, 100_000):
        W, A = draw_weights(5, m, 0)
        shares.append(terms(take_apart(W, A, SPHERE, regime="joint", step=step), step).C5)
        claims.append(claimed_bounds(W, A, SPHERE, step=step).C5)
    assert shares == pytest.approx([1.34e-10, 1.04e-10, 8.9e-11], rel=0.02)
    assert claims == pytest.approx([1.09e-10, 1.09e-11, 1.09e-12], rel=0.01)


def test_claim_c8_fails_for_many_orthonormal_samples_even_with_the_prefactor_repaired():
    W, A = draw_weights(200, 2000, 0)
    X, step = np.eye(200), 1e-6
    C5 = terms(take_apart(W, A, X, regime="joint", step=step), step).C5
    assert C5 * (200 / step) ** 2 > 64


def test_printed_bounds_add_up_to_growth_at_any_step():
    known = spectrum(SPHERE)
    for step in 10.0 ** np.arange(-8, 1):
        bounds = claimed_bounds(*START, SPHERE, step=step)
        assert bounds.C1 + bounds.C2 > 0
    assert known.lambda_n / known.lambda_0 > 64


@pytest.mark.parametrize("regime", ["encoder", "joint"])
def test_slope_gap(start, regime):
    W, A, X = start
    for step in (0.1, 2.0, 20.0):
        parts = take_apart(*start, regime=regime, step=step)
        gap = slope_gap(*start, parts)
        assert gap.measured <= gap.bound
    assert gap.measured > 0 and 0 < gap.eps
    # with the mean slopes the encoder's part of the step is linear
    if regime == "encoder":
        square = np.vdot(parts.E, parts.E)
        linear = np.vdot(parts.E, 20.0 / 4 * parts.Ge - parts.change) / (20.0 / 4) / square
        assert_close(abs(linear), gap.measured, ITERATED)


def test_without_flips_mean_slopes_are_slopes():
    W, A, X = np.ones((3, 4)), np.ones((3, 4)) * [1, -1, 1, -1], np.eye(3)
    gap = slope_gap(W, A, X, take_apart(W, A, X, regime="encoder", step=0.01))
    assert gap == (0, 0, 0)


def test_repair_of_the_induction():
    """A step of at most d m / (4 lambda_n |A|^2) gains what R5 says, whatever the weights."""
    for seed in range(20):
        rng = np.random.default_rng([2, seed])
        W, A = rng.standard_normal((2, 4, 20))
        X = unit_samples.sphere(5, 4, rng)
        lambda_n = np.linalg.norm(X, 2) ** 2
        step = 4 * 20 / (4 * lambda_n * np.linalg.norm(A, 2) ** 2)
        parts = take_apart(W, A, X, regime="encoder", step=step)
        eps = slope_gap(W, A, X, parts).eps
        lowest = np.linalg.eigvalsh(encoder_kernel(W, A, X))[0]
        after = np.linalg.norm(parts.E - parts.change) ** 2 / np.linalg.norm(parts.E) ** 2
        assert after <= 1 - step / 4 * (1.25 * lowest - 2 * eps * lambda_n)


def test_what_units_that_change_sides_take_off_the_kernels():
    """At a practical step little of G and almost nothing of H; at the theorem's step there are none."""
    (W, A), active = START, SPHERE @ START.W >= 0
    parts = take_apart(W, A, SPHERE, regime="joint", step=practical_step(W, A, SPHERE, "joint"))
    lost = parts.flipped & active
    G_perp = np.einsum("ir,jr,ar,br,ij->iajb", lost, active, A, A, SPHERE @ SPHERE.T, optimize=True) / 2000
    Z = SPHERE @ W
    H_perp = (lost * Z) @ np.maximum(Z, 0).T / 2000
    assert_close(np.einsum("iajb,jb->ia", G_perp, parts.E), parts.Ge_perp, 1e-10)
    assert_close(H_perp @ parts.E, parts.He_perp, 1e-10)
    K_perp = G_perp.reshape(50, 50) + np.kron(H_perp, np.eye(5))
    assert np.linalg.norm(K_perp, 2) == pytest.approx(0.027, abs=1e-3)
    assert np.linalg.norm(H_perp, 2) == pytest.approx(2e-4, abs=1e-4)
    step = theorem_step(spectrum(SPHERE), "joint")
    assert not take_apart(W, A, SPHERE, regime="joint", step=step).flipped.any()


# The repair for both layers -------------------------------------------------------------------------------------------


def bounded(W, A, X, share=1.0):
    """The bound on a joint step, which is a share of the largest one."""
    step = share * largest_step(W, A, X)
    return step, descent_bound(A, X, take_apart(W, A, X, regime="joint", step=step), step)


def test_no_joint_step_beats_the_bound():
    sets = (
        unit_samples.sphere(6, 4, 0),
        unit_samples.near_duplicate(5, 4, 0.2, 1),
        unit_samples.orthonormal(4),
        unit_samples.clusters(2, 3, 4, 0.3, 0),
        unit_samples.sphere(12, 3, 2),
    )
    falls = []
    for k, X in enumerate(sets):
        for m in (10, 60, 300):
            rng = np.random.default_rng([k, m])
            W, A = draw_weights(X.shape[1], m, rng)
            for scale in (0.1, 1.0, 3.0):
                for share in (1.0, 0.3):
                    _, found = bounded(scale * W, A, X, share)
                    assert found.after <= found.bound * (1 + ROUND_OFF)
                    falls.append(found.bound)
    assert min(falls) < 0.9, "and the bound says something"


def test_flips_can_undo_a_step_and_the_bound_says_so():
    """Copies of one sample, which no unit sees, and another one whose gradient turns a unit on for them, wrongly."""
    X = np.array([[1.0, 0]] * 8 + [[0.28, 0.96]])
    W, A = np.array([[-1e-9, -1e-9], [1e-3, 1e-3]]), np.array([[-1.0, 1], [1, -1]])
    step, found = bounded(W, A, X)
    without_flips = 1 - step / 2 * X.ravel() @ kernel(W, A, X, "joint") @ X.ravel() / 9
    assert without_flips < 1 < found.after <= found.bound


def test_the_bound_closes_the_induction_at_large_width():
    X = unit_samples.sphere(6, 8, 0)
    low, (W, A) = spectrum(X).lambda_0, draw_weights(8, 20_000, 0)
    assert bounded(W, A, X)[0] > 100 * theorem_step(spectrum(X), "joint")
    for _ in range(15):
        step, found = bounded(W, A, X)
        assert found.after <= found.bound <= 1 - step * low / 16
        parts = take_apart(W, A, X, regime="joint", step=step)
        W, A = parts.W, parts.A


def test_beyond_the_largest_step_the_bound_can_fail():
    _, found = bounded(*draw_weights(4, 300, 0), unit_samples.sphere(6, 4, 0), share=40)
    assert found.after > found.bound
