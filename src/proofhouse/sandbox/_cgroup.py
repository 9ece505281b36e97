# SPDX-License-Identifier: Apache-2.0
"""One control group per box, version 1 or 2, wherever this user may make one.

Groups are made below the caller's own, so that a limit on the whole service holds for its boxes too.
Source: Linux ``admin-guide/cgroup-v1`` and ``admin-guide/cgroup-v2`` (no processes in inner nodes).
"""

from __future__ import annotations

import itertools
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_NAME = re.compile(r"proofhouse-(\d+)-\d+")
_PIDS_HEADROOM = 8  # bubblewrap, process 1, and its file operations
_REMOVE_PATIENCE_S = 2.0
_serial = itertools.count()

Version = Literal["cgroup-v1", "cgroup-v2"]


@dataclass(frozen=True)
class _Place:
    """Where groups for one controller can be made."""

    version: Version
    directory: Path


def can_hold_memory() -> bool:
    """Whether this user can make groups here that hold a box's memory."""
    trial = ControlGroup(64 << 20, 16, 1)
    trial.remove()
    return trial.memory is not None


class ControlGroup:
    """The groups of one box, one directory per hierarchy; empty where none can be made."""

    def __init__(self, memory_bytes: int, pids: int, cores: float) -> None:
        name = f"proofhouse-{os.getpid()}-{next(_serial)}"
        self._directories: list[Path] = []
        self.memory: Version | None = None
        self.pids: Version | None = None
        self.cpu: Version | None = None
        self._memory_directory: Path | None = None
        try:
            made = self._make("memory", name)
            if made and _limit_memory(made, memory_bytes):
                self.memory, self._memory_directory = made.version, made.directory
            made = self._make("pids", name)
            if made and _write(made.directory / "pids.max", str(pids + _PIDS_HEADROOM)):
                self.pids = made.version
            made = self._make("cpu", name)
            if made and _limit_cpu(made, cores):
                self.cpu = made.version
        except BaseException:
            self.remove()
            raise

    def _make(self, controller: str, name: str) -> _Place | None:
        for place in _places(controller):
            _remove_abandoned(place.directory)
            directory = place.directory / name
            if directory not in self._directories:
                try:
                    directory.mkdir()
                except OSError:
                    continue
                self._directories.append(directory)
            return _Place(place.version, directory)
        return None

    @property
    def membership_files(self) -> list[Path]:
        """The files to which a process writes ``0`` to join."""
        return [directory / "cgroup.procs" for directory in self._directories]

    def memory_kills(self) -> int:
        """How many processes the kernel has killed in this group for want of memory."""
        if self._memory_directory is None:
            return 0
        name = "memory.events" if self.memory == "cgroup-v2" else "memory.oom_control"
        try:
            lines = (self._memory_directory / name).read_text().splitlines()
        except OSError:
            return 0
        return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))

    def kill_all(self, patience_s: float, *, spare: int = 0) -> None:
        """Kill every process in the groups but the one spared; returns when the kernel has none of them left."""
        deadline = time.monotonic() + patience_s
        while (members := self.members() - {spare}) and time.monotonic() < deadline:
            for pid in members:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.002)

    def members(self) -> set[int]:
        """The host's numbers of the processes in the groups."""
        found: set[int] = set()
        for file in self.membership_files:
            with suppress(OSError):
                found.update(int(line) for line in file.read_text().split())
        return found

    def remove(self) -> None:
        """Remove the groups; the kernel may need a moment after the last process has gone."""
        deadline = time.monotonic() + _REMOVE_PATIENCE_S
        while self._directories:
            try:
                self._directories[-1].rmdir()
            except FileNotFoundError:
                self._directories.pop()
            except OSError:
                if time.monotonic() > deadline:
                    return  # the next box on this machine tries again
                time.sleep(0.005)
            else:
                self._directories.pop()


_CPU_PERIOD_US = 100_000  # the kernel's default


def _limit_cpu(place: _Place, cores: float) -> bool:
    quota_us = max(1000, round(cores * _CPU_PERIOD_US))
    if place.version == "cgroup-v2":
        return _write(place.directory / "cpu.max", f"{quota_us} {_CPU_PERIOD_US}")
    return _write(place.directory / "cpu.cfs_quota_us", str(quota_us))


def _limit_memory(place: _Place, memory_bytes: int) -> bool:
    if place.version == "cgroup-v2":
        _write(place.directory / "memory.swap.max", "0")
        return _write(place.directory / "memory.max", str(memory_bytes))
    limited = _write(place.directory / "memory.limit_in_bytes", str(memory_bytes))
    # Memory and swap together; the file is absent where swap is not accounted.
    _write(place.directory / "memory.memsw.limit_in_bytes", str(memory_bytes))
    return limited


def _write(file: Path, text: str) -> bool:
    try:
        file.write_text(text)
    except OSError:
        return False
    return True


def _places(controller: str) -> Iterator[_Place]:
    for own in _own_v1(controller):
        yield _Place("cgroup-v1", own)
    for directory in _own_v2_and_above():
        if _delegates(directory, controller):
            yield _Place("cgroup-v2", directory)


def _memberships() -> Iterator[tuple[str, str]]:
    """(controllers, path) of this process; the controllers of version 2 are the empty string."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        yield controllers, path


def _mounts(kind: str) -> Iterator[tuple[str, Path, list[str]]]:
    """(root, mount point, super options) of the mounted cgroup file systems of one kind."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if f" - {kind} " not in line:
            continue
        before, _, after = line.partition(" - ")
        file_system, _, options = after.split(" ", 2)
        if file_system == kind:
            fields = before.split(" ")
            yield fields[3], Path(fields[4]), options.split(",")


def _below_mount(root: str, mount: Path, path: str) -> Path:
    relative = os.path.relpath(path, root) if path.startswith(root) else "."
    return Path(os.path.normpath(mount / relative))


def _own_v1(controller: str) -> Iterator[Path]:
    for controllers, path in _memberships():
        if controller in controllers.split(","):
            for root, mount, options in _mounts("cgroup"):
                if controller in options:
                    yield _below_mount(root, mount, path)


def _own_v2_and_above() -> Iterator[Path]:
    for controllers, path in _memberships():
        if controllers == "":
            for root, mount, _ in _mounts("cgroup2"):
                own = _below_mount(root, mount, path)
                yield own
                while own != mount and own.is_relative_to(mount):
                    own = own.parent
                    yield own


def _delegates(directory: Path, controller: str) -> bool:
    """Whether children of a version 2 group can have the controller and this process may move into them."""
    try:
        if controller not in (directory / "cgroup.controllers").read_text().split():
            return False
        if not os.access(directory / "cgroup.procs", os.W_OK):
            return False
        enabled = (directory / "cgroup.subtree_control").read_text().split()
    except OSError:
        return False
    return controller in enabled or _write(directory / "cgroup.subtree_control", f"+{controller}")


def _remove_abandoned(parent: Path) -> None:
    """Remove groups whose owner was killed before it could; one that still holds a process stays."""
    for directory in parent.glob("proofhouse-*"):
        match = _NAME.fullmatch(directory.name)
        if match and not Path(f"/proc/{match[1]}").exists():
            try:
                directory.rmdir()
            except OSError:
                continue
