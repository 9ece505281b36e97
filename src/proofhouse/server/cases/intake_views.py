# SPDX-License-Identifier: Apache-2.0
"""The public pages of intake: the form by which anybody reports a flaw, and the slip that says how a report stands."""

from __future__ import annotations

from uuid import UUID

from allauth.core import ratelimit
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from proofhouse.server.accounts.gate import may_do
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Permission
from proofhouse.server.cases.forms import ReportForm
from proofhouse.server.cases.intake_services import (
    Finder,
    QuotaUsed,
    finder_of,
    refuse,
    report_of_slip,
    slip_of,
    take_report,
    unknown_finder,
)
from proofhouse.server.cases.rules import Channel
from proofhouse.server.cases.submission import SubmissionRefused, submission
from proofhouse.server.engine.clock import wire
from proofhouse.server.house import this_house
from proofhouse.server.web.cells import at, plain, state
from proofhouse.server.web.pages import Page, show

_GOOD = frozenset({"reproduced", "read-real"})
_BAD = frozenset({"not-reproduced", "read-unfounded"})
WAITS = "waits"

_NEXT = {
    WAITS: "It is in the queue. Nothing is asked of you.",
    "reproduced": "The proof ran three times out of three. The flaw is coordinated with who makes the product.",
    "read-real": "Two people have read it and found it real. It is coordinated with who makes the product.",
    "flaky": "The proof works at times. Send one that works each time, and it is run again.",
    "not-reproduced": "The proof did nothing here. Repair it and send it again; nobody else was troubled with it.",
    "already-fixed": "It was real, and the version that is shipped now has it mended.",
    "out-of-model": "The product behaves as you say, and does not promise otherwise.",
    "read-unfounded": "Two people have read it and found that it cannot be so.",
}
"""What a state means for who reported."""


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def report_form(request: HttpRequest) -> HttpResponse:
    """Anybody reports a flaw, with a name or without one."""
    if not this_house().takes_reports:
        raise Http404
    person = request.user if isinstance(request.user, Person) else None
    if person is not None and not may_do(person, Permission.CASES_REPORT_SUBMIT):
        person = None
    if request.method != "POST":
        return _form(request, ReportForm(signed_in=person is not None), 200)
    form = ReportForm(request.POST, request.FILES, signed_in=person is not None)
    if not form.is_valid():
        refuse(Channel.FORM, "fields_refused")
        return _form(request, form, 422)
    if person is None and not ratelimit.consume(request, action="report"):
        refuse(Channel.FORM, "too_many")
        form.add_error(None, "Too many reports came from your address in the last hour. Come back later.")
        return _form(request, form, 429)
    finder: Finder = finder_of(person) if person else unknown_finder(form.cleaned_data["contact"])
    try:
        taken = take_report(submission(**form.arguments()), Channel.FORM, finder)
    except SubmissionRefused as refused:
        refuse(Channel.FORM, refused.code)
        form.add_error(None, f"{refused}.")
        return _form(request, form, 429 if isinstance(refused, QuotaUsed) else 422)
    return redirect("slip", taken.id, slip_of(taken.id))


def _form(request: HttpRequest, form: ReportForm, status: int) -> HttpResponse:
    page = Page(
        "Report a vulnerability",
        "One flaw, with the file that shows it. You keep the credit, and need no account.",
    )
    return render(request, "cases/form.html", {"page": page, "form": form, "button": "Report"}, status=status)


@login_not_required
@require_safe
def slip(request: HttpRequest, report: UUID, slip: str) -> HttpResponse:
    """How a report stands, for whoever holds its slip.

    A report that repeats another stands as that one does: whether somebody else had found it is not said while it
    waits.
    """
    row = report_of_slip(report, slip)
    if row is None:
        raise Http404
    known = row.duplicate_of or row
    stands = WAITS if known.state in ("received", "queued", "needs-human") else known.state
    if "application/json" in request.headers.get("Accept", ""):
        answer: HttpResponse = JsonResponse(
            {"report": str(row.id), "state": stands, "received_at": wire(row.received_at)}
        )
    else:
        facts = [
            ("Report", plain(row.title)),
            ("Product", plain(row.product)),
            ("Received", at(row.received_at)),
            ("How it stands", state(stands, good=_GOOD, bad=_BAD)),
        ]
        lead = f"{_NEXT[str(stands)]} Keep this address: it is the only way back here."
        answer = show(request, Page("Your report", lead, facts=facts))
    answer["Cache-Control"] = "no-store"
    answer["Referrer-Policy"] = "no-referrer"
    return answer
