"""Work over independent pieces in threads, with the same bits for any number of them."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache

import numba
from threadpoolctl import ThreadpoolController


def map_in_threads(function, pieces):
    """Results of `function` for each piece, in the order of the pieces.

    The number of threads is Numba's (`numba.set_num_threads`, or the variable NUMBA_NUM_THREADS); inside, matrix
    products use one thread each.

    Parameters
    ----------
    function : callable
        Must release the interpreter lock in its hot part to gain from threads.
    pieces : sequence

    Returns
    -------
    list
    """
    n_threads = min(numba.get_num_threads(), len(pieces))
    with one_blas_thread():
        if n_threads == 1:
            return [function(piece) for piece in pieces]
        with ThreadPoolExecutor(n_threads) as pool:
            return list(pool.map(function, pieces))


@contextmanager
def one_blas_thread():
    """Matrix products use one thread, so that their rounding does not depend on how many there are."""
    with _thread_pools().limit(limits=1, user_api="blas"):
        yield


@cache
def _thread_pools():
    return ThreadpoolController()
