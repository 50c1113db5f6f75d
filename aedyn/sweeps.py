"""Monte Carlo experiments over grids of parameters: with one stream for each trial, on any engine, and resumed at will.

A trial is one call of a plain function with a generator and parameters. Its stream is named by the seed, the
parameters and its number, so that it gives the same bits on one worker or many, in any order, and in a larger grid.
"""

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy import stats
from tqdm import tqdm

from aedyn import __version__
from aedyn import _tables as tables
from aedyn._checks import check_count, check_number
from aedyn._engines import ENGINES, outcomes
from aedyn._experiments import canonical, check_experiment, experiment_digest, pickled, plain, points, stream_key
from aedyn._store import Store
from aedyn._trials import PACKAGE, Job, Trial


@dataclass(frozen=True)
class Sweep:
    """Table of a sweep.

    Attributes
    ----------
    rows : pandas.DataFrame
        One row for each point and trial, in this order: the point's parameters, `trial`, the columns of values (one
        called `value` when the experiment returns a number; NaN where it failed), `seconds`, and `failure`, the text
        of what went wrong or empty.
    parameters : tuple of str
    values : tuple of str
        Names of the columns of values.
    about : dict
        Name and digest of the experiment, version and digest of the package, seed, and the parameters that are fixed
        or paired.
    """

    rows: object = field(repr=False)
    parameters: tuple
    values: tuple
    about: dict

    @property
    def failures(self):
        """Rows of the trials that failed.

        Returns
        -------
        pandas.DataFrame
        """
        return self.rows[self.rows["failure"] != ""]

    def summary(self, column=None, *, out_of=None, level=0.95):
        """Mean of a column at each point, with a confidence interval.

        The interval is Wilson's (`scipy.stats.binomtest(...).proportion_ci`) for a column of bools, or of zeros and
        ones only, and for a share; otherwise Student's (`scipy.stats.t`), which needs two trials.

        Parameters
        ----------
        column : str, optional
            Not needed when there is one only.
        out_of : str or int, optional
            For a column that counts successes, how many attempts there are in each trial, or the column or fixed
            parameter that says it; the mean is then the share of successes in all of them.
        level : float
            Of confidence.

        Returns
        -------
        pandas.DataFrame
            One row for each point: its parameters, `mean`, `low`, `high`, and the numbers of trials that are finite,
            on which these rest (`n_finite`), that are NaN or infinite (`n_not_finite`), and that failed (`n_failed`).
        """
        column, level = self._check_column(column), check_number("level", level, 0, 1, open_low=True)
        rows, names = self.rows, list(self.parameters)
        starts = np.flatnonzero(rows["trial"].to_numpy() == rows["trial"].iloc[0])
        point = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(rows))))
        x = rows[column].to_numpy(dtype=float)
        failed, finite = (rows["failure"] != "").to_numpy(), np.isfinite(x)
        if isinstance(out_of, str):
            out_of = self.about["fixed"].get(out_of) or rows[out_of].to_numpy()

        def total(weights):
            return np.bincount(point, weights, minlength=len(starts))

        n = total(finite)
        clean = np.where(finite, x, 0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            if out_of is not None or np.isin(x[finite], (0, 1)).all():
                tries = total(finite * (1 if out_of is None else out_of))
                mean, (low, high) = total(clean) / tries, _wilson(total(clean), tries, level)
            else:
                mean = total(clean) / n
                deviation = np.where(finite, x - mean[point], 0.0)
                error = np.sqrt(total(deviation**2) / (n - 1) / n)
                reach = stats.t.ppf((1 + level) / 2, n - 1) * error
                low, high = mean - reach, mean + reach
        table = rows.iloc[starts][names].reset_index(drop=True)
        counts = {"n_finite": n, "n_not_finite": total(~finite & ~failed), "n_failed": total(failed)}
        return table.assign(mean=mean, low=low, high=high, **{key: value.astype(int) for key, value in counts.items()})

    def write(self, path):
        """Write the table for `read_table`: as CSV, which any program reads and which keeps every bit of a number.

        Parameters
        ----------
        path : str or Path
        """
        tables.write(path, self.rows, self.about | {"parameters": self.parameters, "values": self.values})

    def _check_column(self, column):
        if column is None and len(self.values) == 1:
            return self.values[0]
        if column not in self.values:
            raise ValueError(f"column must be one of {', '.join(self.values) or 'none, as all failed'}; got {column}")
        return column


@dataclass(frozen=True)
class Plan:
    """A sweep that a chapter offers for reruns.

    Attributes
    ----------
    experiment : callable
    grid : callable
        Gives the grid for a scale; `finer` makes the axes.
    n_trials : int
    seed : int or tuple of int
    fixed : dict
        Parameters that are the same everywhere.
    paired : tuple of str
        Parameters whose values are tried on the same random numbers.
    """

    experiment: Callable
    grid: Callable
    n_trials: int
    seed: object = 0
    fixed: dict = field(default_factory=dict)
    paired: tuple = ()

    def run(self, scale=1, *, n_trials=None, seed=None, fixed=None, table=None, **options):
        """Run it, or read what a rerun has written.

        Parameters
        ----------
        scale : float
            Factor on the resolution of the grid.
        n_trials : int, optional
            Another number of trials at each point.
        seed : int or tuple of int, optional
            Another seed.
        fixed : dict, optional
            Other values of fixed parameters. Further options are those of `sweep`.
        table : str or Path, optional
            File of a rerun; then nothing is run, and scale, trials, seed and fixed parameters are those of the file.

        Returns
        -------
        Sweep
        """
        if table is not None:
            return read_table(table, self.experiment)
        grid = self.grid(check_number("scale", scale, 0, open_low=True))
        n_trials, seed = n_trials or self.n_trials, self.seed if seed is None else seed
        fixed = self.fixed | (fixed or {})
        return sweep(self.experiment, grid, n_trials, seed, fixed=fixed, paired=self.paired, **options)


def sweep(
    experiment,
    grid,
    n_trials,
    seed,
    *,
    fixed=None,
    paired=(),
    engine="processes",
    n_workers=None,
    store=None,
    time_limit=None,
    stop_at_failure=False,
    progress=True,
    scheduler=None,
):
    """Run an experiment several times at each point of a grid.

    Trial i at a point draws from a stream of its own, whose name is made of the seed, the parameters and i: no other
    point, trial or worker has an influence on its numbers. Each trial uses one thread, so that workers do not crowd
    each other out.

    With a store, what is finished is kept as it comes, and a call with the same experiment, seed and parameters goes
    on from there. The same experiment is one with the same name, source, constants and helpers, and the same sources
    of this package, all of them: after a change everywhere else in it, too, trials are run again.

    Parameters
    ----------
    experiment : callable
        ``experiment(rng, **parameters)``, a plain function at the top of a module or notebook cell. Returns a number,
        a bool, or a dict of named ones. What it uses of its module is sent along; globals must be constants.
    grid : dict of str to sequence, or sequence of dict
        Values of each parameter, of which all combinations are taken, the last parameter fastest; or the points
        themselves. Values are numbers, strings, bools, None, or short lists of these, which arrive as tuples.
    n_trials : int
        At each point.
    seed : int or tuple of int
    fixed : dict, optional
        Parameters that are the same everywhere; like the others, but without a column in the table.
    paired : tuple of str
        Parameters that do not name the stream: trial i draws the same numbers at points that differ in these alone
        (common random numbers), so that their difference is not blurred by chance.
    engine : {"processes", "serial", "dask"}
        Processes of this machine, this process, or a Dask cluster.
    n_workers : int, optional
        Number of processes; as many as there are processors otherwise.
    store : str or Path, optional
        SQLite file for finished trials, on a disk of this machine; made if there is none. Several processes may use
        it at once.
    time_limit : float, optional
        Seconds after which a trial is stopped and counts as failed; but compiled code is not stopped before it
        returns to Python, nor, in a thread of a Dask worker, a call that waits.
    stop_at_failure : bool
        Whether the first new failure ends it all.
    progress : bool
        Whether to show a bar, on the error output.
    scheduler : str or distributed.deploy.Cluster, optional
        Address of a Dask scheduler, or a cluster such as dask-jobqueue makes; otherwise one is made on this machine.

    Returns
    -------
    Sweep
        With a warning when trials failed. A trial that raised fails again, and is not run again; one whose worker
        died, or that ran out of time, memory or disk, is run again by the next call.

    Raises
    ------
    TypeError, ValueError
        Before any trial is run, when something cannot be used.
    RuntimeError
        When a trial failed and `stop_at_failure`, or the workers cannot go on.
    StoreError
        When the store is damaged, or the disk is full. What was recorded stays.
    """
    check_experiment(experiment)
    fixed = {name: plain(name, value) for name, value in (fixed or {}).items()}
    found, n_trials = points(grid, fixed, experiment), check_count("n_trials", n_trials)
    paired = _check_paired(paired, found, fixed)
    seed = tuple(check_count("seed", word, 0) for word in seed) if np.ndim(seed) else check_count("seed", seed, 0)
    n_workers = n_workers and check_count("n_workers", n_workers)
    time_limit = time_limit and check_number("time_limit", time_limit, 0, open_low=True)
    if engine not in ENGINES or (scheduler is not None and engine != "dask"):
        raise ValueError(f"engine must be one of {', '.join(ENGINES)}, and 'dask' with a scheduler; got {engine!r}")
    digest = experiment_digest(experiment)
    about = {"experiment": experiment.__name__, "digest": digest, "version": __version__, "package": PACKAGE}
    about |= {"seed": seed, "fixed": fixed, "paired": paired}
    job = Job(experiment if engine == "serial" else pickled(experiment), seed, time_limit, PACKAGE)
    keys = (canonical(point | fixed) for point in found)
    with Store(store, f"{digest} {__version__} {PACKAGE}", json.dumps([seed, paired]), keys) as kept:
        bar = tqdm(total=len(found) * n_trials, initial=kept.n_done(n_trials), unit="trial", disable=not progress)
        n_failed = 0
        with bar:
            # nothing is left to do where all is recorded, and no worker is started
            if bar.n < bar.total:
                pending, n_pending = _pending(kept, found, fixed, paired, n_trials), bar.total - bar.n
                for finished in outcomes(job, pending, n_pending, engine, n_workers, scheduler):
                    kept.record(finished)
                    bar.update(len(finished))
                    failed = [outcome for outcome in finished if outcome.failure]
                    n_failed += len(failed)
                    if failed:
                        bar.set_postfix(failed=n_failed)
                        if stop_at_failure:
                            raise RuntimeError(_failure_text(found[failed[0].position], *failed[0][1::3]))
        result = Sweep(*tables.collect(kept.rows(n_trials), found), about)
    _warn_of_failures(result)
    return result


def finer(values, scale):
    """An axis with more points between those of a given one, which it keeps, bit by bit, when the scale is whole.

    Parameters
    ----------
    values : array_like, shape (n,)
        Ascending.
    scale : float
        Factor on the number of steps from the first value to the last; below 1 there are fewer.

    Returns
    -------
    ndarray, shape (round(scale (n - 1)) + 1,)
        Interpolated linearly. An axis of integers is rounded, and has each integer once, which may make it shorter.
    """
    values = np.asarray(values)
    n_steps = len(values) - 1
    n_fine = max(1, round(scale * n_steps)) if n_steps else 0
    fine = np.interp(np.arange(n_fine + 1) * n_steps / max(n_fine, 1), np.arange(n_steps + 1), values)
    return np.unique(np.rint(fine).astype(values.dtype)) if values.dtype.kind == "i" else fine


def read_table(path, experiment):
    """The table of a sweep that was written to a file.

    Parameters
    ----------
    path : str or Path
        A file of `Sweep.write`, or of ``python -m aedyn sweep``.
    experiment : callable
        The function that must have made it.

    Returns
    -------
    Sweep
        With a warning when the package has changed in the meantime.

    Raises
    ------
    ValueError
        When it is no such table, or of another experiment.
    """
    rows, about = tables.read(path)
    name = experiment.__name__
    if about["digest"] != experiment_digest(experiment):
        what = f"made by an older or newer {name}" if about["experiment"] == name else f"of {about['experiment']}"
        raise ValueError(f"{path} is {what}, not by {name} as it is here: run the sweep again")
    if about["package"] != PACKAGE:
        warnings.warn(f"{path} was made with other sources of aedyn ({about['version']})", stacklevel=2)
    parameters, values = about.pop("parameters"), about.pop("values")
    return Sweep(rows, tuple(parameters), tuple(values), about)


def _check_paired(paired, found, fixed):
    if unknown := set(paired) - set().union(fixed, *found):
        raise ValueError(f"paired must name parameters; got {', '.join(map(repr, sorted(unknown)))}")
    return sorted(paired)


def _pending(kept, found, fixed, paired, n_trials):
    """Trials that are not recorded yet, each made when it is asked for."""
    for position, point in enumerate(found):
        done = kept.done(position, n_trials)
        if len(done) < n_trials:
            parameters = point | fixed
            key = stream_key({name: value for name, value in parameters.items() if name not in paired})
            yield from (Trial(position, parameters, key, i) for i in range(n_trials) if i not in done)


def _wilson(n_successes, n_attempts, level):
    cases, which = np.unique(np.stack([n_successes, n_attempts]).astype(int), axis=1, return_inverse=True)
    bounds = np.full((2, cases.shape[1]), np.nan)
    for i, (k, n) in enumerate(cases.T):
        if n:
            bounds[:, i] = stats.binomtest(k, n).proportion_ci(level, method="wilson")
    return bounds[:, which]


def _warn_of_failures(result):
    failures = result.failures
    if len(failures):
        (point,) = failures.iloc[:1][list(result.parameters)].to_dict("records")
        text = _failure_text(point, *failures.iloc[0][["trial", "failure"]])
        warnings.warn(f"{len(failures)} of {len(result.rows)} trials failed; {text}", RuntimeWarning, stacklevel=3)


def _failure_text(point, number, failure):
    return f"trial {number} at {point} failed:\n{failure}"
