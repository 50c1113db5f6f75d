"""The whole book, built once at the smoke setting in a copy of the tree."""

import pytest
from book_trees import copy_tree, make


@pytest.fixture(scope="session")
def tree(tmp_path_factory):
    """The tree after ``make book SETTING=smoke``."""
    folder = copy_tree(tmp_path_factory.mktemp("book"))
    code, output = make(folder, "book", "SETTING=smoke")
    assert code == 0, output
    return folder


@pytest.fixture(scope="session")
def html(tree):
    return tree / "_build" / "html"
