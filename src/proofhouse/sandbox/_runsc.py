# SPDX-License-Identifier: Apache-2.0
"""Tier T1: gVisor. The box has a kernel of its own, written in Go, and the host's kernel sees only that.

``runsc`` runs rootless, as the uid that nobody else has, inside control groups that hold memory and processes. Where
these cannot be had the box is refused: nothing else bounds what the inner kernel takes. Process 1 inside is
stream.c. Source: gVisor's ``runsc`` flags and OCI runtime specification 1.0.2.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proofhouse.sandbox import _profile
from proofhouse.sandbox._cgroup import ControlGroup
from proofhouse.sandbox._holder import Listener
from proofhouse.sandbox._launch import START_PATIENCE_S, host_identity, spawner
from proofhouse.sandbox._mux import Mux
from proofhouse.sandbox._native import program
from proofhouse.sandbox._seccomp import seccomp_program
from proofhouse.sandbox._wire import Report, Request
from proofhouse.sandbox.errors import CannotEnforce, SandboxUnavailable
from proofhouse.sandbox.limits import BoxSpec, Enforcement

_OLDEST = 20230501
"""Before, ``ls`` and ``stat`` of the host's coreutils fail inside (statx refused AT_NO_AUTOMOUNT)."""
PLATFORM = "ptrace"
"""How the inner kernel intercepts system calls: needs no device, and works in virtual machines and containers."""
_KERNEL_BYTES = 256 << 20  # what the inner kernel and its file server may need beside the guest
_KERNEL_TASKS = 256  # their threads, and the host's stubs of the guest's
_KILL_PATIENCE_S = 10.0
_LEAVE_PATIENCE_S = 2.0
_INIT, _FILTER = "/.proofhouse-init", "/.proofhouse-filter"
_INIT_CAPABILITIES = ["CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE"]


@dataclass(frozen=True)
class Runsc:
    """The installed gVisor."""

    path: str
    release: int

    @property
    def kernel(self) -> str:
        """For the record of a run."""
        return f"gVisor {self.release} {PLATFORM}"


@functools.cache
def runsc() -> Runsc:
    """Find a gVisor that is new enough: the one that scripts/gvisor fetched, or the machine's.

    Raises:
        SandboxUnavailable: There is none, or only an old one.
    """
    remedy = "run scripts/gvisor, which fetches Debian 13's"
    places = [str(Path(sys.prefix, "bin", "runsc")), shutil.which("runsc")]
    installed = [_release(path) for path in places if path is not None and Path(path).is_file()]
    if not installed:
        raise SandboxUnavailable(f"tier T1 needs gVisor's runsc, which is not installed: {remedy}")
    newest = max(installed, key=lambda each: each.release)
    if newest.release < _OLDEST:
        raise SandboxUnavailable(
            f"{newest.path} is gVisor of {newest.release}, in which common programs fail; tier T1 needs {_OLDEST} "
            f"or later: {remedy}"
        )
    return newest


def _release(path: str) -> Runsc:
    said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=False).stdout
    found = re.search(r"(?:release-|~)(\d{8})", said)
    return Runsc(path, int(found[1]) if found else 0)


@dataclass
class RunscHolder:
    """A started box of tier T1 as the host holds it."""

    enforcement: Enforcement
    group: ControlGroup
    _mux: Mux
    _runsc: subprocess.Popen[bytes]
    _bundle: Path
    _host_pid: int
    _ending: threading.Lock = field(default_factory=threading.Lock)

    def ask(
        self, request: Request, stdin: bytes, output_bytes: int, patience_s: float
    ) -> tuple[Report, bytes, bytes, bool]:
        """See `Holder.ask`."""
        return self._mux.ask(request, stdin, output_bytes, patience_s)

    def listen(self, address: str, port: int) -> Listener:
        """See `Holder.listen`."""
        return self._mux.listen(address, port, START_PATIENCE_S)

    def connect(self, address: str, port: int, source: str) -> Any:
        """See `Holder.connect`."""
        return self._mux.connect(address, port, source, START_PATIENCE_S)

    def memory_kills(self) -> int:
        """See `Holder.memory_kills`."""
        return self.group.memory_kills()

    def kill(self) -> None:
        """Kill the inner kernel and all that serves it; returns when nothing of it is left.

        runsc itself goes last, so that it takes leave of its children: where the machine's process 1 does not, they
        would stay as zombies.
        """
        with self._ending:
            self.group.kill_all(_KILL_PATIENCE_S, spare=self._runsc.pid)
            try:
                self._runsc.wait(_LEAVE_PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._runsc.kill()
                self._runsc.wait()
            self.group.kill_all(_KILL_PATIENCE_S)

    def end(self) -> None:
        """Kill, and give back descriptors, files and control groups. Only in the process that opened the box."""
        if os.getpid() != self._host_pid:
            return
        self.kill()
        self._mux.close()
        self.group.remove()
        shutil.rmtree(self._bundle, ignore_errors=True)


def launch(spec: BoxSpec) -> RunscHolder:
    """Start a box of tier T1 and wait until its process 1 says that it is ready.

    Raises:
        SandboxUnavailable: gVisor is missing, too old or does not start here; the message says which.
        CannotEnforce: No control groups can be made, or the box would have to run with the host's root uid.
    """
    installed = runsc()
    uid, gid = host_identity()
    limits = spec.limits
    group = ControlGroup(limits.memory_bytes + _KERNEL_BYTES, 4 * limits.pids + _KERNEL_TASKS, limits.cores)
    with ExitStack() as undo:
        undo.callback(group.remove)
        if group.memory is None or group.pids is None:
            raise CannotEnforce(
                "tier T1 needs control groups for memory and processes, and none can be made here: run as "
                "root, or under systemd-run --user --scope -p Delegate=yes"
            )
        bundle = Path(tempfile.mkdtemp(prefix="proofhouse-t1-"))
        undo.callback(shutil.rmtree, bundle, ignore_errors=True)
        _write_bundle(bundle, spec, (uid, gid))
        mux, process, said = _start(installed, bundle, group, uid, gid)
        undo.callback(mux.close)
        undo.callback(process.wait)
        undo.callback(process.kill)
        try:
            _await_ready(mux, process, said)
        finally:
            os.close(said)
        enforcement = Enforcement(
            memory=group.memory,
            pids=group.pids,
            cpu=group.cpu or "rlimit",
            host_uid=uid,
            nested_userns_disabled=True,
            kernel=installed.kernel,
        )
        holder = RunscHolder(enforcement, group, mux, process, bundle, os.getpid())
        undo.pop_all()
    return holder


def _start(
    installed: Runsc, bundle: Path, group: ControlGroup, uid: int, gid: int
) -> tuple[Mux, subprocess.Popen[bytes], int]:
    """The mux, the started runsc, and a memory file with what it says on stderr."""
    change = (uid, gid) if uid != os.geteuid() else (-1, -1)
    argv = [
        *(str(program("init")), "launch", *map(str, change), *map(str, group.membership_files), "--"),
        *(installed.path, "--root", str(bundle / "state"), "--rootless", f"--platform={PLATFORM}"),
        *("--network=none", "--ignore-cgroups", "--host-uds=none", "--host-fifo=none", "--overlay2=none"),
        *("--log", "/dev/null"),
        *("run", "--bundle", str(bundle), bundle.name),
    ]
    to_guest_read, to_guest = os.pipe()
    from_guest, from_guest_write = os.pipe()
    said = os.memfd_create("stderr")
    try:
        process = spawner.start(argv, (), said, stdin=to_guest_read, stdout=from_guest_write)
    except OSError as error:
        for fd in (said, to_guest, from_guest):
            os.close(fd)
        raise SandboxUnavailable(f"cannot start {installed.path}: {error.strerror}") from error
    finally:
        os.close(to_guest_read)
        os.close(from_guest_write)
    return Mux(to_guest, from_guest), process, said


def _await_ready(mux: Mux, process: subprocess.Popen[bytes], said: int) -> None:
    mux.wait_ready(START_PATIENCE_S)
    if mux.ready.is_set():
        return
    process.kill()
    process.wait()
    text = os.pread(said, 4000, 0).decode("utf-8", "replace").strip()
    last = text.splitlines()[-1] if text else f"it said nothing within {START_PATIENCE_S:.0f} s"
    raise SandboxUnavailable(f"gVisor could not open a box: {last}")


def _write_bundle(bundle: Path, spec: BoxSpec, owner: tuple[int, int]) -> None:
    """The box's root directory, all of it synthetic but ``/usr`` and two files of /etc, and runsc's configuration."""
    root = bundle / "root"
    for name in ("usr", "etc", "proc", "dev", "sys", "work", "tmp", "run", "var/tmp"):
        (root / name).mkdir(parents=True)
    for name, target in _profile.root_links().items():
        (root / name).symlink_to(target)
    for path, text in _profile.etc_files(spec.names).items():
        (root / path.lstrip("/")).write_text(text)
    if Path("/usr/lib/os-release").exists():
        (root / "etc/os-release").symlink_to("../usr/lib/os-release")
    binds = {"/usr": "/usr", **_profile.unmerged_directories()}
    for path in _profile.FROM_HOST_ETC:
        place = root / path.lstrip("/")
        if Path(path).is_dir():
            place.mkdir()
        elif Path(path).exists():
            place.touch()
        else:
            continue
        binds[path] = path
    shutil.copyfile(program("stream"), root / _INIT.lstrip("/"))
    (root / _INIT.lstrip("/")).chmod(0o555)
    (root / _FILTER.lstrip("/")).write_bytes(
        seccomp_program(spec.profile, memory_cgroup=True, answer_xattr=False)
    )
    (bundle / "state").mkdir(mode=0o700)
    (bundle / "config.json").write_text(json.dumps(_configuration(spec, binds)))
    if owner[0] != os.geteuid():
        # Programs look whether `/` belongs to root, which is the owner of these as the box sees it.
        for each in (bundle, bundle / "state", root):
            os.chown(each, *owner)


def _configuration(spec: BoxSpec, binds: dict[str, str]) -> dict[str, Any]:
    sizes = _profile.file_systems(spec.limits)
    guest = f"uid={_profile.GUEST_UID},gid={_profile.GUEST_UID}".split(",")
    mounts = [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "dev", "source": "dev"},
        *(
            {"destination": inside, "type": "bind", "source": outside, "options": ["ro", "rbind"]}
            for inside, outside in binds.items()
        ),
        *(
            {
                "destination": path,
                "type": "tmpfs",
                "source": "tmpfs",
                "options": [f"size={size}", "mode=0755", *guest],
            }
            for path, size in sizes.items()
        ),
    ]
    sweep = "0" if spec.keep_background else "1"
    capabilities = dict.fromkeys(("bounding", "effective", "permitted"), _INIT_CAPABILITIES)
    return {
        "ociVersion": "1.0.2",
        "process": {
            "args": [_INIT, _FILTER, str(spec.limits.memory_bytes), sweep],
            "env": [],
            "cwd": "/",
            "user": {"uid": 0, "gid": 0},
            "capabilities": {**capabilities, "inheritable": [], "ambient": []},
            "noNewPrivileges": True,
            "rlimits": [{"type": "RLIMIT_NPROC", "hard": spec.limits.pids, "soft": spec.limits.pids}],
        },
        "root": {"path": "root", "readonly": True},
        "hostname": "sandbox",
        "mounts": mounts,
        "linux": {"namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")]},
    }
