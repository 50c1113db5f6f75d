"""The sweeps of the chapter on code consistency, for reruns at any scale.

Each experiment draws weights and samples, and counts on how many of these the encoder finds the support: the column
`exact`, out of the fixed parameter `n_samples`.
"""

import numpy as np

from aedyn.activations import HardThreshold, ReLU
from aedyn.code_consistency import support_recovery, upper_end_example
from aedyn.dictionaries import equiangular_dictionary, orthonormal_dictionary, perturb
from aedyn.generative import MixtureOfGaussians, NonnegativeSparse, SparseCoding
from aedyn.sweeps import Plan, finer


def window(rng, weights, delta, bias, n, m, n_samples):
    """Does ReLU find the component of a mixture of Gaussians, for worst and random weights, over the bias?

    Parameters
    ----------
    rng : numpy.random.Generator
    weights : str
        "worst", one unit tilted towards another atom, or "random", all tilted at random.
    delta : float
        Distance of each unit, or of the one, from its atom.
    bias : float
    n, m : int
        Dimension and number of components; the noise has standard deviation 1/sqrt(n).
    n_samples : int

    Returns
    -------
    dict of str to int
    """
    if weights == "worst":
        A, W = upper_end_example(n, m, 1, delta)
    else:
        A = orthonormal_dictionary(n, m, rng)
        W = perturb(A, delta, rng)
    return _exact(MixtureOfGaussians(A, 1 / np.sqrt(n)), W, bias, ReLU(), n_samples, rng)


def upper_end(rng, noise, bias, delta, n, m, n_samples):
    """Where ReLU stops finding the component as the bias rises, for the worst weights at three noise levels.

    Parameters
    ----------
    rng : numpy.random.Generator
    noise : float
        Standard deviation times sqrt(n).
    bias : float
    delta : float
        Distance of the one tilted unit from its atom.
    n, m : int
        Dimension and number of components.
    n_samples : int

    Returns
    -------
    dict of str to int
    """
    A, W = upper_end_example(n, m, 1, delta)
    return _exact(MixtureOfGaussians(A, noise / np.sqrt(n)), W, bias, ReLU(), n_samples, rng)


def closeness(rng, k, delta, n, n_samples):
    """Does a threshold at 1/2 find k active atoms of n orthonormal ones, for random weights at some distance?

    Parameters
    ----------
    rng : numpy.random.Generator
    k : int
    delta : float
        Distance of each unit from its atom, in a random direction.
    n : int
        Dimension and number of atoms; as the directions are random, it does not matter which orthonormal ones.
    n_samples : int
        With entries 1 and without noise.

    Returns
    -------
    dict of str to int
    """
    A = np.eye(n)
    return _exact(NonnegativeSparse(A, k=k), perturb(A, delta, rng), 0, HardThreshold(0.5), n_samples, rng)


def coherence(rng, codes, k, c, n, n_samples):
    """Does a threshold at 1/2 find k active atoms of n with common inner products, for signed and other codes?

    Parameters
    ----------
    rng : numpy.random.Generator
    codes : str
        "signed", entries 1 or -1 of which the signs must be found too, or "non-negative", entries 1.
    k : int
    c : float
        Inner product of any two atoms; the weights are the atoms.
    n : int
        Dimension and number of atoms.
    n_samples : int
        Without noise.

    Returns
    -------
    dict of str to int
    """
    A, signed = equiangular_dictionary(n, n, c), codes == "signed"
    model = SparseCoding(A, k=k) if signed else NonnegativeSparse(A, k=k)
    return _exact(model, A, 0, HardThreshold(0.5), n_samples, rng, signed=signed)


def width(rng, n, noise, m, n_samples):
    """Does ReLU with bias -1/2 find the component, for random weights at distance 1/log n, over n and the noise?

    Parameters
    ----------
    rng : numpy.random.Generator
    n : int
        Dimension.
    noise : float
        Standard deviation times sqrt(n).
    m : int
        Number of components.
    n_samples : int

    Returns
    -------
    dict of str to int
    """
    A = orthonormal_dictionary(n, m, rng)
    W = perturb(A, 1 / np.log(n), rng)
    return _exact(MixtureOfGaussians(A, noise / np.sqrt(n)), W, -0.5, ReLU(), n_samples, rng)


def _exact(*arguments, **options):
    return {"exact": support_recovery(*arguments, **options).n_exact}


def _window_grid(scale):
    return {
        "weights": ["worst", "random"],
        "delta": finer(np.linspace(0.02, 0.8, 27), scale),
        "bias": finer(np.linspace(-1, 0, 26), scale),
    }


def _upper_end_grid(scale):
    return {"noise": [0.0, 0.1, 1.0], "bias": finer(np.linspace(-0.45, -0.03, 29), scale)}


def _closeness_grid(scale):
    return {"k": finer(_integers(1, 128, 22), scale), "delta": finer(np.linspace(0.05, 1.2, 26), scale)}


def _coherence_grid(scale):
    return {
        "codes": ["signed", "non-negative"],
        "k": finer(_integers(1, 64, 20), scale),
        "c": finer(np.linspace(0, 0.3, 21), scale),
    }


def _width_grid(scale):
    return {"n": finer(_integers(16, 4096, 18), scale), "noise": finer(np.linspace(0.25, 8, 24), scale)}


def _integers(low, high, n_points):
    return np.unique(np.geomspace(low, high, n_points).astype(int))


SWEEPS = {
    "window": Plan(window, _window_grid, n_trials=1, fixed={"n": 784, "m": 10, "n_samples": 400}),
    "upper_end": Plan(
        upper_end, _upper_end_grid, n_trials=1, fixed={"delta": 0.1, "n": 784, "m": 10, "n_samples": 4000}
    ),
    "closeness": Plan(closeness, _closeness_grid, n_trials=1, fixed={"n": 256, "n_samples": 200}),
    "coherence": Plan(coherence, _coherence_grid, n_trials=1, fixed={"n": 128, "n_samples": 200}),
    "width": Plan(width, _width_grid, n_trials=1, fixed={"m": 10, "n_samples": 400}),
}
