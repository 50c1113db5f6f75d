"""A process that executes the code of one submission and can harm nobody.

Bubblewrap gives it namespaces of its own: no network, no other processes, and of the files only Python's, read-only,
and a small folder in memory. It talks through two pipes. Time is counted in seconds of computing, so that a busy
machine does not fail a good submission; only a submission that waits for nothing meets the clock.
"""

import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import aedyn
from course import seccomp

INSIDE = Path(__file__).with_name("inside.py")
PACKAGE = Path(aedyn.__file__).parent
PIECE = 1 << 16


@dataclass(frozen=True)
class Limits:
    """What a submission may use."""

    cell_seconds: float = 60  # of computing, for a cell or for a call by a test
    total_seconds: int = 600  # of computing, in all
    patience: float = 5  # seconds by the clock for each of those
    memory_gib: float = 4
    disk_mib: int = 64
    threads: int = 256  # not for root
    output_characters: int = 500_000  # of one cell
    answer_mib: int = 16


class Ended(Exception):
    """The process is gone; the message says why, as in "your notebook ..."."""


class SandboxUnavailable(Exception):
    """Submissions cannot be isolated on this machine; the message says why."""


def check_available():
    """Raise SandboxUnavailable unless a submission can be isolated here."""
    if shutil.which("bwrap") is None:
        raise SandboxUnavailable("bubblewrap (the command bwrap) is not installed")
    if not seccomp.supported():
        raise SandboxUnavailable("no filter of system calls is known for this kind of processor")
    try:
        Sandbox(Limits()).close()
    except Ended as error:
        raise SandboxUnavailable(f"bubblewrap does not work here ({error})") from None


class Sandbox:
    """A running process.

    Parameters
    ----------
    limits : Limits
    warm : pathlib.Path, optional
        Folder with the caches of compiled code and fonts, which saves some seconds.
    fill : bool
        Whether the process writes to that folder instead of to a copy; for code that is trusted.
    isolated : bool
        False runs the code without protection.
    """

    def __init__(self, limits, warm=None, *, fill=False, isolated=True):
        self._limits = limits
        self._home = None if isolated else tempfile.TemporaryDirectory()
        home, packages = ("/home", "/packages") if isolated else (self._home.name, str(PACKAGE.parent))
        with tempfile.TemporaryFile() as rules:
            command = [sys.executable, "-P", "-s", "-B", "-X", "utf8", "/inside.py" if isolated else INSIDE]
            if isolated:
                rules.write(seccomp.program())
                rules.seek(0)
                command = [*_isolate(limits, rules.fileno(), warm, fill), *command]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=_environment(home, packages),
                cwd="/" if isolated else home,
                pass_fds=[rules.fileno()],
                start_new_session=True,
            )
        for pipe in (self._process.stdin, self._process.stdout):
            os.set_blocking(pipe.fileno(), False)
        inside = None if fill or warm is None else "/warm" if isolated else str(warm)
        self._talk(asdict(limits) | {"warm": inside})

    def ask(self, request):
        """Send a request and return the answer; raises Ended when there will be none."""
        return self._talk(request)

    def close(self):
        """End the process."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            pipe.close()
        self._process.wait()
        if self._home:
            self._home.cleanup()

    def _talk(self, request):
        try:
            return json.loads(self._exchange(json.dumps(request).encode() + b"\n"))
        except Ended:
            self.close()
            raise
        except (ValueError, RecursionError):
            self.close()
            raise Ended("disturbed its own connection to the grader") from None

    def _exchange(self, message):
        """Write a line and read a line, by the clock and up to a size."""
        limits, process = self._limits, self._process
        deadline = time.monotonic() + limits.cell_seconds * limits.patience
        pieces, size = [], 0
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            selector.register(process.stdin, selectors.EVENT_WRITE)
            while True:
                ready = selector.select(deadline - time.monotonic())
                if time.monotonic() > deadline:
                    raise Ended(f"gave no answer for {limits.cell_seconds * limits.patience:g} seconds")
                for key, _ in ready:
                    if key.fileobj is process.stdin:
                        try:
                            message = message[os.write(key.fd, message[:PIECE]) :]
                        except OSError:
                            message = b""  # the end of the other pipe says why
                        if not message:
                            selector.unregister(process.stdin)
                        continue
                    piece = os.read(key.fd, PIECE)
                    pieces.append(piece)
                    size += len(piece)
                    if not piece:
                        raise Ended(self._cause())
                    if piece.endswith(b"\n"):
                        return b"".join(pieces)
                    if size > limits.answer_mib << 20:
                        raise Ended(f"gave an answer of more than {limits.answer_mib} MiB")

    def _cause(self):
        try:
            code = self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            return "closed its connection to the grader"
        if abs(code) % 128 in (signal.SIGKILL, signal.SIGXCPU):
            return "used up its time"
        trouble = self._process.stderr.read(2000).decode(errors="replace").strip()
        return f"ended its own process (code {code})" + (f": {trouble}" if trouble else "")


def _environment(home, packages):
    return {
        "HOME": home,
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": packages,
        "LANG": "C.UTF-8",
        "IPYTHONDIR": f"{home}/ipython",
        "MPLCONFIGDIR": f"{home}/matplotlib",
        "NUMBA_CACHE_DIR": f"{home}/numba",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "NUMBA_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",  # or each thread reserves address space
    }


def _isolate(limits, rules, warm, fill):
    """The command that puts what follows it into namespaces of its own."""
    command = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--seccomp", str(rules)]
    for folder in ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache"):
        command += ["--ro-bind-try", folder, folder]
    for folder in dict.fromkeys((sys.base_prefix, sys.prefix)):
        command += ["--ro-bind", folder, folder]
    command += ["--ro-bind", str(PACKAGE), "/packages/aedyn", "--ro-bind", str(INSIDE), "/inside.py"]
    command += ["--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"]
    if fill:
        command += ["--bind", str(warm), "/home"]
    else:
        command += ["--size", str(limits.disk_mib << 20), "--tmpfs", "/home"]
        command += ["--ro-bind", str(warm), "/warm"] if warm else []
    return [*command, "--remount-ro", "/", "--chdir", "/home"]
