# SPDX-License-Identifier: Apache-2.0
"""Pages of the member desk: who was told what, and the plain page that a member reads."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from proofhouse.server.accounts.gate import visible
from proofhouse.server.members.models import Match, Notification, Sbom
from proofhouse.server.web.cells import at, digest, plain, receipt, state
from proofhouse.server.web.pages import Cell, Page, Table, person_of, row_for, show, timeline


def members(request: HttpRequest) -> HttpResponse:
    """SBOMs, matches and notifications."""
    person = person_of(request)
    told = [
        [
            Cell(row.title, reverse("members:notification", args=[row.id])),
            plain(row.peer.title),
            plain(row.advisory),
            at(row.due_at),
            receipt(row.entry),
        ]
        for row in visible(person, Notification).select_related("peer", "entry")
    ]
    matches = [
        [
            plain(row.sbom.member.title),
            plain(f"{row.component} {row.version}"),
            plain(row.advisory),
            state(row.answer, bad=frozenset({"yes"})),
            plain(row.reason),
        ]
        for row in visible(person, Match).select_related("sbom__member")
    ]
    boms = [
        [
            plain(row.member.title),
            plain(row.name),
            plain(row.components),
            digest(row.sha256),
            at(row.received_at),
        ]
        for row in visible(person, Sbom).select_related("member")
    ]
    tables = [Table("Notifications", ["What", "With", "Advisory", "Due", "Ledger"], told)]
    if boms:
        tables.append(Table("Matches", ["Member", "Component", "Advisory", "Answer", "Why"], matches))
        tables.append(Table("Parts lists", ["Member", "Name", "Components", "Digest", "Received"], boms))
    return show(
        request,
        Page("Members", "A member is told only what touches it. Unknown is an answer.", tables=tables),
    )


def notification(request: HttpRequest, notification: UUID) -> HttpResponse:
    """What, where, do this, by when."""
    person = person_of(request)
    row = row_for(person, Notification, id=notification)
    facts = [
        ("What", plain(row.title)),
        ("Where", plain("; ".join(row.components))),
        ("Do this", plain(row.action)),
        ("By", at(row.due_at)),
        ("Advisory", plain(row.advisory)),
        ("Ledger", receipt(row.entry)),
    ]
    return show(request, Page(row.title, facts=facts, moments=timeline(person, [row.entry.case])))
