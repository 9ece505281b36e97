# SPDX-License-Identifier: Apache-2.0
"""The board's page, the same as PDF, and the records behind each number."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from proofhouse.server.engine.clock import now
from proofhouse.server.house import this_house
from proofhouse.server.obligations.answers import foot
from proofhouse.server.obligations.desk import desk_page, download, show
from proofhouse.server.obligations.governance import COUNTED, ORGANISATION, UPDATES, Board, Number, Record
from proofhouse.server.obligations.printing import render
from proofhouse.server.web.cells import at, plain
from proofhouse.server.web.pages import Cell, Table, person_of

MODELS_SHOWN = 10
DATES_SHOWN = 6
PATCHES_SHOWN = 4
"""The page stays one page; what is left out is counted and linked."""


def _cell(number: Number) -> Cell:
    return Cell(number.text, number.address)


def _next_dates(board: Board) -> list[tuple[str, Record]]:
    found = [(name, one) for name in board.names for one in board.records("dates", name) or []]
    return sorted(found, key=lambda pair: pair[1].at or board.instant)


def _tables(board: Board) -> list[Table]:
    rows, dates = board.rows(), _next_dates(board)
    shown = [*rows[:-1][:MODELS_SHOWN], rows[-1]]
    by_model = [
        [
            Cell(row.title, row.address),
            *map(_cell, row.numbers),
            plain(row.labels or "–"),
            _cell(row.next_date),
        ]
        for row in shown
    ]
    left_out = len(rows) - len(shown)
    latency = board.median_hours()
    patches = (board.records(UPDATES, ORGANISATION) or [])[-PATCHES_SHOWN:]
    columns = ["Model", *COUNTED.values(), "What they say", "Next date"]
    tables = [
        Table("Posture by model", columns, by_model),
        Table(
            "Patch latency",
            ["Advisory", "Told", "Hours to the first patch staged or applied after it"],
            [[Cell(one.title, one.address), at(one.at), _cell(_hours(one))] for one in patches]
            + ([[plain("Median of all"), plain("–"), _cell(latency)]] if patches else []),
            "Not known here: this house receives no patches.",
        ),
        Table(
            "Next dates",
            ["When", "What", "Of", "Duty and grade"],
            [
                [
                    at(one.at),
                    Cell(one.title, one.address),
                    plain(name or "the organisation"),
                    plain(one.detail),
                ]
                for name, one in dates[:DATES_SHOWN]
            ],
            "No dates within 90 days.",
        ),
    ]
    if left_out:
        more = [[Cell(f"{left_out} further models", reverse("obligations:profile"))]]
        tables.insert(1, Table("Left out for the length of the page", ["What"], more))
    return tables


def _hours(one: Record) -> Number:
    return Number(f"{one.hours:.1f}", one.address) if one.hours is not None else Number("–", one.address)


@desk_page()
def governance(request: HttpRequest) -> HttpResponse:
    """One printable page; every number leads to its records."""
    board = Board(person_of(request), now())
    context = {
        "title": "For the board",
        "lead": f"{this_house().title}, {board.instant:%Y-%m-%d}. One page: print it, or take the PDF.",
        "tables": _tables(board),
        "links": [("This page as PDF", reverse("obligations:governance-pdf"))],
    }
    return show(request, "governance", context)


@desk_page()
def governance_pdf(request: HttpRequest) -> HttpResponse:
    """The same page as PDF; its numbers lead to the house's own pages."""
    board = Board(person_of(request), now())
    told = {
        "title": "Posture by model",
        "house": this_house().title,
        "as_of": board.instant.date().isoformat(),
        "foot": foot(),
        "tables": [
            {
                "title": table.title,
                "columns": list(table.columns),
                "rows": [[_printed(cell) for cell in row] for row in table.rows],
                "empty": table.empty,
            }
            for table in _tables(board)
        ],
    }
    return download(render("board", told), "application/pdf", f"board-{board.instant:%Y-%m-%d}.pdf")


def _printed(cell: Cell) -> dict[str, str]:
    return {"text": cell.text, "link": this_house().address + cell.address if cell.address else ""}


@desk_page()
def records(request: HttpRequest, what: str) -> HttpResponse:
    """The records behind one number of the board."""
    if what not in {*COUNTED, UPDATES}:
        raise Http404
    board, of = Board(person_of(request), now()), request.GET.get("of", ORGANISATION)
    found = board.records(what, of) if of in board.names else None
    if found is None:
        raise Http404
    rows = [[Cell(one.title, one.address), plain(one.detail or "–"), at(one.at)] for one in found]
    name = COUNTED.get(what, "Patch latency")
    context = {
        "title": f"{name}: {of or 'the organisation'}",
        "lead": f"The records behind the number {len(rows)} on the page for the board."
        if what in COUNTED
        else "The records behind the hours on the page for the board.",
        "tables": [Table("Records", ["Record", "What it says", "When"], rows)],
        "links": [("Back to the page for the board", reverse("obligations:governance"))],
    }
    return show(request, "tables", context)
