# SPDX-License-Identifier: Apache-2.0
"""What every tier's started box offers the host; `Box` knows nothing else of a tier."""

from __future__ import annotations

import socket
from typing import Protocol

from proofhouse.sandbox._wire import Report, Request
from proofhouse.sandbox.limits import Enforcement


class Listener(Protocol):
    """A place in the box's network where the host takes what the guest connects to."""

    def fileno(self) -> int:
        """Readable when a connection waits."""

    def accept(self) -> socket.socket:
        """The next connection, without waiting: a non-blocking stream socket.

        Raises:
            BlockingIOError: None waits.
            OSError: The box is gone.
        """

    def close(self) -> None:
        """Stop listening."""


class Holder(Protocol):
    """A started box. Its methods may be called from several threads."""

    enforcement: Enforcement

    def ask(
        self, request: Request, stdin: bytes, output_bytes: int, patience_s: float
    ) -> tuple[Report, bytes, bytes, bool]:
        """Have process 1 serve one request.

        Returns:
            The report, both outputs, and whether either was cut.

        Raises:
            NoAnswer: Process 1 is gone or silent.
        """

    def listen(self, address: str, port: int) -> Listener:
        """Listen inside the box at one of its loopback addresses; the same errors as `ask`, and OSError."""

    def connect(self, address: str, port: int, source: str) -> socket.socket:
        """A non-blocking stream socket on its way to a service inside the box; the same errors as `listen`."""

    def memory_kills(self) -> int:
        """How many processes the kernel has killed in the box's group for want of memory."""

    def kill(self) -> None:
        """Kill everything in the box; returns when nothing of it is left."""

    def end(self) -> None:
        """Kill, and give back what the host lent."""
