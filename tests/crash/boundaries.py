# SPDX-License-Identifier: Apache-2.0
"""Where a process can be killed: before each statement that writes, each commit, each change to a file of the house.

A boundary lies before a step; the one after it is the boundary before the next. Reading is no step: what is on the
disk before and after a SELECT is the same. Files are watched by Python's audit
events, which come before the operating system is asked, so that no library needs to be named here.

Not each step changes what a killed process leaves. A statement within a transaction does not before its COMMIT: the
database undoes it. A flush does not: the kernel has the bytes already. Whoever dies before such a step leaves the same
house as who dies before the next one, which has moreover done whatever lies between. So it is enough to die before each
step that lasts, and at each flush once more with the file torn.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from django.db.backends.base.base import BaseDatabaseWrapper

_CHANGES = {
    "os.link": 2,
    "os.mkdir": 1,
    "os.remove": 1,
    "os.rename": 2,
    "os.rmdir": 1,
    "os.symlink": 2,
    "os.truncate": 1,
}
"""Audit events that change a directory or a file, with how many paths they name."""

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def die() -> NoReturn:
    """End this process as a power cut would end it: nothing is flushed, closed or rolled back by it."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("a process survived SIGKILL")


@dataclass(frozen=True)
class Place:
    """A boundary that was passed.

    Attributes:
        step: What the process was about to do.
        lasts: Whether a house that is killed after it differs from one that is killed before it.
        tears: Whether it flushes a file, which a power cut might have lost half of.
    """

    step: str
    lasts: bool = True
    tears: bool = False

    @property
    def of_log(self) -> bool:
        """Whether it is a step by which a log takes leaves: the same ones for each entry of every act."""
        return " ledger/" in self.step


@dataclass
class Boundaries:
    """Counts the boundaries that a process passes, and kills it at one of them.

    Attributes:
        directory: Only files below it count.
        at: The boundary at which to die; None passes all.
        torn: Die only at an `fsync`, and leave the file that it was to save cut to half.
        passed: The boundaries until now.
    """

    directory: Path
    at: int | None = None
    torn: bool = False
    passed: list[Place] = field(default_factory=list)

    def reach(self, place: Place, before_death: Callable[[], None] | None = None) -> None:
        """Pass a boundary, or die there."""
        if self.at == len(self.passed) and os.getpid() == self._pid:
            self.at = None  # tearing is no step of the house
            if self.torn and before_death is not None:
                before_death()
            die()
        self.passed.append(place)

    def watch(self, connection: BaseDatabaseWrapper) -> None:
        """Watch this process and its database connection from now on; a process can be watched once."""
        self._pid = os.getpid()
        self._prefix = f"{self.directory}/"
        connection.execute_wrappers.append(self._statement)
        commit = connection._commit

        def reach_and_commit() -> Any:
            self.reach(Place("COMMIT"))
            return commit()

        connection._commit = reach_and_commit  # type: ignore[method-assign]
        flush = os.fsync

        def reach_and_flush(descriptor: Any) -> None:
            number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
            path = str(Path(f"/proc/self/fd/{number}").readlink())
            if path.startswith(self._prefix):
                flushed = Place(
                    f"fsync {self._short(path)}", lasts=False, tears=stat.S_ISREG(os.fstat(number).st_mode)
                )
                self.reach(flushed, lambda: _tear(path))
            flush(descriptor)

        os.fsync = reach_and_flush
        sys.addaudithook(self._audited)

    def _statement(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if not sql.startswith("SELECT") or "pg_advisory" in sql:
            inside = context["connection"].in_atomic_block or sql.startswith("BEGIN")
            self.reach(Place(" ".join(sql.split()[:4]), lasts=not inside))
        return execute(sql, params, many, context)

    def _audited(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & _WRITING and self._ours(path):
                self.reach(Place(f"open {self._short(path)}"))
        elif event in _CHANGES:
            paths = arguments[: _CHANGES[event]]
            if event == "os.mkdir" and os.path.exists(paths[0]):  # noqa: PTH110 - it may be bytes, and changes nothing
                return
            if any(self._ours(path) for path in paths) or arguments[-1] not in (-1, None, *paths):
                self.reach(Place(f"{event.removeprefix('os.')} {' '.join(map(self._short, paths))}"))

    def _ours(self, path: Any) -> bool:
        return isinstance(path, str | os.PathLike) and os.fspath(path).startswith(self._prefix)  # type: ignore[arg-type]

    def _short(self, path: Any) -> str:
        return str(path).removeprefix(self._prefix)


def _tear(path: str) -> None:
    """Lose the second half of a file that was not saved yet, as a power cut may."""
    os.truncate(path, os.path.getsize(path) // 2)  # noqa: PTH202 - no audit event of our own
