"""What a worker does: run a batch of trials, each with a stream and a clock of its own."""

import ctypes
import hashlib
import json
import pickle
import signal
import threading
import traceback
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numba
import numpy as np
from threadpoolctl import threadpool_limits

BATCH_SECONDS = 0.2  # a batch returns after this time with what it has done

_sources = (path.name.encode() + path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
PACKAGE = hashlib.sha256(b"\0".join(_sources)).hexdigest()  # of the sources that this process has loaded


class Job(NamedTuple):
    """What all trials of a sweep have in common.

    Attributes
    ----------
    experiment : callable or bytes
        The function, or what it is unpickled from.
    seed : int or tuple of int
    time_limit : float or None
    package : str
        `PACKAGE` of the driver.
    """

    experiment: object
    seed: object
    time_limit: float | None
    package: str


class Trial(NamedTuple):
    """A trial to be run: the position of its point, the parameters there, the key of its streams, and its number."""

    position: int
    parameters: dict
    key: tuple
    number: int


class Outcome(NamedTuple):
    """A trial that was run: values as JSON, or the text of its failure, and whether to run it again on resuming."""

    position: int
    number: int
    values: str | None
    seconds: float | None
    failure: str
    again: bool = False


class TooLong(BaseException):
    """Raised in a trial that takes longer than it may; not an `Exception`, so that no experiment swallows it."""


class WrongPackage(Exception):
    """A worker has other sources of the package than the driver."""


def run_batch(job, trials):
    """Outcomes of the trials that could be finished in `BATCH_SECONDS`, in order; of the first one at least."""
    if job.package != PACKAGE:
        raise WrongPackage
    experiment = _load(job.experiment) if isinstance(job.experiment, bytes) else job.experiment
    outcomes, start = [], perf_counter()
    with _one_thread():
        for trial in trials:
            outcomes.append(_run(experiment, job, trial))
            if perf_counter() - start > BATCH_SECONDS:
                break
    return outcomes


_load = lru_cache(maxsize=8)(pickle.loads)


def _run(experiment, job, trial):
    rng = np.random.default_rng(np.random.SeedSequence(job.seed, spawn_key=(*trial.key, trial.number)))
    values, failure, again = None, "", False
    start = perf_counter()
    try:
        with _limit(job.time_limit):
            result = experiment(rng, **trial.parameters)
        values = json.dumps(_named_numbers(result, trial.parameters))
    except TooLong:
        failure, again = f"took longer than {job.time_limit:g} s", True
    except (Exception, SystemExit) as error:
        # all but memory, disk and network depends on parameters and stream alone, and would fail again
        error = error.with_traceback(error.__traceback__.tb_next)
        failure, again = "".join(traceback.format_exception(error)), isinstance(error, (MemoryError, OSError))
    return Outcome(trial.position, trial.number, values, perf_counter() - start, failure, again)


def _named_numbers(result, parameters):
    """What an experiment returned, as a dict of Python's own numbers."""
    named = result if isinstance(result, dict) else {"value": result}
    for name, value in named.items():
        if isinstance(value, np.generic | np.ndarray) and value.size == 1:
            named = named | {name: (value := value.item())}
        if not isinstance(name, str) or not isinstance(value, bool | int | float):
            raise TypeError(f"an experiment returns a number, a bool or a dict of named numbers; got {result!r:.200}")
        if name in (*parameters, "trial", "seconds", "failure"):
            raise ValueError(f"an experiment must not return a column {name!r}; the table has one already")
    return named


@contextmanager
def _one_thread():
    """Numba, matrix products and OpenMP use one thread each."""
    n_threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        numba.set_num_threads(n_threads)


def _limit(seconds):
    """Context in which `TooLong` is raised after some time; compiled code must return to Python first."""
    if seconds is None:
        return nullcontext()
    in_main = threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")
    return _alarm(seconds) if in_main else _raise_from_outside(seconds)


@contextmanager
def _alarm(seconds):
    def ring(*_):
        raise TooLong

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _raise_from_outside(seconds):
    """The same in other threads than the main one, where no signal arrives; a call that sleeps is not interrupted."""
    thread = ctypes.c_ulong(threading.get_ident())
    lock, running = threading.Lock(), True

    def ring():
        with lock:
            if running:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(TooLong))

    timer = threading.Timer(seconds, ring)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with lock:
            running = False
        timer.cancel()
        ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, None)  # one that is on its way comes no more
