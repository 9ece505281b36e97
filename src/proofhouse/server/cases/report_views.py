# SPDX-License-Identifier: Apache-2.0
"""Pages of the coordinator: what came in, one report with its files, and what its readers found."""

from __future__ import annotations

from uuid import UUID

from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from proofhouse.server.accounts.gate import NotAllowed, may_do, visible
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Permission, Role
from proofhouse.server.cases import queries
from proofhouse.server.cases.forms import ReadingForm
from proofhouse.server.cases.models import Attachment, Reading, Report, ScanLease, ValidationRun
from proofhouse.server.cases.reading_services import open_read_case, read_report
from proofhouse.server.cases.rules import OutOfOrder, ReportState
from proofhouse.server.cases.submission import SubmissionRefused
from proofhouse.server.engine.acts import ActError
from proofhouse.server.engine.blobs import get_blob
from proofhouse.server.web.cells import at, digest, plain, receipt, state
from proofhouse.server.web.pages import Cell, Page, Table, person_of, row_for, show, timeline

GOOD = frozenset({"reproduced", "read-real"})
BAD = frozenset({"not-reproduced", "read-unfounded"})
_NEWEST = 200


@require_safe
def intake(request: HttpRequest) -> HttpResponse:
    """What came in, counted whole, and the reports that wait for people."""
    person = person_of(request)
    if Role.COORDINATOR not in person.roles:
        raise Http404
    counted = queries.intake(actor=person)
    reports = visible(person, Report)
    waiting = [_row(each) for each in reports.filter(state=ReportState.NEEDS_HUMAN)[:_NEWEST]]
    newest = [_row(each) for each in reports.order_by("-received_at")[:_NEWEST]]
    counts = [[plain(name), plain(count)] for name, count in sorted(counted["reports"].items())]
    refused = [[plain(name), plain(count)] for name, count in sorted(counted["refused"].items())]
    columns = ["Report", "Product", "Finder", "By", "State", "Received"]
    return show(
        request,
        Page(
            "Intake",
            "What can be run is run. What cannot is read by two people, neither of whom sent it.",
            tables=[
                Table("Reports by state", ["State", "Reports"], counts),
                Table("Refused, by reason", ["Reason", "Attempts"], refused, "None."),
                Table("To be read by two people", columns, waiting, "None."),
                Table("Newest", columns, newest),
            ],
        ),
    )


def _row(report: Report) -> list[Cell]:
    return [
        Cell(report.title or report.identifier or "A report", reverse("cases:report", args=[report.id])),
        plain(report.product),
        plain(report.finder),
        plain(report.channel),
        state(report.state, good=GOOD, bad=BAD),
        at(report.received_at),
    ]


@require_http_methods(["GET", "HEAD", "POST"])
def report(request: HttpRequest, report: UUID) -> HttpResponse:
    """One report: its words, its files, what running or reading it showed."""
    person = person_of(request)
    row = row_for(person, Report, id=report)
    if row.state == ReportState.READ_REAL and row.case_id is None:
        return _found_real(request, person, row)
    form = ReadingForm(request.POST or None)
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            read_report(actor=person, report=str(row.id), **form.cleaned_data)
            return redirect("cases:report", row.id)
        except (ActError, NotAllowed, OutOfOrder, SubmissionRefused) as refused:
            form.add_error(None, f"{refused}.")
            status = 422
    page = _page(person, row)
    may_read = row.state == ReportState.NEEDS_HUMAN and may_do(person, Permission.CASES_CASE_COORDINATE)
    if not may_read and request.method != "POST":
        return show(request, page)
    context = {"page": page, "form": form, "heading": "Read it", "button": "Put it on record"}
    return render(request, "cases/form.html", context, status=status)


def _found_real(request: HttpRequest, person: Person, row: Report) -> HttpResponse:
    """A report that two people found real, and the step to a case."""
    if not may_do(person, Permission.CASES_CASE_COORDINATE):
        return show(request, _page(person, row))
    if request.method == "POST":
        return redirect("cases:case", open_read_case(actor=person, report=str(row.id)).id)
    words = {"heading": "Two people found it real", "button": "Open a case"}
    return render(request, "cases/form.html", {"page": _page(person, row), "form": Form(), **words})


def _page(person: Person, row: Report) -> Page:
    told = row.provenance
    found = [str(told[name]) for name in ("means", "tool", "model", "prompt_class") if told.get(name)]
    facts = [
        ("Product", plain(f"{row.product} {row.version}".strip())),
        ("Finder", plain(row.finder)),
        ("Came by", plain(row.channel)),
        ("Found by", plain(", ".join(found) or "–")),
        ("What happens", plain(row.summary)),
        ("Claimed", plain(" ".join(filter(None, (row.claimed_crash, row.weakness, row.location))) or "–")),
        ("State", state(row.state, good=GOOD, bad=BAD)),
        ("Received", at(row.received_at)),
        ("Ledger", receipt(row.entry)),
    ]
    if row.duplicate_of_id:
        facts.append(
            ("Repeats", Cell("the first report", reverse("cases:report", args=[row.duplicate_of_id])))
        )
    if row.lease_id and visible(person, ScanLease).filter(id=row.lease_id).exists():
        facts.append(("Scan lease", Cell("its lease", reverse("cases:lease", args=[row.lease_id]))))
    if may_do(person, Permission.CASES_CASE_COORDINATE):
        facts += _steps(row)
    if row.case_id:
        facts.append(("Case", Cell("its case", reverse("cases:case", args=[row.case_id]))))
    files = [
        [
            Cell(each.name, reverse("cases:attachment", args=[row.id, each.id])),
            plain(f"{each.length_bytes} bytes"),
            digest(each.sha256),
            plain("recipe" if each.recipe else "proof"),
        ]
        for each in visible(person, Attachment).filter(report=row)
    ]
    runs = [
        [
            state(run.verdict, good=GOOD, bad=BAD),
            plain(f"{run.crashes} of {run.runs}"),
            plain(run.crash_class),
            plain(run.reason or "–"),
            at(run.run_at),
        ]
        for run in visible(person, ValidationRun).filter(report=row)
    ]
    readings = [
        [
            plain(each.reader.name),
            state(each.finding, good=GOOD, bad=BAD),
            plain(each.standard),
            plain(each.grounds),
            at(each.read_at),
        ]
        for each in visible(person, Reading).filter(report=row).select_related("reader")
    ]
    tables = [Table("Files", ["Name", "Length", "Digest", "As"], files, "None.")]
    if runs:
        tables.append(Table("What running it showed", ["Verdict", "Crashes", "Class", "Why", "At"], runs))
    if readings or row.state == ReportState.NEEDS_HUMAN:
        tables.append(
            Table(
                "What its readers found",
                ["Reader", "Finding", "Stands on", "Grounds", "At"],
                readings,
                "Nobody has read it yet.",
            )
        )
    return Page(
        row.title or row.identifier, facts=facts, tables=tables, moments=timeline(person, [row.entry.case])
    )


def _steps(row: Report) -> list[tuple[str, Cell]]:
    """What a person may say about its likeness to others."""
    if row.duplicate_of_id:
        return [("Shows another flaw?", Cell("Take it apart", reverse("cases:report-apart", args=[row.id])))]
    if row.case_id is None:
        return [("Shows a known flaw?", Cell("Say which", reverse("cases:report-same", args=[row.id])))]
    return []


@require_safe
def attachment(request: HttpRequest, report: UUID, file: int) -> HttpResponse:
    """The bytes of a file, to be kept and never to be shown: no browser may make anything of them."""
    row = row_for(person_of(request), Attachment, id=file, report=report)
    answer = HttpResponse(get_blob(row.sha256), content_type="application/octet-stream")
    answer["Content-Disposition"] = f'attachment; filename="{row.name}"'
    answer["Content-Security-Policy"] = "default-src 'none'; sandbox"
    answer["Cache-Control"] = "no-store"
    return answer
