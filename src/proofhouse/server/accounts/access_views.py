# SPDX-License-Identifier: Apache-2.0
"""Pages of the steward: who is named to which case, who stands back, what was opened, and why anybody sees a case."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from proofhouse.server.accounts.files import CaseFile, GateOpening, Grant, Recusal
from proofhouse.server.accounts.gate import NotFound, visible
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.queries import KEEPERS, who_reaches
from proofhouse.server.accounts.standing import standing_of
from proofhouse.server.web.cells import at, plain, state
from proofhouse.server.web.pages import Cell, Page, Table, person_of, show

_NEWEST = 200


def access_list(request: HttpRequest) -> HttpResponse:
    """How cases are marked, who is named to them, who stands back, and what was opened."""
    person = person_of(request)
    if not standing_of(person).roles & KEEPERS:
        raise Http404
    files = [
        [_case(row.key), state(row.mark), plain(row.part_of_id or "–")]
        for row in visible(person, CaseFile)[:_NEWEST]
    ]
    tables = [
        Table(
            "Marked cases", ["Case", "Mark", "Part of"], files, empty="No case is marked: all are TLP:AMBER."
        ),
        _grants(person, ""),
        _recusals(person, ""),
        _openings(person, ""),
    ]
    lead = "Who may see what is decided by the mark of a case, the desk, a grant and a recusal. A case opens why."
    return show(request, Page("Access", lead, tables=tables))


def access_case(request: HttpRequest, case: str) -> HttpResponse:
    """Who may see a case and what lies under it, and by which rules."""
    person = person_of(request)
    try:
        mark, reaches = who_reaches(person, case)
    except NotFound:
        raise Http404 from None
    if not reaches:
        raise Http404
    rows = [
        [
            plain(each.person.name),
            plain(each.model),
            plain(f"{each.opened} of {each.rows}"),
            plain("; ".join(each.admitted_by) or "–"),
            plain("; ".join(each.forbidden_by) or "–"),
        ]
        for each in reaches
    ]
    tables = [
        Table("Who may see it, and why", ["Person", "Record", "Open", "Admitted by", "Shut by"], rows),
        _grants(person, case),
        _recusals(person, case),
        _openings(person, case),
    ]
    return show(request, Page(case, facts=[("Mark", state(mark))], tables=tables))


def _case(key: str) -> Cell:
    return Cell(key, reverse("accounts:access-case", args=[key]))


def _grants(person: Person, case: str) -> Table:
    rows = visible(person, Grant).select_related("person", "granted_by", "entry").order_by("-id")
    shown = [
        [
            plain(row.person.name),
            _case(row.case),
            plain(row.reason),
            plain(row.granted_by.name),
            at(row.until),
            plain("withdrawn" if row.withdrawn_at else "in force" if row.entry.in_force else "pending"),
        ]
        for row in (rows.filter(case=case) if case else rows)[:_NEWEST]
    ]
    return Table("Grants", ["Person", "Case", "Reason", "By", "Until", "Standing"], shown)


def _recusals(person: Person, case: str) -> Table:
    rows = visible(person, Recusal).select_related("person", "lifting").order_by("-id")
    shown = [
        [
            plain(row.person.name),
            _case(row.case),
            plain(row.reason),
            at(row.since),
            plain("lifted" if row.lifting and row.lifting.in_force else "stands"),
        ]
        for row in (rows.filter(case=case) if case else rows)[:_NEWEST]
    ]
    return Table("Recusals", ["Person", "Case", "Reason", "Since", "Standing"], shown)


def _openings(person: Person, case: str) -> Table:
    rows = visible(person, GateOpening).select_related("person")
    shown = [
        [
            plain(row.person.name),
            plain(row.model),
            _case(row.case),
            state(row.mark),
            plain(row.rules),
            at(row.first_at),
        ]
        for row in (rows.filter(case=case) if case else rows)[:_NEWEST]
    ]
    columns = ["Person", "Record", "Case", "Mark", "Rules", "First that day"]
    return Table("Opened: TLP:AMBER+STRICT and RED", columns, shown)
