"""For each graded cell of each assignment: another correct method, and mistakes that a student makes."""

from importlib import import_module
from typing import NamedTuple


class Variant(NamedTuple):
    """Code that replaces functions of the solution.

    `passes` says whether it is correct, `tests` which graded cells decide.
    """

    passes: bool
    tests: tuple
    code: str


def variants_of(stem):
    """All variants for an assignment, by what they do."""
    return import_module(f"variants.{stem}").VARIANTS
