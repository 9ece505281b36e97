# SPDX-License-Identifier: Apache-2.0
"""One printable page for a board: what stands where, by model; every number leads to its record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.urls import reverse

from proofhouse.law import Result
from proofhouse.server.accounts.gate import visible
from proofhouse.server.accounts.models import Person
from proofhouse.server.members.models import Notification
from proofhouse.server.obligations.answers import View, assessments
from proofhouse.server.obligations.models import CalendarDate, Incident
from proofhouse.server.obligations.queries import own_profile, valid_links
from proofhouse.server.releases.models import Acknowledgement
from proofhouse.server.reviews.models import Determination, Inquiry
from proofhouse.server.web.cells import at, plain, state
from proofhouse.server.web.pages import Cell, Table


@dataclass(frozen=True)
class Duties:
    """How much of what appears to apply has evidence that is valid today."""

    applying: int
    with_evidence: int
    rows: tuple[tuple[str, str, int], ...]
    """Id, title, pieces of evidence."""


def duties(actor: Person, day: date) -> Duties:
    """Count duties that appear to apply, and those to which valid evidence is linked."""
    links: dict[str, int] = {}
    for link in valid_links(actor, day):
        links[link.obligation] = links.get(link.obligation, 0) + 1
    rows = tuple(
        (one.obligation.id, one.obligation.title, links.get(one.obligation.id, 0))
        for one in assessments(own_profile(actor), View(day))
        if one.result is Result.APPLIES
    )
    return Duties(len(rows), sum(1 for row in rows if row[2]), rows)


def tables(actor: Person, instant: datetime) -> list[Table]:
    """The page's tables."""
    counted = duties(actor, instant.date())
    listing = reverse("obligations:list")
    dates = visible(actor, CalendarDate).filter(cancelled=False, at__gte=instant)[:8]
    return [
        Table("By model", ["Model", "Reviews", "Determinations that may be shown"], _models(actor)),
        Table("Open findings and incidents", ["Incident", "Discovered", "Clocks running"], _open(actor)),
        Table("Patch latency", ["Advisory", "Told", "Staged or applied", "Hours"], _latency(actor),
              "Not known here: this house receives no patches."),
        Table(
            "Duties of the organisation",
            ["What", "How many"],
            [
                [plain("Appear to apply"), Cell(str(counted.applying), f"{listing}#applies")],
                [
                    plain("… of them with valid evidence linked"),
                    Cell(str(counted.with_evidence), f"{reverse('obligations:evidence')}#links"),
                ],
            ],
        ),
        Table(
            "Next dates",
            ["When", "What"],
            [[at(row.at), Cell(row.title, reverse("obligations:calendar"))] for row in dates],
        ),
    ]  # fmt: skip


def _models(actor: Person) -> list[list[Cell]]:
    inquiries = list(visible(actor, Inquiry))
    told = list(visible(actor, Determination).select_related("entry"))
    names = dict.fromkeys([row.model_name for row in inquiries] + [row.model_name for row in told])
    rows = []
    for name in names:
        of_model = [row for row in inquiries if row.model_name == name]
        target = reverse("reviews:review", args=[of_model[0].id]) if of_model else ""
        labels = [row for row in told if row.model_name == name and row.entry.in_force]
        rows.append(
            [
                plain(name),
                Cell(str(len(of_model)), target),
                Cell(", ".join(row.label for row in labels) or "0", target),
            ]
        )
    return rows


def _open(actor: Person) -> list[list[Cell]]:
    return [
        [
            Cell(row.title, reverse("obligations:incident", args=[row.id])),
            at(row.discovered),
            state(str(row.clocks.filter(running=True, due__isnull=False).count())),
        ]
        for row in visible(actor, Incident).filter(resolved=None)
    ]


def _latency(actor: Person) -> list[list[Cell]]:
    answers = list(visible(actor, Acknowledgement).filter(stage__in=["staged", "applied"]))
    rows = []
    for told in visible(actor, Notification):
        after = [row.received_at for row in answers if row.received_at >= told.notified_at]
        took: timedelta | None = min(after) - told.notified_at if after else None
        rows.append(
            [
                Cell(told.advisory, reverse("members:notification", args=[told.id])),
                at(told.notified_at),
                at(min(after) if after else None),
                plain(f"{took.total_seconds() / 3600:.1f}" if took is not None else "–"),
            ]
        )
    return rows
