# SPDX-License-Identifier: Apache-2.0
"""What a person is, as far as the gate asks: looked up once a request, and afresh outside of one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Exists, OuterRef, UUIDField
from django.http import HttpRequest, HttpResponse

from proofhouse.server.accounts.files import CaseFile, Grant, Recusal, running_grants, standing_recusals
from proofhouse.server.accounts.marks import Mark
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine.prepared import Blank, Moment, Statement

if TYPE_CHECKING:
    from proofhouse.server.accounts.models import Person


@dataclass(frozen=True)
class Standing:
    """A person's roles, and which parts of the rules can matter to them at all.

    Attributes:
        roles: Held in the organisation that runs this house, and what was lent for an emergency.
        hosted: Organisations without a house for which the person works here.
        named: Whether a grant names the person; without one, no rule about grants is asked.
        recused: Whether the person stands back from any case.
        marks: The marks that any case of this house bears, beside the unmarked ones.
    """

    roles: frozenset[Role]
    hosted: frozenset[str]
    named: bool
    recused: bool
    marks: frozenset[Mark]


_looked_up: ContextVar[dict[UUID, Standing] | None] = ContextVar("standings", default=None)


def standing_of(person: Person) -> Standing:
    """What a person is now; within `one_look` the first answer stands."""
    kept = _looked_up.get()
    if kept is None:
        return _look_up(person)
    if person.pk not in kept:
        kept[person.pk] = _look_up(person)
    return kept[person.pk]


@contextmanager
def one_look(known: dict[UUID, Standing] | None = None) -> Iterator[None]:
    """Look each person up once within the block: for a request, which lasts moments.

    Args:
        known: Standings that were looked up before, by the person's key.
    """
    token = _looked_up.set(dict(known or {}))
    try:
        yield
    finally:
        _looked_up.reset(token)


def look_once(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: each request is one look."""

    def middleware(request: HttpRequest) -> HttpResponse:
        with one_look():
            return get_response(request)

    return middleware


@dataclass(frozen=True)
class _Questions:
    """What is asked about a person, each a prepared statement with the blank `person`."""

    memberships: Statement
    lent: Statement
    concerns: Statement


@functools.cache
def _questions() -> _Questions:
    from proofhouse.server.accounts.models import BreakGlass, Membership, Person

    person = Blank("person", UUIDField())
    held = Membership.objects.filter(person=person)
    lent = BreakGlass.objects.filter(person=person, ended_at=None, ends_at__gt=Moment())
    return _Questions(
        Statement(held.values_list("role", "organisation_id", "organisation__own")),
        Statement(lent.values_list("role")),
        Statement(
            Person.objects.filter(pk=person).values_list(
                Exists(Grant.objects.filter(running_grants(Moment()), person=OuterRef("pk"))),
                Exists(Recusal.objects.filter(standing_recusals(), person=OuterRef("pk"))),
                *(Exists(CaseFile.objects.filter(mark=mark)) for mark in Mark),
            )
        ),
    )


def _look_up(person: Person) -> Standing:
    questions = _questions()
    held = questions.memberships.ask(person=person.pk)
    roles = {Role(role) for role, _, own in held if own}
    roles |= {Role(role) for (role,) in questions.lent.ask(person=person.pk)}
    hosted = {organisation for _, organisation, own in held if not own}
    found = questions.concerns.ask(person=person.pk)
    named, recused, *borne = found[0] if found else [False] * (2 + len(Mark))
    marks = {mark for mark, does in zip(Mark, borne, strict=True) if does}
    return Standing(frozenset(roles), frozenset(hosted), bool(named), bool(recused), frozenset(marks))
