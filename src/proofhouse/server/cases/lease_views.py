# SPDX-License-Identifier: Apache-2.0
"""Pages of scan leases: one's own, how many others are there, what a product's owner asks."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from proofhouse.server.accounts.gate import NotAllowed, may_do, visible
from proofhouse.server.accounts.permissions import Permission
from proofhouse.server.cases import lease_services
from proofhouse.server.cases.lease_forms import EndForm, LeaseForm, QuestionForm, RulesForm
from proofhouse.server.cases.lease_rules import LeaseState
from proofhouse.server.cases.models import BlindCheck, ProductRules, Report, ScanLease
from proofhouse.server.cases.submission import SubmissionRefused
from proofhouse.server.engine.acts import ActError
from proofhouse.server.web.cells import at, plain, receipt, state
from proofhouse.server.web.pages import Cell, Page, Table, person_of, row_for, show

_GOOD = frozenset({LeaseState.ACTIVE.value})
_REFUSALS = (ActError, NotAllowed, SubmissionRefused)
_NEWEST = 200


def leases(request: HttpRequest) -> HttpResponse:
    """The leases that a person may see, and what owners ask."""
    person = person_of(request)
    rows = [
        [
            Cell(each.product, reverse("cases:lease", args=[each.id])),
            plain(each.subsystem or "all of it"),
            plain(each.method),
            state(each.state, good=_GOOD),
            at(each.starts_at),
            at(each.ends_at),
        ]
        for each in visible(person, ScanLease).order_by("-taken_at")[:_NEWEST]
    ]
    asked = [
        [
            plain(each.product),
            plain(each.owner),
            plain(", ".join(each.methods) or "any"),
            plain(each.security_model or "–"),
            at(each.stated_at),
        ]
        for each in visible(person, ProductRules).order_by("-stated_at")[:_NEWEST]
    ]
    tables = [
        Table(
            "Leases", ["Product", "Part", "Method", "State", "From", "Until"], rows, "None that you may see."
        ),
        Table(
            "What owners ask",
            ["Product", "Owner", "Methods", "What it promises", "Since"],
            asked,
            "Nobody has said anything yet.",
        ),
    ]
    may = [
        [Cell(title, reverse(name))]
        for title, name, permission in (
            ("Take a lease", "cases:take-lease", Permission.CASES_LEASE_TAKE),
            ("State what an owner asks", "cases:state-rules", Permission.CASES_RULES_STATE),
        )
        if may_do(person, permission)
    ]
    if may:
        tables.insert(0, Table("What you can do", ["Act"], may))
    lead = "Who scans says so first, and learns how many others do, never who."
    return show(request, Page("Scan leases", lead, tables=tables))


@require_http_methods(["GET", "HEAD", "POST"])
def take_lease(request: HttpRequest) -> HttpResponse:
    """Make a scan known."""
    return _filled_in(
        request,
        LeaseForm(request.POST or None),
        Permission.CASES_LEASE_TAKE,
        lease_services.take_lease,
        Page(
            "Take a scan lease",
            "It names what you mean to scan, when, and who allowed it. It ends by itself.",
        ),
        "Take it",
    )


@require_http_methods(["GET", "HEAD", "POST"])
def state_rules(request: HttpRequest) -> HttpResponse:
    """State what a product's owner asks."""
    return _filled_in(
        request,
        RulesForm(request.POST or None),
        Permission.CASES_RULES_STATE,
        lease_services.state_rules,
        Page("State what an owner asks", "It holds for every lease that is taken from now on."),
        "Put it on record",
    )


def _filled_in(
    request: HttpRequest, form: forms.Form, permission: Permission, act: Any, page: Page, button: str
) -> HttpResponse:
    person = person_of(request)
    if not may_do(person, permission):
        raise Http404
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                made = act(actor=person, **form.arguments())  # type: ignore[attr-defined]  # both forms have it
            except _REFUSALS as refused:
                form.add_error(None, f"{refused}.")
            else:
                return (
                    redirect("cases:lease", made.id)
                    if isinstance(made, ScanLease)
                    else redirect("cases:leases")
                )
    return render(request, "cases/form.html", {"page": page, "form": form, "button": button}, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def lease(request: HttpRequest, lease: UUID) -> HttpResponse:
    """One lease: what it covers, how many others are there, and its end."""
    person = person_of(request)
    row = row_for(person, ScanLease, id=lease)
    own = row.holder_id == person.pk and row.state == LeaseState.ACTIVE
    question, end = QuestionForm(), EndForm()
    status = 200
    answer = ""
    if request.method == "POST":
        try:
            if "fingerprint" in request.POST:
                question = QuestionForm(request.POST)
                status = 422
                if question.is_valid():
                    told = lease_services.ask_blind(actor=person, lease=str(row.id), **question.cleaned_data)
                    answer, status = ("It is not known here.", "It is known here.")[told["known"]], 200
            else:
                lease_services.end_lease(actor=person, lease=str(row.id))
                return redirect("cases:lease", row.id)
        except _REFUSALS as refused:
            question.add_error(None, f"{refused}.") if question.is_bound else end.add_error(
                None, f"{refused}."
            )
            status = 422
    others, before = lease_services.company(row)
    facts = [
        ("Product", plain(row.product)),
        ("Part", plain(row.subsystem or "all of it")),
        ("Commits", plain(f"{row.commit_from} to {row.commit_to}" if row.commit_from else "all")),
        ("Method", plain(row.method)),
        ("Mandate", plain(row.mandate)),
        ("Allowed by", plain(f"{row.mandated_by}, {row.mandated_on}")),
        ("What was allowed", plain(row.mandate_terms)),
        ("From", at(row.starts_at)),
        ("Until", at(row.ends_at)),
        ("State", state(row.state, good=_GOOD)),
        ("Others at the same", plain(f"{others} active, {before} of them before you")),
        ("Reported under it", plain(str(lease_services.reported(row)))),
        ("Ledger", receipt(row.entry)),
    ]
    asked = [
        [plain(each.print[:16] + "…"), plain("known" if each.known else "not known"), at(each.asked_at)]
        for each in visible(person, BlindCheck).filter(lease=row).order_by("-asked_at")[:_NEWEST]
    ]
    found = [
        [
            Cell(each.title, reverse("cases:report", args=[each.id])),
            plain(each.state),
            at(each.received_at),
        ]
        for each in visible(person, Report).filter(lease=row).order_by("-received_at")[:_NEWEST]
    ]
    page = Page(
        f"Scan lease for {row.product}",
        answer,
        facts=facts,
        tables=[
            *([Table("What was found", ["Report", "State", "Received"], found)] if found else []),
            Table("What was asked", ["Under the house's key", "Answer", "At"], asked, "Nothing yet."),
        ],
    )
    return render(
        request,
        "cases/lease.html",
        {"page": page, "own": own, "question": question, "end": end},
        status=status,
    )
