# SPDX-License-Identifier: Apache-2.0
"""Prove the isolation before anything hostile runs: a program in a fresh box tries to get out.

Fail closed: a check that did not report, a probe that did not finish and a box that died all count as failed.
The checks are those of the table in ``docs/sandbox.md`` that take milliseconds; the slower ones (disks,
floods, time limits) are in ``tests/sandbox``.
"""

from __future__ import annotations

import os
import secrets
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from proofhouse.sandbox import _profile
from proofhouse.sandbox._box import Box, open_box
from proofhouse.sandbox._native import program
from proofhouse.sandbox._seccomp import refused_numbers
from proofhouse.sandbox.errors import SandboxDead, SandboxUnavailable
from proofhouse.sandbox.limits import BoxSpec, Enforcement, Limits, Profile, Tier

_LIMITS = Limits(wall_s=60, cpu_s=30, memory_bytes=64 << 20, pids=16, output_bytes=1 << 20)
_PROBE = "/tmp/probe"  # noqa: S108  # a path inside the box
_FROM_PROBE = (
    "processes seen",
    "interfaces",
    "route IPv4",
    "route IPv6",
    "resolver",
    "host loopback",
    "host abstract socket",
    "exotic sockets",
    "host file",
    "host root by /proc",
    "write /usr",
    "write /etc",
    "write /",
    "write /dev",
    "kernel settings",
    "kernel trigger",
    "devices",
    "device nodes",
    "host name",
    "identity",
    "seccomp",
    "no new privileges",
    "bounding set",
    "effective set",
    "namespaces",
    "process 1",
    "refused calls",
    "processes bounded",
)


@dataclass(frozen=True)
class Check:
    """One attempt to get out, and whether the box held."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class SelfTest:
    """The outcome of all checks; it belongs into the record of a run."""

    tier: str
    profile: Profile
    checks: list[Check]
    seconds: float
    enforcement: Enforcement | None = field(default=None)

    @property
    def ok(self) -> bool:
        """Whether every check held."""
        return all(check.ok for check in self.checks)

    @property
    def failures(self) -> list[Check]:
        """The checks that did not hold."""
        return [check for check in self.checks if not check.ok]

    def to_record(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"ok": self.ok, **asdict(self)}


def self_test(profile: Profile = "agent", tier: Tier = "T0") -> SelfTest:
    """Open a fresh box of a tier and try to get out of it.

    Raises:
        SandboxUnavailable: No box can be opened at all.
    """
    started = time.monotonic()
    with _host_canaries() as canaries, open_box(BoxSpec(_LIMITS, profile, tier=tier)) as box:
        reported: dict[str, Check] = {}
        try:
            box.put(_PROBE, program("probe").read_bytes(), mode=0o755)
            numbers = [str(number) for number in refused_numbers()]
            for argv in (
                ["contain", canaries.file, str(canaries.port), canaries.abstract_name, *numbers],
                ["processes", str(_LIMITS.pids)],
            ):
                reported.update(_attempt(box, argv))
            checks = [reported.get(name, Check(name, False, "did not report")) for name in _FROM_PROBE]
            checks += [_memory(box), _file_systems(box), _background(box)]
        except (SandboxDead, OSError, ValueError) as error:
            checks = [*reported.values(), Check("self-test finished", False, str(error))]
        checks.append(canaries.check())
        checks.append(Check("host uid", box.enforcement.host_uid != 0, f"uid {box.enforcement.host_uid}"))
        return SelfTest(box.tier, profile, checks, time.monotonic() - started, box.enforcement)


def require_containment(profile: Profile = "agent", tier: Tier = "T0") -> SelfTest:
    """Run `self_test` and refuse to go on unless everything held.

    Raises:
        SandboxUnavailable: A check failed (the message names each), or no box can be opened.
    """
    outcome = self_test(profile, tier)
    if not outcome.ok:
        failed = "; ".join(f"{check.name} ({check.detail})" for check in outcome.failures)
        raise SandboxUnavailable(
            f"the sandbox does not hold on this machine, so nothing is run in it: {failed}"
        )
    return outcome


def _attempt(box: Box, argv: list[str]) -> dict[str, Check]:
    done = box.exec([_PROBE, *argv])
    checks = {}
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        name, verdict, detail = line.split("\t", 2)
        checks[name] = Check(name, verdict == "held", detail)
    return checks


def _memory(box: Box) -> Check:
    done = box.exec([_PROBE, "memory", str(_LIMITS.memory_bytes * 4)])
    return Check("memory bounded", done.out_of_memory, "killed" if done.out_of_memory else "not killed")


def _file_systems(box: Box) -> Check:
    """Every writable file system in memory is one that the profile names, with the size that it names."""
    allowed = _profile.file_systems(_LIMITS)
    strays = []
    for line in box.get("/proc/self/mountinfo", 1 << 16).decode().splitlines():
        before, _, after = line.partition(" - ")
        path, options = before.split(" ")[4:6]
        kind = after.split(" ")[0]
        size = allowed.get(path, 0)
        sized = {f"size={size // 1024}k", f"size={size}"} & set(after.split(" ", 2)[2].split(","))
        if "rw" in options.split(",") and not sized and kind not in {"proc", "devtmpfs", "devpts", "sysfs"}:
            strays.append(path)
    strays = [path for path in strays if box.exec(["test", "-w", path]).exit_code == 0]
    return Check("file systems sized", not strays, f"writable without a size: {' '.join(strays) or 'none'}")


def _background(box: Box) -> Check:
    box.exec(["sh", "-c", "setsid sleep 100 >/dev/null 2>&1 & setsid sleep 100 >/dev/null 2>&1 &"])
    left = _attempt(box, ["contain", "/nonexistent", "9", "none"]).get("processes seen")
    if left is None:
        return Check("nothing left behind", False, "did not report")
    return Check("nothing left behind", left.ok, left.detail)


@dataclass(frozen=True)
class _Canaries:
    """Things on the host that nothing in a box may see or reach."""

    file: str
    port: int
    abstract_name: str
    listeners: tuple[socket.socket, ...]

    def check(self) -> Check:
        hits = 0
        for listener in self.listeners:
            try:
                listener.accept()[0].close()
            except BlockingIOError:
                continue
            hits += 1
        return Check("host listeners untouched", hits == 0, f"{hits} connections")


@contextmanager
def _host_canaries() -> Iterator[_Canaries]:
    name = f"proofhouse-canary-{secrets.token_hex(8)}"
    with (
        tempfile.NamedTemporaryFile(prefix="proofhouse-canary-") as file,
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as loopback,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as abstract,
    ):
        os.fchmod(file.fileno(), 0o644)  # so that only its absence can hide it
        loopback.bind(("127.0.0.1", 0))
        abstract.bind(f"\0{name}")
        for listener in (loopback, abstract):
            listener.listen()
            listener.setblocking(False)
        yield _Canaries(file.name, loopback.getsockname()[1], name, (loopback, abstract))
