# SPDX-License-Identifier: Apache-2.0
"""The page of the bridge: consent, what came over from reviews, and what was made of it."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from proofhouse.server.accounts.gate import may_do, visible
from proofhouse.server.accounts.permissions import Permission
from proofhouse.server.engine.clock import now
from proofhouse.server.obligations import bridge as bridging
from proofhouse.server.obligations import bridge_services
from proofhouse.server.obligations.desk import attempt, desk_page, show
from proofhouse.server.obligations.models import Bridge, BridgedEvent
from proofhouse.server.obligations.own_law import law_book
from proofhouse.server.obligations.rules import flat
from proofhouse.server.web.cells import at, plain
from proofhouse.server.web.pages import Cell, Table, person_of

_CLOCKS_SHOWN = 3


@desk_page()
def bridge(request: HttpRequest) -> HttpResponse:
    """Whether anything comes over, what waits for a decision, and what was decided."""
    return _page(request, [])


def _page(request: HttpRequest, problems: list[str]) -> HttpResponse:
    person = person_of(request)
    standing = bridging.consent(person)
    decided = [
        [
            plain(bridging.EVENTS.get(row.kind, row.kind)),
            plain(row.model_name or "–"),
            _outcome(row),
            plain(row.decided_by),
            at(row.decided_at),
        ]
        for row in visible(person, BridgedEvent).select_related("incident", "fact")
    ]
    history = [
        [at(row.consented_at), plain(row.consented_by), at(row.withdrawn_at), plain(row.withdrawn_by or "–")]
        for row in visible(person, Bridge)
    ]
    context: dict[str, Any] = {
        "standing": standing,
        "may_consent": may_do(person, Permission.OBLIGATIONS_BRIDGE_CONSENT),
        "today": now().date(),
        "waiting": [_shown(person, one) for one in bridging.candidates(person)],
        "decided": Table("Decided", ["Event", "Model", "Outcome", "By", "At"], decided),
        "history": Table(
            "Consents", ["Given", "By", "Withdrawn", "By whom"], history, "None was ever given."
        ),
        "problems": problems,
    }
    return show(request, "bridge", context, status=422 if problems else 200)


def _shown(person: Any, one: bridging.Candidate) -> dict[str, Any]:
    clocks = bridging.may_start(person, one)
    return {
        "event": one,
        "ask": law_book().vocabulary.question(one.fact[0]) if one.fact else "",
        "answer": flat(one.fact[1]) if one.fact else "",
        "clocks": clocks[:_CLOCKS_SHOWN],
        "more": max(0, len(clocks) - _CLOCKS_SHOWN),
    }


def _outcome(row: BridgedEvent) -> Cell:
    if row.incident is not None:
        return Cell(
            f"incident: {row.incident.title}", reverse("obligations:incident", args=[row.incident_id])
        )
    if row.fact is not None:
        return Cell(f"{row.fact.name} = {flat(row.fact.value)}", reverse("obligations:profile"))
    return plain(f"set aside: {row.reason}")


@desk_page("POST")
def consent(request: HttpRequest) -> HttpResponse:
    """Give the consent or withdraw it."""
    person, problems = person_of(request), list[str]()
    if request.POST.get("to") == "withdraw":
        attempt(bridge_services.withdraw_bridge, problems, actor=person)
    else:
        day = request.POST.get("since", "")
        since = f"{day}T00:00:00+00:00" if day else None
        attempt(bridge_services.consent_bridge, problems, actor=person, since=since)
    return _page(request, problems) if problems else redirect("obligations:bridge")


@desk_page("POST")
def decide(request: HttpRequest, letter: str) -> HttpResponse:
    """Take an answer over, or set an event aside; an incident is recorded on its own page."""
    person, problems = person_of(request), list[str]()
    if request.POST.get("to") == "fact":
        attempt(bridge_services.take_fact, problems, actor=person, letter=letter)
    elif request.POST.get("to") == "aside":
        reason = request.POST.get("reason", "")
        attempt(bridge_services.set_aside, problems, actor=person, letter=letter, reason=reason)
    else:
        raise Http404
    return _page(request, problems) if problems else redirect("obligations:bridge")
