# SPDX-License-Identifier: Apache-2.0
"""What a caller asks of a box, and what a command in it gave back."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal

Tier = Literal["T0", "T1"]
"""How strong the isolation is: T0 shares the host's kernel, T1 has a kernel of its own."""
Profile = Literal["agent", "build"]
MemoryControl = Literal["cgroup-v1", "cgroup-v2", "watchdog"]
HOST_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
PidsControl = Literal["cgroup-v1", "cgroup-v2", "rlimit"]
CpuControl = PidsControl


@dataclass(frozen=True)
class Limits:
    """The most that one box, or one command in it, may use. All values are positive.

    Attributes:
        wall_s: Elapsed time of one command.
        cpu_s: Processor time of one process (``RLIMIT_CPU``).
        memory_bytes: Memory of the whole box, its files included, since they lie in memory.
        pids: Processes and threads in the box.
        cores: Processors that the box may keep busy, all its processes together.
        disk_bytes: Size of ``/work``; ``/tmp`` and ``/var/tmp`` have half of it each. 0 means a quarter of
            ``memory_bytes``, and more than half of it is refused: full disks must leave room for processes.
        file_bytes: Size of one file (``RLIMIT_FSIZE``).
        open_files: Open descriptors of one process.
        output_bytes: Bytes kept of each of a command's two output streams; the rest is read and dropped.
    """

    wall_s: float = 60
    cpu_s: int = 60
    memory_bytes: int = 1 << 30
    pids: int = 128
    cores: float = 2
    disk_bytes: int = 0
    file_bytes: int = 256 << 20
    open_files: int = 1024
    output_bytes: int = 10 << 20

    def __post_init__(self) -> None:
        if self.disk_bytes == 0:
            object.__setattr__(self, "disk_bytes", self.memory_bytes // 4)
        for each in fields(self):
            if not getattr(self, each.name) > 0:
                raise ValueError(f"limit {each.name} must be positive, not {getattr(self, each.name)!r}")
        if self.disk_bytes > self.memory_bytes // 2:
            raise ValueError(
                f"disk_bytes {self.disk_bytes} is more than half of memory_bytes {self.memory_bytes}: "
                "files lie in memory, so raise memory_bytes too"
            )


@dataclass(frozen=True)
class BoxSpec:
    """What kind of box to open.

    Attributes:
        limits: The box's limits.
        profile: ``agent`` for programs and agents that may talk to services of their own on the box's
            loopback; ``build`` for compilers, proofs and graders, which get no Internet-family sockets.
        keep_background: Whether processes that a command leaves behind live on (interactive agents need
            it). When false they are killed before the command's result is returned.
        names: Loopback addresses by host name, for the box's /etc/hosts: the peers of a fabric's host.
        tier: Exactly this tier is opened, or none.
        low_ports: Whether programs of the box may serve ports below 1024, on its own loopback.
    """

    limits: Limits = field(default_factory=Limits)
    profile: Profile = "agent"
    keep_background: bool = False
    names: Mapping[str, str] = field(default_factory=dict)
    low_ports: bool = False
    tier: Tier = "T0"

    def __post_init__(self) -> None:
        for name, address in self.names.items():
            if not HOST_NAME.fullmatch(name):
                raise ValueError(f"not a host name: {name!r} (lower-case letters, digits and hyphens)")
            if not ipaddress.ip_address(address).is_loopback:
                raise ValueError(f"the address of {name} is not a loopback address: {address}")


@dataclass(frozen=True)
class Enforcement:
    """By which means a box's limits are held, for the record of a run.

    Attributes:
        memory: ``cgroup-v1`` or ``cgroup-v2`` (by the kernel), or ``watchdog`` (by process 1, every 20 ms).
        pids: ``cgroup-v1`` or ``cgroup-v2``, or ``rlimit``; the rlimit always holds as well.
        cpu: The same; without a group, ``cores`` is not held and ``cpu_s`` of each process is all there is.
        host_uid: The uid that the box's processes have on the host; never 0.
        nested_userns_disabled: Whether bubblewrap also forbade nested user namespaces (by
            ``--disable-userns``); the seccomp filter always does.
        kernel: ``shared`` with the host, or the box's own, with its release.
    """

    memory: MemoryControl
    pids: PidsControl
    cpu: CpuControl
    host_uid: int
    nested_userns_disabled: bool
    kernel: str = "shared"


@dataclass(frozen=True)
class ExecResult:
    """What one command did. Never describes a failure of the sandbox: those are raised.

    Attributes:
        exit_code: Exit status, or None when a signal ended it. 127: no such program; 126: it cannot be
            executed or the working directory cannot be entered; ``stderr`` then says which.
        signal: Number of the signal that ended it, or None.
        timed_out: It ran into ``wall_s`` and was killed.
        truncated: More than ``output_bytes`` was written to a stream; the rest was dropped.
        stdout: Standard output, hostile bytes.
        stderr: Standard error, hostile bytes.
        seconds: Elapsed time as the host saw it.
        out_of_memory: The memory limit killed a process of the box while it ran.
        cpu_s: Processor time of the command and its waited-for children.
        max_rss_bytes: Largest resident size among them.
    """

    exit_code: int | None
    signal: int | None
    timed_out: bool
    truncated: bool
    stdout: bytes
    stderr: bytes
    seconds: float
    out_of_memory: bool = False
    cpu_s: float = 0.0
    max_rss_bytes: int = 0
