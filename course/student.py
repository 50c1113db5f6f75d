"""A submission at work: its cells are executed once, then tests call its functions and look at its variables."""

import base64
import math
import textwrap

import numpy as np

from course.sandbox import Ended, Sandbox

RESTARTS = 3
WIDTH = 100  # characters of a line in the page that a student gets


class Failed(Exception):
    """A test was not passed; the message is for the student."""


class Student:
    """What tests see of a submission: ``student("encode", W, b, Y)`` calls its function.

    All that comes back is a plain float64 array, or a tuple of such. A cell or a call that ends the process costs
    itself only: the process is started again without it.

    Parameters
    ----------
    cells : list of str
        The code of the submission.
    limits : Limits
    **options
        Passed on to Sandbox.
    """

    def __init__(self, cells, limits, **options):
        self._limits, self._options = limits, options
        self._cells = dict(enumerate(cells))
        self._sandbox, self._starts = None, 0
        self.outputs = {}

    def run(self):
        """Execute the cells; `outputs` then holds what each of them shows, by its index."""
        while self._sandbox is None:
            self._start()

    def close(self):
        """End the process, if there is one."""
        if self._sandbox:
            self._sandbox.close()

    def __call__(self, name, *arguments):
        self.run()
        try:
            answer = self._sandbox.ask({"name": name, "arguments": [_pack(value) for value in arguments]})
        except Ended as end:
            self._sandbox = None
            raise Failed(f"{name} {end}.") from None
        try:
            if "error" in answer:
                raise Failed(_explain(name, *answer["error"]))
            return _unpack(answer["value"])
        except (AttributeError, TypeError, ValueError, KeyError):
            raise Failed(f"What {name} returned could not be read.") from None

    def _start(self):
        """One attempt; a cell that ends the process is not executed in the next."""
        if self._starts > RESTARTS:
            raise Failed(f"The notebook ended its own process more than {RESTARTS} times.")
        self._starts += 1
        sandbox = Sandbox(self._limits, **self._options)
        for index, code in list(self._cells.items()):
            try:
                self.outputs[index] = _checked(sandbox.ask({"cell": code}), 2 * self._limits.output_characters)
            except Ended as end:
                self.outputs[index] = [failure("Ended", f"This cell {end}. The others were executed again without it.")]
                del self._cells[index]
                return
        self._sandbox = sandbox


def failure(name, message):
    """The output of a notebook cell that failed."""
    lines = textwrap.wrap(message, WIDTH)
    return {"output_type": "error", "ename": name, "evalue": message, "traceback": lines}


def _explain(name, kind, message, line=""):
    kind, message, line = _text(kind), _text(message), _text(line)
    if kind == "NotImplementedError":
        return f"{name} is not written yet."
    if kind == "NameError" and message.startswith(name):
        return message + "."
    return f"{name} stopped with {kind}: {message}" + (f" (in the line: {line.strip()})" if line else "")


def _pack(value):
    if isinstance(value, np.ndarray):
        return {
            "dtype": value.dtype.str,
            "shape": value.shape,
            "data": base64.b64encode(value.tobytes()).decode(),
        }
    return value.item() if isinstance(value, np.generic) else value


def _unpack(value):
    if isinstance(value, list):
        return tuple(_array(part) for part in value)
    return _array(value)


def _array(value):
    shape = [int(size) for size in value["shape"]]
    numbers = np.frombuffer(base64.b64decode(value["data"]), "<f8")
    if min(shape, default=0) < 0 or math.prod(shape) != len(numbers):
        raise ValueError("the shape does not fit the data")
    return numbers.reshape(shape).copy()


def _checked(answer, most):
    """The outputs of a cell, built again from their known parts."""
    try:
        if sum(len(str(output)) for output in answer["outputs"]) > most:
            return [failure("Unreadable", "This cell shows too much.")]
        return [_output(**output) for output in answer["outputs"]]
    except (AttributeError, TypeError, KeyError, ValueError):
        return [failure("Unreadable", "What this cell shows could not be read.")]


def _output(output_type, name="", text="", data=None, ename="", evalue="", traceback=(), **_):
    if output_type == "stream":
        return {"output_type": "stream", "name": "stdout", "text": _text(text)}
    if output_type == "error":
        lines = [_text(line) for line in traceback]
        return {"output_type": "error", "ename": _text(ename), "evalue": _text(evalue), "traceback": lines}
    shown = {"text/plain": _text(data.get("text/plain", ""))} | images(data)
    return {"output_type": "display_data", "data": shown, "metadata": {}}


def images(data):
    """What is an image in a bundle of data: nothing that a browser would run."""
    kinds = ("image/png", "image/jpeg")
    return {kind: base64.b64encode(base64.b64decode(data[kind])).decode() for kind in kinds if kind in data}


def _text(value):
    """Text that can be written to a file; half of a surrogate pair cannot."""
    return str(value).encode("utf-8", "replace").decode()
