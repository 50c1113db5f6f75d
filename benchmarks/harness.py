"""Time several ways of doing the same work in one run, and the bounds of the machine beside them."""

from time import perf_counter

import numpy as np


def compare(title, candidates, *, unit, work, rounds=7):
    """Time each candidate once a round, in turn, and print medians and ratios to the first one.

    Parameters
    ----------
    title : str
    candidates : dict of str to callable
        Ours first. Each is called once beforehand, to compile and to warm up.
    unit : str
        What `work` counts.
    work : float
        How much of it one call does.
    rounds : int
    """
    seconds = {name: [] for name in candidates}
    for run in candidates.values():
        run()
    for _ in range(rounds):
        for name, run in candidates.items():
            start = perf_counter()
            run()
            seconds[name].append(perf_counter() - start)
    medians = {name: float(np.median(times)) for name, times in seconds.items()}
    ours = next(iter(medians.values()))
    print(f"\n{title}")
    for name, median in medians.items():
        print(f"  {name:<28}{1e3 * median:10.1f} ms {work / median:14,.0f} {unit}/s    {median / ours:6.2f} x our time")
    return medians


def machine_bounds():
    """Measured peak of double-precision matrix products (flop/s) and of reading memory (byte/s)."""
    flops = product_peak("float64")
    large = np.ones(30_000_000)
    read = large.nbytes / min(_time(large.sum) for _ in range(3))
    print(f"machine: {flops / 1e9:.0f} Gflop/s in double-precision products, {read / 1e9:.1f} GB/s read from memory")
    return flops, read


def product_peak(dtype):
    """Measured peak of matrix products in a precision, in flop/s."""
    a, b = np.random.default_rng(0).standard_normal((2, 2048, 2048)).astype(dtype)
    return 2 * 2048**3 / min(_time(lambda: a @ b) for _ in range(5))


def _time(run):
    start = perf_counter()
    run()
    return perf_counter() - start
