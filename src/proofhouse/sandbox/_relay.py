# SPDX-License-Identifier: Apache-2.0
"""The links of a fabric: bytes carried from host to host by the machine outside, one thread for all links.

Both ends are sockets of the boxes' own networks in the hands of this process, so no guest can close, widen or
read a link, and a guest that kills all its processes leaves the links standing.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from proofhouse.sandbox._holder import Listener
from proofhouse.sandbox.errors import SandboxDead

_CHUNK_BYTES = 1 << 16
_MOST_CONTACTS = 64  # open at a time on one link; more wait in the listener's queue
_MOST_REMEMBERED = 4096
_IDLE_S = 3600.0


@dataclass
class Contact:
    """One connection over a link, for the record: what the machine outside saw, which no guest can forge.

    Attributes:
        source: Host that connected.
        target: Host that was connected to.
        port: The service's port.
        at_s: When, in seconds since the fabric started.
        sent: Bytes from source to target; the first ``tap_bytes`` of the link are kept, all are counted.
        answered: Bytes from target to source, kept likewise.
        sent_bytes: How many bytes went to the target.
        answered_bytes: How many came back.
        refused: Nobody listened at the target.
        open: Whether it still lasts.
    """

    source: str
    target: str
    port: int
    at_s: float
    sent: bytearray = field(default_factory=bytearray)
    answered: bytearray = field(default_factory=bytearray)
    sent_bytes: int = 0
    answered_bytes: int = 0
    refused: bool = False
    open: bool = True


@dataclass
class Opening:
    """One port of one link: where to listen, how to reach the service."""

    source: str
    target: str
    port: int
    listener: Listener
    reach: Callable[[], socket.socket]
    tap_bytes: int
    contacts: set[_Pump] = field(default_factory=set)


class _Flow:
    """One direction of a contact."""

    def __init__(self, reader: socket.socket, writer: socket.socket) -> None:
        self.reader, self.writer = reader, writer
        self.waiting = bytearray()
        self.ended = False  # the reader has no more
        self.shut = False  # the writer has been told

    def read(self) -> bytes:
        try:
            chunk = self.reader.recv(_CHUNK_BYTES)
        except BlockingIOError:
            return b""
        self.ended = not chunk
        self.waiting += chunk
        return chunk

    def write(self) -> None:
        if self.waiting:
            with suppress(BlockingIOError):
                del self.waiting[: self.writer.send(self.waiting)]
        if self.ended and not self.waiting and not self.shut:
            self.shut = True
            self.writer.shutdown(socket.SHUT_WR)


class _Pump:
    """One contact in work."""

    def __init__(self, opening: Opening, record: Contact, near: socket.socket, far: socket.socket) -> None:
        self.opening, self.record, self.near, self.far = opening, record, near, far
        self.connected = False
        self.there, self.back = _Flow(near, far), _Flow(far, near)

    def interest(self, end: socket.socket) -> int:
        if not self.connected:
            return selectors.EVENT_WRITE if end is self.far else 0
        incoming, outgoing = (self.there, self.back) if end is self.near else (self.back, self.there)
        reads = not incoming.ended and len(incoming.waiting) < _CHUNK_BYTES
        return reads * selectors.EVENT_READ | bool(outgoing.waiting) * selectors.EVENT_WRITE

    def step(self) -> bool:
        """Move what can be moved; False when the contact is over."""
        try:
            if not self.connected:
                if self.far.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    self.record.refused = True
                    return False
                self.connected = True
            self._keep(self.record.sent, self._moved(self.there))
            self._keep(self.record.answered, self._moved(self.back))
        except OSError:
            return False
        return not (self.there.shut and self.back.shut)

    def _moved(self, flow: _Flow) -> bytes:
        chunk = b""
        if not flow.ended and len(flow.waiting) < _CHUNK_BYTES:
            chunk = flow.read()
        flow.write()
        if flow is self.there:
            self.record.sent_bytes += len(chunk)
        else:
            self.record.answered_bytes += len(chunk)
        return chunk

    def _keep(self, kept: bytearray, chunk: bytes) -> None:
        kept += chunk[: max(0, self.opening.tap_bytes - len(kept))]


class Relay:
    """Carries the bytes of all links of one fabric until it is closed."""

    def __init__(self) -> None:
        self.contacts: list[Contact] = []
        self._started = time.monotonic()
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._lock = threading.Lock()
        self._todo: list[Callable[[], None]] = []
        self._watched: dict[socket.socket, int] = {}
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="proofhouse-fabric", daemon=True)
        self._thread.start()

    def open(self, opening: Opening) -> None:
        """Carry a link's port from now on."""
        self._ask(partial(self._register, opening))

    def _register(self, opening: Opening) -> None:
        self._selector.register(opening.listener, selectors.EVENT_READ, opening)

    def shut(self, opening: Opening) -> None:
        """Stop carrying it: its listener and all its contacts are closed when this returns."""
        done = threading.Event()

        def end() -> None:
            with suppress(KeyError, ValueError):
                self._selector.unregister(opening.listener)
            opening.listener.close()
            for pump in list(opening.contacts):
                self._finish(pump)
            done.set()

        self._ask(end)
        done.wait(_IDLE_S)

    def close(self) -> None:
        """End every contact and the thread. May be repeated."""
        if self._closing:
            return
        self._closing = True
        self._ask(lambda: None)
        self._thread.join()

    def _ask(self, act: Callable[[], None]) -> None:
        with self._lock:
            self._todo.append(act)
        with suppress(BlockingIOError):
            self._wake.send(b"x")

    def _run(self) -> None:
        while not self._closing:
            for key, _ in self._selector.select(_IDLE_S):
                if key.data is None:
                    self._woken.recv(4096)
                elif isinstance(key.data, Opening):
                    self._accept(key.data)
                else:
                    self._advance(key.data)
            with self._lock:
                todo, self._todo = self._todo, []
            for act in todo:
                act()
        pumps = {key.data for key in self._selector.get_map().values() if isinstance(key.data, _Pump)}
        for pump in pumps:
            self._finish(pump)
        self._selector.close()
        self._wake.close()
        self._woken.close()

    def _accept(self, opening: Opening) -> None:
        try:
            near = opening.listener.accept()
        except BlockingIOError:
            return
        except OSError:  # the box is gone
            self._selector.unregister(opening.listener)
            return
        record = Contact(opening.source, opening.target, opening.port, time.monotonic() - self._started)
        if len(self.contacts) < _MOST_REMEMBERED:
            self.contacts.append(record)
        if len(opening.contacts) >= _MOST_CONTACTS:
            record.refused, record.open = True, False
            near.close()
            return
        try:
            far = opening.reach()
        except (OSError, SandboxDead):
            record.refused, record.open = True, False
            near.close()
            return
        pump = _Pump(opening, record, near, far)
        opening.contacts.add(pump)
        self._watch(pump)

    def _advance(self, pump: _Pump) -> None:
        if pump.step():
            self._watch(pump)
        else:
            self._finish(pump)

    def _watch(self, pump: _Pump) -> None:
        for end in (pump.near, pump.far):
            before, wanted = self._watched.get(end, 0), pump.interest(end)
            if wanted == before:
                continue
            if not before:
                self._selector.register(end, wanted, pump)
            elif wanted:
                self._selector.modify(end, wanted, pump)
            else:
                self._selector.unregister(end)
            self._watched[end] = wanted

    def _finish(self, pump: _Pump) -> None:
        pump.record.open = False
        pump.opening.contacts.discard(pump)
        for end in (pump.near, pump.far):
            if self._watched.pop(end, 0):
                self._selector.unregister(end)
            end.close()
