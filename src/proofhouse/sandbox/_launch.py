# SPDX-License-Identifier: Apache-2.0
"""Start bubblewrap with our init inside, and end it with everything that it holds."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from proofhouse.sandbox import _profile
from proofhouse.sandbox._cgroup import ControlGroup
from proofhouse.sandbox._diagnosis import explain
from proofhouse.sandbox._holder import Listener
from proofhouse.sandbox._native import program
from proofhouse.sandbox._seccomp import seccomp_program
from proofhouse.sandbox._wire import Exchange, NoAnswer, Report, Request
from proofhouse.sandbox.errors import CannotEnforce, SandboxUnavailable
from proofhouse.sandbox.limits import BoxSpec, Enforcement

START_PATIENCE_S = 30.0
_KILL_PATIENCE_S = 5.0
_BACKLOG = 16
WATCHDOG = "PROOFHOUSE_SANDBOX_WATCHDOG"
"""Environment variable by which an operator accepts the watchdog where no memory group can be made."""
_UID_BASE, _UID_COUNT = 0x70000000, 1 << 20  # far from people, services and the usual container ranges
_CREDENTIALS = struct.Struct("3i")  # struct ucred, unix(7)
_serial = itertools.count()


class _Spawner:
    """One thread that lives as long as the process and starts every bubblewrap.

    ``--die-with-parent`` means the parent *thread*: a box started from a pool's worker would die with it.
    """

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    def start(
        self,
        argv: Sequence[str],
        pass_fds: Sequence[int],
        stderr: int,
        *,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.DEVNULL,
    ) -> subprocess.Popen[bytes]:
        """Start a program with nothing of ours but these descriptors."""
        with self._lock:
            self._pool = self._pool or ThreadPoolExecutor(1, "proofhouse-sandbox")
            pool = self._pool
        return pool.submit(_popen, argv, pass_fds, stdin, stdout, stderr).result()

    def forget(self) -> None:
        """In a forked child, which has this object but not its thread."""
        self._pool, self._lock = None, threading.Lock()


def _popen(
    argv: Sequence[str], pass_fds: Sequence[int], stdin: int, stdout: int, stderr: int
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        argv,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        pass_fds=pass_fds,
        cwd="/",
        env={},
    )


spawner = _Spawner()
os.register_at_fork(after_in_child=spawner.forget)


@dataclass
class BubblewrapHolder:
    """A started box of tier T0 as the host holds it.

    Attributes:
        control: Our end of the socket to process 1; closing it ends the box.
        enforcement: How the limits are held.
        owner: uid and gid to give pipes to, or None when they are the caller's own.
        group: The box's control groups.
    """

    control: socket.socket
    enforcement: Enforcement
    owner: tuple[int, int] | None
    group: ControlGroup
    _bwrap: subprocess.Popen[bytes]
    _init: int  # pidfd of process 1
    _host_pid: int
    _sending: threading.Lock = field(default_factory=threading.Lock)
    _ended: bool = False

    def ask(
        self, request: Request, stdin: bytes, output_bytes: int, patience_s: float
    ) -> tuple[Report, bytes, bytes, bool]:
        """See `Holder.ask`."""
        exchange = self._sent(request)
        try:
            return exchange.run(stdin, output_bytes, patience_s)
        finally:
            exchange.close()

    def _sent(self, request: Request) -> Exchange:
        encoded = request.to_bytes()
        exchange = Exchange(self.owner)
        try:
            with self._sending:
                if self._ended:
                    raise NoAnswer(late=False)
                exchange.send(self.control, encoded)
        except ConnectionError as error:
            exchange.close()
            raise NoAnswer(late=False) from error
        except BaseException:
            exchange.close()
            raise
        return exchange

    def _socket(self) -> socket.socket:
        """A TCP socket that belongs to the box's network, whoever holds it."""
        exchange = self._sent(Request.for_socket())
        try:
            return exchange.take_socket(START_PATIENCE_S)
        finally:
            exchange.close()

    def listen(self, address: str, port: int) -> Listener:
        """See `Holder.listen`."""
        made = self._socket()
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((address, port))
            made.listen(_BACKLOG)
        except BaseException:
            made.close()
            raise
        return SocketListener(made)

    def connect(self, address: str, port: int, source: str) -> socket.socket:
        """See `Holder.connect`."""
        made = self._socket()
        made.setblocking(False)
        try:
            made.bind((source, 0))
            made.connect((address, port))
        except BlockingIOError:
            return made
        except BaseException:
            made.close()
            raise
        return made

    def open_low_ports(self) -> None:
        """Let the box's programs serve ports below 1024, which in a network of its own harms nobody.

        Raises:
            CannotEnforce: The kernel's setting cannot be written here (in a container with a read-only /proc/sys).
        """
        with self._socket() as made:
            done = subprocess.run(
                [str(program("init")), "ports", str(made.fileno())],
                pass_fds=(made.fileno(),),
                capture_output=True,
                text=True,
                timeout=START_PATIENCE_S,
                check=False,
            )
        if done.returncode != 0:
            raise CannotEnforce(done.stderr.strip() or "cannot open the low ports of the box")

    def memory_kills(self) -> int:
        """See `Holder.memory_kills`."""
        return self.group.memory_kills()

    def kill(self) -> None:
        """Kill process 1, and with it the namespace; returns when nothing of it is left.

        The kernel lets process 1 finish only after every other process of its namespace has gone, and
        bubblewrap waits for process 1, so its end proves theirs.
        """
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._init, signal.SIGKILL)
        try:
            self._bwrap.wait(_KILL_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._bwrap.kill()
            self._bwrap.wait()

    def end(self) -> None:
        """Kill, and give back descriptors and control groups. Only in the process that opened the box."""
        if os.getpid() != self._host_pid:
            return
        self.kill()
        with self._sending:
            self._ended = True
            self.control.close()
        os.close(self._init)
        self.group.remove()


class SocketListener:
    """A listening socket of a box's network in the host's hands."""

    def __init__(self, listening: socket.socket) -> None:
        listening.setblocking(False)
        self._listening = listening

    def fileno(self) -> int:
        """See `Listener.fileno`."""
        return self._listening.fileno()

    def accept(self) -> socket.socket:
        """See `Listener.accept`."""
        accepted, _ = self._listening.accept()
        accepted.setblocking(False)
        return accepted

    def close(self) -> None:
        """See `Listener.close`."""
        self._listening.close()


def launch(spec: BoxSpec) -> BubblewrapHolder:
    """Start a box and wait until process 1 says that it is ready.

    Raises:
        SandboxUnavailable: Something is missing or refused; the message says what.
        CannotEnforce: The box would have to run with the host's root uid.
    """
    uid, gid = host_identity()
    owner = (uid, gid) if uid != os.geteuid() else None
    wrap = _profile.bubblewrap()
    init = program("init")
    group = ControlGroup(spec.limits.memory_bytes, spec.limits.pids, spec.limits.cores)
    if group.memory is None and os.environ.get(WATCHDOG) != "1":
        group.remove()
        raise CannotEnforce(
            "no control group for memory can be made here, so the box's memory cannot be held by the kernel: run as "
            "root, or under systemd-run --user --scope -p Delegate=yes; or, for programs that you trust not to "
            f"attack the machine, set {WATCHDOG}=1 and a watchdog in the box kills what exceeds the limit"
        )
    enforcement = Enforcement(
        memory=group.memory or "watchdog",
        pids=group.pids or "rlimit",
        cpu=group.cpu or "rlimit",
        host_uid=uid,
        nested_userns_disabled=wrap.disables_userns,
    )
    control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ExitStack() as undo:
        undo.callback(group.remove)
        undo.callback(control.close)
        control.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        bwrap, said = _start(spec, wrap, init, group, theirs, owner)
        undo.callback(_abandon, bwrap)
        pid = _await_ready(control, bwrap, said)
        holder = BubblewrapHolder(control, enforcement, owner, group, bwrap, os.pidfd_open(pid), os.getpid())
        undo.callback(holder.end)
        if spec.low_ports:
            holder.open_low_ports()
        undo.pop_all()
    return holder


def host_identity() -> tuple[int, int]:
    """The uid and gid that the box has on the host: the caller's own, or for root one that nobody else has.

    Root is never used: it is exempt from ``RLIMIT_NPROC``, and an escape would be root's. A uid of its own
    for each box also keeps boxes from signalling each other.
    """
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    uid = _UID_BASE + (os.getpid() * 64 + next(_serial) % 64) % _UID_COUNT
    for candidate in (uid, 65534):
        if _mapped(Path("/proc/self/uid_map"), candidate) and _mapped(Path("/proc/self/gid_map"), candidate):
            return candidate, candidate
    raise CannotEnforce(
        "this root may not become any other user (its user namespace maps only uid 0), and a box is never "
        "run as root: run as an ordinary user, or map uid 65534 into this container"
    )


def _mapped(table: Path, number: int) -> bool:
    rows = [[int(word) for word in line.split()] for line in table.read_text().splitlines()]
    return any(first <= number < first + count for first, _, count in rows)


def _start(
    spec: BoxSpec,
    wrap: _profile.Bubblewrap,
    init: Path,
    group: ControlGroup,
    theirs: socket.socket,
    owner: tuple[int, int] | None,
) -> tuple[subprocess.Popen[bytes], int]:
    """The started bubblewrap, and a memory file with what it says on stderr."""
    watch_bytes = 0 if group.memory else spec.limits.memory_bytes
    filter_program = seccomp_program(spec.profile, memory_cgroup=group.memory is not None)
    with ExitStack() as stack:
        stack.enter_context(theirs)
        init_fd = os.open(init, os.O_RDONLY | os.O_CLOEXEC)
        stack.callback(os.close, init_fd)
        files = _profile.etc_files(spec.names)
        data = {path: _memory_file(text.encode(), stack) for path, text in files.items()}
        seccomp = _memory_file(filter_program, stack)
        uid, gid = owner or (-1, -1)
        argv = [
            *(str(init), "launch", str(uid), str(gid), *map(str, group.membership_files), "--"),
            *_profile.arguments(wrap, spec.limits, data=data, init=init_fd, seccomp=seccomp),
            *("serve", str(theirs.fileno()), str(watch_bytes), "0" if spec.keep_background else "1"),
            *_profile.file_systems(spec.limits),
        ]
        said = os.memfd_create("stderr")
        try:
            return spawner.start(argv, (theirs.fileno(), init_fd, seccomp, *data.values()), said), said
        except OSError as error:
            os.close(said)
            raise SandboxUnavailable(f"cannot start {init}: {error.strerror}") from error


def _memory_file(content: bytes, stack: ExitStack) -> int:
    fd = os.memfd_create("content")
    stack.callback(os.close, fd)
    with os.fdopen(fd, "wb", closefd=False) as file:
        file.write(content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _await_ready(control: socket.socket, bwrap: subprocess.Popen[bytes], said: int) -> int:
    """The host's number of process 1, from the credentials that the kernel puts on its first message."""
    try:
        control.settimeout(START_PATIENCE_S)
        message, ancillary, _, _ = control.recvmsg(16, socket.CMSG_SPACE(_CREDENTIALS.size))
        control.settimeout(None)
        for level, kind, payload in ancillary:
            if message == b"ready" and (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                pid, _, _ = _CREDENTIALS.unpack(payload[: _CREDENTIALS.size])
                return int(pid)
        bwrap.wait(_KILL_PATIENCE_S)
        raise SandboxUnavailable(explain(os.pread(said, 2000, 0).decode("utf-8", "replace")))
    except (TimeoutError, subprocess.TimeoutExpired) as error:
        raise SandboxUnavailable(
            f"bubblewrap did not start a box within {START_PATIENCE_S:.0f} s: the machine is overloaded"
        ) from error
    finally:
        os.close(said)


def _abandon(bwrap: subprocess.Popen[bytes]) -> None:
    bwrap.kill()
    bwrap.wait()
