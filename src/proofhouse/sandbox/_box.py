# SPDX-License-Identifier: Apache-2.0
"""A box: run commands in it, move files in and out, end it."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType

from proofhouse.sandbox import _launch, _runsc
from proofhouse.sandbox._holder import Holder, Listener
from proofhouse.sandbox._wire import NOT_REGULAR, TOO_LARGE, How, NoAnswer, Op, Report, Request
from proofhouse.sandbox.errors import FileTooLarge, SandboxDead, UnsafePath
from proofhouse.sandbox.limits import BoxSpec, Enforcement, ExecResult, Tier

_ANSWER_GRACE_S = 10.0  # beyond a command's own limit, for a loaded host
_LAUNCH: dict[Tier, Callable[[BoxSpec], Holder]] = {"T0": _launch.launch, "T1": _runsc.launch}
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/work", "USER": "box", "LANG": "C.UTF-8"}


def open_box(spec: BoxSpec | None = None) -> Box:
    """Open a box; use it as a context manager, or call `Box.close`.

    Raises:
        SandboxUnavailable: bubblewrap, a compiler, libseccomp or user namespaces are missing; the message
            says what to install or enable.
        CannotEnforce: The box would have to run with the host's root uid.
    """
    return Box(spec or BoxSpec())


class Box:
    """One isolated place: namespaces of its own, a small file system in memory, no route anywhere.

    Methods may be called from several threads at once. Paths are the box's; relative ones start at ``/work``.
    Files move only through process 1 inside, so that no link planted there can lead the host anywhere.
    """

    def __init__(self, spec: BoxSpec) -> None:
        self.spec = spec
        self._death: str | None = None
        self._ending = threading.Lock()
        self._holder = _LAUNCH[spec.tier](spec)
        self._end = weakref.finalize(self, self._holder.end)

    def __enter__(self) -> Box:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def tier(self) -> Tier:
        """The tier that was asked for; no other is ever opened."""
        return self.spec.tier

    @property
    def enforcement(self) -> Enforcement:
        """By which means the limits are held, for the record of the run."""
        return self._holder.enforcement

    @property
    def death(self) -> str | None:
        """Why the box ended, or None while nobody has noticed that it has."""
        return self._death

    def exec(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        cwd: str = "/work",
        env: Mapping[str, str] | None = None,
        wall_s: float | None = None,
        output_bytes: int | None = None,
    ) -> ExecResult:
        """Run one command and wait for it.

        Args:
            argv: Program and arguments; the program is sought on the command's own PATH, without a shell.
            stdin: Everything the command can read.
            cwd: Working directory.
            env: Variables beside (and over) PATH, HOME, USER and LANG. Nothing of the host's passes.
            wall_s: Time limit instead of ``limits.wall_s``.
            output_bytes: Cap of each stream instead of ``limits.output_bytes``.

        Returns:
            What the command did, its own failures included: a program that is missing (127), crashes or runs
            out of time.

        Raises:
            SandboxDead: The box ended or does not answer. Never a statement about the command.
            ValueError: ``argv`` is empty, or a string holds a NUL.
        """
        if not argv:
            raise ValueError("argv is empty")
        limits = self.spec.limits
        wall_s = limits.wall_s if wall_s is None else wall_s
        request = self._request(Op.EXEC, cwd, wall_s, argv=argv, env={**_ENVIRONMENT, **(env or {})})
        kills_before = self._holder.memory_kills()
        started = time.monotonic()
        report, out, err, cut = self._ask(request, stdin, output_bytes or limits.output_bytes)
        seconds = time.monotonic() - started
        if report.how is How.REFUSED:
            raise OSError(report.value, f"the box could not start a process: {os.strerror(report.value)}")
        return ExecResult(
            exit_code=report.value if report.how is How.EXIT else None,
            signal=report.value if report.how is How.SIGNAL else None,
            timed_out=report.timed_out,
            truncated=cut,
            stdout=out,
            stderr=err,
            seconds=seconds,
            out_of_memory=report.out_of_memory or self._holder.memory_kills() > kills_before,
            cpu_s=report.cpu_s,
            max_rss_bytes=report.max_rss_bytes,
        )

    def put(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Write a regular file, making missing parent directories; an existing file is replaced in place.

        Raises:
            UnsafePath: A link, FIFO or device lies at the path.
            OSError: As for a local file: the disk is full, the place is read-only, it is a directory.
            SandboxDead: The box ended.
        """
        self._file_operation(self._request(Op.PUT, path, self.spec.limits.wall_s, mode=mode), content, 0)

    def get(self, path: str, max_bytes: int) -> bytes:
        """Read a regular file: hostile bytes, at most ``max_bytes`` of them.

        Raises:
            UnsafePath: A link, FIFO or device lies at the path.
            FileTooLarge: It is larger than ``max_bytes``.
            OSError: As for a local file, ``FileNotFoundError`` and ``IsADirectoryError`` among others.
            SandboxDead: The box ended.
        """
        request = self._request(Op.GET, path, self.spec.limits.wall_s, max_bytes=max_bytes)
        return self._file_operation(request, b"", max_bytes)

    def put_tree(self, tar_bytes: bytes, path: str) -> None:
        """Unpack a tar archive into a directory, made if missing.

        Raises:
            OSError: tar inside the box failed; the message is tar's.
            SandboxDead: The box ended.
        """
        place = _place(path)
        if place != "/work":  # the one directory that every box has
            self._tool(["mkdir", "-p", "--", place], path, b"", 1 << 16)
        self._tool(["tar", "-x", "-f", "-", "--no-same-owner", "-C", place], path, tar_bytes, 1 << 16)

    def get_tree(self, path: str, max_bytes: int) -> bytes:
        """A directory as a tar archive, made inside the box.

        The archive is hostile: unpack it only with a filter that refuses links out, devices and absolute
        names (``tarfile.data_filter``).

        Raises:
            FileTooLarge: The archive is larger than ``max_bytes``.
            OSError: tar inside the box failed; the message is tar's.
            SandboxDead: The box ended.
        """
        return self._tool(["tar", "-c", "-f", "-", "-C", _place(path), "."], path, b"", max_bytes)

    def listen(self, address: str, port: int) -> Listener:
        """Listen inside the box and take the connections outside: one end of a fabric's link.

        The guest can connect to it; it can neither close it nor reach anything else through it.

        Args:
            address: A loopback address.
            port: 1 to 65535; low ones too.

        Raises:
            OSError: The place is taken.
            SandboxDead: The box ended.
        """
        with self._alive():
            return self._holder.listen(address, port)

    def connect(self, address: str, port: int, source: str = "127.0.0.1") -> socket.socket:
        """Start connecting to a service inside the box, from the host: a link's other end.

        Args:
            address: A loopback address of the box.
            port: The service's.
            source: The loopback address from which the service sees the connection come.

        Returns:
            A non-blocking socket; once writable, its ``SO_ERROR`` says whether somebody listened.

        Raises:
            ConnectionRefusedError: Nobody listens there.
            SandboxDead: The box ended.
        """
        with self._alive():
            return self._holder.connect(address, port, source)

    def kill(self, reason: str) -> None:
        """Kill everything in the box now; whoever still waits for it gets SandboxDead with this reason."""
        self._death = self._death or reason
        with self._ending:
            if self._end.alive:
                self._holder.kill()

    def close(self) -> None:
        """Kill everything and give back what the host lent: descriptors, control groups. May be repeated."""
        self.kill("the box was closed")
        with self._ending:
            self._end()

    def _request(
        self,
        op: Op,
        place: str,
        wall_s: float,
        *,
        argv: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        mode: int = 0,
        max_bytes: int = 0,
    ) -> Request:
        limits = self.spec.limits
        return Request(
            op,
            _place(place),
            wall_s,
            limits.cpu_s,
            limits.file_bytes,
            limits.open_files,
            limits.pids,
            argv,
            env,
            mode,
            max_bytes,
        )

    def _ask(self, request: Request, stdin: bytes, output_bytes: int) -> tuple[Report, bytes, bytes, bool]:
        with self._alive():
            return self._holder.ask(request, stdin, output_bytes, request.wall_s + _ANSWER_GRACE_S)

    @contextmanager
    def _alive(self) -> Iterator[None]:
        if self._death is not None:
            raise SandboxDead(self._death)
        try:
            yield
        except NoAnswer as error:
            raise SandboxDead(self._mourn(late=error.late)) from error

    def _mourn(self, *, late: bool) -> str:
        """Why the box is lost; it is killed, so that it cannot come back half alive."""
        if late:
            reason = "the box stopped answering"
        elif self._holder.memory_kills():
            reason = "process 1 of the box ended; the memory limit had been reached"
        else:
            reason = "process 1 of the box ended"
        self.kill(reason)
        return self._death or reason

    def _file_operation(self, request: Request, content: bytes, max_bytes: int) -> bytes:
        report, out, _, _ = self._ask(request, content, max_bytes)
        if report.how is How.EXIT and report.value == 0:
            return out
        if report.timed_out:
            raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT), request.place)
        if report.how is How.SIGNAL:
            raise OSError(errno.EIO, "a process of the box killed the transfer", request.place)
        if report.value == NOT_REGULAR:
            raise UnsafePath(request.place)
        if report.value == TOO_LARGE:
            raise FileTooLarge(request.place, max_bytes)
        raise OSError(report.value, os.strerror(report.value), request.place)

    def _tool(self, argv: Sequence[str], path: str, stdin: bytes, max_bytes: int) -> bytes:
        done = self.exec(argv, stdin=stdin, cwd="/", output_bytes=max_bytes)
        if done.truncated:
            raise FileTooLarge(path, max_bytes)
        if done.exit_code != 0:
            said = done.stderr.decode("utf-8", "replace").strip()[-300:] or f"{argv[0]} was killed"
            raise OSError(errno.EIO, said, path)
        return done.stdout


def _place(path: str) -> str:
    if not path:
        raise ValueError("the path is empty")
    return path if path.startswith("/") else f"/work/{path}"
