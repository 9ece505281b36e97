# SPDX-License-Identifier: Apache-2.0
"""The home page of a house."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from proofhouse.server.accounts.gate import visible
from proofhouse.server.engine.models import LedgerEntry, Letter
from proofhouse.server.house import this_house
from proofhouse.server.web.pages import person_of


def home(request: HttpRequest) -> HttpResponse:
    """Where a person starts: what this house is, what waits, where to go."""
    person = person_of(request)
    entries = visible(person, LedgerEntry)
    letters = visible(person, Letter)
    return render(
        request,
        "web/home.html",
        {
            "counts": [
                ("Ledger entries in force", entries.exclude(receipt="").count()),
                ("Entries waiting for a receipt", entries.filter(receipt="").count()),
                ("Letters received", letters.filter(direction=Letter.Direction.RECEIVED).count()),
                ("Letters sent", letters.filter(direction=Letter.Direction.SENT).count()),
                ("Letters on their way", letters.filter(state=Letter.State.QUEUED).count()),
            ],
            "desks": sorted(this_house().desks),
        },
    )
