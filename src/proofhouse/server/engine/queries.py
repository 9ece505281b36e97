# SPDX-License-Identifier: Apache-2.0
"""Who may see ledger entries and letters, and how the house stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Q

from proofhouse.server.accounts.gate import Tie, readable_by, rule, visible
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.accounts.standing import standing_of
from proofhouse.server.engine.acts import question
from proofhouse.server.engine.clock import wire
from proofhouse.server.engine.jobs.rules import JobState
from proofhouse.server.engine.models import Deadline, Job, LedgerEntry, Letter, Peer, Thread, Worker
from proofhouse.server.engine.registry import OWN_AFFAIRS

for _model in (Deadline, Letter, Peer, Thread):
    readable_by(_model, *Role)

readable_by(Worker, Role.STEWARD)


@rule(Job)
def jobs_of_the_house_or_ones_own(person: Person) -> Q | None:
    """The steward sees all background work, and whoever asked for some may follow it."""
    return Q() if Role.STEWARD in person.roles else Q(asked_by=person)


@rule(Thread, Tie.PARTY)
def threads_of_their_organisation(person: Person) -> Q | None:
    """People of an organisation without a house see its correspondence with this house, and no other."""
    theirs = sorted(standing_of(person).hosted)
    return Q(peer__organisation__in=theirs) if theirs else None


@rule(Letter, Tie.PARTY)
def letters_of_their_organisation(person: Person) -> Q | None:
    """... and its letters: those that it wrote, and those to it whose acts have their receipts (design rule 3)."""
    theirs = sorted(standing_of(person).hosted)
    if not theirs:
        return None
    return Q(thread__peer__organisation__in=theirs) & (
        Q(direction=Letter.Direction.RECEIVED) | Q(waits_for=None) | ~Q(waits_for__receipt="")
    )


@rule(LedgerEntry)
def entries_but_own_affairs(person: Person) -> Q | None:
    """Whoever works here sees the ledger, without what the obligations desk keeps to itself."""
    return ~Q(case__startswith=OWN_AFFAIRS) if person.roles else None


@question
def standing(*, actor: Person) -> dict[str, Any]:
    """What is in force, what is pending, which letters are on their way, and what background work there is."""
    entries, letters, jobs = visible(actor, LedgerEntry), visible(actor, Letter), visible(actor, Job)
    return {
        "entries": entries.count(),
        "pending": entries.filter(receipt="").count(),
        "queued": letters.filter(state=Letter.State.QUEUED).count(),
        "dead": letters.filter(state=Letter.State.DEAD).count(),
        "letters": letters.count(),
        "jobs_queued": jobs.filter(state=JobState.QUEUED).count(),
        "jobs_running": jobs.filter(state=JobState.RUNNING).count(),
        "jobs_poisoned": jobs.filter(state=JobState.POISONED).count(),
        "workers": visible(actor, Worker).count(),
    }


NEWEST = 200


@question
def jobs(*, actor: Person, states: Sequence[str] = (), case: str = "") -> list[dict[str, Any]]:
    """Background work, newest first.

    Args:
        actor: The steward sees all of it, others what they asked for.
        states: Only these; all when empty.
        case: Only what belongs to it; all when empty.
    """
    rows = visible(actor, Job).select_related("asked_by")
    if states:
        rows = rows.filter(state__in=states)
    if case:
        rows = rows.filter(case=case)
    return [
        {
            "id": str(row.id),
            "name": row.name,
            "queue": row.queue,
            "case": row.case,
            "state": row.state,
            "percent": row.percent,
            "text": row.text,
            "attempts": row.attempts,
            "ceiling": row.ceiling,
            "problem": row.problem,
            "result": row.result,
            "worker": row.worker,
            "asked_by": row.asked_by.email if row.asked_by else None,
            "enqueued_at": wire(row.enqueued_at),
            "seen_at": wire(row.seen_at) if row.seen_at else None,
            "finished_at": wire(row.finished_at) if row.finished_at else None,
        }
        for row in rows[:NEWEST]
    ]
