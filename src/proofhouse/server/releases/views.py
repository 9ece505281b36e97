# SPDX-License-Identifier: Apache-2.0
"""Pages of the release desk, and the address at which a member's own agent answers."""

from __future__ import annotations

import json

from allauth.core import ratelimit
from django.contrib.auth.decorators import login_not_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from proofhouse.server.accounts.gate import visible
from proofhouse.server.releases.models import Acknowledgement, Release
from proofhouse.server.releases.services import (
    AcknowledgementRefused,
    EnrolmentRefused,
    take_acknowledgement,
    take_enrolment,
)
from proofhouse.server.web.cells import at, digest, plain, receipt, state
from proofhouse.server.web.pages import Cell, Page, Table, person_of, row_for, show, timeline

_GOOD = frozenset({"staged", "applied"})
_BAD = frozenset({"failed", "refused"})


def releases(request: HttpRequest) -> HttpResponse:
    """Patches released, and what agents answered."""
    person = person_of(request)
    rows = [
        [
            Cell(row.item, reverse("releases:release", args=[row.item])),
            plain(row.advisory),
            plain(row.vendor.title),
            at(row.authorised_at),
            receipt(row.entry),
        ]
        for row in visible(person, Release).select_related("vendor", "entry")
    ]
    tables = [
        Table("Patches", ["Item", "Advisory", "Signed by", "Authorised", "Ledger"], rows),
        Table(
            "Agents' answers",
            ["Member", "Agent", "Item", "Stage", "Received"],
            _answers(visible(person, Acknowledgement)),
        ),
    ]
    lead = "A member's agent installs only what the vendor signed and the clearinghouse directed."
    return show(request, Page("Releases", lead, tables=tables))


def release(request: HttpRequest, item: str) -> HttpResponse:
    """One released patch."""
    person = person_of(request)
    row = row_for(person, Release, item=item)
    facts = [
        ("Advisory", plain(row.advisory)),
        ("Signed by", plain(row.vendor.title)),
        ("Path in the image repository", plain(row.path)),
        ("Digest", digest(row.sha256)),
        ("Length", plain(f"{row.length_bytes} bytes")),
        ("Manifest version", plain(row.manifest_version or "–")),
        ("Ledger", receipt(row.entry)),
    ]
    answers = _answers(visible(person, Acknowledgement).filter(item=item))
    tables = [Table("Agents' answers", ["Member", "Agent", "Item", "Stage", "Received"], answers)]
    return show(
        request,
        Page(f"Patch {row.item}", facts=facts, tables=tables, moments=timeline(person, [row.entry.case])),
    )


def _answers(rows: QuerySet[Acknowledgement]) -> list[list[Cell]]:
    return [
        [
            plain(row.member),
            plain(row.agent),
            plain(row.item),
            state(row.stage, good=_GOOD, bad=_BAD),
            at(row.received_at),
        ]
        for row in rows
    ]


@csrf_exempt
@login_not_required
@require_POST
def receive_enrolment(request: HttpRequest) -> HttpResponse:
    """Take an agent's key; the single-use code and a signature by the key are what lets it in."""
    if ratelimit.consume(request, action="login") is None:
        return JsonResponse(
            {"type": "about:blank", "title": "Too many attempts", "status": 429, "code": "too_many"},
            status=429,
            content_type="application/problem+json",
        )
    try:
        told = json.loads(request.body)
        agent = take_enrolment(str(told["code"]), told["key"], bytes.fromhex(told["signature"]))
    except (ValueError, KeyError, TypeError):
        return _refused("bad_request", "expected JSON with code, key and signature", 400)
    except EnrolmentRefused as refused:
        return _refused(refused.code, str(refused), 403)
    return JsonResponse({"agent": agent.name, "member": agent.member})


def _refused(code: str, detail: str, status: int) -> HttpResponse:
    return JsonResponse(
        {"type": "about:blank", "title": "Refused", "status": status, "code": code, "detail": detail},
        status=status,
        content_type="application/problem+json",
    )


@csrf_exempt
@login_not_required
@require_POST
def receive_acknowledgement(request: HttpRequest) -> HttpResponse:
    """Take one agent's signed answer; the signature of an enrolled key is what lets it in."""
    try:
        take_acknowledgement(request.body)
    except AcknowledgementRefused as refused:
        return _refused(refused.code, str(refused), 403)
    return HttpResponse(status=204)
