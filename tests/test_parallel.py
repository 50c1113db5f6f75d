"""Work in threads: order, concurrency, and one thread for each matrix product."""

import os
import signal
import threading
from time import monotonic, sleep

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


@pytest.mark.parametrize("n_threads", [1, 2, 4])
def test_no_piece_is_at_work_any_more_when_an_error_reaches_the_caller(set_threads, n_threads):
    set_threads(n_threads)
    at_work, others_begun = [], threading.Event()

    def work(piece):
        if piece == 0:
            assert n_threads == 1 or others_begun.wait(PATIENCE)
            raise ZeroDivisionError
        at_work.append(piece)
        others_begun.set()
        sleep(0.05)
        at_work.remove(piece)

    with pytest.raises(ZeroDivisionError):
        map_in_threads(work, range(8))
    assert not at_work


@pytest.mark.parametrize("n_threads", [1, 2, 4])
def test_work_inside_work(set_threads, n_threads):
    set_threads(n_threads)
    found = map_in_threads(lambda piece: sum(map_in_threads(lambda k: k * piece, range(5))), range(6))
    assert found == [10 * piece for piece in range(6)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_work_in_a_forked_process(set_threads):
    set_threads(2)
    map_in_threads(abs, range(4))
    child = os.fork()
    if not child:
        os._exit(map_in_threads(abs, range(4)) != [0, 1, 2, 3])
    waited = monotonic() + PATIENCE
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0) and monotonic() < waited:
        sleep(0.01)
    if ended == (0, 0):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert ended == (child, 0)
