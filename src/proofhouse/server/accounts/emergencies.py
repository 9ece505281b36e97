# SPDX-License-Identifier: Apache-2.0
"""Break-glass: a role for a stated reason and a limited time, on the record, and over by itself.

It is declared on the machine of the house, over the control socket, by the owner of its directory. Everybody who is
steward or inspector is told at once and sees it on a page for good.
"""

from __future__ import annotations

from datetime import timedelta

from django.contrib.sessions.models import Session
from django.http import HttpRequest

from proofhouse.server.accounts import entering
from proofhouse.server.accounts.minting import Kind, digest_of
from proofhouse.server.accounts.models import BreakGlass
from proofhouse.server.engine.acts import ActError, one_transaction
from proofhouse.server.engine.clock import now
from proofhouse.server.engine.deadlines import on_deadline
from proofhouse.server.engine.models import Deadline
from proofhouse.server.engine.record import record

LONGEST = timedelta(hours=8)
ENDS = "break-glass.end"


def case_of(row: BreakGlass) -> str:
    """The ledger case of an emergency."""
    return f"break-glass:{row.id}"


@on_deadline(ENDS)
def end(due: Deadline) -> None:
    """Record that it is over and take its session away; the role counted until this instant and no longer."""
    row = BreakGlass.objects.get(id=due.case.removeprefix("break-glass:"))
    row.ended_at = now()
    row.secret_sha256 = None
    row.save(update_fields=["ended_at", "secret_sha256"])
    Session.objects.filter(session_key=row.session_key).delete()
    record("break-glass.end", due.case, {"person": str(row.person_id), "role": row.role})


def emergency_of(secret: str) -> BreakGlass | None:
    """The emergency behind a link, while it lasts and nobody has used the link."""
    digest = digest_of(secret, Kind.EMERGENCY)
    if digest is None:
        return None
    return (
        BreakGlass.objects.select_related("person")
        .filter(secret_sha256=digest, ended_at=None, ends_at__gt=now(), person__is_active=True)
        .first()
    )


def open_session(request: HttpRequest, row: BreakGlass) -> None:
    """Open the one session of an emergency; it ends with it.

    Raises:
        ActError: The link was used in between.
    """
    with one_transaction("accounts.break_glass_session"):
        used = BreakGlass.objects.filter(id=row.id, secret_sha256=row.secret_sha256, ended_at=None)
        if not used.update(secret_sha256=None):
            raise ActError("this link was used already", "emergency_over")
        entering.enter(request, row.person, "break-glass")
        request.session.set_expiry(row.ends_at)
        request.session.save()
        BreakGlass.objects.filter(id=row.id).update(session_key=request.session.session_key)
        record("break-glass.use", case_of(row), {"person": str(row.person_id), "step": "session opened"})
