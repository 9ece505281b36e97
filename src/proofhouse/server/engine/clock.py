# SPDX-License-Identifier: Apache-2.0
"""The one place where a desk asks for the time.

`now()` reads the clock that was put in, in UTC with microseconds, and never goes back: it gives at least the house's
high-water mark. Each act takes the persisted mark up before it begins and persists it again as it commits
(`engine.mark`), so that a clock set back, with or without a restart, reopens nothing that was over.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Something that tells the time."""

    def read(self) -> datetime:
        """The instant as this clock has it, aware; it may jump either way."""
        ...


class SystemClock:
    """The machine's clock."""

    def read(self) -> datetime:
        """The machine's time in UTC."""
        return datetime.now(UTC)


@dataclass
class SetClock:
    """A clock that stands still until it is set: for tests and for trying out a timetable."""

    instant: datetime

    def read(self) -> datetime:
        """Where it was set."""
        return self.instant

    def move(self, span: timedelta) -> None:
        """Set it on, or back with a negative span."""
        self.instant += span


BEGINNING = datetime.min.replace(tzinfo=UTC)

_lock = threading.Lock()
_clock: Clock = SystemClock()
_mark = BEGINNING


def now() -> datetime:
    """The current instant, aware, in UTC; never earlier than one that was given before."""
    global _mark  # one clock for the process
    with _lock:
        _mark = max(_mark, _clock.read().astimezone(UTC))
        return _mark


def mark() -> datetime:
    """The latest instant that this process knows to have been."""
    return _mark


def not_before(instant: datetime) -> None:
    """Take over a high-water mark: from here on `now()` gives at least this instant."""
    global _mark  # one clock for the process
    with _lock:
        _mark = max(_mark, instant)


def behind() -> timedelta:
    """How far the clock stands behind the mark; zero while it runs as it should."""
    return max(_mark - _clock.read().astimezone(UTC), timedelta())


@contextmanager
def using(clock: Clock) -> Iterator[None]:
    """Run a block by another clock, as a process does that has just started: without a mark of its own."""
    global _clock, _mark  # one clock for the process
    kept = _clock, _mark
    with _lock:
        _clock, _mark = clock, BEGINNING
    try:
        yield
    finally:
        with _lock:
            _clock, _mark = kept


def wire(instant: datetime) -> str:
    """RFC 3339 in UTC with microseconds, as every letter and ledger record writes time."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
