# SPDX-License-Identifier: Apache-2.0
"""Frames over two pipes: how the host talks to process 1 of a box that takes no descriptors (stream.c).

One thread owns both pipes and every link's socket, and waits for none of them: the guest's side is told how much
the host has taken before it sends more, and the other way round. Everything that arrives is hostile.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum
from functools import partial

from proofhouse.sandbox._wire import Capped, How, NoAnswer, Report, Request

_FRAME = struct.Struct("=III")
_PLACE = struct.Struct("=4s4sI")
_FRAME_BYTES = 1 << 15
_WINDOW_BYTES = 1 << 16
_READ_BYTES = 1 << 17
_NUMBER = struct.Struct("=I")
_FIRST_ACCEPTED = 1 << 31


class Kind(IntEnum):
    """What a frame is; the same numbers as in stream.c."""

    REQUEST = 1  # a piece of a request
    START = 2  # it is complete
    DATA = 3  # bytes for a command's standard input, or for a connection
    END = 4  # no more of them; from the box: the connection's peer has no more
    CREDIT = 5  # so many more bytes of a connection may be sent
    CANCEL = 6  # end the command, connection or listener
    LISTEN = 7
    CONNECT = 8
    READY = 16
    OUT = 17
    ERR = 18
    CLOSED = 19  # the connection was lost
    REPORT = 20
    ACCEPTED = 21
    TAKEN = 22  # so many bytes of DATA are no longer waiting


class _Waiting:
    """Somebody who waits for a report, in a thread of their own."""

    def __init__(self, output_bytes: int) -> None:
        self.out, self.err = Capped(output_bytes), Capped(output_bytes)
        self.report: Report | None = None
        self.lost = False
        self.credit = _WINDOW_BYTES
        self.changed = threading.Condition()

    def hear(self, kind: Kind, payload: bytes) -> None:
        with self.changed:
            if kind is Kind.OUT:
                self.out.take(payload)
            elif kind is Kind.ERR:
                self.err.take(payload)
            elif kind is Kind.TAKEN:
                self.credit += _NUMBER.unpack(payload)[0]
                self.changed.notify_all()
            elif kind is Kind.REPORT:
                self.report = Report.from_bytes(payload)
                self.changed.notify_all()

    def lose(self) -> None:
        with self.changed:
            self.lost = True
            self.changed.notify_all()


class _Answered:
    """Something that the box was asked to open."""

    def __init__(self) -> None:
        self.answered = threading.Event()
        self.report: Report | None = None

    def take_answer(self, report: Report | None) -> None:
        self.report = report
        self.answered.set()


class _Connection(_Answered):
    """One connection of a link: a socket pair whose other end the relay has."""

    def __init__(self, mux: Mux, channel: int) -> None:
        super().__init__()
        self.mux, self.channel = mux, channel
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self.theirs.setblocking(False)
        self.credit = _WINDOW_BYTES
        self.waiting = bytearray()
        self.peer_ended = self.told_ended = self.we_ended = False
        self.closed = False

    def hear(self, kind: Kind, payload: bytes) -> None:
        if kind is Kind.REPORT:
            self.take_answer(Report.from_bytes(payload))
        elif kind is Kind.OUT:
            self.waiting += payload
            if len(self.waiting) > _WINDOW_BYTES:
                raise ValueError("more than was asked for")
        elif kind is Kind.TAKEN:
            self.credit += _NUMBER.unpack(payload)[0]
        elif kind is Kind.END:
            self.peer_ended = True
        elif kind is Kind.CLOSED:
            self.close()
            return
        self.move()

    def interest(self) -> int:
        reads = not self.we_ended and self.credit > 0
        return reads * selectors.EVENT_READ | bool(self.waiting) * selectors.EVENT_WRITE

    def move(self) -> None:
        """Move what can be moved, in both directions."""
        try:
            self._to_relay()
            self._to_guest()
        except OSError:
            self.mux.send(self.channel, Kind.CANCEL)
            self.close()
            return
        if self.we_ended and self.told_ended:
            self.close()
        else:
            self.mux.watch(self)

    def _to_relay(self) -> None:
        if self.waiting:
            with suppress(BlockingIOError):
                sent = self.ours.send(self.waiting)
                del self.waiting[:sent]
                self.mux.send(self.channel, Kind.CREDIT, _NUMBER.pack(sent))
        if self.peer_ended and not self.waiting and not self.told_ended:
            self.told_ended = True
            self.ours.shutdown(socket.SHUT_WR)

    def _to_guest(self) -> None:
        while not self.we_ended and self.credit > 0:
            try:
                chunk = self.ours.recv(min(self.credit, _FRAME_BYTES))
            except BlockingIOError:
                return
            if not chunk:
                self.we_ended = True
                self.mux.send(self.channel, Kind.END)
                return
            self.credit -= len(chunk)
            self.mux.send(self.channel, Kind.DATA, chunk)

    def lose(self) -> None:
        self.take_answer(self.report)
        self.close()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.mux.forget(self)
            self.ours.close()


class MuxListener(_Answered):
    """A listener inside the box; see `Listener`."""

    def __init__(self, mux: Mux, channel: int) -> None:
        super().__init__()
        self._mux, self.channel = mux, channel
        self._bell, self._ring = socket.socketpair()
        for each in (self._bell, self._ring):
            each.setblocking(False)
        self._accepted: deque[socket.socket] = deque()

    def hear(self, kind: Kind, payload: bytes) -> None:
        """Take a connection; it waits here until `accept`."""
        if kind is Kind.REPORT:
            self.take_answer(Report.from_bytes(payload))
        elif kind is Kind.ACCEPTED:
            number = _NUMBER.unpack(payload)[0]
            if number < _FIRST_ACCEPTED:
                raise ValueError("not a number of an accepted connection")
            connection = _Connection(self._mux, number)
            self._mux.enter(number, connection)
            self._accepted.append(connection.theirs)
            with suppress(BlockingIOError):
                self._ring.send(b"x")
            self._mux.watch(connection)

    def fileno(self) -> int:
        """See `Listener.fileno`."""
        return self._bell.fileno()

    def accept(self) -> socket.socket:
        """See `Listener.accept`."""
        if not self._bell.recv(1):
            raise OSError(errno.ECONNABORTED, "the box is gone")
        return self._accepted.popleft()

    def lose(self) -> None:
        """The box is gone."""
        self.take_answer(self.report)
        self._ring.close()

    def close(self) -> None:
        """See `Listener.close`."""
        self._mux.leave(self.channel, cancel=True)
        self._mux.do(self._close)

    def _close(self) -> None:
        self._bell.close()
        self._ring.close()
        for connection in self._accepted:
            connection.close()
        self._accepted.clear()


class Mux:
    """The host's end of the two pipes, which it closes when it ends."""

    def __init__(self, to_guest: int, from_guest: int) -> None:
        self.ready = threading.Event()
        self._to_guest, self._from_guest = to_guest, from_guest
        os.set_blocking(to_guest, False)
        os.set_blocking(from_guest, False)
        self._lock = threading.Lock()
        self._parties: dict[int, _Waiting | _Connection | MuxListener] = {}
        self._next = 1
        self._sending = bytearray()
        self._received = bytearray()
        self._todo: deque[Callable[[], None]] = deque()
        self._ended = False
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._selector.register(from_guest, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="proofhouse-box", daemon=True)
        self._thread.start()

    def wait_ready(self, patience_s: float) -> None:
        """Wait until process 1 is ready, the box is lost, or patience ends; `ready` says which."""
        deadline = time.monotonic() + patience_s
        while not self.ready.wait(0.02) and self._thread.is_alive() and time.monotonic() < deadline:
            continue

    def ask(
        self, request: Request, stdin: bytes, output_bytes: int, patience_s: float
    ) -> tuple[Report, bytes, bytes, bool]:
        """See `Holder.ask`."""
        encoded = request.to_bytes()
        party = _Waiting(output_bytes)
        channel = self._open(party)
        try:
            for start in range(0, len(encoded), _FRAME_BYTES):
                self.send(channel, Kind.REQUEST, encoded[start : start + _FRAME_BYTES])
            self.send(channel, Kind.START)
            report = self._feed(party, channel, stdin, patience_s)
        finally:
            self.leave(channel, cancel=party.report is None)
        out, err = party.out, party.err
        return report, bytes(out.kept), bytes(err.kept), out.truncated or err.truncated

    def _feed(self, party: _Waiting, channel: int, stdin: bytes, patience_s: float) -> Report:
        deadline = time.monotonic() + patience_s
        fed, ended = 0, False
        with party.changed:
            while party.report is None:
                if party.lost:
                    raise NoAnswer(late=False)
                if fed < len(stdin) and party.credit:
                    size = min(party.credit, _FRAME_BYTES, len(stdin) - fed)
                    self.send(channel, Kind.DATA, stdin[fed : fed + size])
                    party.credit -= size
                    fed += size
                elif fed == len(stdin) and not ended:
                    self.send(channel, Kind.END)
                    ended = True
                elif not party.changed.wait(deadline - time.monotonic()) and deadline < time.monotonic():
                    raise NoAnswer(late=True)
            return party.report

    def listen(self, address: str, port: int, patience_s: float) -> MuxListener:
        """See `Holder.listen`."""
        listener = MuxListener(self, self._number())
        self._have_opened(Kind.LISTEN, listener, listener.channel, (address, address, port), patience_s)
        return listener

    def connect(self, address: str, port: int, source: str, patience_s: float) -> socket.socket:
        """See `Holder.connect`."""
        connection = _Connection(self, self._number())
        self._have_opened(Kind.CONNECT, connection, connection.channel, (address, source, port), patience_s)
        self.do(partial(self.watch, connection))
        return connection.theirs

    def _have_opened(
        self,
        kind: Kind,
        party: _Connection | MuxListener,
        channel: int,
        place: tuple[str, str, int],
        patience_s: float,
    ) -> None:
        self.enter(channel, party)
        address, source, port = place
        self.send(channel, kind, _PLACE.pack(socket.inet_aton(address), socket.inet_aton(source), port))
        in_time = party.answered.wait(patience_s)
        report = party.report
        if report is not None and report.how is How.EXIT:
            return
        self.do(party.close)
        if report is None:
            raise NoAnswer(late=not in_time)
        raise OSError(report.value, os.strerror(report.value), f"{address} port {port}")

    def _number(self) -> int:
        with self._lock:
            channel, self._next = self._next, self._next + 1
        return channel

    def _open(self, party: _Waiting) -> int:
        with self._lock:
            if self._ended:
                raise NoAnswer(late=False)
            channel, self._next = self._next, self._next + 1
            self._parties[channel] = party
        return channel

    def enter(self, channel: int, party: _Connection | MuxListener) -> None:
        """From now on frames of the channel go to this party."""
        with self._lock:
            self._parties[channel] = party
            ended = self._ended
        if ended:
            party.lose()

    def leave(self, channel: int, *, cancel: bool) -> None:
        """Nobody waits for the channel any more."""
        with self._lock:
            self._parties.pop(channel, None)
        if cancel:
            self.send(channel, Kind.CANCEL)

    def send(self, channel: int, kind: Kind, payload: bytes = b"") -> None:
        """Have a frame sent; never waits."""
        with self._lock:
            self._sending += _FRAME.pack(channel, kind, len(payload)) + payload
        self._ring()

    def do(self, act: Callable[[], None]) -> None:
        """Have something done by the thread that owns the sockets."""
        if not self._thread.is_alive():
            act()
            return
        self._todo.append(act)
        self._ring()

    def _ring(self) -> None:
        if threading.current_thread() is not self._thread:
            with suppress(OSError):
                self._wake.send(b"x")

    def watch(self, connection: _Connection) -> None:
        """Wait for whatever the connection can use now. Only in the mux's thread."""
        if connection.closed:
            return
        wanted = connection.interest()
        known = self._selector.get_map().get(connection.ours)
        if wanted and known is None:
            self._selector.register(connection.ours, wanted, connection)
        elif wanted and known is not None and known.events != wanted:
            self._selector.modify(connection.ours, wanted, connection)
        elif not wanted and known is not None:
            self._selector.unregister(connection.ours)

    def forget(self, connection: _Connection) -> None:
        """The connection is over. Only in the mux's thread."""
        with suppress(KeyError, ValueError):
            self._selector.unregister(connection.ours)
        with self._lock:
            self._parties.pop(connection.channel, None)

    def close(self) -> None:
        """End: everybody who still waits is told that the box is gone."""
        self.do(self._end)
        self._thread.join()

    def _end(self) -> None:
        self._ended = True

    def _run(self) -> None:
        watching_write = False
        try:
            while not self._ended:
                for key, _ in self._selector.select():
                    if isinstance(key.data, _Connection):
                        key.data.move()
                    elif key.fileobj is self._woken:
                        self._woken.recv(4096)
                    elif key.fd == self._from_guest:
                        self._receive()
                while self._todo:
                    self._todo.popleft()()
                blocked = self._flush()
                if blocked != watching_write:
                    watching_write = blocked
                    if blocked:
                        self._selector.register(self._to_guest, selectors.EVENT_WRITE)
                    else:
                        self._selector.unregister(self._to_guest)
        except (OSError, ValueError, EOFError, struct.error):
            pass  # the box is gone, or says what its process 1 never would: either way it is lost
        finally:
            self._lose_all()

    def _receive(self) -> None:
        try:
            chunk = os.read(self._from_guest, _READ_BYTES)
        except BlockingIOError:
            return
        if not chunk:
            raise EOFError
        self._received += chunk
        at = 0
        while len(self._received) - at >= _FRAME.size:
            channel, kind, size = _FRAME.unpack_from(self._received, at)
            if size > _FRAME_BYTES:
                raise ValueError("a frame that is too long")
            if len(self._received) - at < _FRAME.size + size:
                break
            payload = bytes(self._received[at + _FRAME.size : at + _FRAME.size + size])
            at += _FRAME.size + size
            self._dispatch(channel, Kind(kind), payload)
        del self._received[:at]

    def _dispatch(self, channel: int, kind: Kind, payload: bytes) -> None:
        if kind is Kind.READY:
            self.ready.set()
            return
        with self._lock:
            party = self._parties.get(channel)
        if party is not None:
            party.hear(kind, payload)

    def _flush(self) -> bool:
        """Write what can be written; whether something is left."""
        with self._lock:
            while self._sending:
                try:
                    del self._sending[: os.write(self._to_guest, self._sending[: 1 << 16])]
                except BlockingIOError:
                    return True
        return False

    def _lose_all(self) -> None:
        with self._lock:
            self._ended = True
            parties = list(self._parties.values())
            self._parties.clear()
        for party in parties:
            party.lose()
        while self._todo:
            self._todo.popleft()()
        self._selector.close()
        self._wake.close()
        self._woken.close()
        os.close(self._to_guest)
        os.close(self._from_guest)
