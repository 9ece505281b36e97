# SPDX-License-Identifier: Apache-2.0
"""The doorbell of a house: an act in any of its processes wakes the one that does the desk work.

A datagram socket in the house directory, `run/bell`. A ring says only that something is new; what it is stands in the
rows, and who is not woken looks every few seconds all the same. So a ring may be lost, and costs next to nothing.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from proofhouse.server.engine.wire import short_path
from proofhouse.server.house import this_house


def ring() -> None:
    """Say that something is new. Never waits and never fails: no listener, or one that has been rung for already."""
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as bell:
        with short_path(this_house().bell) as near:
            bell.connect(near)
        bell.send(b"!")


def listen(wake: Callable[[], None]) -> None:
    """Have `wake` called at each ring, in a thread of its own; one process of a house listens, the last that began."""
    path = this_house().bell
    path.unlink(missing_ok=True)
    bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    with short_path(path) as near:
        bell.bind(near)
    path.chmod(0o600)

    def answer() -> None:
        while True:
            bell.recv(1)
            wake()

    threading.Thread(target=answer, name="bell", daemon=True).start()
