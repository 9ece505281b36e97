# SPDX-License-Identifier: Apache-2.0
"""Pages of the case desk."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from proofhouse.server.accounts.gate import visible
from proofhouse.server.cases.models import Case, Patch, Report, ValidationRun
from proofhouse.server.cases.rules import CaseState
from proofhouse.server.web.cells import at, digest, plain, receipt, state
from proofhouse.server.web.pages import Cell, Page, Table, newest, person_of, row_for, show, steps, timeline

_GOOD = frozenset({"reproduced", "published", "fix-proved"})


def cases(request: HttpRequest) -> HttpResponse:
    """All cases and reports of this house."""
    person = person_of(request)
    found, older = newest(request, visible(person, Case), "cases")
    rows = [
        [
            Cell(case.title, reverse("cases:case", args=[case.id])),
            plain(", ".join(case.identifiers)),
            state(case.state, good=_GOOD),
            state(case.embargo),
            at(case.opened_at),
        ]
        for case in found
    ]
    received, older_reports = newest(request, visible(person, Report), "reports")
    reports = [
        [
            Cell(report.title or report.identifier, reverse("cases:report", args=[report.id])),
            plain(report.identifier or "–"),
            plain(report.finder),
            state(report.state, good=_GOOD),
            at(report.received_at),
        ]
        for report in received
    ]
    lead = "A case is one flaw that one fix mends. Execution decides: reports are merged by the kill matrix only."
    tables = [Table("Cases", ["Title", "Identifiers", "State", "Embargo", "Opened"], rows, older=older)]
    if reports:
        tables.append(
            Table(
                "Reports",
                ["Report", "Identifier", "Finder", "State", "Received"],
                reports,
                older=older_reports,
            )
        )
    return show(request, Page("Cases", lead, tables=tables))


def _ground(reports: QuerySet[Report]) -> str:
    """What makes a case believed; a case that another house opened says so there."""
    states = set(reports.values_list("state", flat=True))
    if not states:
        return "what the coordinator found"
    return "what was run" if "reproduced" in states else "what two people read; nothing was run"


def case(request: HttpRequest, case: UUID) -> HttpResponse:
    """One case from its reports to its advisory."""
    person = person_of(request)
    row = row_for(person, Case, id=case)
    reports = visible(person, Report).filter(case=row)
    runs = [
        [
            plain(run.report.identifier),
            plain(run.report.finder),
            state(run.verdict, good=_GOOD),
            plain(f"{run.crashes} of {run.runs}"),
            plain(run.crash_class),
            plain(run.frame),
            plain("real program" if run.real else "example program"),
        ]
        for run in visible(person, ValidationRun).filter(report__case=row).select_related("report")
    ]
    patches = [
        [
            plain(patch.name),
            digest(patch.sha256),
            state("proved" if patch.proved else "offered", good=frozenset({"proved"})),
        ]
        for patch in visible(person, Patch).filter(case=row)
    ]
    facts = [
        ("Product", plain(row.product)),
        ("Identifiers", plain(", ".join(row.identifiers))),
        ("State", state(row.state, good=_GOOD)),
        ("Stands on", plain(_ground(reports))),
        ("Vendor", plain(row.vendor.title if row.vendor else "this house")),
        ("Embargo", state(row.embargo)),
        ("Embargo until", at(row.embargo_until)),
        ("Ledger", receipt(row.entry)),
    ]
    tables = [Table("Patches", ["Name", "Digest", "Proof"], patches)]
    if runs:
        tables.insert(
            0,
            Table(
                "Proofs that ran",
                ["Identifier", "Finder", "Verdict", "Crashes", "Class", "Frame", "Ran on"],
                runs,
            ),
        )
    moments = timeline(person, [f"case:{row.id}", *(f"report:{report.id}" for report in reports)])
    course = steps(list(CaseState), row.state)
    return show(request, Page(row.title, facts=facts, tables=tables, moments=moments, steps=course))
