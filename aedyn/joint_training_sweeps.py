"""The sweeps of the chapter on training one layer or both, for reruns at any scale."""

import numpy as np
from scipy.optimize import nnls

from aedyn import unit_samples
from aedyn.joint_training import follow, kernel, practical_step
from aedyn.joint_widths import try_start
from aedyn.ntk_limits import spectrum
from aedyn.sweeps import Plan, finer
from aedyn.wide_network import REGIMES, descend, draw_weights, outputs

SHARE = 0.5  # of the largest stable step, in the trials of the widths
TARGET = 1e-4  # share of the first loss at which they succeed


# unit rows, by name; the seed is that of the random ones
DATA = {
    "sphere, n = 10, d = 5": lambda seed: unit_samples.sphere(10, 5, seed),
    "sphere, n = 20, d = 10": lambda seed: unit_samples.sphere(20, 10, seed),
    "orthonormal, n = d = 16": lambda seed: unit_samples.orthonormal(16),
    "four clusters, n = 20, d = 10": lambda seed: unit_samples.clusters(4, 5, 10, 0.2, seed + 1),
    "two at angle 0.1, n = 11, d = 10": lambda seed: unit_samples.near_duplicate(11, 10, 0.1, seed),
    "digits, n = 20, d = 64": lambda seed: unit_samples.digits(20),
}


# Experiments ----------------------------------------------------------------------------------------------------------


def drift(rng, regime, width, n, d, n_steps, data_seed):
    """How many units change sides in a descent, and how far the kernels move.

    Parameters
    ----------
    rng : int or numpy.random.Generator
    regime : str
        As for `wide_network.descend`.
    width : int
    n, d : int
        Number of samples on the sphere, and dimension.
    n_steps : int
        Of a quarter of the largest stable step.
    data_seed : int
        Of the samples, the same for all trials.

    Returns
    -------
    dict of str to float
        Mean share of the units that flip for a sample, `flips`, and the spectral norms of the changes, `G` and `H`.
    """
    X = unit_samples.sphere(n, d, data_seed)
    start = draw_weights(d, width, rng)
    end = follow(*start, X, regime=regime, step=practical_step(*start, X, regime), steps=[n_steps])
    return {"flips": end.flips.mean(), "G": end.G_drift[0], "H": end.H_drift[0]}


def on_sphere(rng, regime, n, d, width, n_steps):
    """Whether a start succeeds on random samples on the sphere, over their number or dimension and the width.

    Parameters
    ----------
    rng : int or numpy.random.Generator
    regime : str
        As for `wide_network.descend`.
    n, d : int
        Number of samples, and dimension.
    width : int
    n_steps : int
        At most.

    Returns
    -------
    dict of str to number
        `reached` and `steps`, as of `joint_widths.Trial`.
    """
    X = unit_samples.sphere(n, d, rng)
    return try_start(*draw_weights(d, width, rng), X, regime, share=SHARE, target=TARGET, n_steps=n_steps)._asdict()


def crowd(rng, width, n, d, n_new, n_steps):
    """Steps of joint training with many samples, smallest eigenvalue of the kernel, and error on new inputs.

    Parameters
    ----------
    rng : int or numpy.random.Generator
    width : int
    n, d : int
        Number of samples on the sphere, and dimension.
    n_new : int
        New inputs on the sphere.
    n_steps : int
        At most.

    Returns
    -------
    dict of str to number
        `reached` and `steps`, as of `joint_widths.Trial`; the smallest eigenvalue of the kernel at the start over that
        of its limit, `smallest`; the mean squared error of the trained network on the new inputs, `on_new`.
    """
    X, new = unit_samples.sphere(n, d, rng), unit_samples.sphere(n_new, d, rng)
    start = draw_weights(d, width, rng)
    step = practical_step(*start, X, "joint", SHARE)
    run = descend(*start, X, regime="joint", step=step, n_steps=n_steps, target=TARGET)
    reached = run.status == "reached"
    return {
        "reached": reached,
        "steps": float(run.n_iter) if reached else np.inf,
        "smallest": np.linalg.eigvalsh(kernel(*start, X, "joint"))[0] / spectrum(X).lambda_joint,
        "on_new": np.square(outputs(run.W, run.A, new) - new).sum(axis=1).mean(),
    }


def cones(rng, regime, width, d, n_steps):
    """Whether orthonormal samples lie in the cones that the encoder can reach, and whether the start succeeds.

    Parameters
    ----------
    rng : int or numpy.random.Generator
    regime : str
        As for `wide_network.descend`.
    width : int
    d : int
        Dimension and number of samples.
    n_steps : int
        At most.

    Returns
    -------
    dict of str to bool
        `inside` for the first, the same in all regimes, and `reached` for the second.
    """
    X, (W, A) = unit_samples.orthonormal(d), draw_weights(d, width, rng)
    inside = all(nnls(A[:, row >= 0], x)[1] < 1e-9 for row, x in zip(W, X, strict=True))
    trial = try_start(W, A, X, regime, share=SHARE, target=TARGET, n_steps=n_steps)
    return {"inside": inside, "reached": trial.reached}


def on_data(rng, regime, data, width, n_steps, data_seed):
    """Whether a start succeeds on one of six data sets, and in how many steps, over the width.

    Parameters
    ----------
    rng : int or numpy.random.Generator
    regime : str
        As for `wide_network.descend`.
    data : str
        A key of `DATA`.
    width : int
    n_steps : int
        At most.
    data_seed : int
        Of the samples, the same for all trials.

    Returns
    -------
    dict of str to number
        `reached` and `steps`, as of `joint_widths.Trial`.
    """
    X = DATA[data](data_seed)
    start = draw_weights(X.shape[1], width, rng)
    return try_start(*start, X, regime, share=SHARE, target=TARGET, n_steps=n_steps)._asdict()


# Grids ----------------------------------------------------------------------------------------------------------------


def _drift_grid(scale):
    """Widths, for the two regimes that move the encoder."""
    return {"regime": ["encoder", "joint"], "width": finer([64, 256, 1024, 4096, 16_384], scale)}


def _samples_grid(scale):
    """Numbers of samples and widths, for all regimes."""
    widths = finer([4, 8, 16, 32, 64, 128, 256, 512], scale)
    return {"regime": REGIMES, "n": finer([4, 8, 16, 32, 64, 128], scale), "width": widths}


def _dimensions_grid(scale):
    """Dimensions and widths, for all regimes."""
    widths = _samples_grid(scale)["width"]
    return {"regime": REGIMES, "d": finer([2, 4, 8, 16, 32], scale), "width": widths}


def _crowd_grid(scale):
    """Widths."""
    return {"width": finer([12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512], scale)}


def _cones_grid(scale):
    """Widths, for all regimes."""
    return {"regime": REGIMES, "width": finer([48, 64, 80, 96, 112, 128, 160, 192], scale)}


def _data_grid(scale):
    """Data sets and widths, for all regimes."""
    return {"regime": REGIMES, "data": list(DATA), "width": finer([8 * 2**i for i in range(10)], scale)}


RUNNING_EXAMPLE = {"n": 10, "d": 5, "data_seed": 0}
SWEEPS = {
    "drift": Plan(drift, _drift_grid, n_trials=4, fixed=RUNNING_EXAMPLE | {"n_steps": 400}, paired=("regime",)),
    "over_n": Plan(on_sphere, _samples_grid, n_trials=6, fixed={"d": 8, "n_steps": 4000}, paired=("regime", "width")),
    "over_d": Plan(
        on_sphere, _dimensions_grid, n_trials=6, fixed={"n": 16, "n_steps": 4000}, paired=("regime", "width")
    ),
    "crowd": Plan(
        crowd, _crowd_grid, n_trials=3, fixed={"n": 128, "d": 8, "n_new": 1000, "n_steps": 12_000}, paired=("width",)
    ),
    "cones": Plan(cones, _cones_grid, n_trials=30, fixed={"d": 16, "n_steps": 4000}, paired=("regime",)),
    "data": Plan(on_data, _data_grid, n_trials=5, fixed={"n_steps": 4000, "data_seed": 0}, paired=("regime",)),
}
