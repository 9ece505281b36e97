# SPDX-License-Identifier: Apache-2.0
"""Pages of the review desk."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from proofhouse.server.accounts.gate import visible
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.exams.queries import seals_of, statements_of
from proofhouse.server.reviews.charts import charts_of
from proofhouse.server.reviews.models import Agreement, Determination, Inquiry
from proofhouse.server.reviews.queries import register as register_entries
from proofhouse.server.reviews.rules import SERVING_WARNING, InquiryState
from proofhouse.server.web.cells import at, digest, plain, receipt, state
from proofhouse.server.web.pages import Cell, Page, Table, person_of, row_for, show, steps, timeline

_COURSE = [each for each in InquiryState if each is not InquiryState.WITHDRAWN]


def reviews(request: HttpRequest) -> HttpResponse:
    """All inquiries of this house."""
    rows = [
        [
            Cell(inquiry.model_name, reverse("reviews:review", args=[inquiry.id])),
            plain(inquiry.peer.title),
            state(inquiry.state),
            at(inquiry.inquired_at),
        ]
        for inquiry in visible(person_of(request), Inquiry).select_related("peer")
    ]
    lead = "Voluntary reviews. A window that ends is closed, and no finding is implied."
    return show(
        request, Page("Reviews", lead, tables=[Table("Inquiries", ["Model", "With", "State", "Since"], rows)])
    )


def review(request: HttpRequest, inquiry: UUID) -> HttpResponse:
    """One review from inquiry to notice."""
    person = person_of(request)
    case = row_for(person, Inquiry, id=inquiry)
    window = getattr(case, "window", None)
    seals = [
        [
            plain(f"{seal.items} items"),
            digest(seal.rule_sha256),
            receipt(seal.entry),
            at(seal.sealed_at),
            at(seal.opened_at),
        ]
        for seal in seals_of(person, case.case)
    ]
    statements = list(statements_of(person, case.case))
    exams = [
        [
            plain(exam.model_name),
            plain(f"{exam.ability:+.2f}  ({exam.ability_low:+.2f} to {exam.ability_high:+.2f})"),
            plain(", ".join(f"{count} {name}" for name, count in exam.outcomes.items() if count)),
            state(exam.verdict),
            plain(exam.tier),
            receipt(exam.entry),
        ]
        for exam in statements
    ]
    labels = [
        [
            plain(row.model_name),
            state(row.label),
            plain(row.basis),
            plain(row.decided_by),
            at(row.decided_at),
            receipt(row.entry),
        ]
        for row in visible(person, Determination).filter(case=case.case).select_related("entry")
    ]
    agreements = [
        [
            plain(row.version),
            digest(row.terms_sha256),
            plain(f"{row.terms['access_days']} days"),
            at(row.accepted_at),
        ]
        for row in visible(person, Agreement).filter(inquiry=case)
    ]
    facts = [
        ("With", plain(case.peer.title)),
        ("State", state(case.state)),
        ("Model digest", digest(case.model_sha256)),
        ("Planned release to partners", at(case.planned_partner_release)),
        ("Window opens", at(window.opens_at if window else None)),
        ("Window closes", at(window.closes_at if window else None)),
        ("Window closed", at(window.closed_at if window else None)),
    ]
    if person.roles & frozenset({Role.AUTHORITY, Role.REVIEWER}):
        facts.append(("Before a notice is served", plain(SERVING_WARNING)))
    tables = [
        Table("Agreement", ["Version", "Terms", "Access", "Accepted"], agreements),
        Table(
            "Sealed before access",
            ["Bank", "Rule", "Ledger", "Sealed", "Opened"],
            seals,
            "Nothing that you may see.",
        ),
        Table(
            "Exams",
            ["Model", "Ability (95 %)", "Outcomes", "Verdict", "Tier", "Ledger"],
            exams,
            "None that you may see.",
        ),
        Table("Determinations", ["Model", "Label", "Basis", "By", "At", "Ledger"], labels),
    ]
    return show(
        request,
        Page(
            f"Review of {case.model_name}",
            facts=facts,
            tables=tables,
            moments=timeline(person, [case.case]),
            steps=steps(_COURSE, case.state),
            charts=charts_of(case, window, statements),
        ),
    )


def register(request: HttpRequest) -> HttpResponse:
    """The label register."""
    rows = [
        [
            plain(entry.number),
            plain(entry.determination.model_name),
            state(entry.determination.label),
            plain(entry.determination.basis),
            at(entry.determination.decided_at),
        ]
        for entry in register_entries(person_of(request))
    ]
    lead = (
        "Labels that the authority determined by a sealed rule. A label says nothing about a model's release."
    )
    return show(
        request,
        Page(
            "Register",
            lead,
            tables=[Table("Entries in force", ["Number", "Model", "Label", "Evidence", "Since"], rows)],
        ),
    )
