# SPDX-License-Identifier: Apache-2.0
"""Who may see ledger entries and letters, and how the house stands."""

from __future__ import annotations

from typing import Any

from proofhouse.server.accounts.gate import readable_by, visible
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine.acts import question
from proofhouse.server.engine.models import Deadline, LedgerEntry, Letter, Peer, Thread

for _model in (Deadline, LedgerEntry, Letter, Peer, Thread):
    readable_by(_model, *Role)


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
