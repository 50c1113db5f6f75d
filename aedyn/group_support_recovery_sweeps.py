"""The sweeps of the chapter on group support recovery, for reruns at any scale.

Where success over the threshold is asked for, one pass over the samples gives it at all thresholds: the experiment has
a column for each threshold in its fixed parameter `lams`, with the number of samples whose support it finds, and
`exact_shares` makes a matrix of the table.
"""

import numpy as np
from scipy import optimize

from aedyn.dictionaries import (
    block_coherence,
    equiangular_dictionary,
    group_dictionary,
    make_groups,
    perturb,
    random_dictionary,
)
from aedyn.generative import GroupSparse
from aedyn.group_support_average import AverageCase
from aedyn.group_support_recovery import best_threshold, cluster_labels, group_norms, norm_extremes, success
from aedyn.sweeps import Plan, finer


def contrast(rng, c, d, n_groups, b_min, b_max, n_samples, lams):
    """Which thresholds find one active group, when every group sees every other with the same factor c?

    Parameters
    ----------
    rng : numpy.random.Generator
    c : float
        Any two groups see each other through c times the identity; the weights are the atoms.
    d, n_groups : int
        Size and number of groups.
    b_min, b_max : float
        Norms of the codes.
    n_samples : int
        Without noise.
    lams : sequence of float
        Thresholds.

    Returns
    -------
    dict of str to int
        Samples whose support is found, for each threshold.
    """
    A = np.kron(equiangular_dictionary(n_groups, n_groups, c), np.eye(d))
    model = GroupSparse(A, groups=make_groups(d * n_groups, group_size=d), b_min=b_min, b_max=b_max)
    return _exact(model, A, n_samples, rng, lams)


def typical(rng, n, d, n_active, delta, sigma, ratio, n_groups, n_samples, lams):
    """Which thresholds find the active ones of some random groups, when one parameter changes at a time?

    Parameters
    ----------
    rng : numpy.random.Generator
    n, d, n_active : int
        Dimension, size of the groups, and number of active ones.
    delta : float
        Distance of each group of weights from its group of atoms, in a random direction.
    sigma : float
        Standard deviation of an entry of the noise; the smallest norm of a code is 1.
    ratio : float
        Largest norm of a code.
    n_groups, n_samples : int
    lams : sequence of float
        Thresholds.

    Returns
    -------
    dict of str to number
        The largest `cosine` of two groups, d times the block coherence, and as in `contrast`.
    """
    A = group_dictionary(n, n_groups, d, rng)
    W = perturb(A, delta / np.sqrt(d), rng)
    groups = make_groups(d * n_groups, group_size=d)
    model = GroupSparse(A, sigma, groups, n_active, b_min=1, b_max=ratio)
    return {"cosine": d * block_coherence(A, groups)} | _exact(model, W, n_samples, rng, lams)


def dimension(rng, n, snr, d, n_groups, n_active, b_min, b_max, n_samples, lams):
    """Does the threshold of the paper's experiment find the groups, over the dimension of the data?

    Parameters
    ----------
    rng : numpy.random.Generator
    n : int
        Dimension; the dictionary has random columns and is known.
    snr : float
        Energy of the samples over that of the noise, in dB.
    d, n_groups, n_active : int
        Size and number of groups, and number of active ones.
    b_min, b_max : float
        Norms of the codes.
    n_samples : int
    lams : sequence of float
        Thresholds.

    Returns
    -------
    dict of str to number
        As in `typical`.
    """
    A, groups = random_dictionary(n, d * n_groups, rng), make_groups(d * n_groups, group_size=d)
    energy = AverageCase(n, n_groups, d, n_active, b_min, b_max).energy
    model = GroupSparse(A, np.sqrt(energy / n * 10 ** (-snr / 10)), groups, n_active, b_min=b_min, b_max=b_max)
    return {"cosine": d * block_coherence(A, groups)} | _exact(model, A, n_samples, rng, lams)


def _exact(model, W, n_samples, rng, lams):
    shares = success(*norm_extremes(model, W, model.groups, n_samples, rng), lams)
    return {f"{lam:g}": round(n_samples * share) for lam, share in zip(lams, shares, strict=True)}


def exact_shares(table):
    """Share of samples whose support each threshold finds.

    Parameters
    ----------
    table : aedyn.sweeps.Sweep
        Of `contrast`, `typical` or `dimension`.

    Returns
    -------
    pandas.DataFrame
        One row for each threshold, and one column for each value of the parameter of the sweep.
    """
    (parameter,), fixed = table.parameters, table.about["fixed"]
    found = table.rows.groupby(parameter)[[f"{lam:g}" for lam in fixed["lams"]]].mean() / fixed["n_samples"]
    return found.T.set_axis(fixed["lams"])


def tolerated(rng, kind, d, n_groups, n_active, b_min, b_max, n_codes):
    """How much noise do the norms of groups stand, and how much their largest entries, and all entries?

    Parameters
    ----------
    rng : numpy.random.Generator
    kind : str
        Codes of an active group: "uniform" directions, "flat" ones with entries of one modulus, or "single" entries.
    d, n_groups, n_active : int
        Size and number of groups, and number of active ones; weights and atoms are an orthonormal basis.
    b_min, b_max : float
        Norms of the codes.
    n_codes : int

    Returns
    -------
    dict of str to float
        Standard deviation of the noise at which the best threshold on `norms` of groups, on the `largest` entry of
        each, and on all `entries` finds half of the supports.
    """
    codes = _draw_codes(kind, (n_codes, n_active, d), rng)
    codes *= rng.uniform(b_min, b_max, (n_codes, n_active, 1)) / np.linalg.norm(codes, axis=2, keepdims=True)
    codes = np.concatenate([codes, np.zeros((n_codes, n_groups - n_active, d))], axis=1)
    noise = rng.standard_normal(codes.shape)
    active = np.arange(n_groups) < n_active
    readings = {
        "norms": (lambda z: np.linalg.norm(z, axis=2), active),
        "largest": (lambda z: abs(z).max(axis=2), active),
        "entries": (lambda z: abs(z).reshape(n_codes, -1), (codes != 0).reshape(n_codes, -1)),
    }

    def excess(log_sigma, read, on):
        values = read(codes + np.exp(log_sigma) * noise)
        extremes = np.where(on, values, np.inf).min(axis=1), np.where(on, 0, values).max(axis=1)
        return best_threshold(*extremes)[1] - 0.5

    low, high = np.log([1e-4, 10])
    return {
        name: float(np.exp(optimize.bisect(excess, low, high, reading, xtol=0.005)))
        for name, reading in readings.items()
    }


def _draw_codes(kind, shape, rng):
    directions = rng.standard_normal(shape)
    if kind == "flat":
        return np.sign(directions)
    if kind == "single":
        return directions * (np.arange(shape[2]) == rng.integers(shape[2], size=(*shape[:2], 1)))
    return directions


def clusters(rng, d, delta, sigma, n, n_groups, b_min, b_max, n_samples):
    """How many samples do groups, and k-means, put into the right cluster, over the noise?

    Parameters
    ----------
    rng : numpy.random.Generator
    d : int
        Size of the groups, of which one is active in each sample.
    delta : float
        Distance of each group of weights from its group of atoms, in a random direction.
    sigma : float
        Standard deviation of an entry of the noise.
    n, n_groups : int
        Dimension and number of groups.
    b_min, b_max : float
        Norms of the codes.
    n_samples : int

    Returns
    -------
    dict of str to int
        Samples in the right cluster when it is the `active` group at the best threshold, the `strongest` group, or
        that of k-means `on_norms` of groups or `on_samples`.
    """
    from sklearn.cluster import KMeans

    A = group_dictionary(n, n_groups, d, rng)
    W = perturb(A, delta / np.sqrt(d), rng)
    groups = make_groups(d * n_groups, group_size=d)
    drawn = GroupSparse(A, sigma, groups, b_min=b_min, b_max=b_max).sample(n_samples, rng)
    truth = cluster_labels(drawn.codes.toarray(), groups)
    norms = group_norms(drawn.Y @ W, groups)
    on = np.arange(n_groups) == truth[:, None]
    means = KMeans(n_groups, n_init=4, random_state=int(rng.integers(2**31)))
    return {
        "active": round(n_samples * best_threshold(norms[on], np.where(on, 0, norms).max(axis=1))[1]),
        "strongest": int(np.sum(norms.argmax(axis=1) == truth)),
        "on_norms": _matched(truth, means.fit_predict(norms), n_groups),
        "on_samples": _matched(truth, means.fit_predict(drawn.Y), n_groups),
    }


def _matched(truth, labels, k):
    """Number of samples on the best matching of clusters."""
    table = np.zeros((k, k), dtype=int)
    np.add.at(table, (truth, labels), 1)
    return int(table[optimize.linear_sum_assignment(-table)].sum())


def _clusters_grid(scale):
    noises = finer(np.linspace(0, 1.5, 7), scale)
    return [{"d": d, "delta": delta, "sigma": sigma} for d, delta in ((2, 0), (8, 0), (2, 1)) for sigma in noises]


def _tolerated_grid(scale):
    sizes = np.union1d(finer([1, 2, 4, 8, 16, 32], scale), [2, 8])
    return {"kind": ["uniform", "flat", "single"], "d": sizes}


def _one_at_a_time(parameter, values):
    """Plan of `typical` with all but one parameter fixed; dictionary and samples are as alike as they can be."""
    base = {"n": 1024, "d": 2, "n_active": 2, "delta": 0.05, "sigma": 0, "ratio": 1.25}
    fixed = {name: value for name, value in base.items() if name != parameter}
    return Plan(
        typical,
        lambda scale: {parameter: finer(values, scale)},
        n_trials=4,
        fixed=fixed | {"n_groups": 64, "n_samples": 300, "lams": _thresholds(1.5, 75)},
        paired=(parameter, "lams"),
    )


def _thresholds(highest, number):
    return tuple(np.round(highest * np.arange(1, number + 1) / number, 6).tolist())


def _integers(low, high, number):
    return np.unique(np.geomspace(low, high, number).astype(int))


_NORMS = {"b_min": 4.0, "b_max": 5.0}

SWEEPS = {
    "contrast": Plan(
        contrast,
        lambda scale: {"c": finer(np.linspace(0.02, 0.98, 32), scale)},
        n_trials=1,
        fixed=_NORMS | {"d": 4, "n_groups": 12, "n_samples": 300, "lams": _thresholds(5.5, 110)},
        paired=("c", "lams"),
    ),
    "distance": _one_at_a_time("delta", np.linspace(0, 1.2, 16)),
    "active": _one_at_a_time("n_active", np.arange(1, 17)),
    "coherence": _one_at_a_time("n", _integers(64, 4096, 16)),
    "size": _one_at_a_time("d", _integers(1, 16, 16)),
    "noise": _one_at_a_time("sigma", np.linspace(0, 0.3, 16)),
    "spread": _one_at_a_time("ratio", np.linspace(1, 4, 16)),
    "dimension": Plan(
        dimension,
        lambda scale: {"n": finer([190, 475, 950, 1900, 3800], scale)},
        n_trials=1,
        fixed=_NORMS | {"snr": 1, "d": 2, "n_groups": 500, "n_active": 3, "n_samples": 1000, "lams": (2.0,)},
        paired=("lams",),
    ),
    "tolerated": Plan(
        tolerated, _tolerated_grid, n_trials=4, fixed=_NORMS | {"n_groups": 64, "n_active": 3, "n_codes": 300}
    ),
    "clusters": Plan(
        clusters,
        _clusters_grid,
        n_trials=4,
        fixed=_NORMS | {"n": 64, "n_groups": 10, "n_samples": 1000},
        paired=("sigma",),
    ),
}
