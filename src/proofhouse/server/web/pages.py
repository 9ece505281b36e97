# SPDX-License-Identifier: Apache-2.0
"""The shape of a page: facts, tables and a timeline. Every desk's pages are made of these."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from proofhouse.server.accounts.gate import NotFound, access, visible
from proofhouse.server.accounts.models import Person
from proofhouse.server.engine.models import LedgerEntry, Letter

M = TypeVar("M", bound=Model)

ROWS = 50
"""What a page shows of a long list."""


@dataclass(frozen=True)
class Cell:
    """One cell of a table; with an address it is a link, with a mark it is a tag."""

    text: str
    address: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Table:
    """A titled table; `empty` is what is said when there are no rows, `older` where more rows are."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    empty: str = "Nothing yet."
    older: str = ""

    def labelled(self) -> list[list[tuple[str, Cell]]]:
        """The rows with each cell beside its column's name, which a phone shows in front of it."""
        return [list(zip(self.columns, row, strict=True)) for row in self.rows]


@dataclass(frozen=True)
class Chart:
    """A drawing from `web.charts`, and the same numbers as a table."""

    title: str
    svg: str
    table: Table


@dataclass(frozen=True)
class Step:
    """One step of a course; `standing` is complete, current, or empty for what is to come."""

    title: str
    standing: str = ""


@dataclass(frozen=True)
class Moment:
    """One line of a timeline."""

    at: datetime
    title: str
    detail: str
    mark: str
    pending: bool = False


@dataclass(frozen=True)
class Page:
    """Everything that the one page template shows."""

    title: str
    lead: str = ""
    facts: Sequence[tuple[str, Cell]] = ()
    tables: Sequence[Table] = ()
    moments: Sequence[Moment] = field(default=())
    steps: Sequence[Step] = ()
    charts: Sequence[Chart] = ()

    @property
    def pending(self) -> int:
        """How many moments wait for a receipt or an answer; the page asks again while there are any."""
        return sum(moment.pending for moment in self.moments)


def person_of(request: HttpRequest) -> Person:
    """The signed-in person; the middleware lets nobody else through."""
    if not isinstance(request.user, Person):
        raise TypeError("a page behind sign-in was reached without a person")
    return request.user


def row_for(person: Person, model: type[M], **where: Any) -> M:
    """The one row that a page is about.

    Raises:
        Http404: There is none, or not for this person.
    """
    try:
        return access(person, model, **where)
    except NotFound:
        raise Http404 from None


def newest(request: HttpRequest, rows: QuerySet[M], name: str) -> tuple[list[M], str]:
    """As many rows as a page shows, newest first, and the address of the page with older ones.

    Args:
        request: Whose query says from where on, as the address of the page before gave it.
        rows: Rows whose key grows with time.
        name: Of the parameter in the query; each table of a page has its own.

    Raises:
        Http404: The query names no place.
    """
    rows = rows.order_by("-pk")
    if before := request.GET.get(name):
        try:
            rows = rows.filter(pk__lt=before)
        except (ValidationError, ValueError):
            raise Http404 from None
    found = list(rows[: ROWS + 1])
    if len(found) <= ROWS:
        return found, ""
    query = request.GET.copy()
    query[name] = str(found[ROWS - 1].pk)
    return found[:ROWS], f"?{query.urlencode()}"


def show(request: HttpRequest, page: Page) -> HttpResponse:
    """Render a page; asked with `?live`, only the part that says what is pending."""
    if "live" in request.GET:
        return render(request, "web/components/pending.html", {"pending": page.pending})
    return render(request, "web/page.html", {"page": page})


def steps(course: Sequence[StrEnum], current: str) -> tuple[Step, ...]:
    """A course of states as steps. A state that is off the course, as a withdrawal is, has no steps."""
    names = [str(state) for state in course]
    if current not in names:
        return ()
    here = names.index(current)
    return tuple(
        Step(
            name.replace("-", " ").capitalize(),
            "complete" if place < here else "current" if place == here else "",
        )
        for place, name in enumerate(names)
    )


def timeline(actor: Person, cases: Iterable[str]) -> list[Moment]:
    """What happened in some cases, oldest first: ledger entries with their receipts, and letters."""
    wanted = list(cases)
    moments = [
        Moment(
            entry.created_at,
            entry.kind,
            f"receipt: leaf {entry.log_index} of the ledger" if entry.in_force else "pending: no receipt yet",
            "ledger",
            pending=not entry.in_force,
        )
        for entry in visible(actor, LedgerEntry).filter(case__in=wanted)
    ]
    moments += [
        Moment(
            letter.written_at,
            letter.body["act"] if letter.type == "case-message" else letter.type,
            f"{_way(letter)} {letter.thread.peer.title}, {letter.state}",
            letter.direction,
            pending=letter.state == Letter.State.QUEUED,
        )
        for letter in visible(actor, Letter).filter(thread__case__in=wanted).select_related("thread__peer")
    ]
    return sorted(moments, key=lambda moment: moment.at)


def _way(letter: Letter) -> str:
    return "to" if letter.direction == Letter.Direction.SENT else "from"
