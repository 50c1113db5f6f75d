"""A filter of system calls: no new processes, no new namespaces, no memory that escapes the limits of a process.

With one process, the limits of the process are limits of the submission. Ordinary limits on the number of processes do
not hold for root, as which containers often run; this does.
"""

import errno
import platform
import struct

# Linux audit number of the machine, and the numbers of its system calls
MACHINES = {
    "x86_64": (0xC000003E, {"fork": 57, "vfork": 58, "unshare": 272, "memfd_create": 319, "shmget": 29}, 56),
    "aarch64": (0xC00000B7, {"unshare": 97, "memfd_create": 279, "shmget": 194}, 220),
}
CLONE3 = 435
CLONE_THREAD = 0x10000
X32_CALLS = 0x40000000

LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # classic BPF
ALLOW, KILL, REFUSE = 0x7FFF0000, 0x80000000, 0x00050000
CALL, MACHINE, FIRST_ARGUMENT = 0, 4, 16  # offsets in what the filter sees


def supported():
    """Whether the filter is known for this machine."""
    return platform.machine() in MACHINES


def program():
    """The filter, as bubblewrap reads it."""
    machine, refused, clone = MACHINES[platform.machine()]
    steps = [
        _step(LOAD, MACHINE), _step(EQUAL, machine, 1, 0), _step(RETURN, KILL),
        _step(LOAD, CALL), _step(AT_LEAST, X32_CALLS, 0, 1), _step(RETURN, KILL),
    ]  # fmt: skip
    for number in refused.values():
        steps += [_step(EQUAL, number, 0, 1), _step(RETURN, REFUSE | errno.EPERM)]
    steps += [
        _step(EQUAL, CLONE3, 0, 1), _step(RETURN, REFUSE | errno.ENOSYS),  # the C library then uses clone
        _step(EQUAL, clone, 0, 3), _step(LOAD, FIRST_ARGUMENT),
        _step(ANY_BIT, CLONE_THREAD, 1, 0), _step(RETURN, REFUSE | errno.EPERM), _step(RETURN, ALLOW),
    ]  # fmt: skip
    return b"".join(steps)


def _step(code, value, if_true=0, if_false=0):
    """One instruction; the last two say how many of the next ones to skip."""
    return struct.pack("HBBI", code, if_true, if_false, value)
