# SPDX-License-Identifier: Apache-2.0
"""What a person is, as far as the gate asks: looked up once a request, and afresh outside of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse

from proofhouse.server.accounts.files import CaseFile, Grant, Recusal, running_grants, standing_recusals
from proofhouse.server.accounts.marks import Mark
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine.clock import now

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
def one_look() -> Iterator[None]:
    """Look each person up once within the block: for a request, which lasts moments."""
    token = _looked_up.set({})
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


def _look_up(person: Person) -> Standing:
    from proofhouse.server.accounts.models import BreakGlass, Membership, Person

    held = Membership.objects.filter(person=person).values_list(
        "role", "organisation_id", "organisation__own"
    )
    roles = {Role(role) for role, _, own in held if own}
    lent = BreakGlass.objects.filter(person=person, ended_at=None, ends_at__gt=now())
    roles |= {Role(role) for role in lent.values_list("role", flat=True)}
    hosted = {organisation for _, organisation, own in held if not own}
    found = Person.objects.filter(pk=person.pk).values_list(
        Exists(Grant.objects.filter(running_grants(now()), person=OuterRef("pk"))),
        Exists(Recusal.objects.filter(standing_recusals(), person=OuterRef("pk"))),
        *(Exists(CaseFile.objects.filter(mark=mark)) for mark in Mark),
    )
    named, recused, *borne = next(iter(found), (False,) * (2 + len(Mark)))
    marks = {mark for mark, does in zip(Mark, borne, strict=True) if does}
    return Standing(frozenset(roles), frozenset(hosted), named, recused, frozenset(marks))
