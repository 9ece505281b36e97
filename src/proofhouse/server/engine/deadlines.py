# SPDX-License-Identifier: Apache-2.0
"""Legal clocks as rows, not as sleeping code: set by an act, fired by a sweep, exactly once.

A handler runs in the transaction that marks its deadline as fired, and only while that is pending and due by the
house's own time. Two sweeps at once, a restart between them, or a clock that jumps, fire nothing twice. What the
handler cannot do is undone whole, noted on the row and tried again by a later sweep.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import F

from proofhouse.server.engine.acts import one_transaction, running
from proofhouse.server.engine.clock import behind, now
from proofhouse.server.engine.models import Deadline

logger = logging.getLogger(__name__)

Handler = Callable[[Deadline], None]
_HANDLERS: dict[str, Handler] = {}

CLOCK_TOLERANCE = timedelta(minutes=1)


def on_deadline(kind: str) -> Callable[[Handler], Handler]:
    """Register what happens when a deadline of a kind is due; a kind has one handler."""

    def register(handler: Handler) -> Handler:
        if kind in _HANDLERS:
            raise ValueError(f"deadlines of kind {kind} have a handler already")
        _HANDLERS[kind] = handler
        return handler

    return register


def set_deadline(kind: str, case: str, due_at: datetime) -> Deadline:
    """Set a deadline of a case as part of the act under way, or move the one that is pending.

    Args:
        kind: One that has a handler.
        case: What it belongs to, `review:…`.
        due_at: When it falls due; the past is due at once.

    Raises:
        ValueError: Nothing is registered for the kind.
    """
    running()
    if kind not in _HANDLERS:
        raise ValueError(f"nothing is registered for deadlines of kind {kind}")
    pending = Deadline.objects.filter(kind=kind, case=case, state=Deadline.State.PENDING).first()
    if pending is None:
        return Deadline.objects.create(kind=kind, case=case, due_at=due_at)
    pending.due_at = due_at
    pending.version += 1
    pending.save(update_fields=["due_at", "version"])
    return pending


def cancel_deadline(kind: str, case: str) -> bool:
    """Cancel a pending deadline as part of the act under way; says whether there was one."""
    running()
    return bool(
        Deadline.objects.filter(kind=kind, case=case, state=Deadline.State.PENDING).update(
            state=Deadline.State.CANCELLED, settled_at=now(), version=F("version") + 1
        )
    )


def sweep() -> int:
    """Fire what is due; returns how many deadlines that were."""
    if behind() > CLOCK_TOLERANCE:
        logger.warning("the clock stands %s behind what this house has seen; time waits for it", behind())
    due = Deadline.objects.filter(state=Deadline.State.PENDING, due_at__lte=now())
    return sum(_fire(each) for each in list(due.values_list("id", flat=True)))


def until_next_s(most_s: float) -> float:
    """Seconds until the next deadline falls due, at most `most_s`; those that are due and failed are not counted."""
    following = (
        Deadline.objects.filter(state=Deadline.State.PENDING, due_at__gt=now())
        .order_by("due_at")
        .values_list("due_at", flat=True)
        .first()
    )
    return most_s if following is None else min(most_s, (following - now()).total_seconds() + 0.001)


def _fire(identity: UUID) -> bool:
    try:
        with one_transaction("engine.deadline"):
            row = (
                Deadline.objects.select_for_update()
                .filter(id=identity, state=Deadline.State.PENDING, due_at__lte=now())
                .first()
            )
            if row is None:
                return False
            row.state = Deadline.State.FIRED
            row.settled_at = now()
            row.save(update_fields=["state", "settled_at"])
            _HANDLERS[row.kind](row)
    except Exception as failed:
        logger.exception("a deadline could not be followed; it is tried again")
        Deadline.objects.filter(id=identity, state=Deadline.State.PENDING).update(
            attempts=F("attempts") + 1, problem=f"{type(failed).__name__}: {failed}"[:300]
        )
        return False
    return True
