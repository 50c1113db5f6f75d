"""Results of long runs, which come with the package and are found by their inputs.

A module that has such results says which it wants, and makes those that are missing when it is run. A result does not
know when the code behind it has changed: delete it from its file, and it is made again.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

import aedyn

FOLDER = Path(__file__).parent / "data" / "results"
DIGITS = 6  # of stored numbers


@dataclass(frozen=True)
class StoredResults:
    """The results of a module, in one file.

    Parameters
    ----------
    path : pathlib.Path
        A JSON file with a result in each line; it need not be there yet.
    kind : str
        What the file calls the inputs of a result.
    restore : callable
        Makes the inputs, a frozen dataclass, from what the file says of them by name.
    wanted : callable
        Lists the inputs of which there should be results.
    """

    path: Path
    kind: str
    restore: Callable
    wanted: Callable

    @cached_property
    def entries(self):
        """What is stored, by inputs: dictionaries with the result, and the version of the package that made it."""
        if not self.path.exists():
            return {}
        return {self.restore(**entry.pop(self.kind)): entry for entry in json.loads(self.path.read_text())}

    def find(self, inputs):
        """The result of inputs that are equal to these.

        Parameters
        ----------
        inputs : dataclass

        Returns
        -------
        dict
            As given to `add`, with lists in place of arrays.

        Raises
        ------
        KeyError
            When there is none; the message says how to make it.
        """
        if inputs not in self.entries:
            raise KeyError(
                f"no stored result of {inputs}: take it from `{self.wanted.__name__}`, or add it there, and run "
                f"`python -m {self.wanted.__module__}`"
            )
        return self.entries[inputs]["result"]

    def missing(self):
        """Inputs that are wanted and have no result.

        Returns
        -------
        list
        """
        return [inputs for inputs in self.wanted() if inputs not in self.entries]

    def add(self, inputs, result):
        """Store a result. The file is replaced at once: a run that is killed leaves the last complete one.

        Parameters
        ----------
        inputs : dataclass
        result : dict
            Numbers, texts, arrays, and lists and dictionaries of them; numbers are rounded to `DIGITS` digits.
        """
        self.entries[inputs] = {"version": aedyn.__version__, "result": _rounded(result)}
        lines = [json.dumps({self.kind: asdict(inputs)} | entry) for inputs, entry in self.entries.items()]
        unfinished = self.path.with_suffix(".part")
        unfinished.write_text("[\n" + ",\n".join(lines) + "\n]\n")
        unfinished.replace(self.path)


def _rounded(value):
    if isinstance(value, dict):
        return {name: _rounded(entry) for name, entry in value.items()}
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list):
        return [_rounded(entry) for entry in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
