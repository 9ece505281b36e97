# SPDX-License-Identifier: Apache-2.0
"""Where a person is signed in, and ending that.

A session that was ended lets nobody in from the next request on: its row is gone, and a person who was stopped is
nobody to Django even while a row is left.
"""

from __future__ import annotations

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session

from proofhouse.server.accounts.gate import NotFound
from proofhouse.server.accounts.models import Person
from proofhouse.server.engine.acts import one_transaction
from proofhouse.server.engine.record import record


def sessions_of(person: Person) -> list[UserSession]:
    """The sessions that are open, newest first; rows of sessions that are over are taken away."""
    return sorted(
        UserSession.objects.purge_and_list(person), key=lambda session: session.created_at, reverse=True
    )


def end_all(person: Person) -> int:
    """End every session of a person as part of the act under way; says how many there were."""
    rows = UserSession.objects.filter(user=person)
    keys = list(rows.values_list("session_key", flat=True))
    Session.objects.filter(session_key__in=keys).delete()
    rows.delete()
    return len(keys)


def end_own(person: Person, session: int) -> None:
    """End one of a person's own sessions, which takes no permission.

    Raises:
        NotFound: It is not one of theirs.
    """
    with one_transaction("accounts.end_own_session"):
        row = UserSession.objects.filter(user=person, pk=session).first()
        if row is None:
            raise NotFound("no session like that")
        row.end()
        record("session.revoke", f"person:{person.id}", {"sessions": 1, "by": person.name})
