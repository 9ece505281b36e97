# SPDX-License-Identifier: Apache-2.0
"""What the host knows during a run and the subject must not: items with their hidden fields, and grades.

Inspect writes a task's arguments into its log, so task, scorer and reference policy are handed a session's
id only and find the rest here.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from proofhouse.exam.families import Item
from proofhouse.exam.grader import Grade, Grader


@dataclass
class Session:
    """One run of one subject over some items."""

    id: str
    items: dict[str, Item]
    """By item id."""
    grader: Grader
    on_sample: Callable[[int, int], None] | None
    """Called with (graded, total) after each sample."""
    grades: dict[str, Grade] = field(default_factory=dict)
    artefacts: dict[str, bytes] = field(default_factory=dict)
    """Submitted bytes by item id, as far as they may be kept."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def record(self, item_id: str, grade: Grade, artefact: bytes | None) -> None:
        """Keep a sample's grade and report progress."""
        with self._lock:
            self.grades[item_id] = grade
            if artefact is not None:
                self.artefacts[item_id] = artefact
            done = len(self.grades)
        if self.on_sample is not None:
            self.on_sample(done, len(self.items))


_open: dict[str, Session] = {}


@contextmanager
def open_session(
    items: Sequence[Item], grader: Grader, on_sample: Callable[[int, int], None] | None = None
) -> Iterator[Session]:
    """Make items known to scorers and the reference policy for the duration of a run."""
    session = Session(uuid.uuid4().hex, {item.id: item for item in items}, grader, on_sample)
    _open[session.id] = session
    try:
        yield session
    finally:
        del _open[session.id]


def get_session(session_id: str) -> Session:
    """The open session of this id.

    Raises:
        LookupError: it is not open in this process.
    """
    return _open[session_id]


def find_solution(item_id: str) -> bytes:
    """The reference artefact of an item in any open session; for `policy/reference` only.

    Raises:
        LookupError: no open session holds the item.
    """
    for session in _open.values():
        if item_id in session.items:
            return session.items[item_id].solution
    raise LookupError(f"no open session holds item {item_id}")
