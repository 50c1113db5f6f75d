"""The sweeps of the chapter on tied weights, for reruns at any scale.

Random is the start of each network. The trained ones all see the samples, and are tried on the inputs, that `setting`
draws from a seed of their own, because what theory says of them depends on the samples.
"""

import numpy as np

from aedyn.ntk_kernels import KernelOperator, largest_eigenvalue
from aedyn.sweeps import Plan, finer
from aedyn.unit_samples import antipodal
from aedyn.weight_tied_degeneracy import odd_part, reconstruct, tied_weights
from aedyn.weight_tied_kernel import lazy_loss_of_gain, trained_loss
from aedyn.weight_tied_limits import linear_step
from aedyn.weight_tied_phases import distances, draw_inputs, draw_samples
from aedyn.weight_tied_training import descend_tied, gain, natural_step, subspaces
from aedyn.wide_network import descend, draw_weights, outputs


def setting(n, d, k, n_tests, data_seed):
    """Training samples in a random subspace, and inputs to try the trained network on.

    Parameters
    ----------
    n, d, k : int
        Number of samples, and dimensions of the space and of the subspace, which does not depend on n.
    n_tests : int
        Inputs of each kind.
    data_seed : int

    Returns
    -------
    X : ndarray, shape (n, d)
    inputs : aedyn.weight_tied_phases.Inputs
    """
    rng = np.random.default_rng(data_seed)
    X = draw_samples(n, d, k, rng)
    return X, draw_inputs(X, n_tests, rng)


def untrained(rng, d, variance, m):
    """What is the loss of an untrained tied network at a unit vector, over the width, for some dimensions and scales?

    Parameters
    ----------
    rng : numpy.random.Generator
    d : int
        Dimension.
    variance : float
        Of an entry of the weights.
    m : int
        Width.

    Returns
    -------
    float
    """
    x = np.eye(d)[:1]
    return float(np.square(x - reconstruct(tied_weights(d, m, variance, rng), x)).sum())


def trained(rng, m, variance, n, d, k, n_steps, n_tests, data_seed):
    """How far is a trained tied network from the identity where there are no data, over width and scale of the start?

    Parameters
    ----------
    rng : numpy.random.Generator
    m : int
        Width.
    variance : float
        Of an entry of the weights at the start.
    n, d, k, n_tests, data_seed
        As in `setting`.
    n_steps : int
        Each of size `natural_step`.

    Returns
    -------
    dict of str to float
        Gain on the directions without data and the share of the gain at the start, `kept`; distances on the kinds of
        inputs; and the mean square error on the samples, `training`.
    """
    X, inputs = setting(n, d, k, n_tests, data_seed)
    unseen = subspaces(X).unseen
    W = tied_weights(d, m, variance, rng)
    run = descend_tied(W, X, step=natural_step(W, X), n_steps=n_steps)
    after = gain(run.W, unseen)
    found = {"gain": after, "kept": after / gain(W, unseen), "training": 2 * run.losses[-1] / n}
    return found | distances(lambda x: reconstruct(run.W, x), inputs)._asdict()


def untied(rng, variance, n, d, k, m, n_steps, n_tests, data_seed):
    """How far is a jointly trained network without tying from the identity, over the scale of the start?

    Parameters
    ----------
    rng : numpy.random.Generator
    variance : float
        Both layers start standard normal, times the root of half of it.
    n, d, k, n_tests, data_seed
        As in `setting`.
    m, n_steps : int
        Width, and steps at most.

    Returns
    -------
    dict of str to float
        Distances on the kinds of inputs; that on unseen ones before training, `unseen_before`; the `gain` on the
        directions without data, and the share of the first loss that is `left`.
    """
    X, inputs = setting(n, d, k, n_tests, data_seed)
    unseen = subspaces(X).unseen
    start = draw_weights(d, m, rng)
    step = 1.5 * d / largest_eigenvalue(KernelOperator(*start, X, "joint")).value
    W, A = (np.sqrt(variance / 2) * V for V in start)
    run = descend(W, A, X, regime="joint", step=step, n_steps=n_steps, target=1e-6)
    return distances(lambda x: outputs(run.W, run.A, x), inputs)._asdict() | {
        "unseen_before": distances(lambda x: outputs(W, A, x), inputs).unseen,
        "gain": float(np.vdot(unseen.T @ run.W, unseen.T @ run.A) / unseen.shape[1] / (2 * np.sqrt(d * m))),
        "left": run.losses[-1] / run.losses[0],
    }


def lazy(rng, n, d, k, m, time, n_tests, data_seed):
    """What does training at variance 2 leave of losses and unseen gain, for few and for many samples?

    Parameters
    ----------
    rng : numpy.random.Generator
    n, d, k, n_tests, data_seed
        As in `setting`.
    m : int
        Width.
    time : float
        Steps times their number, which is such that none is longer than half of `natural_step`: the theory is of
        gradient flow, from which longer ones can be told.

    Returns
    -------
    dict of str to float
        All times the width: distances on the kinds of inputs, and the share of the unseen gain that is `lost`.
    """
    X, inputs = setting(n, d, k, n_tests, data_seed)
    unseen = subspaces(X).unseen
    W = tied_weights(d, m, 2.0, rng)
    n_steps = int(np.ceil(2 * time / natural_step(W, X)))
    V = descend_tied(W, X, step=time / n_steps, n_steps=n_steps).W
    found = distances(lambda x: reconstruct(V, x), inputs)._asdict() | {"lost": 1 - gain(V, unseen) / gain(W, unseen)}
    return {name: m * value for name, value in found.items()}


def predicted_lazy(n, d, k, m, time, n_tests, data_seed):
    """What the kernel at infinite width predicts of `lazy`, to first order in 1/m.

    Parameters
    ----------
    n, d, k, m, time, n_tests, data_seed
        As in `lazy`; the width does not matter, as all values are times the width.

    Returns
    -------
    dict of str to float
    """
    X, inputs = setting(n, d, k, n_tests, data_seed)
    found = {kind: float(trained_loss(X, tests, time).mean()) for kind, tests in inputs._asdict().items()}
    return found | {"lost": lazy_loss_of_gain(X, time)}


def linear(rng, variance, d, k, m, n_pairs, n_steps):
    """What share of the unseen gain, times m, does training take from m pairs of opposite units, over the scale?

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws the samples too, as what is lost does not depend on them.
    variance : float
        Of an entry of the weights at the start.
    d, k : int
        Dimensions of the space, and of the first directions, which have data.
    m, n_pairs, n_steps : int
        Pairs of units, samples that come with their negatives, and steps.

    Returns
    -------
    float
    """
    X = antipodal(n_pairs, k, rng) @ np.eye(k, d)
    G = odd_part(tied_weights(d, m, variance, rng))
    first = np.trace(G[k:, k:])
    for _ in range(n_steps):
        G = linear_step(G, X, 0.02 / max(1, variance / 2))
    return float(m * (1 - np.trace(G[k:, k:]) / first))


def _untrained_grid(scale):
    widths = np.union1d(finer([10, 30, 100, 300, 1000], scale), [100])
    cases = [(5, 2.0), (20, 2.0), (20, 1.0), (100, 2.0)]
    return [{"d": d, "variance": variance, "m": m} for d, variance in cases for m in widths]


def _trained_grid(scale):
    widths = finer([5, 10, 20, 40, 80, 160, 640, 2560], scale)
    return {"m": np.union1d(widths, [640])} | _variance_grid(scale)


def _variance_grid(scale):
    variances = finer([0.01, 0.03, 0.1, 0.3, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0], scale)
    return {"variance": np.union1d(variances, [0.5, 2.0])}


def _lazy_grid(scale):
    return {"n": finer([15, 40], scale)}


_DATA = {"d": 20, "k": 4, "data_seed": 1}

SWEEPS = {
    "untrained": Plan(untrained, _untrained_grid, n_trials=400),
    "trained": Plan(
        trained,
        _trained_grid,
        n_trials=2,
        fixed=_DATA | {"n": 15, "n_steps": 800, "n_tests": 500},
        paired=("variance",),
    ),
    "untied": Plan(
        untied,
        _variance_grid,
        n_trials=2,
        fixed=_DATA | {"n": 15, "m": 640, "n_steps": 2400, "n_tests": 500},
        paired=("variance",),
    ),
    "lazy": Plan(lazy, _lazy_grid, n_trials=8, fixed=_DATA | {"m": 2000, "time": 10, "n_tests": 60}),
    "linear": Plan(
        linear,
        _variance_grid,
        n_trials=16,
        fixed={"d": 20, "k": 4, "m": 2000, "n_pairs": 10, "n_steps": 800},
        paired=("variance",),
    ),
}
