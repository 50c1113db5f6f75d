"""Work in threads: order, concurrency, and one thread for each matrix product."""

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from aedyn._parallel import map_in_threads

# a wait that only a deadlock would exhaust
PATIENCE = 60


@pytest.mark.parametrize("n_threads", [1, 2, 4])
def test_results_come_in_the_order_of_the_pieces(set_threads, n_threads):
    set_threads(n_threads)
    assert map_in_threads(lambda piece: piece**2, range(9)) == [piece**2 for piece in range(9)]


@pytest.mark.parametrize("n_threads", [2, 4])
def test_as_many_pieces_at_once_as_threads(set_threads, n_threads):
    set_threads(n_threads)
    meeting = threading.Barrier(n_threads)
    map_in_threads(lambda piece: meeting.wait(PATIENCE), range(n_threads))


def test_one_thread_is_the_thread_of_the_caller(set_threads):
    set_threads(1)
    assert set(map_in_threads(lambda piece: threading.get_ident(), range(3))) == {threading.get_ident()}


@pytest.mark.parametrize("n_threads", [1, 2])
def test_matrix_products_use_one_thread_inside_and_as_many_as_before_outside(set_threads, n_threads):
    set_threads(n_threads)

    def blas_threads(piece=None):
        np.ones((2, 2)) @ np.ones((2, 2))
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    before = blas_threads()
    assert before, "NumPy's matrix products should show up"
    inside = map_in_threads(blas_threads, range(2))
    assert inside == [[1] * len(before)] * 2
    assert blas_threads() == before


@pytest.mark.parametrize("n_threads", [1, 2])
def test_an_error_in_a_piece_reaches_the_caller(set_threads, n_threads):
    set_threads(n_threads)
    with pytest.raises(ZeroDivisionError):
        map_in_threads(lambda piece: 1 / piece, [1, 0])
