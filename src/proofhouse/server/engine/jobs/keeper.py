# SPDX-License-Identifier: Apache-2.0
"""Stands between a worker and a program, so that nothing of the program outlives its worker.

    python -I keeper.py PROGRAM ARGUMENTS…

It is started by path and imports nothing of ours. The program gets a session and a process group of its own. When
standard input ends (the worker closed it, or died, however hard), or when the program ends, everything that it started
is killed: its group, and what left the group, which as orphans fall to this process. Exits with the program's code, or
128 + N for signal N.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
import time
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

PATIENCE_S = 2.0
"""Between asking a group to end and making it."""


def main(argv: list[str]) -> int:
    """Run a program to its end, or to the end of standard input."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    child = os.fork()
    if child == 0:
        _become(libc, argv)
    ended = os.pidfd_open(child)
    readable, _, _ = select.select([0, ended], [], [])
    if ended not in readable:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGTERM)
        select.select([ended], [], [], PATIENCE_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    _end_orphans()
    return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def _become(libc: ctypes.CDLL, argv: list[str]) -> None:
    try:
        os.setsid()
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.execvp(argv[0], argv)  # noqa: S606 - an argument vector, and no shell is wanted
    except OSError as wrong:
        os.write(2, f"{argv[0]}: {wrong.strerror}\n".encode())
    finally:
        os._exit(127)


def _end_orphans() -> None:
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        for pid in children.read_text(encoding="ascii").split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.005)
        except ChildProcessError:
            return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
