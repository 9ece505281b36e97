# SPDX-License-Identifier: Apache-2.0
"""Pages of the advisory desk."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from proofhouse.server.accounts.gate import visible
from proofhouse.server.advisories.models import Advisory
from proofhouse.server.web.cells import at, digest, plain, receipt, state
from proofhouse.server.web.pages import Cell, Page, Table, person_of, row_for, show, timeline


def advisories(request: HttpRequest) -> HttpResponse:
    """All advisories."""
    rows = [
        [
            Cell(row.number, reverse("advisories:advisory", args=[row.number])),
            plain(row.title),
            plain(row.tlp),
            at(row.published_at),
        ]
        for row in visible(person_of(request), Advisory)
    ]
    return show(
        request, Page("Advisories", tables=[Table("Published", ["Number", "Title", "TLP", "At"], rows)])
    )


def advisory(request: HttpRequest, number: str) -> HttpResponse:
    """One advisory and the documents that carry it."""
    person = person_of(request)
    row = row_for(person, Advisory, number=number)
    facts = [
        ("Title", plain(row.title)),
        ("Case", Cell(row.case.title, reverse("cases:case", args=[row.case_id]))),
        ("Identifiers", plain(", ".join(row.case.identifiers))),
        ("TLP", state(row.tlp)),
        ("First fixed version", plain(row.fixed_version)),
        ("CSAF 2.0", digest(row.csaf_sha256)),
        ("OSV", digest(row.osv_sha256)),
        ("Provider metadata", Cell("provider-metadata.json", "/.well-known/csaf/provider-metadata.json")),
        ("Ledger", receipt(row.entry)),
    ]
    return show(
        request,
        Page(f"Advisory {row.number}", facts=facts, moments=timeline(person, [f"case:{row.case_id}"])),
    )
