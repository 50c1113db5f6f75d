"""The sweeps of the chapter on code consistency, for reruns at any scale."""

from functools import lru_cache

import numpy as np

from aedyn.activations import ReLU
from aedyn.code_consistency import support_recovery, upper_end_example
from aedyn.dictionaries import orthonormal_dictionary, perturb
from aedyn.generative import MixtureOfGaussians
from aedyn.sweeps import Plan, finer


def window(rng, weights, delta, bias, n, m, n_samples, weights_seed):
    """On how many samples of a mixture of Gaussians ReLU finds the component, for some weights and bias.

    Parameters
    ----------
    rng : int or numpy.random.Generator
    weights : str
        "worst", one unit tilted towards another atom, or "random", all tilted at random.
    delta : float
        Distance of each unit, or of the one, from its atom.
    bias : float
    n, m : int
        Dimension and number of components; the noise has standard deviation 1/sqrt(n).
    n_samples : int
    weights_seed : int
        Of dictionary and directions of random weights, the same for all trials.

    Returns
    -------
    dict of str to int
        Samples whose component was found, `exact`, out of `n_samples`.
    """
    A, W = _weights(weights, delta, n, m, weights_seed)
    model = MixtureOfGaussians(A, 1 / np.sqrt(n))
    return {"exact": support_recovery(model, W, bias, ReLU(), n_samples, rng).n_exact}


@lru_cache(maxsize=2)
def _weights(weights, delta, n, m, seed):
    """Dictionary and weights, which the trials at all biases share."""
    if weights == "worst":
        return upper_end_example(n, m, 1, delta)
    A = orthonormal_dictionary(n, m, [seed, 8])
    return A, perturb(A, delta, [seed, 9])


def window_grid(scale=1, n_grid=26):
    """Bias and distance, for both kinds of weights.

    Parameters
    ----------
    scale : float
        Factor on the resolution.
    n_grid : int
        Biases at scale 1.

    Returns
    -------
    dict of str to sequence
    """
    return {
        "weights": ["worst", "random"],
        "delta": finer(np.linspace(0.02, 0.8, n_grid + 1), scale),
        "bias": finer(np.linspace(-1, 0, n_grid), scale),
    }


SWEEPS = {
    "window": Plan(window, window_grid, n_trials=1, fixed={"n": 784, "m": 10, "n_samples": 400, "weights_seed": 0}),
}
