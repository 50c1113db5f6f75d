"""Sweeps of the chapter on kernels and widths: limits, laws, and the same outcomes as from plain calls."""

import numpy as np
import pytest
from tolerances import ROUND_OFF, STANDARD_ERRORS, assert_close

from aedyn.ntk_bounds import against_limits
from aedyn.ntk_bounds_sweeps import DATA, SWEEPS, angle, enough, spread, start
from aedyn.ntk_kernels import decoder_kernel, encoder_kernel
from aedyn.ntk_limits import kernels_at, spectrum
from aedyn.ntk_moments import decoder_fluctuation
from aedyn.sweeps import sweep
from aedyn.unit_samples import check_unit_rows
from aedyn.wide_network import draw_weights

SERIAL = {"engine": "serial", "progress": False}
SMALLER = {"angle": {"width": 500}, "enough": {"share": 0.01}}
SIZES = {
    "orthonormal": (20, 20),
    "sphere, d = 50": (20, 50),
    "sphere, d = 10": (20, 10),
    "sphere, d = 10, more": (50, 10),
    "sphere, d = 5": (10, 5),
    "sphere, d = 3": (50, 3),
    "four clusters": (20, 10),
    "near-duplicate": (11, 10),
    "digits": (200, 64),
}


@pytest.mark.parametrize("name", SWEEPS)
def test_plans_run_at_a_small_scale(name):
    plan = SWEEPS[name]
    grid = plan.grid(0.01)
    grid |= {"width": grid["width"][:1]} if name == "start" else {}
    table = sweep(plan.experiment, grid, 2, plan.seed, fixed=plan.fixed | SMALLER.get(name, {}), **SERIAL)
    assert not len(table.failures) and set(table.parameters) == set(plan.grid(1))
    numbers = table.rows[list(table.values)].to_numpy(float)
    assert numbers.shape[0] == 2 * np.prod([len(axis) for axis in grid.values()])
    assert np.isfinite(numbers).all()
    assert (np.ptp(numbers.reshape(-1, 2, numbers.shape[1]), axis=1) > 0).any(), "trials differ"


def test_data_sets_are_of_unit_vectors():
    assert {name: DATA[name](0).shape for name in SIZES} == SIZES
    for name in SIZES:
        check_unit_rows(name, DATA[name](0))
    assert not np.array_equal(DATA["sphere, d = 3"](1), DATA["sphere, d = 3"](2))
    twice = DATA["near-duplicate"](0)
    assert_close(twice[0] @ twice[-1], np.cos(0.01), ROUND_OFF)


def test_entries_tend_to_the_limits_of_the_angle():
    m = 20_000
    rows = sweep(angle, {"degrees": [30, 90, 150]}, 1, 0, fixed={"width": m}, **SERIAL).rows
    limits = kernels_at(np.deg2rad(rows["degrees"].to_numpy()))
    # the standard deviation of an entry is below 1 / sqrt(m), and T - S is far above that
    noise = STANDARD_ERRORS / np.sqrt(m)
    assert (np.abs(rows["encoder"] - limits.encoder) < noise).all()
    assert (np.abs(rows["decoder"] - limits.decoder) < noise).all()
    assert (np.abs(rows["decoder"] - limits.encoder) > noise).all()


def test_a_start_is_a_network_against_its_limits():
    X = DATA["sphere, d = 5"](0)
    found = against_limits(*draw_weights(5, 30, 3), X)
    assert start(np.random.default_rng(3), "sphere, d = 5", 30, 0) == found._asdict()


def test_kernels_come_closer_to_their_limits_with_the_width():
    rows = sweep(start, {"data": ["sphere, d = 5"], "width": [100, 1600]}, 4, 0, fixed={"data_seed": 0}, **SERIAL).rows
    narrow, wide = (rows[rows["width"] == m].mean(numeric_only=True) for m in (100, 1600))
    known = spectrum(DATA["sphere, d = 5"](0))
    assert narrow["smallest_G"] < 0.75 * known.lambda_0 < wide["smallest_G"]
    assert wide["G_to_S"] < narrow["G_to_S"] / 2 and wide["H_to_T"] < narrow["H_to_T"] / 2
    assert wide["H_to_S"] > wide["H_to_T"] * 2, "which is not the decoder's limit"


def test_the_spread_follows_the_root_of_the_number_of_samples():
    rows = sweep(spread, {"n": [10, 40, 160]}, 8, 0, fixed={"units": 4}, **SERIAL).rows
    ratios = rows["value"] / [decoder_fluctuation(n) / np.sqrt(4 * n) for n in rows["n"]]
    medians = ratios.groupby(rows["n"]).median()
    # never below the distance along the vector of ones, and not far above
    assert (medians > 0.8).all() and (medians < 1.5).all()


def test_a_network_grows_until_it_has_enough():
    """Against one that draws its units in the same order, and looks at each width."""
    X, share = DATA["sphere, d = 5"](0), 0.5
    found = enough(np.random.default_rng(1), "sphere, d = 5", share, 0)
    rng = np.random.default_rng(1)
    W, A = draw_weights(5, 8, rng)
    while W.shape[1] < max(found.values()):
        more = draw_weights(5, W.shape[1], rng)
        W, A = np.hstack([W, more.W]), np.hstack([A, more.A])
    known = spectrum(X)
    for name, kernel, limit in (
        ("encoder", encoder_kernel, known.lambda_0),
        ("decoder", lambda W, A, X: decoder_kernel(W, X), known.lambda_T),
    ):
        m = found[name]
        assert m > 8 and m == 2 ** round(np.log2(m))
        low, before = (np.linalg.eigvalsh(kernel(W[:, :k], A[:, :k], X))[0] for k in (m, m // 2))
        assert before < share * limit <= low


def test_more_units_are_enough_for_more():
    table = sweep(
        enough,
        {"share": [0.1, 0.5]},
        4,
        0,
        fixed={"data": "sphere, d = 5", "data_seed": 0},
        paired=("share",),
        **SERIAL,
    ).rows
    little, much = (table[table["share"] == share] for share in (0.1, 0.5))
    for kernel in ("encoder", "decoder"):
        assert (little[kernel].to_numpy() <= much[kernel].to_numpy()).all()
    assert little["encoder"].sum() < much["encoder"].sum()
