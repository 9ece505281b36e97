# SPDX-License-Identifier: Apache-2.0
"""Pages where a coordinator says that a report repeats another, or does not."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from proofhouse.server.accounts.gate import NotAllowed, may_do, visible
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Permission
from proofhouse.server.cases.forms import MergeForm, SplitForm
from proofhouse.server.cases.merge_services import merge_report, split_report
from proofhouse.server.cases.models import Report
from proofhouse.server.cases.submission import SubmissionRefused
from proofhouse.server.engine.acts import ActError
from proofhouse.server.web.pages import Page, person_of, row_for

_NEWEST = 200


@require_http_methods(["GET", "HEAD", "POST"])
def apart(request: HttpRequest, report: UUID) -> HttpResponse:
    """Take a report apart from the one that it repeats."""
    _, row = _asked(request, report)
    lead = "It stands for itself again, and is run or read as if it had come today. Nothing that was sent changes."
    page = Page(row.title or row.identifier, lead)
    return _said(request, row, page, "Take it apart", SplitForm(request.POST or None), split_report)


@require_http_methods(["GET", "HEAD", "POST"])
def same(request: HttpRequest, report: UUID) -> HttpResponse:
    """Say which report showed the flaw of this one first."""
    person, row = _asked(request, report)
    firsts = visible(person, Report).filter(product=row.product, duplicate_of=None).exclude(pk=row.pk)
    choices = [
        (str(each.pk), f"{each.title or each.identifier} ({each.finder})")
        for each in firsts.order_by("-received_at")[:_NEWEST]
    ]
    page = Page(row.title or row.identifier, "Its finder shares the credit, and it can be taken apart again.")
    form = MergeForm(request.POST or None, firsts=choices)
    return _said(request, row, page, "It is the same flaw", form, merge_report)


def _asked(request: HttpRequest, report: UUID) -> tuple[Person, Report]:
    person = person_of(request)
    row = row_for(person, Report, id=report)
    if not may_do(person, Permission.CASES_CASE_COORDINATE):
        raise Http404
    return person, row


def _said(
    request: HttpRequest, row: Report, page: Page, button: str, form: Form, step: Callable[..., Report]
) -> HttpResponse:
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            step(actor=person_of(request), report=str(row.id), **form.cleaned_data)
            return redirect("cases:report", row.id)
        except (ActError, NotAllowed, SubmissionRefused) as refused:
            form.add_error(None, f"{refused}.")
            status = 422
    return render(request, "cases/form.html", {"page": page, "form": form, "button": button}, status=status)
