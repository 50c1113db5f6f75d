"""Experiments for the tests of sweeps, as a user would write them in a module of their own."""

import os
import signal
import time

import numba
import numpy as np
import pytest

compiled = pytest.mark.skipif(
    bool(numba.config.DISABLE_JIT or numba.config.BOUNDSCHECK), reason="starts processes, in which no kernel matters"
)

BASE = 10


def normal(rng, center, scale):
    return center + scale * rng.standard_normal()


def several(rng, k, kind="a"):
    return {"x": rng.standard_normal() + BASE, "n": int(rng.integers(100)), "hit": bool(rng.random() < 0.3)}


def product(rng, size):
    """Matrix products, whose rounding depends on the number of threads."""
    a, b = rng.standard_normal((2, size, size))
    return float(np.linalg.norm(a @ b))


def coin(rng, p):
    return bool(rng.random() < p)


def coins(rng, p, n):
    return {"heads": int(rng.binomial(n, p))}


def fails(rng, k):
    x = rng.random()
    if k == 1:
        raise ValueError(f"drew {x}")
    return np.nan if k == 2 else x


def no_memory(rng, log):
    note(log, rng.random())
    raise MemoryError


def hangs(rng, k):
    x = rng.random()
    try:
        while k == 1:
            pass
    except Exception:
        return -1.0
    return x


def sleeps(rng, k):
    time.sleep(20 * (k == 1))
    return rng.random()


def kills(rng, k):
    """Kills its worker, every time."""
    time.sleep(0.01)
    x = rng.random()
    if k == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def noted(rng, k, log, deadly):
    """Leaves a line; a file of the name `deadly` is removed by the first trial at k = 2, which kills its worker."""
    x = rng.random()
    time.sleep(0.01)
    if k == 2:
        try:
            os.remove(deadly)
        except FileNotFoundError:
            pass
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    note(log, x)
    return x


def note(log, text):
    """Append a line in one write, so that several processes may."""
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{text} {os.getpid()}\n".encode())
    os.close(file)
