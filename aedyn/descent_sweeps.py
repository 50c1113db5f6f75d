"""The sweeps of the chapter on descent, for reruns at any scale."""

import warnings

import numpy as np
from scipy.sparse.linalg import eigsh

from aedyn.activations import HardThreshold, ReLU
from aedyn.descent import coherence_floor, mode_curvatures, population_descent
from aedyn.dictionaries import match_columns, normalize, orthonormal_dictionary, perturb, random_dictionary
from aedyn.generative import MixtureOfGaussians, NonnegativeSparse, SparseCoding
from aedyn.optimizers import constant_bias, normalized_descent, shrinking_bias, streamed_descent
from aedyn.sweeps import Plan, finer

# Expected gradient ----------------------------------------------------------------------------------------------------


def coherent_floor(rng, n, ratio, k):
    """Where descent with zero-mean codes settles for a random dictionary, and where the first-order law puts it.

    Parameters
    ----------
    rng : int or numpy.random.Generator
    n : int
        Dimension.
    ratio : int
        Number of atoms over dimension.
    k : int
        Number of active atoms.

    Returns
    -------
    dict of str to float
        Squared error in the end, `floor`, and the `law`.
    """
    A = random_dictionary(n, ratio * n, rng)
    model = SparseCoding(A, k=k)
    run = population_descent(model, A, constant_bias(0.0), 0.5 * model.m / k, 40, tolerance=1e-4)
    return {"floor": run.errors[-1], "law": coherence_floor(A, k)}


def _floors_grid(scale):
    """Dimension, ratio and active atoms."""
    return {"n": finer([32, 48, 64, 96], scale), "ratio": [1, 2], "k": [2, 3, 4]}


def growth(rng, k, step, m, n_steps):
    """How the squared error has grown or shrunk (tenfold powers) after some steps on non-negative codes.

    Parameters
    ----------
    rng : int or numpy.random.Generator
    k : int
        Number of active atoms, with entries uniform on [1, 2]; atoms are orthonormal, in m + 1 dimensions.
    step : float
        Step size, as a multiple of m/k.
    m : int
        Number of atoms.
    n_steps : int

    Returns
    -------
    float
        From a start at distance 0.02; below an error of 1e-8 all is the same.
    """
    rng = np.random.default_rng(rng)
    model = NonnegativeSparse(orthonormal_dictionary(m + 1, m, rng), k=k, a1=1, a2=2)
    start = perturb(model.A, 0.02, rng)
    errors = population_descent(model, start, constant_bias(0.0), step * m / k, n_steps).errors
    return np.log10(max(errors[-1], 1e-8) / errors[0])


def _growth_grid(scale):
    """Active atoms and step sizes."""
    return {"k": range(1, 11), "step": finer(np.geomspace(0.02, 1.2, 20), scale)}


# Finitely many samples ------------------------------------------------------------------------------------------------


def sampling_floor(rng, model, streamed, n_samples, n, m, k, sigma):
    """Where descent from the truth ends with finitely many samples, and where the first-order law puts it.

    Parameters
    ----------
    rng : int or numpy.random.Generator
    model : str
        "mixture", "zero-mean" or "non-negative", with entries uniform on [1, 2]; atoms are orthonormal.
    streamed : bool
        Whether samples are fresh in each step.
    n_samples : int
        In a step.
    n, m, k : int
        Dimension, number of atoms, and number of active ones; a mixture has 1, whatever k.
    sigma : float
        Standard deviation of the noise.

    Returns
    -------
    dict of str to float
        Frobenius norm of the `error` in the end, a quadratic mean over the second half of the steps when streamed; and
        the `law`.
    """
    rng = np.random.default_rng(rng)
    A = orthonormal_dictionary(n, m, rng)
    if model == "mixture":
        model = MixtureOfGaussians(A, sigma)
    else:
        model = SparseCoding(A, sigma, k=k) if model == "zero-mean" else NonnegativeSparse(A, sigma, k=k, a1=1, a2=2)
    step_size, n_steps = 1 / _curvatures(model).max(), 15 * model.k
    options = {"step_size": step_size, "n_steps": n_steps, "watch": lambda W: np.linalg.norm(W - A)}
    rule = constant_bias(0.0), HardThreshold(0.5)
    if streamed:
        run = streamed_descent(model, A, *rule, n_samples=n_samples, rng=rng, **options)
        error = np.sqrt(np.square(run.watched[n_steps // 2 :]).mean())
        return {"error": error, "law": floor_law(model, n_samples, step_size)}
    run = normalized_descent(A, rule[0], model.sample(n_samples, rng).Y, rule[1], **options)
    return {"error": run.watched[-1], "law": floor_law(model, n_samples)}


def floor_law(model, n_samples, step_size=None):
    """Error in the end that is due to finitely many samples, to first order in the noise.

    Parameters
    ----------
    model : MixtureOfGaussians, SparseCoding or NonnegativeSparse
        With orthonormal atoms.
    n_samples : int
        In a step.
    step_size : float, optional
        When samples are fresh in each step; otherwise they are the same in all steps.

    Returns
    -------
    float
        Frobenius norm of W - A.
    """
    c = _curvatures(model)
    gain = 1 / c if step_size is None else step_size / (2 - step_size * c)
    return model.sigma_eta * np.sqrt((model.n - model.k) / n_samples * gain.sum())


def _curvatures(model):
    """Curvatures of errors outside the span of the atoms, one for each column."""
    modes = mode_curvatures(model.m, model.k, model.kappa1, model.kappa2)
    return np.array([modes.balanced] * (model.m - 1) + [modes.common])


MODELS = ("mixture", "zero-mean", "non-negative")


def _samples_grid(scale):
    """Numbers of samples, in a fixed batch and fresh."""
    return {"model": MODELS, "streamed": [False, True], "n_samples": finer([1000, 2000, 4000, 8000], scale)}


def _sizes_grid(scale):
    """Numbers of atoms and of active ones and noise, one changed at a time; the same at every scale."""
    sizes = [(10, 3, 0.02), (40, 3, 0.02), (20, 2, 0.02), (20, 5, 0.02), (20, 3, 0.005), (20, 3, 0.04)]
    return [{"model": model, "m": m, "k": k, "sigma": sigma} for model in MODELS for m, k, sigma in sizes]


# The experiment of the paper ------------------------------------------------------------------------------------------

STARTS = ("perturbed", "PCA", "random")

# whether 1/sqrt(n) is the variance of an entry, whether columns are normalised, and the step size, m if none is said
READINGS = {
    "σ = 1/√n, normalised, ζ = m": (False, True, None),
    "normalised, ζ = 3": (False, True, 3),
    "normalised, ζ = 1": (False, True, 1),
    "raw, ζ = m": (False, False, None),
    "raw, ζ = 3": (False, False, 3),
    "raw, ζ = 1": (False, False, 1),
    "variance, normalised, ζ = m": (True, True, None),
    "variance, raw, ζ = m": (True, False, None),
}

# activation and bias
RULES = {
    "ReLU, b halved": (ReLU(), shrinking_bias(-1.25)),
    "ReLU, b = −0.5": (ReLU(), constant_bias(-0.5)),
    "ReLU, b halved down to −0.15": (ReLU(), lambda step: min(-1.25 / 2**step, -0.15)),
    "ReLU, b halved, then −0.3 from step 35 on": (ReLU(), lambda step: -1.25 / 2**step if step < 35 else -0.3),
    "threshold 1/2": (HardThreshold(0.5), constant_bias(0.0)),
}


def training(
    rng,
    start,
    noise,
    n,
    m,
    n_samples,
    n_steps,
    reading="σ = 1/√n, normalised, ζ = m",
    rule="ReLU, b halved",
):
    """The experiment of the dynamics paper, Section 6: learning a mixture of Gaussians, in single precision.

    Parameters
    ----------
    rng : int or numpy.random.Generator
    start : str
        "perturbed", the atoms and half as much noise; "PCA", the leading singular vectors of the data, each pointing
        towards the mean sample; or "random".
    noise : float
        Standard deviation of the noise.
    n, m : int
        Dimension and number of components.
    n_samples : int
    n_steps : int
    reading : str
        What the paper is taken to say, a key of `READINGS`.
    rule : str
        Activation and bias, a key of `RULES`.

    Returns
    -------
    dict of str to float, int or bool
        Loss before each step, `loss_0` and so on, and Frobenius distance from the atoms after matching columns, at the
        start and after each step, `distance_0` and so on; infinite once the run has diverged. That distance in the end
        when columns may change their signs as well, `free`, and the distance of the unit means of the clusters,
        `oracle`. How many columns are within 0.5 of an atom in the end, `found`; the largest share of samples on which
        a unit is active at the start, `active`; and the status, `converged`, `cycling`, `diverged` or `finished`.
    """
    rng = np.random.default_rng(rng)
    variance, normalized, step_size = READINGS[reading]
    activation, bias = RULES[rule]
    A, shift, random = (n**0.25 if variance else 1.0) / np.sqrt(n) * rng.standard_normal((3, n, m))
    components = rng.integers(m, size=n_samples)
    Y = A.T.astype(np.float32)[components]
    Y += np.float32(noise) * rng.standard_normal((n_samples, n), dtype=np.float32)
    W = _principal(Y, m) if start == "PCA" else {"perturbed": A + 0.5 * shift, "random": random}[start]
    truth = normalize(A) if normalized else A
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # of divergence, which is a column
        run = normalized_descent(
            W.astype(np.float32),
            bias,
            Y,
            activation,
            step_size=step_size or m,
            n_steps=n_steps,
            normalized=normalized,
            watch=lambda W: match_columns(W, truth).frobenius,
        )
    means = np.transpose([Y[components == j].mean(axis=0) for j in range(m)])
    matched = match_columns(run.weights, truth)
    return (
        {f"loss_{step}": loss for step, loss in enumerate(_padded(run.losses, n_steps))}
        | {f"distance_{step}": distance for step, distance in enumerate(_padded(run.watched, n_steps + 1))}
        | {
            "free": match_columns(run.weights, truth, signs=True).frobenius,
            "oracle": np.linalg.norm(normalize(means) - truth),
            "found": np.count_nonzero(matched.distances < 0.5),
            "active": run.activity[0].max(),
        }
        | {status: run.status == status for status in ("converged", "cycling", "diverged", "finished")}
    )


def _principal(Y, m):
    """Leading right singular vectors, each pointing to the mean sample."""
    _, directions = eigsh(Y.T @ Y, m, v0=np.ones(Y.shape[1], Y.dtype))
    return directions * np.sign(Y.mean(axis=0) @ directions)


def _padded(values, length):
    return np.append(values, np.full(length - len(values), np.inf))


def _training_grid(scale):
    """Noises and starts."""
    return {"noise": finer([0.01, 0.02, 0.03], scale), "start": STARTS}


def _readings_grid(scale):
    """Readings of the paper and starts, the same at every scale."""
    return {"reading": list(READINGS), "start": STARTS, "noise": [0.01]}


def _rules_grid(scale):
    """Rules for activation and bias, and starts, the same at every scale."""
    return {"rule": list(RULES)[1:], "start": STARTS, "noise": [0.01]}


_PAPER = {"n": 784, "m": 10, "n_samples": 10_000, "n_steps": 50}

SWEEPS = {
    "floors": Plan(coherent_floor, _floors_grid, n_trials=3, paired=("k",)),
    "growth": Plan(growth, _growth_grid, n_trials=3, fixed={"m": 32, "n_steps": 60}, paired=("k", "step")),
    "samples": Plan(
        sampling_floor,
        _samples_grid,
        n_trials=1,
        fixed={"n": 100, "m": 20, "k": 3, "sigma": 0.02},
        paired=("model", "streamed"),
    ),
    "sizes": Plan(
        sampling_floor,
        _sizes_grid,
        n_trials=1,
        fixed={"streamed": False, "n_samples": 4000, "n": 100},
        paired=("model",),
    ),
    # what is paired leaves the numbers of trial i the same in all three
    "training": Plan(training, _training_grid, n_trials=8, fixed=_PAPER, paired=("noise", "start")),
    "readings": Plan(training, _readings_grid, n_trials=1, fixed=_PAPER, paired=("noise", "start", "reading")),
    "rules": Plan(training, _rules_grid, n_trials=1, fixed=_PAPER, paired=("noise", "start", "rule")),
}
