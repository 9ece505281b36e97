# SPDX-License-Identifier: Apache-2.0
"""What host and init say to each other; ``struct request`` and ``struct report`` in init.c are the same."""

from __future__ import annotations

import enum
import os
import select
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MAGIC = 0x50484231
_REQUEST = struct.Struct("=6I6Q")
_REPORT = struct.Struct("=IIiIQQ")
_FLAG_TIMED_OUT = 1
_FLAG_MEMORY = 2
_CHUNK_BYTES = 1 << 16
_LATE_BYTES = 1 << 20  # most that is read after the report, from processes that live on and keep writing


class Op(enum.IntEnum):
    """What process 1 is asked to do."""

    EXEC = 1
    PUT = 2
    GET = 3
    SOCKET = 4


class How(enum.IntEnum):
    """How it went."""

    EXIT = 0
    SIGNAL = 1
    REFUSED = 2


NOT_REGULAR = 200
TOO_LARGE = 201


@dataclass(frozen=True)
class Request:
    """One request; the resource limits apply to the child that serves it."""

    op: Op
    place: str
    wall_s: float
    cpu_s: int
    file_bytes: int
    open_files: int
    pids: int
    argv: Sequence[str] = ()
    env: Mapping[str, str] | None = None
    mode: int = 0
    max_bytes: int = 0

    @classmethod
    def for_socket(cls) -> Request:
        """A request for a socket of the box's network; no child serves it, so no limit applies."""
        return cls(Op.SOCKET, "/", 1, cpu_s=1, file_bytes=1, open_files=1, pids=1)

    def to_bytes(self) -> bytes:
        """Encode; a NUL in any string is refused with ValueError."""
        env = self.env or {}
        for name in env:
            if not name or "=" in name:
                raise ValueError(f"not a name of an environment variable: {name!r}")
        strings = [self.place, *self.argv, *(f"{name}={value}" for name, value in env.items())]
        encoded = [os.fsencode(each) for each in strings]
        if any(b"\0" in each for each in encoded):
            raise ValueError("a NUL byte in a path, argument or environment variable")
        head = _REQUEST.pack(
            *(MAGIC, self.op, len(self.argv), len(env), self.mode, 0),
            *(max(1, round(self.wall_s * 1000)), self.cpu_s, self.file_bytes, self.open_files, self.pids),
            self.max_bytes,
        )
        return head + b"".join(each + b"\0" for each in encoded)


@dataclass(frozen=True)
class Report:
    """Process 1's answer."""

    how: How
    value: int
    timed_out: bool
    out_of_memory: bool
    cpu_s: float
    max_rss_bytes: int

    @classmethod
    def from_bytes(cls, message: bytes) -> Report:
        """Decode; ValueError when it is not a report."""
        if len(message) != _REPORT.size:
            raise ValueError("not a report")
        magic, how, value, flags, cpu_us, max_rss_bytes = _REPORT.unpack(message)
        if magic != MAGIC:
            raise ValueError("not a report")
        return cls(
            How(how),
            value,
            bool(flags & _FLAG_TIMED_OUT),
            bool(flags & _FLAG_MEMORY),
            cpu_us / 1e6,
            max_rss_bytes,
        )


class NoAnswer(Exception):
    """The other end closed without a report (``late`` False) or did not answer in time (``late`` True)."""

    def __init__(self, *, late: bool) -> None:
        super().__init__("no answer in time" if late else "the channel closed")
        self.late = late


class Exchange:
    """The descriptors of one request: channel, stdin, stdout and stderr, with both ends until it is sent."""

    def __init__(self, owner: tuple[int, int] | None) -> None:
        """Make the descriptors.

        Args:
            owner: uid and gid that the box has on the host. Pipes are given to it, so that a program can open
                ``/dev/stdout`` and the like, which checks the pipe's owner.
        """
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._open: set[int] = {their_channel := theirs.detach()}
        try:
            stdin_read, self.stdin = self._pipe(owner)
            self.stdout, stdout_write = self._pipe(owner)
            self.stderr, stderr_write = self._pipe(owner)
        except BaseException:
            self.close()
            raise
        self._theirs = [their_channel, stdin_read, stdout_write, stderr_write]

    def _pipe(self, owner: tuple[int, int] | None) -> tuple[int, int]:
        ends = os.pipe()
        self._open.update(ends)
        if owner is not None:
            os.fchown(ends[0], *owner)
        return ends

    def send(self, control: socket.socket, request: bytes) -> None:
        """Hand the request and the other ends to process 1, and close them here."""
        memory = os.memfd_create("request")
        self._open.add(memory)
        with os.fdopen(memory, "wb", closefd=False) as file:
            file.write(request)
        socket.send_fds(control, [b"PHB1"], [memory, *self._theirs])
        for fd in (memory, *self._theirs):
            self._close(fd)

    def _close(self, fd: int) -> None:
        if fd in self._open:
            self._open.remove(fd)
            os.close(fd)

    def close(self) -> None:
        """Close what is open; for an unanswered request this is its cancellation."""
        for fd in list(self._open):
            self._close(fd)
        self.channel.close()

    def run(self, stdin: bytes, output_bytes: int, patience_s: float) -> tuple[Report, bytes, bytes, bool]:
        """Feed stdin, gather both outputs up to the cap (draining the rest), and wait for the report.

        Returns:
            The report, stdout, stderr, and whether either was cut.

        Raises:
            NoAnswer: Process 1 is gone or silent.
        """
        outputs = {fd: Capped(output_bytes) for fd in (self.stdout, self.stderr)}
        feed = memoryview(stdin)
        poll = select.poll()
        for fd in (self.stdin, self.stdout, self.stderr):
            os.set_blocking(fd, False)
        for fd in outputs:
            poll.register(fd, select.POLLIN)
        poll.register(self.channel.fileno(), select.POLLIN)
        if feed:
            poll.register(self.stdin, select.POLLOUT)
        else:
            self._close(self.stdin)
        deadline = time.monotonic() + patience_s
        while True:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise NoAnswer(late=True)
            ready = {fd for fd, _ in poll.poll(left_s * 1000)}
            for fd in ready & outputs.keys():
                if outputs[fd].take_once(fd) == 0:
                    poll.unregister(fd)
            if self.stdin in ready:
                feed = feed[_write_some(self.stdin, feed) :]
                if not feed:
                    poll.unregister(self.stdin)
                    self._close(self.stdin)
            if self.channel.fileno() in ready:
                report = self._report()
                break
        for fd, output in outputs.items():
            output.take_rest(fd)
        out, err = outputs[self.stdout], outputs[self.stderr]
        return report, bytes(out.kept), bytes(err.kept), out.truncated or err.truncated

    def take_socket(self, patience_s: float) -> socket.socket:
        """The socket that process 1 made (`Op.SOCKET`).

        Raises:
            NoAnswer: Process 1 is gone or silent.
            OSError: It could not make one.
        """
        self.channel.settimeout(patience_s)
        try:
            message, fds, _, _ = socket.recv_fds(self.channel, 256, 1)
        except TimeoutError as error:
            raise NoAnswer(late=True) from error
        except ConnectionError:
            message, fds = b"", []
        if not message:
            raise NoAnswer(late=False)
        report = Report.from_bytes(message)
        if not fds:
            raise OSError(report.value, f"the box could not make a socket: {os.strerror(report.value)}")
        return socket.socket(fileno=fds[0])

    def _report(self) -> Report:
        try:
            message = self.channel.recv(256)
        except ConnectionError:
            message = b""
        if not message:
            raise NoAnswer(late=False)
        return Report.from_bytes(message)


class Capped:
    """The first bytes of a stream; the rest is read, so that its writer never blocks, and dropped."""

    def __init__(self, most_bytes: int) -> None:
        self.kept = bytearray()
        self.truncated = False
        self._most_bytes = most_bytes

    def take_once(self, fd: int) -> int | None:
        """Read once without waiting: the number of bytes, 0 at the end, None when there is nothing now."""
        try:
            chunk = os.read(fd, _CHUNK_BYTES)
        except BlockingIOError:
            return None
        self.take(chunk)
        return len(chunk)

    def take(self, chunk: bytes) -> None:
        """Keep what there is room for."""
        room = self._most_bytes - len(self.kept)
        self.kept += chunk[:room]
        self.truncated = self.truncated or len(chunk) > room

    def take_rest(self, fd: int) -> None:
        """Read what is already there."""
        late = 0
        while late < _LATE_BYTES and (taken := self.take_once(fd)):
            late += taken


def _write_some(fd: int, feed: memoryview) -> int:
    """Bytes written; all of them when the reader has gone, since nobody wants the rest."""
    try:
        return os.write(fd, feed[:_CHUNK_BYTES])
    except BlockingIOError:
        return 0
    except BrokenPipeError:
        return len(feed)
