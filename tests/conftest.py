"""Before Numba is imported, threads enough to compare 1, 2 and 4 of them anywhere; and figures without a screen."""

import os

os.environ["NUMBA_NUM_THREADS"] = "4"

import matplotlib
import numba
import pytest

matplotlib.use("Agg")


@pytest.fixture
def set_threads():
    """`numba.set_num_threads`, undone after the test."""
    before = numba.get_num_threads()
    yield numba.set_num_threads
    numba.set_num_threads(before)


def pytest_collection_modifyitems(items):
    """Of several workers one runs all tests in a file, whose fixtures they share, and one all that share the book."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group("book" if item.path.parent.name == "book" else item.path.stem))
