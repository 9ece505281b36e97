# SPDX-License-Identifier: Apache-2.0
"""The home page of a house, and the guide to what its pages are made of."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from proofhouse.server.accounts.gate import visible
from proofhouse.server.engine.models import LedgerEntry, Letter
from proofhouse.server.engine.search import hits
from proofhouse.server.house import this_house
from proofhouse.server.web.guide import samples
from proofhouse.server.web.pages import person_of


def home(request: HttpRequest) -> HttpResponse:
    """Where a person starts: what this house is, what waits, where to go."""
    person = person_of(request)
    entries = visible(person, LedgerEntry)
    letters = visible(person, Letter)
    waiting = entries.filter(receipt="").count()
    queued = letters.filter(state=Letter.State.QUEUED).count()
    counts = [
        ("Ledger entries in force", entries.exclude(receipt="").count()),
        ("Entries waiting for a receipt", waiting),
        ("Letters received", letters.filter(direction=Letter.Direction.RECEIVED).count()),
        ("Letters sent", letters.filter(direction=Letter.Direction.SENT).count()),
        ("Letters on their way", queued),
    ]
    template = "web/components/counts.html" if "live" in request.GET else "web/home.html"
    return render(
        request,
        template,
        {"counts": counts, "moving": bool(waiting or queued), "desks": sorted(this_house().desks)},
    )


def find(request: HttpRequest) -> HttpResponse:
    """Search everything that this person may see."""
    text = request.GET.get("text", "").replace("\0", " ")[:200]
    found = hits(person_of(request), text)
    return render(request, "web/search.html", {"text": text, "found": len(found), "hits": found[:50]})


def style_guide(request: HttpRequest) -> HttpResponse:
    """Every component in every state, for who builds pages; only demonstration houses show it."""
    if not this_house().demo:
        raise Http404
    return render(request, "web/style_guide.html", samples())
