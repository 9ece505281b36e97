# SPDX-License-Identifier: Apache-2.0
"""Requests that read take turns within a process: threads that all compute at once only fight for the interpreter.

Python runs one thread at a time and hands over at every row that SQLite gives, so eight requests at once took twice the
processor time of eight one after another (`benchmarks/spine.py`). Requests that bring something do not wait: they may
be slow for the sake of their network, and their number is small.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Turns:
    """So many may go on at once; whoever came first goes first.

    Args:
        count: How many.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: deque[threading.Lock] = deque()
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        """Wait for a turn."""
        with self._lock:
            if self._free:
                self._free -= 1
                return
            called = threading.Lock()
            called.acquire()
            self._waiting.append(called)
        called.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hand the turn to whoever waits longest."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1


def taking_turns(application: Application, count: int) -> Application:
    """The same WSGI application, with turns for requests that only read."""
    turns = Turns(count)

    def served(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return application(environ, start_response)
        with turns:
            return application(environ, start_response)

    return served
