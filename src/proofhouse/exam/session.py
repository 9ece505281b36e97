# SPDX-License-Identifier: Apache-2.0
"""What the host knows during a run and the subject must not: items with their hidden fields, nonces, grades.

Inspect writes a task's arguments into its log, so task, scorer and policies are handed a session's id only and find
the rest here.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from proofhouse.exam.families import get_family
from proofhouse.exam.grader import Grader
from proofhouse.exam.item import Item, Nonces, Stage
from proofhouse.exam.outcome import Grade


@dataclass(frozen=True)
class Staged:
    """One sample's stage, and the nonces that it was made with."""

    nonces: Nonces
    stage: Stage


@dataclass
class Session:
    """One run of one subject over some items."""

    id: str
    items: dict[str, Item]
    """By item id."""
    grader: Grader
    hint: int
    """Prompt level."""
    on_sample: Callable[[int, int], None] | None
    """Called with (graded, total) after each sample."""
    grades: dict[str, Grade] = field(default_factory=dict)
    artefacts: dict[str, bytes] = field(default_factory=dict)
    """Submitted bytes by item id, as far as they may be kept."""
    _staged: dict[str, Staged] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def staged(self, item: Item, sample: str) -> Staged:
        """The stage of a sample, made with fresh nonces when it is first asked for.

        Args:
            item: the item.
            sample: unique name of the sample; two samples of one item share nothing.
        """
        with self._lock:
            if sample not in self._staged:
                nonces = Nonces.fresh()
                self._staged[sample] = Staged(nonces, get_family(item.family).stage(item, nonces))
            return self._staged[sample]

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


def begin_session(
    items: Sequence[Item],
    grader: Grader,
    on_sample: Callable[[int, int], None] | None = None,
    *,
    hint: int = 0,
) -> Session:
    """Make items known to scorers and policies until the process ends; see `open_session`."""
    session = Session(uuid.uuid4().hex, {item.id: item for item in items}, grader, hint, on_sample)
    _open[session.id] = session
    return session


@contextmanager
def open_session(
    items: Sequence[Item],
    grader: Grader,
    on_sample: Callable[[int, int], None] | None = None,
    *,
    hint: int = 0,
) -> Iterator[Session]:
    """Make items known to scorers and policies for the duration of a run."""
    session = begin_session(items, grader, on_sample, hint=hint)
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


def find_item(item_id: str) -> Item:
    """An item of any open session with its hidden fields; for policies only.

    Raises:
        LookupError: no open session holds the item.
    """
    for session in _open.values():
        if item_id in session.items:
            return session.items[item_id]
    raise LookupError(f"no open session holds item {item_id}")
