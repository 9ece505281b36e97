# SPDX-License-Identifier: Apache-2.0
"""Who may see ledger entries and letters, and how the house stands."""

from __future__ import annotations

from typing import Any

from django.db.models import Q

from proofhouse.server.accounts.gate import readable_by, rule, visible
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine.acts import question
from proofhouse.server.engine.models import Deadline, Job, LedgerEntry, Letter, Peer, Thread, Worker
from proofhouse.server.engine.registry import OWN_AFFAIRS

for _model in (Deadline, Letter, Peer, Thread):
    readable_by(_model, *Role)

readable_by(Worker, Role.STEWARD)


@rule(Job)
def jobs_of_the_house_or_ones_own(person: Person) -> Q | None:
    """The steward sees all background work, and whoever asked for some may follow it."""
    return Q() if Role.STEWARD in person.roles else Q(asked_by=person)


@rule(LedgerEntry)
def entries_but_own_affairs(person: Person) -> Q | None:
    """Whoever works here sees the ledger, without what the obligations desk keeps to itself."""
    return ~Q(case__startswith=OWN_AFFAIRS) if person.roles else None


@question
def standing(*, actor: Person) -> dict[str, Any]:
    """What is in force, what is pending, and which letters are on their way."""
    entries, letters = visible(actor, LedgerEntry), visible(actor, Letter)
    return {
        "entries": entries.count(),
        "pending": entries.filter(receipt="").count(),
        "queued": letters.filter(state=Letter.State.QUEUED).count(),
        "dead": letters.filter(state=Letter.State.DEAD).count(),
        "letters": letters.count(),
    }
