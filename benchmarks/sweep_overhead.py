"""What a sweep costs beyond its trials, against bare joblib, and what a second worker brings.

Each way has a process of its own, with workers that stay alive, so that only the trials are timed and not the start.
"""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from tempfile import TemporaryDirectory
from time import perf_counter, process_time, sleep

import numpy as np
from harness import compare
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor

from aedyn import _engines
from aedyn.sweeps import sweep

N_POINTS, N_TRIALS, SECONDS = 10, 30, 0.01


def busy(rng, k):
    end = process_time() + SECONDS
    while process_time() < end:
        pass
    return rng.random()


def asleep(rng, k):
    sleep(SECONDS)
    return rng.random()


def trivial(rng, k):
    return rng.random()


def with_sweep(n_workers, experiment, n_trials=N_TRIALS):
    _engines.IDLE = 300
    with TemporaryDirectory() as folder:
        options = {"n_workers": n_workers, "store": f"{folder}/trials", "progress": False}
        sweep(experiment, {"k": range(N_POINTS)}, n_trials, 0, **options)


def with_joblib(n_workers, experiment, n_trials=N_TRIALS):
    tasks = (delayed(experiment)(np.random.default_rng([0, k, i]), k) for k in range(N_POINTS) for i in range(n_trials))
    Parallel(n_workers)(tasks)


def dismiss():
    get_reusable_executor().shutdown()


def main():
    ways = {
        "sweep, 2 workers": (with_sweep, 2),
        "sweep, 1 worker": (with_sweep, 1),
        "joblib, 2 workers": (with_joblib, 2),
        "joblib, 1 worker": (with_joblib, 1),
    }
    homes = {name: ProcessPoolExecutor(1, mp_context=get_context("spawn")) for name in ways}

    def at_home(name, *more):
        run, n_workers = ways[name]
        homes[name].submit(run, n_workers, *more).result()

    n = N_POINTS * N_TRIALS
    for experiment in (busy, asleep):
        medians = compare(
            f"{n} trials, {experiment.__name__} for {1e3 * SECONDS:.0f} ms",
            {name: lambda name=name, experiment=experiment: at_home(name, experiment) for name in ways},
            unit="trials",
            work=n,
            rounds=5,
        )
        sweep_2, sweep_1, joblib_2, joblib_1 = medians.values()
        print(f"  sweep : bare joblib = {sweep_2 / joblib_2:.3f} with 2 workers, {sweep_1 / joblib_1:.3f} with 1")
        print(f"  efficiency of 2 workers = {sweep_1 / sweep_2 / 2:.2f}, of bare joblib {joblib_1 / joblib_2 / 2:.2f}")
    start = perf_counter()
    at_home("sweep, 2 workers", trivial, 10_000)
    print(f"  a trial that does nothing, on 2 workers: {1e6 * (perf_counter() - start) / (10_000 * N_POINTS):.0f} us")
    for home in homes.values():
        home.submit(dismiss).result()
        home.shutdown()


if __name__ == "__main__":
    # by this name other processes find the functions
    import sweep_overhead

    sweep_overhead.main()
