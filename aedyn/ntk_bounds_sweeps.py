"""The sweeps of the chapter on kernels and widths, for reruns at any scale."""

import numpy as np

from aedyn import unit_samples
from aedyn.ntk_bounds import against_limits
from aedyn.ntk_kernels import decoder_kernel, encoder_kernel
from aedyn.ntk_limits import limit_kernels, spectrum
from aedyn.sweeps import Plan, finer
from aedyn.wide_network import draw_weights

# unit rows, by name, from kind to unkind; the seed is that of the random ones
DATA = {
    "orthonormal": lambda seed: unit_samples.orthonormal(20),
    "sphere, d = 50": lambda seed: unit_samples.sphere(20, 50, seed),
    "sphere, d = 10": lambda seed: unit_samples.sphere(20, 10, seed),
    "sphere, d = 10, more": lambda seed: unit_samples.sphere(50, 10, seed),
    "sphere, d = 5": lambda seed: unit_samples.sphere(10, 5, seed),
    "sphere, d = 3": lambda seed: unit_samples.sphere(50, 3, seed),
    "four clusters": lambda seed: unit_samples.clusters(4, 5, 10, 0.2, seed + 1),
    "near-duplicate": lambda seed: unit_samples.near_duplicate(11, 10, 0.01, seed),
    "digits": lambda seed: unit_samples.digits(200),
}


# Experiments ----------------------------------------------------------------------------------------------------------


def angle(rng, degrees, width):
    """Entries of the two kernels of a wide random network, over the angle between two samples.

    Parameters
    ----------
    rng : int or numpy.random.Generator
    degrees : float
    width : int

    Returns
    -------
    dict of str to float
        `encoder`, the mean over the outputs, and `decoder`.
    """
    X = unit_samples.pair(np.deg2rad(degrees))
    W, A = draw_weights(2, width, rng)
    return {"encoder": np.trace(encoder_kernel(W, A, X)[:2, 2:]) / 2, "decoder": decoder_kernel(W, X)[0, 1]}


def start(rng, data, width, data_seed):
    """Smallest eigenvalues of the kernels of random networks, and their distances from limits, over the width.

    Parameters
    ----------
    rng : int or numpy.random.Generator
    data : str
        A key of `DATA`.
    width : int
    data_seed : int
        Of the samples, the same for all trials.

    Returns
    -------
    dict of str to float
        As of `ntk_bounds.AgainstLimits`.
    """
    X = DATA[data](data_seed)
    return against_limits(*draw_weights(X.shape[1], width, rng), X)._asdict()


def spread(rng, n, units):
    """Distance of the decoder's kernel from its limit for orthonormal samples, over their number.

    Parameters
    ----------
    rng : int or numpy.random.Generator
    n : int
        Number of samples and dimension.
    units : int
        For each sample.

    Returns
    -------
    float
        In spectral norm.
    """
    X = unit_samples.orthonormal(n)
    H = decoder_kernel(draw_weights(n, units * n, rng).W, X)
    return np.linalg.norm(H - limit_kernels(X).decoder, 2)


def enough(rng, data, share, data_seed):
    """Width at which a random network that doubles and doubles has most of the smallest eigenvalue of the limit.

    Parameters
    ----------
    rng : int or numpy.random.Generator
    data : str
        A key of `DATA`.
    share : float
        Of the smallest eigenvalue of the limit.
    data_seed : int
        Of the samples, the same for all trials.

    Returns
    -------
    dict of str to int
        First powers of two, from 8 on, at which the kernels have that much, `encoder` and `decoder`.
    """
    X = DATA[data](data_seed)
    d, known = X.shape[1], spectrum(X)
    kernels = {
        "encoder": (encoder_kernel, known.lambda_0),
        "decoder": (lambda W, A, X: decoder_kernel(W, X), known.lambda_T),
    }
    W, A = draw_weights(d, 8, rng)
    found = {}
    while kernels:
        for name, (kernel, limit) in list(kernels.items()):
            if np.linalg.eigvalsh(kernel(W, A, X))[0] >= share * limit:
                found[name] = W.shape[1]
                del kernels[name]
        W, A = map(np.hstack, zip((W, A), draw_weights(d, W.shape[1], rng), strict=True))
    return found


# Grids ----------------------------------------------------------------------------------------------------------------


def _angle_grid(scale):
    """Angles in degrees."""
    return {"degrees": finer([10.0, 30.0, 45.0, 60.0, 90.0, 120.0, 135.0, 160.0], scale)}


def _start_grid(scale):
    """Widths, for two kind data sets."""
    return {"data": ["sphere, d = 5", "orthonormal"], "width": finer([50 * 2**i for i in range(10)], scale)}


def _spread_grid(scale):
    """Numbers of samples."""
    return {"n": finer([10, 20, 40, 80, 160], scale)}


def _enough_grid(scale):
    """Data sets whose kernels have at most 500 rows, at any scale."""
    names = ["orthonormal", "sphere, d = 10", "sphere, d = 10, more", "sphere, d = 3", "four clusters"]
    return {"data": [*names, "near-duplicate"]}


SWEEPS = {
    "angle": Plan(angle, _angle_grid, n_trials=1, fixed={"width": 400_000}),
    "start": Plan(start, _start_grid, n_trials=10, fixed={"data_seed": 0}),
    "spread": Plan(spread, _spread_grid, n_trials=10, fixed={"units": 4}),
    "enough": Plan(enough, _enough_grid, n_trials=10, fixed={"share": 0.75, "data_seed": 0}),
}
