"""The sweeps of the chapter on initialisation, for reruns at any scale."""

import warnings
from time import perf_counter

import numpy as np
from scipy import stats

from aedyn import initialization
from aedyn.activations import HardThreshold, ReLU
from aedyn.autoencoder import gradient_on_support
from aedyn.dictionaries import normalize, orthonormal_dictionary, perturb, random_dictionary
from aedyn.generative import MixtureOfGaussians, NonnegativeSparse, SparseCoding
from aedyn.optimizers import constant_bias, normalized_descent, shrinking_bias
from aedyn.sweeps import Plan, finer

FOUND = 0.5  # an atom is found when a column is within this distance; two atoms are further than twice this apart


def _model(name, A, sigma, k):
    """Model of the data by name; non-negative entries are uniform on [1, 2]."""
    if name == "mixture":
        return MixtureOfGaussians(A, sigma)
    return SparseCoding(A, sigma, k=k) if name == "signs" else NonnegativeSparse(A, sigma, k=k, a1=1, a2=2)


def _to_nearest(W, A):
    """Distance from each atom to the nearest column of W."""
    return np.sqrt(np.maximum(2 - 2 * (A.T @ W).max(axis=1, initial=-1), 0))


# Pairs of samples -----------------------------------------------------------------------------------------------------


def chosen_pairs(rng, model, k, centre, n, m, n_samples, sigma, atoms, n_pairs):
    """How well the reweighted moment tells pairs with a common atom from others, and how close it comes to the atom.

    Parameters
    ----------
    rng : int or numpy.random.Generator
    model : str
        "mixture", "non-negative" with entries uniform on [1, 2], or "signs", symmetric ones.
    k : int
        Number of active atoms; 1 for a mixture.
    centre : float
        Share of the mean that is subtracted.
    n, m : int
        Dimension and number of atoms.
    n_samples : int
    sigma : float
        Standard deviation of the noise.
    atoms : str
        "random" or "orthonormal".
    n_pairs : int
        Pairs that share one atom, and pairs that share none.

    Returns
    -------
    dict of str to float or int
        Median `distance` of eigenvectors from the shared atom; the probability `auc` that a pair which shares an atom
        has the smaller ratio of second to first eigenvalue; and how many eigenvectors the third moment gives the right
        sign, `right`, out of `n_pairs`.
    """
    rng = np.random.default_rng(rng)
    A = (orthonormal_dictionary if atoms == "orthonormal" else random_dictionary)(n, m, rng)
    samples = _model(model, A, sigma, k).sample(n_samples, rng)
    Y = samples.Y - centre * samples.Y.mean(axis=0)
    (one, shared), (none, _) = (_choose_pairs(samples.codes, count, n_pairs, rng) for count in (1, 0))
    values, vectors = initialization.leading_eigenpairs(Y, np.vstack([one, none]), rng)
    ratios, vectors = np.abs(values[:, 1] / values[:, 0]), vectors[:n_pairs].T
    overlaps = (vectors * A[:, shared]).sum(axis=0)
    right = np.sign(stats.skew(Y @ vectors, axis=0)) == np.sign(overlaps)
    return {
        "distance": np.median(np.sqrt(np.maximum(2 - 2 * np.abs(overlaps), 0))),
        "auc": np.mean(ratios[:n_pairs, None] < ratios[n_pairs:]),
        "right": np.count_nonzero(right),
    }


def _choose_pairs(codes, shared, n_pairs, rng):
    """Pairs of samples with this many atoms in common, and (one of) the atoms."""
    active, pairs = codes.toarray() != 0, np.empty((0, 2), dtype=int)
    while len(pairs) < n_pairs:
        u, v = rng.integers(len(active), size=(2, 4000))
        fits = (u != v) & ((active[u] & active[v]).sum(axis=1) == shared)
        pairs = np.vstack([pairs, np.column_stack([u, v])[fits]])
    pairs = pairs[:n_pairs]
    return pairs, (active[pairs[:, 0]] & active[pairs[:, 1]]).argmax(axis=1)


def _models_grid(scale):
    """Models and shares of the mean, the same at every scale."""
    mixture = [{"model": "mixture", "k": 1, "centre": centre, "n": 100, "m": 10, "sigma": 0.1} for centre in (0, 1)]
    shares = [(model, k, 0) for k in (3, 6) for model in ("non-negative", "signs")]
    shares += [("non-negative", k, centre) for k in (3, 6) for centre in (1 - 1 / k, 1)]
    return mixture + [
        {"model": model, "k": k, "centre": centre, "n": 256, "m": 256, "sigma": 0.0} for model, k, centre in shares
    ]


def _centre_grid(scale):
    """Active atoms, and the share of the mean that is subtracted."""
    return {"k": range(1, 5), "centre": finer(np.linspace(0, 1, 7), scale)}


def _samples_grid(scale):
    """Numbers of samples, for a mixture with noise and for sparse codes without, at the best share of the mean."""
    sizes = finer(500 * 2 ** np.arange(7), scale)
    models = [("mixture", 1, 0.05), ("non-negative", 2, 0.0), ("non-negative", 3, 0.0)]
    return [
        {"model": model, "k": k, "sigma": sigma, "centre": 1 - 1 / k, "n_samples": n_samples}
        for model, k, sigma in models
        for n_samples in sizes
    ]


# How many active atoms ------------------------------------------------------------------------------------------------


def spectral_found(rng, k, n_samples, m, sigma):
    """How many atoms the spectral start finds, within 1/2, on sparse non-negative codes.

    Parameters
    ----------
    rng : int or numpy.random.Generator
    k : int
        Number of active atoms.
    n_samples : int
    m : int
        Dimension and number of atoms, which are random.
    sigma : float
        Standard deviation of the noise.

    Returns
    -------
    int
        Out of m.
    """
    rng = np.random.default_rng(rng)
    A = random_dictionary(m, m, rng)
    Y = _model("non-negative", A, sigma, k).sample(n_samples, rng).Y
    return np.count_nonzero(_to_nearest(_spectral(Y, m, k, rng, 8 * m), A) < FOUND)


def _spectral(Y, m, k, rng, n_pairs):
    """Columns of the spectral start, with as many draws of each pair and as much of the mean as suits k."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # too few columns, which count as atoms not found
        options = {"n_pairs": n_pairs, "centre": 1 - 1 / k, "draws": max(1, 2 * m // k**2)}
        return initialization.spectral_start(Y, m, rng, **options).weights


def _found_grid(scale):
    """Active atoms and numbers of samples."""
    return {"k": range(1, 7), "n_samples": finer(250 * 2 ** np.arange(7), scale)}


def exact_moment(rng, k, m):
    """Distance of the eigenvector of an exact moment, as of infinitely many samples, from the atom that a pair shares.

    Parameters
    ----------
    rng : int or numpy.random.Generator
    k : int
        Number of active atoms, with entries uniform on [1, 2]; the share 1 - 1/k of the mean is subtracted.
    m : int
        Dimension and number of atoms, which are random.

    Returns
    -------
    float
    """
    rng = np.random.default_rng(rng)
    moments = [(2 ** (r + 1) - 1) / (r + 1) for r in range(1, 5)]
    A = random_dictionary(m, m, rng)
    x, order, centre = np.zeros((m, 2)), rng.permutation(m), 1 - 1 / k
    x[order[:k], 0], x[order[k - 1 : 2 * k - 1], 1] = rng.uniform(1, 2, (2, k))
    u, v = (A @ (x - centre * moments[0] * k / m)).T
    M = initialization.population_moment(A, u, v, k, moments, centre=centre)
    values, vectors = np.linalg.eigh(M)
    overlap = abs(vectors[:, np.abs(values).argmax()] @ A[:, order[k - 1]])
    return np.sqrt(max(2 - 2 * overlap, 0))


def _exact_grid(scale):
    """Active atoms, and numbers of atoms."""
    return {"k": range(1, 7), "m": finer([32, 64, 128, 256], scale)}


# Descent --------------------------------------------------------------------------------------------------------------


def _spectral_start(Y, m, k, rng):
    """The spectral start, filled up with random columns where it finds too few."""
    return np.hstack([_spectral(Y, m, k, rng, 20 * m), random_dictionary(Y.shape[1], m, rng)])[:, :m]


STARTS = {
    "random": lambda Y, m, k, rng: random_dictionary(Y.shape[1], m, rng),
    "PCA": lambda Y, m, k, rng: initialization.pca_start(Y, m),
    "k-means++": lambda Y, m, k, rng: initialization.kmeans_start(Y, m, rng),
    "dictionary learning": lambda Y, m, k, rng: initialization.dictionary_learning_start(Y, m, rng),
    "spectral": _spectral_start,
}

# activation, bias, share of the full step, number of steps
DESCENTS = {
    "threshold": (HardThreshold(0.5), constant_bias(0.0), 1.0, 20),
    "quarter_step": (HardThreshold(0.5), constant_bias(0.0), 0.25, 30),
    "halved_bias": (ReLU(), shrinking_bias(-1.25), 1.0, 40),
}


def race(rng, start, model, n, m, k, n_samples, sigma, descents):
    """How many atoms descent has found from a start, after each step and in the end.

    The full step is m / (k (kappa_2 + (k - 1) kappa_1^2)), at which non-negative codes are stable.

    Parameters
    ----------
    rng : int or numpy.random.Generator
    start : str
        A key of `STARTS`.
    model : str
        "mixture", or "non-negative" with entries uniform on [1, 2].
    n, m, k : int
        Dimension, number of atoms, and number of active ones; 1 for a mixture.
    n_samples : int
    sigma : float
        Standard deviation of the noise.
    descents : tuple of str
        Keys of `DESCENTS`.

    Returns
    -------
    dict of str to float, int or bool
        Of the start: `start_seconds`, which no other run reproduces, and the `median` and `largest` distance from an
        atom to a column. Of each descent: atoms found in the end, such as `found_threshold`, the largest distance then,
        such as `largest_threshold`, and whether it diverged, such as `diverged_threshold`. Of the first descent: atoms
        found after each step, `found_0` and so on, held where it diverged.
    """
    rng = np.random.default_rng(rng)
    A = random_dictionary(n, m, rng)
    model = _model(model, A, sigma, k)
    Y = model.sample(n_samples, rng).Y
    began = perf_counter()
    W = STARTS[start](Y, m, k, rng)
    seconds, distances = perf_counter() - began, _to_nearest(W, A)
    result = {"start_seconds": seconds, "median": np.median(distances), "largest": distances.max()}
    full_step = m / (k * (model.kappa2 + (k - 1) * model.kappa1**2))
    for name in descents:
        activation, bias, share, n_steps = DESCENTS[name]
        options = {"step_size": share * full_step, "n_steps": n_steps, "watch": lambda W: _count_found(W, A)}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of divergence, which is a column
            run = normalized_descent(W, bias, Y, activation, **options)
        ends = _to_nearest(run.weights, A)
        result |= {f"found_{name}": np.count_nonzero(ends < FOUND), f"largest_{name}": ends.max()}
        result[f"diverged_{name}"] = run.status == "diverged"
        if name == descents[0]:
            path = np.pad(run.watched, (0, n_steps + 1 - len(run.watched)), mode="edge")
            result |= {f"found_{step}": count for step, count in enumerate(path)}
    return result


def _count_found(W, A):
    return np.count_nonzero(_to_nearest(W, A) < FOUND)


def _starts_grid(scale):
    """The starts, the same at every scale."""
    return {"start": list(STARTS)}


def end_of_descent(rng, n, k, samples_per_atom):
    """Mean distance of columns from random atoms after descent from distance 1/log n, with the true supports.

    Parameters
    ----------
    rng : int or numpy.random.Generator
    n : int
        Dimension and number of atoms.
    k : int
        Number of active atoms, with random signs.
    samples_per_atom : int

    Returns
    -------
    float
    """
    rng = np.random.default_rng(rng)
    A = random_dictionary(n, n, rng)
    samples = SparseCoding(A, k=k).sample(samples_per_atom * n, rng)
    W = perturb(A, 1 / np.log(n), rng)
    for _ in range(5):
        gradient = gradient_on_support(W, 0, samples.Y, samples.codes)
        W = normalize(W - n / k * gradient.weights)
    return np.linalg.norm(W - A, axis=0).mean()


def _end_grid(scale):
    """Dimensions."""
    return {"n": finer([32, 64, 128, 256], scale)}


SCHEDULES = {
    "halved": shrinking_bias(-1.25),
    "slow": lambda step: -max(0.6 / 1.1**step, 0.1),
    "fixed": constant_bias(-0.5),
}


def random_start(rng, schedule, n, m, n_samples, sigma):
    """Whether descent from a random start gives each cluster of a mixture a unit within 1/2, in 50 steps of size m.

    Parameters
    ----------
    rng : int or numpy.random.Generator
    schedule : str
        Of the bias of the ReLU: "halved" in each step from -1.25 on, "slow", from -0.6 by 10 % a step and down to
        -0.1, or "fixed" at -1/2.
    n, m : int
        Dimension and number of clusters.
    n_samples : int
    sigma : float
        Standard deviation of the noise.

    Returns
    -------
    bool
    """
    rng = np.random.default_rng(rng)
    A = random_dictionary(n, m, rng)
    Y = MixtureOfGaussians(A, sigma).sample(n_samples, rng).Y
    W = random_dictionary(n, m, rng)
    run = normalized_descent(W, SCHEDULES[schedule], Y, ReLU(), step_size=m, n_steps=50)
    return bool(_to_nearest(run.weights, A).max() < FOUND)


def _random_grid(scale):
    """Numbers of clusters in 100 dimensions for each schedule; and the size of the paper's experiment."""
    clusters = finer([5, 10, 20], scale)
    return [
        {"schedule": schedule, "n": 100, "m": m, "n_samples": 100 * m} for schedule in SCHEDULES for m in clusters
    ] + [{"schedule": "halved", "n": 784, "m": 10, "n_samples": 5000}]


_ORTHONORMAL = {"n": 64, "m": 64, "atoms": "orthonormal", "n_pairs": 25}

SWEEPS = {
    "models": Plan(
        chosen_pairs,
        _models_grid,
        n_trials=4,
        fixed={"n_samples": 10_000, "atoms": "random", "n_pairs": 25},
        paired=("model", "centre"),
    ),
    "centre": Plan(
        chosen_pairs,
        _centre_grid,
        n_trials=1,
        fixed=_ORTHONORMAL | {"model": "non-negative", "n_samples": 32_000, "sigma": 0.0},
        paired=("centre",),
    ),
    "samples": Plan(chosen_pairs, _samples_grid, n_trials=2, fixed=_ORTHONORMAL),
    "found": Plan(spectral_found, _found_grid, n_trials=1, fixed={"m": 64, "sigma": 0.01}),
    "exact_moment": Plan(exact_moment, _exact_grid, n_trials=16),
    "mixture_race": Plan(
        race,
        _starts_grid,
        n_trials=3,
        fixed={"model": "mixture", "n": 784, "m": 10, "k": 1, "n_samples": 5000, "sigma": 0.03}
        | {"descents": ("threshold", "halved_bias")},
        paired=("start",),
    ),
    "sparse_race": Plan(
        race,
        _starts_grid,
        n_trials=3,
        fixed={"model": "non-negative", "n": 256, "m": 64, "k": 3, "n_samples": 5000, "sigma": 0.01}
        | {"descents": ("threshold", "quarter_step")},
        paired=("start",),
    ),
    "end_of_descent": Plan(end_of_descent, _end_grid, n_trials=2, fixed={"k": 2, "samples_per_atom": 400}),
    "random_starts": Plan(random_start, _random_grid, n_trials=20, fixed={"sigma": 0.03}, paired=("schedule",)),
}
