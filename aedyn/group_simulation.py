r"""The simulations of section 4.1 of the group-sparse paper, at its own size and around it, and their stored results.

A run is 300 steps of Adam on all samples, and at full size takes about a minute. So results are stored: `stored` finds
them by their inputs, and ``python -m aedyn.group_simulation`` makes those of `variants` that are not there yet.
"""

import warnings
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import count
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array, eye_array, kron, vstack
from tqdm import tqdm

from aedyn import optimizers
from aedyn.autoencoder import decode, encode
from aedyn.group_geometry import group_errors
from aedyn.group_problem import Simulation, draw
from aedyn.stored_results import FOLDER, StoredResults

N_WATCHED = 61  # about as many epochs of a run are watched
N_SHOWN = 3  # samples whose codes are kept
BLOCK_ROWS = 1024
CURVES = ("watched_epochs", "losses", "distance", "rotation", "procrustes")
CODES = ("true_codes", "found_codes")  # stored as pairs of atom and value


class Support(NamedTuple):
    """How well the active groups, or the active entries, of the samples are found.

    Attributes
    ----------
    exact : float
        Share of samples of which all active ones are found, and no other.
    hit_rate : float
        Share of the active ones that are found.
    false : float
        How many others are found, for each sample on average.
    """

    exact: float
    hit_rate: float
    false: float


@dataclass(frozen=True, eq=False)
class Result:
    """What a run leaves.

    Attributes
    ----------
    status : str
        As in `optimizers.History`; a run that diverged ends with its last finite weights.
    watched_epochs : ndarray of int, shape (n_watched,)
        Numbers of steps after which the weights were looked at, 0 for the start.
    losses : ndarray, shape (n_watched,)
        Mean over the samples of half the squared reconstruction error.
    distance, rotation, procrustes : ndarray, shape (n_watched,)
        As in `group_geometry.GroupErrors`: squared distance of the normalised weights from the dictionary, the part
        that turning the groups explains, and what is left after it.
    exact_support, hit_rate, false_groups : float
        The active groups of the samples, as found at the end: see `Support`.
    exact_entries, entry_hit_rate, false_entries : float
        The same for single entries of the code.
    column_norm, correlation : float
        Means over the columns at the end: their norm, and their inner product with the atom when scaled to norm 1.
    true_codes, found_codes : ndarray, shape (n_shown, m)
        True codes of the first samples, and the network's at the end.
    """

    status: str
    watched_epochs: np.ndarray
    losses: np.ndarray
    distance: np.ndarray
    rotation: np.ndarray
    procrustes: np.ndarray
    exact_support: float
    hit_rate: float
    false_groups: float
    exact_entries: float
    entry_hit_rate: float
    false_entries: float
    column_norm: float
    correlation: float
    true_codes: np.ndarray
    found_codes: np.ndarray


def least_squares_weights(codes, Y):
    """Weights that reconstruct samples from given codes with the smallest squared error.

    Parameters
    ----------
    codes : scipy.sparse.csr_array, shape (n_samples, m)
        Codes in which each unit is active often enough for the weights to be unique.
    Y : ndarray, shape (n_samples, n)

    Returns
    -------
    ndarray, shape (n, m)
    """
    return np.linalg.solve((codes.T @ codes).toarray(), codes.T @ Y).T


def known_code_least_squares(simulation):
    """Squared distance from the dictionary of the weights that fit the samples best when the true codes are known.

    A yardstick: what this many samples with this much noise allow.

    Parameters
    ----------
    simulation : Simulation

    Returns
    -------
    float
    """
    problem = draw(simulation)
    W = least_squares_weights(problem.codes, problem.Y)
    return group_errors(W, problem.model.A, problem.model.groups).distance


# Run ------------------------------------------------------------------------------------------------------------------


def run(simulation, *, progress=False):
    """Draw the problem of a simulation, train on it, and look at the outcome.

    Parameters
    ----------
    simulation : Simulation
    progress : bool
        Whether to show a progress bar of the epochs.

    Returns
    -------
    Result
    """
    s, problem = simulation, draw(simulation)
    model, Y = problem.model, problem.Y.astype(s.dtype)
    watched = np.unique(np.linspace(0, s.n_epochs, N_WATCHED).round().astype(int))
    epochs = count()

    def watch(W):
        return group_errors(W, model.A, model.groups) if next(epochs) in watched else None

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the run diverged")  # the status says so
        history = optimizers.adam(
            problem.start, 0.0, Y, s.activation, rate=s.rate, batch_size=None, n_epochs=s.n_epochs,
            rank_one=s.rank_one, normalized=s.normalized, watch=watch, progress=progress,
        )  # fmt: skip
    watched = watched[watched <= history.n_iter]
    distance, rotation, procrustes, _ = np.transpose([errors for errors in history.watched if errors is not None])
    loss, found = _encode(history.weights, Y, s.activation)
    norms = np.linalg.norm(history.weights, axis=0)
    by_group, by_entry = (_support(problem.codes, found, size) for size in (s.group_size, 1))
    return Result(
        status=history.status,
        watched_epochs=watched,
        losses=np.append(history.losses, loss)[watched],
        distance=distance,
        rotation=rotation,
        procrustes=procrustes,
        exact_support=by_group.exact,
        hit_rate=by_group.hit_rate,
        false_groups=by_group.false,
        exact_entries=by_entry.exact,
        entry_hit_rate=by_entry.hit_rate,
        false_entries=by_entry.false,
        column_norm=float(norms.mean()),
        correlation=float(np.mean((history.weights * model.A).sum(axis=0) / norms)),
        true_codes=problem.codes[:N_SHOWN].toarray(),
        found_codes=found[:N_SHOWN].toarray(),
    )


def _encode(W, Y, activation):
    """Mean loss of the samples, and their codes."""
    squares, codes = 0.0, []
    for start in range(0, len(Y), BLOCK_ROWS):
        block = Y[start : start + BLOCK_ROWS]
        X = encode(W, 0.0, block, activation)
        squares += float(np.square(block - decode(W, X)).sum(dtype=float))
        codes.append(csr_array(X))
    return squares / (2 * len(Y)), vstack(codes, format="csr")


def _support(codes, found, size):
    """Agreement of two patterns, read in groups of consecutive entries."""
    members = kron(eye_array(codes.shape[1] // size), np.ones((size, 1)))
    true, found = ((X.astype(bool) @ members).astype(bool) for X in (codes, found))
    hits = true.multiply(found).sum(axis=1)
    missed, false = true.sum(axis=1) - hits, found.sum(axis=1) - hits
    return Support(float(np.mean(missed + false == 0)), float(hits.sum() / true.sum()), float(false.mean()))


# Stored results -------------------------------------------------------------------------------------------------------


def variants():
    """Simulations whose results come with the package: at the size of section 4.1 first, then smaller copies.

    Returns
    -------
    list of Simulation
    """
    literal = Simulation()
    near = replace(literal, correlation=0.5)
    medium = replace(literal, n_groups=200, n_samples=4000)
    small = replace(literal, n_groups=50, n_samples=1000, dtype="float64")
    entrywise = partial(replace, network="entrywise")
    levels, correlations = (1.0, 5.0, 10.0), (0.3, 0.4, 0.5, 0.7, 0.9)
    near_runs = [f(replace(near, snr_db=snr)) for f in (replace, entrywise) for snr in levels]
    scaled = [replace(literal, column_norm=norm) for norm in (1.6, 1.0, 1.5, 2.0)]
    turning = replace(small, correlation=0.98, snr_db=10.0, n_epochs=600)
    runs = [
        *near_runs,
        literal,
        entrywise(literal),
        *scaled,
        entrywise(scaled[0]),
        *(replace(run, rank_one=0.0) for run in (scaled[0], near)),
        entrywise(near, lam=1.5),
        *(replace(literal, snr_db=snr) for snr in levels[1:]),
        small,
        medium,
        *(replace(copy, correlation=correlation) for copy in (small, medium) for correlation in correlations),
        *(replace(small, column_norm=norm) for norm in (1.25, 1.4, 1.5, 1.6, 1.8, 2.0, 2.2, 2.5, 3.0, 4.0)),
        *(replace(medium, column_norm=norm) for norm in (1.6, 1.8, 2.0)),
        replace(medium, column_norm=2.0, rank_one=0.0),
        *(f(medium, correlation=0.5, lam=lam) for lam in (1.0, 1.5, 2.0, 2.5, 3.0) for f in (replace, entrywise)),
        entrywise(small, correlation=0.5),
        *(f(small, correlation=0.5, nonnegative=True) for f in (replace, entrywise)),
        replace(small, column_norm=2.0, nonnegative=True),
        *(replace(turning, normalized=normalized, seed=seed) for normalized in (True, False) for seed in range(3)),
        replace(medium, correlation=0.5, normalized=True),
        *(
            replace(small, column_norm=2.0, rank_one=share, seed=seed)
            for share in (0.0, 0.25, 0.5, 0.75, 1.0)
            for seed in range(3)
        ),
        *(replace(run, seed=seed) for seed in (1, 2) for run in near_runs),
        *(replace(copy, correlation=0.5, dtype="float64") for copy in (medium, literal)),
    ]
    return list(dict.fromkeys(runs))


RESULTS = StoredResults(FOLDER / "group_simulation.json", "simulation", Simulation, variants)


def stored(simulation):
    """Result that comes with the package, of the simulation with the same inputs.

    Parameters
    ----------
    simulation : Simulation

    Returns
    -------
    Result
        Numbers are rounded to six digits.

    Raises
    ------
    KeyError
        When there is none; the message says how to make it.
    """
    packed, m = RESULTS.find(simulation), simulation.n_groups * simulation.group_size
    curves = {name: np.array(packed[name]) for name in CURVES}
    return Result(**packed | curves | {name: _unpacked(packed[name], m) for name in CODES})


def make_results():
    """Run the variants that are not stored yet, and store each as it ends."""
    for simulation in tqdm(RESULTS.missing(), desc="simulations"):
        tqdm.write(describe(simulation))
        result = asdict(run(simulation, progress=True))
        RESULTS.add(simulation, result | {name: _packed(result[name]) for name in CODES})


def describe(simulation):
    """Inputs that differ from those of section 4.1, in one line.

    Parameters
    ----------
    simulation : Simulation

    Returns
    -------
    str
    """
    changed = asdict(simulation).items() - asdict(Simulation()).items()
    return ", ".join(f"{name}={value}" for name, value in sorted(changed)) or "as in section 4.1"


def _packed(codes):
    """Pairs of atom and value, for each code."""
    return [[[atom, value] for atom, value in enumerate(code) if value] for code in codes.tolist()]


def _unpacked(packed, m):
    codes = np.zeros((len(packed), m))
    for code, pairs in zip(codes, packed, strict=True):
        for atom, value in pairs:
            code[atom] = value
    return codes


if __name__ == "__main__":
    make_results()
