# SPDX-License-Identifier: Apache-2.0
"""The self-test passes on the profile as it is, and fails on every broken one.

Chapter's table: N1 to N6, F1 to F3, P1 to P3, R1, R3, S1, S2.
"""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from proofhouse.sandbox import (
    WATCHDOG,
    BoxSpec,
    Profile,
    SandboxUnavailable,
    _launch,
    _native,
    _profile,
    _seccomp,
    _selftest,
    open_box,
    require_containment,
    self_test,
)
from sandbox.conftest import open_tier

pytestmark = pytest.mark.sandbox

_ALLOW_EVERYTHING = b"\x06\0\0\0\0\0\xff\x7f"  # struct sock_filter: BPF_RET | BPF_K, SECCOMP_RET_ALLOW


@pytest.mark.parametrize("profile", ["agent", "build"])
def test_the_box_holds(profile: Profile) -> None:
    outcome = self_test(profile)
    assert outcome.failures == []
    assert outcome.ok
    assert len(outcome.checks) > 30
    assert outcome.tier == "T0"
    assert require_containment(profile).ok


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["agent", "build"])
def test_the_strong_box_holds(profile: Profile) -> None:
    open_tier("T1").close()
    outcome = self_test(profile, "T1")
    assert outcome.failures == []
    assert len(outcome.checks) > 30
    assert outcome.tier == "T1"
    assert outcome.enforcement is not None
    assert outcome.enforcement.kernel.startswith("gVisor")
    assert "watchdog" not in {outcome.enforcement.memory, outcome.enforcement.pids}


def test_the_box_holds_without_control_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WATCHDOG, "1")
    monkeypatch.setattr("proofhouse.sandbox._cgroup._places", lambda controller: iter(()))
    outcome = self_test()
    assert outcome.failures == []
    assert outcome.enforcement is not None
    assert (outcome.enforcement.memory, outcome.enforcement.pids) == ("watchdog", "rlimit")


Mutation = Callable[[list[str]], list[str]]


def _without(*words: str) -> Mutation:
    def mutate(argv: list[str]) -> list[str]:
        for start in range(len(argv)):
            if tuple(argv[start : start + len(words)]) == words:
                return argv[:start] + argv[start + len(words) :]
        raise AssertionError(f"the profile has no {words}")

    return mutate


def _with_proc_of_host(argv: list[str]) -> list[str]:
    at = argv.index("--proc")
    return [*argv[:at], "--ro-bind", "/proc", "/proc", *argv[at + 2 :]]


def _with_a_device_of_host(argv: list[str]) -> list[str]:
    at = argv.index("--remount-ro")
    return [*argv[:at], "--dev-bind", "/dev/kmsg", "/dev/kmsg", *argv[at:]]


def _with_unsized_tmp(argv: list[str]) -> list[str]:
    at = next(i for i, word in enumerate(argv) if argv[i : i + 2] == ["--tmpfs", "/tmp"])
    return argv[: at - 2] + argv[at:]


def _with_a_forgotten_mount(argv: list[str]) -> list[str]:
    at = argv.index("--remount-ro")
    return [*argv[:at], "--tmpfs", "/srv", *argv[at:]]


_BROKEN: dict[str, tuple[Mutation, set[str]]] = {
    "the network is shared": (_without("--unshare-net"), {"interfaces", "host loopback"}),
    "the root is writable": (_without("--remount-ro", "/"), {"write /", "file systems sized"}),
    "/dev is writable": (_without("--remount-ro", "/dev"), {"write /dev", "file systems sized"}),
    "/tmp has no size": (_with_unsized_tmp, {"file systems sized"}),
    "a mount was forgotten": (_with_a_forgotten_mount, {"file systems sized"}),
    "the host's processes show": (_with_proc_of_host, {"processes seen"}),
    "the host's name shows": (_without("--hostname", "sandbox"), {"host name"}),
    "a device of the host shows": (_with_a_device_of_host, {"devices"}),
}


@pytest.mark.parametrize("flaw", _BROKEN)
def test_a_broken_profile_fails_the_self_test(flaw: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutate, expected = _BROKEN[flaw]
    if "devices" in expected and not Path("/dev/kmsg").exists():
        pytest.skip("this host has no /dev/kmsg to show")
    intact = _profile.arguments
    monkeypatch.setattr(_profile, "arguments", lambda *args, **names: mutate(intact(*args, **names)))
    outcome = self_test()
    assert not outcome.ok
    assert expected <= {check.name for check in outcome.failures}
    with pytest.raises(SandboxUnavailable, match="does not hold"):
        require_containment()


def test_a_missing_filter_fails_the_self_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_launch, "seccomp_program", lambda profile, memory_cgroup: _ALLOW_EVERYTHING)
    failed = {check.name for check in self_test().failures}
    assert {"exotic sockets", "process 1", "refused calls"} <= failed


def test_a_shared_abstract_socket_is_a_hit(monkeypatch: pytest.MonkeyPatch) -> None:
    intact = _profile.arguments
    mutate = _without("--unshare-net")
    monkeypatch.setattr(_profile, "arguments", lambda *args, **names: mutate(intact(*args, **names)))
    failed = {check.name for check in self_test().failures}
    assert {"host abstract socket", "host listeners untouched"} <= failed


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A host directory that everybody may read, outside every mount of the box."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_visible_host_directory_fails_the_self_test(
    open_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    intact = _profile.arguments

    def leaking(*args: object, **names: object) -> list[str]:
        argv = intact(*args, **names)  # type: ignore[arg-type]  # passed through
        at = argv.index("--remount-ro")
        place = str(open_directory)
        after_tmpfs = argv.index("/run", at) + 1
        return [*argv[:after_tmpfs], "--ro-bind", place, place, *argv[after_tmpfs:]]

    monkeypatch.setattr(_profile, "arguments", leaking)
    monkeypatch.setattr(tempfile, "tempdir", str(open_directory))
    assert "host file" in {check.name for check in self_test().failures}


def test_survivors_fail_the_self_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_selftest, "BoxSpec", functools.partial(BoxSpec, keep_background=True))
    assert "nothing left behind" in {check.name for check in self_test().failures}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a box as root")
def test_a_box_that_is_root_outside_fails_the_self_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_launch, "host_identity", lambda: (0, 0))
    assert "host uid" in {check.name for check in self_test().failures}


def test_a_probe_that_says_nothing_fails_the_self_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\n")
    monkeypatch.setattr(_selftest, "program", lambda name: silent)
    failed = [check for check in self_test().failures if check.detail == "did not report"]
    assert {check.name for check in failed} >= set(_selftest._FROM_PROBE)


def test_each_box_has_a_uid_of_its_own_and_never_root() -> None:
    with open_box() as one, open_box() as other:
        assert 0 not in {one.enforcement.host_uid, other.enforcement.host_uid}
        if os.geteuid() == 0:
            assert one.enforcement.host_uid != other.enforcement.host_uid


def test_no_name_of_the_host_shows() -> None:
    with open_box() as box:
        seen = box.exec(
            ["sh", "-c", "hostname; cat /etc/* /proc/self/mountinfo /proc/self/cgroup; env"]
        ).stdout
    host = os.uname().nodename
    assert str(_native.cache_directory()).encode() not in seen
    assert len(host) < 4 or host.encode() not in seen


def test_no_call_is_both_allowed_and_refused() -> None:
    assert not set(_seccomp._ALLOWED) & set(_seccomp.REFUSED)
    assert not {"clone", "clone3", "socket", "personality", "prlimit64"} & set(_seccomp._ALLOWED)


def test_an_asan_restart_without_address_randomisation_is_allowed() -> None:
    with open_box() as box:
        assert box.exec(["setarch", "-R", "true"]).exit_code == 0
