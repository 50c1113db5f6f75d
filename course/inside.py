"""What runs inside the sandbox: executes the cells of one submission and calls its functions, a line for each.

Nothing here is secret or trusted. A submission can change all of it; then it lies about its own answers only.
"""

import base64
import io
import json
import os
import resource
import shutil
import signal
import sys
import traceback

import numpy as np
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from matplotlib_inline.backend_inline import set_matplotlib_formats

SAFE_TYPES = ("text/plain", "image/png", "image/jpeg")  # nothing that a browser would run
GRACE = 5  # seconds between the warning and the end


class TimeLimit(BaseException):
    """Raised in a cell that has used up its time; `except Exception` does not stop it."""


class Outputs:
    """What a cell shows, up to a number of characters."""

    def begin(self, room):
        self.shown, self.room = [], room

    def write(self, name, text):
        if self.room <= 0:
            return
        if len(text) > self.room:
            text = text[: self.room] + "\n[more output was cut]\n"
        self.room -= len(text)
        if not (self.shown and self.shown[-1].get("name") == name):
            self.shown.append({"output_type": "stream", "name": name, "text": ""})
        self.shown[-1]["text"] += text

    def show(self, kind, data, **more):
        data = {name: value for name, value in data.items() if name in SAFE_TYPES}
        self.room -= sum(map(len, data.values()))
        if self.room > 0:
            self.shown.append({"output_type": kind, "data": data, "metadata": {}, **more})

    def fail(self, name, message, lines):
        lines = [line[:2000] for line in lines[-20:]]
        self.shown.append({"output_type": "error", "ename": name, "evalue": message[:2000], "traceback": lines})


outputs = Outputs()


class Stream(io.TextIOBase):
    """Standard output or error."""

    def __init__(self, name):
        self._name = name

    def write(self, text):
        outputs.write(self._name, str(text))
        return len(text)


class Shell(InteractiveShell):
    """IPython as in a notebook, without a terminal and without a kernel."""

    def enable_gui(self, gui=None):
        pass

    def _showtraceback(self, etype, evalue, stb):
        outputs.fail(etype.__name__, str(evalue), stb)


class Publisher(DisplayPublisher):
    """Figures and objects that are displayed."""

    def publish(self, data, *args, **kwargs):
        outputs.show("display_data", data)


class LastValue(DisplayHook):
    """The value of the last line of a cell."""

    def write_output_prompt(self):
        pass

    def write_format_data(self, format_dict, md_dict=None):
        outputs.show("execute_result", format_dict, execution_count=self.prompt_count)

    def finish_displayhook(self):
        pass


def make_shell():
    outputs.begin(0)
    sys.stdout, sys.stderr = Stream("stdout"), Stream("stderr")
    shell = Shell.instance(display_pub_class=Publisher, displayhook_class=LastValue)
    shell.run_line_magic("matplotlib", "inline")
    return shell


def set_limits(limits):
    """Limits that nothing in this process can lift."""
    for name, most in (
        ("AS", int(limits["memory_gib"] * 2**30)),
        ("FSIZE", limits["disk_mib"] * 2**20),
        ("NPROC", limits["threads"]),
        ("NOFILE", 256),
        ("CORE", 0),
        ("CPU", limits["total_seconds"]),
    ):
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))


def out_of_time(*_):
    raise TimeLimit("it used up the time for one cell")


def timed(seconds, action, *arguments):
    """Do something for so many seconds of computing: a warning first, and the end for whoever catches it."""
    spent = resource.getrusage(resource.RUSAGE_SELF)
    end, most = int(spent.ru_utime + spent.ru_stime + seconds + GRACE), resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (min(end, most), most))
    signal.signal(signal.SIGPROF, out_of_time)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        return action(*arguments)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def pack(value):
    """An array, or a list of arrays for a tuple."""
    return [pack_array(part) for part in value] if isinstance(value, tuple) else pack_array(value)


def pack_array(value):
    """Plain numbers: the shape, and the bytes of float64."""
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"the answer must be made of real numbers; got {type(value).__name__}")
    return {"shape": array.shape, "data": base64.b64encode(array.astype("<f8").tobytes()).decode()}


def unpack(value):
    if not isinstance(value, dict):
        return value
    return np.frombuffer(base64.b64decode(value["data"]), value["dtype"]).reshape(value["shape"]).copy()


def call(names, name, arguments):
    """What the function of that name returns."""
    if name not in names:
        raise NameError(f"{name} is not defined: its cell is missing, or stopped before that line")
    return pack(names[name](*map(unpack, arguments)))


def answer(shell, request, limits):
    outputs.begin(limits["output_characters"])
    try:
        if "cell" in request:
            set_matplotlib_formats("png")  # vector graphics can hold scripts
            timed(limits["cell_seconds"], shell.run_cell, request["cell"], True)
            return {"outputs": outputs.shown}
        return {"value": timed(limits["cell_seconds"], call, shell.user_ns, request["name"], request["arguments"])}
    except BaseException as error:
        lines = [place.line for place in traceback.extract_tb(error.__traceback__) if "ipython-input" in place.filename]
        return {"error": [type(error).__name__, str(error)[:500], *lines[-1:]]}


def main():
    requests, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    limits = json.loads(requests.readline())
    if limits["warm"]:
        shutil.copytree(limits["warm"], os.environ["HOME"], dirs_exist_ok=True)
    shell = make_shell()
    set_limits(limits)
    print('"ready"', file=answers, flush=True)
    for request in requests:
        print(json.dumps(answer(shell, json.loads(request), limits)), file=answers, flush=True)


main()
