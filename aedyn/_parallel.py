"""Work over independent pieces in threads, with the same bits for any number of them."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache

import numba
from threadpoolctl import ThreadpoolController


def map_in_threads(function, pieces):
    """Results of `function` for each piece, in the order of the pieces.

    The number of threads is Numba's (`numba.set_num_threads`, or the variable NUMBA_NUM_THREADS), that of the caller
    included; inside, matrix products use one thread each.

    Parameters
    ----------
    function : callable
        Must release the interpreter lock in its hot part to gain from threads.
    pieces : sequence

    Returns
    -------
    list
    """
    results, waiting = [None] * len(pieces), deque(range(len(pieces)))

    def work():
        while True:
            try:
                place = waiting.popleft()
            except IndexError:
                return
            results[place] = function(pieces[place])

    n_threads = min(numba.get_num_threads(), len(pieces))
    with one_blas_thread():
        helpers = [_helpers(n_threads).submit(work) for _ in range(1, n_threads)]
        try:
            work()
        finally:
            waiting.clear()
            started = [helper for helper in helpers if not helper.cancel()]
            errors = [error for helper in started if (error := helper.exception())]
    if errors:
        raise errors[0]
    return results


@cache
def _helpers(n_threads):
    """Threads beside that of the caller, kept from call to call: to start them takes longer than many a piece."""
    return ThreadPoolExecutor(n_threads - 1)


@contextmanager
def one_blas_thread():
    """Matrix products use one thread, so that their rounding does not depend on how many there are."""
    with _thread_pools().limit(limits=1, user_api="blas"):
        yield


@cache
def _thread_pools():
    return ThreadpoolController()
