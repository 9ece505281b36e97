# SPDX-License-Identifier: Apache-2.0
"""Where a person is signed in, and ending that.

A session that was ended lets nobody in from the next request on: its row is gone, and a person who was stopped is
nobody to Django even while a row is left.
"""

from __future__ import annotations

import functools
from uuid import UUID

from allauth.account.auth_backends import AuthenticationBackend
from allauth.usersessions.models import UserSession
from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.db import DEFAULT_DB_ALIAS
from django.db.models import CharField, DateTimeField, Q, UUIDField
from django.utils import timezone

from proofhouse.server.accounts.gate import NotFound
from proofhouse.server.accounts.models import Person
from proofhouse.server.engine.acts import one_transaction
from proofhouse.server.engine.prepared import Blank, Statement
from proofhouse.server.engine.record import record


class SessionStore(db.SessionStore):
    """Django's sessions in the database; each request asks for its own by a statement that is made once."""

    def _get_session_from_db(self) -> Session | None:
        found = _session().ask(key=self.session_key, now=timezone.now())
        if not found:
            self._session_key = None
            return None
        key, content, expires = found[0]
        return Session(session_key=key, session_data=content, expire_date=expires)


class Backend(AuthenticationBackend):  # type: ignore[misc]  # allauth publishes no types
    """allauth's way in; each request asks for its person by a statement that is made once."""

    def get_user(self, user_id: UUID) -> Person | None:
        """The person of a session, unless they were stopped."""
        found = _person().ask(key=user_id)
        if not found:
            return None
        person = Person.from_db(DEFAULT_DB_ALIAS, _person().columns, found[0])
        return person if self.user_can_authenticate(person) else None


@functools.cache
def _session() -> Statement:
    # By the machine's clock, as Django sets it, not by the house's.
    running = Q(expire_date__gt=Blank("now", DateTimeField()))
    mine = Session.objects.filter(running, session_key=Blank("key", CharField()))
    return Statement(mine.values_list("session_key", "session_data", "expire_date"))


@functools.cache
def _person() -> Statement:
    columns = [field.attname for field in Person._meta.concrete_fields]
    return Statement(Person.objects.filter(pk=Blank("key", UUIDField())).order_by().values_list(*columns))


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
