# SPDX-License-Identifier: Apache-2.0
"""The ledger page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from proofhouse.server.accounts.gate import visible
from proofhouse.server.engine.models import LedgerEntry
from proofhouse.server.house import this_house
from proofhouse.server.web.cells import at, plain, receipt
from proofhouse.server.web.pages import Page, Table, person_of, show

_NEWEST = 200


def ledger(request: HttpRequest) -> HttpResponse:
    """The newest entries of this house's ledger and its checkpoint."""
    entries = visible(person_of(request), LedgerEntry).order_by("-id")[:_NEWEST]
    rows = [[plain(row.kind), plain(row.case), at(row.created_at), receipt(row)] for row in entries]
    checkpoint = this_house().ledger / "checkpoint"
    lines = checkpoint.read_text(encoding="utf-8").splitlines() if checkpoint.exists() else []
    facts = (
        [
            ("Origin", plain(lines[0])),
            ("Size", plain(f"{lines[1]} leaves")),
            ("Root", plain(lines[2])),
            ("Signatures", plain(sum(line.startswith("—") for line in lines))),
        ]
        if len(lines) > 3
        else []
    )
    lead = (
        "Every provable act leaves a salted leaf here; its effect is in force once the receipt is verified."
    )
    return show(
        request,
        Page("Ledger", lead, facts, [Table("Newest entries", ["Kind", "Case", "Recorded", "Receipt"], rows)]),
    )
