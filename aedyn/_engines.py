"""Where batches of trials run: here, in processes of this machine (joblib's loky), or on a Dask cluster."""

import warnings
from collections import Counter, deque
from concurrent.futures import BrokenExecutor, CancelledError
from contextlib import ExitStack, contextmanager
from itertools import islice
from queue import SimpleQueue
from time import monotonic
from typing import NamedTuple

from aedyn._trials import Outcome, WrongPackage, run_batch

ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "BLIS_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "NUMBA_NUM_THREADS",
    ),
    "1",
)
LARGEST_BATCH = 1024
IDLE = 30  # seconds after which a process without work ends; one that has lost the driver, half a minute later
DEATHS = 3  # of workers: after the first a trial runs by itself, after the last but one alone, after the last no more
LOOK_AGAIN = 5  # seconds after which a cluster is asked for its size again


class Pool(NamedTuple):
    """Workers: how to get an executor for them, how many there are, and what is raised when one dies."""

    connect: object
    size: object
    deaths: tuple


def outcomes(job, trials, n_trials, engine, n_workers=None, scheduler=None):
    """Lists of outcomes as they come, until all trials have one.

    A worker that dies takes the batch in its hands with it, and with loky those of all workers. Their trials are run
    again one by one, and those that are there when it happens again, alone; a trial that dies alone is a failure.

    Parameters
    ----------
    job : _trials.Job
    trials : iterable of _trials.Trial
        Taken as they are needed.
    n_trials : int
        How many there are.
    engine : str
        A key of `ENGINES`.
    n_workers : int, optional
    scheduler : str or distributed.deploy.Cluster, optional

    Yields
    ------
    list of _trials.Outcome
    """
    queue = _Queue(trials, n_trials)
    with ENGINES[engine](n_workers, scheduler) as pool:
        yield from _here(job, queue) if pool is None else _in_pool(job, queue, pool)


def _here(job, queue):
    while batch := queue.next(1):
        found = run_batch(job, batch)
        queue.finished(batch, found)
        yield found


def _in_pool(job, queue, pool):
    executor, in_flight, done, alone = None, {}, SimpleQueue(), None
    while True:
        executor = executor or _connected(pool, job)
        n_workers = pool.size()
        room = 1 if queue.accused or alone in in_flight else 2 * n_workers
        while executor and len(in_flight) < room and (batch := queue.next(n_workers)):
            try:
                future = executor.submit(run_batch, job, batch)
            except pool.deaths:
                queue.put_back(batch)
                executor = None
            else:
                in_flight[future] = batch, executor
                alone = future if room == 1 else None
                future.add_done_callback(done.put)
        if not in_flight:
            if executor:
                return
            continue
        future = done.get()
        batch, its_executor = in_flight.pop(future)
        try:
            found = future.result()
        except pool.deaths as death:
            found = queue.died(batch)
            if isinstance(death, BrokenExecutor) and its_executor is executor:
                executor = None
        except (WrongPackage, CancelledError) as error:
            raise _stopped(error) from error
        else:
            queue.finished(batch, found)
        yield found


def _connected(pool, job):
    executor = pool.connect()
    try:
        executor.submit(run_batch, job, []).result()
    except (WrongPackage, CancelledError, *pool.deaths) as error:
        raise _stopped(error) from error
    return executor


def _stopped(error):
    if isinstance(error, WrongPackage):
        why = "a worker has other sources of aedyn than this process: restart what is older"
    elif isinstance(error, CancelledError):
        why = "the connection to the scheduler was lost"
    else:
        why = f"workers die before they get a trial ({error})"
    return RuntimeError(f"{why}; what was finished is recorded when the sweep has a store, so call it again to go on")


class _Queue:
    """Trials that wait, cut into batches of about `BATCH_SECONDS`."""

    def __init__(self, trials, n_trials):
        self.fresh = iter(trials)
        self.n_left = n_trials
        self.waiting = [deque() for _ in range(DEATHS)]  # by the number of deaths of workers they have seen
        self.deaths = Counter()
        self.size = 1

    @property
    def accused(self):
        """Trials that must run alone, and do so next."""
        return self.waiting[-1]

    def next(self, n_workers):
        """A batch to run, smaller towards the end, so that workers finish together; an empty one when none is left."""
        returned, *suspects = self.waiting
        for singles in reversed(suspects):
            if singles:
                self.n_left -= 1
                return [singles.popleft()]
        size = min(self.size, 1 + self.n_left // (2 * n_workers))
        batch = [returned.popleft() for _ in range(min(size, len(returned)))]
        batch += islice(self.fresh, size - len(batch))
        self.n_left -= len(batch)
        return batch

    def put_back(self, batch):
        """Let trials wait for another attempt."""
        for trial in batch:
            self.waiting[self.deaths[trial.position, trial.number]].append(trial)
            self.n_left += 1

    def finished(self, batch, found):
        """Take back what is left of a batch, and learn from it how large the next ones should be."""
        rest = batch[len(found) :]
        self.put_back(rest)
        if rest:
            self.size = len(found)
        elif len(batch) == self.size:
            self.size = min(2 * self.size, LARGEST_BATCH)

    def died(self, batch):
        """Take back a batch whose worker died, and give outcomes for those that cannot be saved."""
        for trial in batch:
            self.deaths[trial.position, trial.number] += 1
        lost = [trial for trial in batch if self.deaths[trial.position, trial.number] == DEATHS]
        self.put_back(trial for trial in batch if trial not in lost)
        return [Outcome(trial.position, trial.number, None, None, "its worker died", True) for trial in lost]


@contextmanager
def _serial(n_workers, scheduler):
    yield None


@contextmanager
def _processes(n_workers, scheduler):
    from joblib import cpu_count
    from joblib.externals.loky import get_reusable_executor

    n_workers, executor = n_workers or cpu_count(), None

    def connect():
        nonlocal executor
        executor = get_reusable_executor(max_workers=n_workers, timeout=IDLE, env=ONE_THREAD)
        return executor

    try:
        with warnings.catch_warnings():
            # a process that ends for want of work just when there is some; another one takes its place
            warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given")
            yield Pool(connect, lambda: n_workers, (BrokenExecutor,))
    except BaseException:
        if executor:
            executor.shutdown(wait=True, kill_workers=True)
        raise


@contextmanager
def _dask(n_workers, scheduler):
    try:
        import dask
        from distributed import Client, KilledWorker, LocalCluster
    except ImportError as error:
        raise ImportError("the engine 'dask' needs dask.distributed: pip install 'aedyn[cluster]'") from error
    with ExitStack() as stack:
        if scheduler is None:
            # it is our queue that tries trials again
            stack.enter_context(dask.config.set({"distributed.scheduler.allowed-failures": 0}))
            scheduler = stack.enter_context(
                LocalCluster(n_workers=n_workers, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0")
            )
        client = stack.enter_context(Client(scheduler, set_as_default=False))
        client.wait_for_workers(1)
        known, asked = 0, -LOOK_AGAIN

        def size():
            nonlocal known, asked
            if monotonic() - asked > LOOK_AGAIN:
                known, asked = max(1, sum(client.nthreads().values())), monotonic()
            return known

        # not pure: a batch that is tried again is no other name for the result of the first attempt
        yield Pool(lambda: client.get_executor(pure=False), size, (BrokenExecutor, KilledWorker))


ENGINES = {"serial": _serial, "processes": _processes, "dask": _dask}
