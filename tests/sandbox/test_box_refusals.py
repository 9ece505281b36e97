# SPDX-License-Identifier: Apache-2.0
"""Where no box can be had, one message says what to do; nothing is weakened."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from proofhouse.sandbox import (
    WATCHDOG,
    BoxSpec,
    CannotEnforce,
    Limits,
    SandboxUnavailable,
    Tier,
    _cgroup,
    _diagnosis,
    _launch,
    _native,
    _profile,
    _runsc,
    _seccomp,
    open_box,
)

pytestmark = pytest.mark.sandbox

_REFUSAL = "bwrap: setting up uid map: Permission denied"


@pytest.fixture(autouse=True)
def _fresh_caches() -> Iterator[None]:
    caches = (_profile.bubblewrap, _seccomp.seccomp_program, _runsc.runsc)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache directory with nothing in it, and nothing remembered from another one."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(_native, "_ready", {})
    return tmp_path


def test_a_missing_bubblewrap_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(SandboxUnavailable, match="apt install bubblewrap"):
        open_box()


def test_a_missing_compiler_is_named(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _profile.bubblewrap()
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(SandboxUnavailable, match="apt install clang"):
        open_box()


def test_a_compiler_that_fails_is_quoted(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = empty_cache / "cc"
    fake.write_text("#!/bin/sh\necho 'stdio.h: No such file' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setattr(_native, "_COMPILERS", (str(fake),))
    with pytest.raises(SandboxUnavailable, match=r"libc6-dev.*stdio\.h"):
        _native.program("init")
    assert not list((empty_cache / "proofhouse").iterdir())


def test_without_a_static_library_the_shared_one_serves(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_native, "_LINKING", ("-static-but-missing", ""))
    with open_box() as box:
        assert box.exec(["echo", "x"]).stdout == b"x\n"


def test_a_cache_that_others_can_write_is_not_trusted(empty_cache: Path) -> None:
    built = _native.program("init")
    built.chmod(0o777)
    _native._ready.clear()
    with pytest.raises(SandboxUnavailable, match="written by somebody else"):
        _native.program("init")


def test_a_full_disk_is_named(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **names: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryDirectory", full)
    with pytest.raises(SandboxUnavailable, match="free some space"):
        _native.program("init")


def test_refused_namespaces_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    complaint = ["/bin/sh", "-c", f"echo '{_REFUSAL}' >&2; exit 1"]
    monkeypatch.setattr(_profile, "arguments", lambda *args, **names: complaint)
    with pytest.raises(SandboxUnavailable, match="refuses user namespaces"):
        open_box()


@pytest.mark.parametrize(
    ("said", "settings", "advice"),
    [
        (_REFUSAL, {"_APPARMOR": "1"}, "kernel.apparmor_restrict_unprivileged_userns=0"),
        (
            "bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted",
            {"_APPARMOR": "1"},
            "docs/sandbox.md",
        ),
        ("bwrap: No permissions to create a new namespace", {"_CLONE": "0"}, "unprivileged_userns_clone=1"),
        ("bwrap: Creating new namespace failed: No space left", {}, "free some"),
        (
            "bwrap: Creating new namespace failed: Operation not permitted",
            {"_MOST": "0"},
            "max_user_namespaces",
        ),
        (_REFUSAL, {}, "in a container"),
        ("bwrap: Can't mount proc on /newroot/proc: Operation not permitted", {}, "systempaths=unconfined"),
        ("cannot join control group /x: Permission denied", {}, "service manager"),
        ("bwrap: something new", {}, "something new"),
        ("", {}, "it said nothing"),
    ],
)
def test_each_complaint_gets_its_remedy(
    said: str, settings: dict[str, str], advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_APPARMOR", "_CLONE", "_MOST"):
        file = tmp_path / name
        file.write_text(settings.get(name, "7") + "\n")
        monkeypatch.setattr(_diagnosis, name, file)
    assert advice in _diagnosis.explain(said)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes its uid")
def test_a_root_that_cannot_change_its_uid_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_launch, "_mapped", lambda table, number: False)
    with pytest.raises(CannotEnforce, match="never run as root"):
        open_box()


@pytest.mark.parametrize("tier", ["T0", "T1"])
def test_without_control_groups_a_box_is_refused(tier: Tier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(WATCHDOG, raising=False)
    monkeypatch.setattr(_cgroup, "_places", lambda controller: iter(()))
    monkeypatch.setattr(_runsc, "runsc", lambda: _runsc.Runsc("/usr/bin/runsc", 20240729))
    with pytest.raises(CannotEnforce, match="Delegate=yes"):
        open_box(BoxSpec(tier=tier))


def test_the_watchdog_never_serves_for_the_strong_tier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WATCHDOG, "1")
    monkeypatch.setattr(_cgroup, "_places", lambda controller: iter(()))
    monkeypatch.setattr(_runsc, "runsc", lambda: _runsc.Runsc("/usr/bin/runsc", 20240729))
    with pytest.raises(CannotEnforce, match="T1 needs control groups"):
        open_box(BoxSpec(tier="T1"))


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ("runsc version 0.0~20221219.0", "common programs fail"),
        ("runsc version oops", "common programs fail"),
    ],
)
def test_an_old_gvisor_is_refused_and_not_replaced_by_a_weaker_tier(
    said: str, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "bin" / "runsc"
    fake.parent.mkdir()
    fake.write_text(f"#!/bin/sh\necho '{said}'\n")
    fake.chmod(0o755)
    monkeypatch.setattr(_runsc.sys, "prefix", str(tmp_path))
    monkeypatch.setenv("PATH", str(fake.parent))
    _runsc.runsc.cache_clear()
    with pytest.raises(SandboxUnavailable, match=complaint):
        open_box(BoxSpec(tier="T1"))
    fake.unlink()
    _runsc.runsc.cache_clear()
    with pytest.raises(SandboxUnavailable, match="scripts/gvisor"):
        open_box(BoxSpec(tier="T1"))


def test_a_failed_opening_leaves_no_group_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[_cgroup.ControlGroup] = []
    intact = _cgroup.ControlGroup

    def remember(memory_bytes: int, pids: int, cores: float) -> _cgroup.ControlGroup:
        made.append(intact(memory_bytes, pids, cores))
        return made[-1]

    monkeypatch.setattr(_launch, "ControlGroup", remember)
    monkeypatch.setattr(_profile, "INIT", "/nowhere/init")
    monkeypatch.setattr(_profile, "_isolation", lambda wrap: ["--no-such-option"])
    with pytest.raises(SandboxUnavailable, match="no-such-option"):
        open_box()
    assert made
    assert made[0].membership_files == []


def test_groups_of_a_killed_process_are_removed_by_the_next() -> None:
    places = [place.directory for name in ("memory", "pids") for place in _cgroup._places(name)][:1]
    if not places or not os.access(places[0], os.W_OK):
        pytest.skip("no control groups can be made here")
    abandoned = places[0] / "proofhouse-4194999-0"  # beyond the kernel's largest process number
    abandoned.mkdir()
    with open_box():
        assert not abandoned.exists()


@pytest.mark.parametrize("wrong", [{"wall_s": 0}, {"pids": -1}, {"memory_bytes": 0}])
def test_limits_must_be_positive(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"limit {next(iter(wrong))} must be positive|disk_bytes must"):
        Limits(**wrong)


def test_disks_must_leave_room_for_processes() -> None:
    assert Limits(memory_bytes=1 << 30).disk_bytes == 256 << 20
    with pytest.raises(ValueError, match="raise memory_bytes"):
        Limits(memory_bytes=1 << 30, disk_bytes=1 << 30)


def test_version_2_groups_are_made_where_they_are_delegated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = tmp_path / "user.slice" / "app.slice" / "run.scope"
    scope.mkdir(parents=True)
    for directory, delegated in ((scope, ""), (scope.parent, "memory pids"), (tmp_path, "memory pids")):
        (directory / "cgroup.controllers").write_text(delegated)
        (directory / "cgroup.subtree_control").write_text(delegated)
        (directory / "cgroup.procs").touch()
    monkeypatch.setattr(_cgroup, "_memberships", lambda: iter([("", "/user.slice/app.slice/run.scope")]))
    mount = [("/", tmp_path, ["rw"])]
    monkeypatch.setattr(_cgroup, "_mounts", lambda kind: iter(mount if kind == "cgroup2" else []))
    group = _cgroup.ControlGroup(memory_bytes=1 << 20, pids=10, cores=1)
    assert (group.memory, group.pids) == ("cgroup-v2", "cgroup-v2")
    [procs] = group.membership_files
    made = procs.parent
    assert made.parent == scope.parent
    assert (made / "memory.max").read_text() == "1048576"
    assert (made / "memory.swap.max").read_text() == "0"
    assert int((made / "pids.max").read_text()) >= 10
    (made / "memory.events").write_text("low 0\nhigh 0\nmax 7\noom 1\noom_kill 3\noom_group_kill 0\n")
    assert group.memory_kills() == 3
    for file in made.iterdir():  # the kernel's own files vanish with the directory
        file.unlink()
    group.remove()
    assert not made.exists()


def test_version_2_groups_that_are_not_delegated_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu")
    monkeypatch.setattr(_cgroup, "_memberships", lambda: iter([("", "/")]))
    monkeypatch.setattr(_cgroup, "_mounts", lambda kind: iter([("/", tmp_path, ["rw"])]))
    group = _cgroup.ControlGroup(memory_bytes=1 << 20, pids=10, cores=1)
    assert (group.memory, group.pids, group.membership_files) == (None, None, [])
