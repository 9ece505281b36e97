# SPDX-License-Identifier: Apache-2.0
"""Pages of incidents: the record, the clock board, overrides by two people, filings."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from proofhouse.server.accounts.gate import access, visible
from proofhouse.server.accounts.models import Person
from proofhouse.server.engine.clock import now
from proofhouse.server.obligations import filings as papers
from proofhouse.server.obligations import services
from proofhouse.server.obligations.bridge import Candidate, candidate, model_of
from proofhouse.server.obligations.desk import attempt, desk_page, download, show
from proofhouse.server.obligations.forms import FilingForm, IncidentForm, OverrideForm
from proofhouse.server.obligations.models import ClockRun, Filing, Incident
from proofhouse.server.obligations.own_law import law_book
from proofhouse.server.obligations.queries import own_models
from proofhouse.server.obligations.rules import FILING_STEPS, MOMENTS, NARRATIVE, FilingState, redacted
from proofhouse.server.web.cells import at, plain, state
from proofhouse.server.web.pages import Cell, Table, person_of


@desk_page()
def incidents(request: HttpRequest) -> HttpResponse:
    """All incidents of this house."""
    rows = [
        [
            Cell(row.title, reverse("obligations:incident", args=[row.id])),
            plain(row.model.name if row.model else "–"),
            at(row.discovered),
            at(row.resolved),
            plain(row.clocks.filter(running=True).count()),
        ]
        for row in visible(person_of(request), Incident).select_related("model")
    ]
    return show(
        request,
        "tables",
        {
            "title": "Incidents",
            "lead": "Enter an event once; every clock that it starts, or may start, is computed from it.",
            "links": [("Record an incident", reverse("obligations:incident-new"))],
            "tables": [Table("Incidents", ["Incident", "Model", "Discovered", "Resolved", "Clocks"], rows)],
        },
    )


@desk_page("GET", "HEAD", "POST")
def open_new(request: HttpRequest) -> HttpResponse:
    """Record an incident."""
    person, problems = person_of(request), list[str]()
    event = request.GET.get("event") or None
    came = candidate(person, event) if event else None
    form = IncidentForm(
        request.POST if request.method == "POST" else None,
        models=own_models(person),
        initial=_from_event(person, came) if came else None,
    )
    if request.method == "POST" and form.is_valid():
        made = attempt(services.open_incident, problems, actor=person, event=event, **form.told())
        if made is not None:
            return redirect("obligations:incident", made.id)
    context = {"form": form, "problems": problems, "title": "Record an incident", "came": came}
    return show(request, "incident_form", context, status=422 if problems or form.errors else 200)


def _from_event(person: Person, came: Candidate) -> dict[str, Any]:
    """What a letter of a review fills in; when its facts were learnt stays a question for people."""
    of = model_of(person, came)
    told = f"{came.title}: letter {came.letter} of {came.sender}, written {came.at:%Y-%m-%d %H:%M} UTC."
    return {
        "title": f"{came.title}: {came.model_name or came.sender}"[:200],
        "model": str(of.id) if of else "",
        "narrative:description": told,
    }


@desk_page("GET", "HEAD", "POST")
def amend(request: HttpRequest, incident: UUID) -> HttpResponse:
    """Record what is known now; the version before is kept."""
    person = person_of(request)
    row = access(person, Incident, id=incident)
    problems: list[str] = []
    form = IncidentForm(request.POST if request.method == "POST" else None, incident=row)
    if request.method == "POST" and form.is_valid():
        made = attempt(services.amend_incident, problems, actor=person, incident=str(row.id), **form.told())
        if made is not None:
            return redirect("obligations:incident", row.id)
    context = {"form": form, "problems": problems, "title": f"Amend: {row.title}"}
    return show(request, "incident_form", context, status=422 if problems or form.errors else 200)


def _line(clock: ClockRun) -> dict[str, Any]:
    """One clock as the board shows it."""
    record = clock.assessment
    due = clock.override_due if clock.overridden else clock.due
    part = record["dues"][clock.part] if clock.part < len(record["dues"]) else {}
    awaiting = [one["ask"] for one in part.get("awaiting", [])]
    return {
        "clock": clock,
        "record": record,
        "due": due,
        "left": _left(due),
        "late": due is not None and due < now(),
        "computed": clock.due,
        "what": part.get("what"),
        "steps": part.get("steps", []),
        "anchor": clock.anchor.replace("_", " "),
        "awaiting": awaiting,
        "recipients": [
            {**one, "local": due.astimezone(ZoneInfo(one["zone"])) if due else None, "text": _in(one, due)}
            for one in record["recipients"]
        ],
    }


def _in(recipient: dict[str, str], due: datetime | None) -> str:
    return f"{due.astimezone(ZoneInfo(recipient['zone'])):%a %Y-%m-%d %H:%M %Z}" if due else ""


def _left(due: datetime | None) -> str:
    if due is None:
        return ""
    hours = int((due - datetime.now(UTC)).total_seconds() // 3600)
    return f"{hours // 24} days {hours % 24} h left" if hours >= 0 else f"passed {-hours} h ago"


@desk_page()
def board(request: HttpRequest, incident: UUID) -> HttpResponse:
    """The clock board of an incident, strictest first, with its versions and filings."""
    person = person_of(request)
    row = access(person, Incident, id=incident)
    lines = [_line(clock) for clock in visible(person, ClockRun).filter(incident=row)]
    context = {
        "incident": row,
        "moments": [(ask, getattr(row, name)) for name, ask in MOMENTS.items()],
        "running": [line for line in lines if line["clock"].running],
        "others": [line for line in lines if not line["clock"].running],
        "versions": row.versions.all(),
        "filings": visible(person, Filing).filter(incident=row),
    }
    return show(request, "board", context)


@desk_page()
def clock(request: HttpRequest, clock: UUID) -> HttpResponse:
    """One clock: why it runs, what must be told to whom, and the forms for override and filing."""
    row = access(person_of(request), ClockRun, id=clock)
    return _clock_page(request, row, OverrideForm(), _filing_form(row, None), [])


def _filing_form(row: ClockRun, data: Any) -> FilingForm:
    return FilingForm(data, recipients=[one["name"] for one in row.assessment["recipients"]])


def _clock_page(
    request: HttpRequest, row: ClockRun, overriding: OverrideForm, filing: FilingForm, problems: list[str]
) -> HttpResponse:
    line = _line(row)
    context = {
        "line": line,
        "row": line["record"],
        "trees": line["record"]["explanation"],
        "grade": law_book().edition.grades[line["record"]["grade"]],
        "overriding": overriding,
        "filing": filing,
        "problems": problems,
    }
    wrong = problems or overriding.errors or filing.errors
    return show(request, "clock", context, status=422 if wrong else 200)


@desk_page("POST")
def override(request: HttpRequest, clock: UUID) -> HttpResponse:
    """Propose another date, or confirm what another person proposed."""
    person = person_of(request)
    row = access(person, ClockRun, id=clock)
    problems: list[str] = []
    form = OverrideForm(request.POST)
    if form.is_valid():
        attempt(services.override_clock, problems, actor=person, clock=str(row.id), **form.told())
        if not problems:
            return redirect("obligations:clock", row.id)
    return _clock_page(request, row, form, _filing_form(row, None), problems)


@desk_page("POST")
def draft(request: HttpRequest, clock: UUID) -> HttpResponse:
    """Draft a filing to one recipient."""
    person = person_of(request)
    row = access(person, ClockRun, id=clock)
    problems: list[str] = []
    form = _filing_form(row, request.POST)
    if form.is_valid():
        made = attempt(services.draft_filing, problems, actor=person, clock=str(row.id), **form.told())
        if made is not None:
            return redirect("obligations:filing", made.id)
    return _clock_page(request, row, OverrideForm(), form, problems)


@desk_page()
def filing(request: HttpRequest, filing: UUID) -> HttpResponse:
    """One filing: what its recipient reads, and how far it has come."""
    row = access(person_of(request), Filing, id=filing)
    return _filing_page(request, row, [])


def _filing_page(request: HttpRequest, row: Filing, problems: list[str]) -> HttpResponse:
    shown = redacted(row.record, row.redactions)
    context = {
        "filing": row,
        "record": shown,
        "passages": [(ask, shown["narrative"][name]) for name, ask in NARRATIVE.items()],
        "due": papers.both_zones(shown["due"], shown["recipient"]["zone"]),
        "next": [step.value for step in FILING_STEPS[FilingState(row.state)]],
        "clock": visible(person_of(request), ClockRun)
        .filter(incident=row.incident, obligation=row.obligation)
        .first(),
        "state": state(row.state, good=frozenset({"filed", "acknowledged"})),
        "amendments": row.amendments.all(),
        "problems": problems,
    }
    return show(request, "filing", context, status=422 if problems else 200)


@desk_page()
def filing_file(request: HttpRequest, filing: UUID, form: str) -> HttpResponse:
    """The filing as PDF or JSON."""
    row = access(person_of(request), Filing, id=filing)
    name = f"filing-{row.obligation}-{str(row.id)[:8]}.{form}"
    if form == "pdf":
        return download(papers.as_pdf(row), "application/pdf", name)
    if form == "json":
        return download(papers.as_json(row), "application/json", name)
    raise Http404


@desk_page("POST")
def step(request: HttpRequest, filing: UUID) -> HttpResponse:
    """Say that it was filed or acknowledged, or amend it with the record as it stands now."""
    person = person_of(request)
    row = access(person, Filing, id=filing)
    problems: list[str] = []
    to, reference = request.POST.get("to", ""), request.POST.get("reference", "")
    if to == "amend":
        clock_row = visible(person, ClockRun).filter(incident=row.incident, obligation=row.obligation).first()
        if clock_row is None:
            raise Http404
        made = attempt(
            services.draft_filing, problems, actor=person, clock=str(clock_row.id),
            recipient=row.recipient, redactions=row.redactions, amendment_of=str(row.id),
        )  # fmt: skip
        if made is not None:
            return redirect("obligations:filing", made.id)
    acts = {FilingState.FILED: services.mark_filed, FilingState.ACKNOWLEDGED: services.acknowledge_filing}
    if to in acts:
        attempt(acts[FilingState(to)], problems, actor=person, filing=str(row.id), reference=reference)
    elif to != "amend":
        raise Http404
    return _filing_page(request, row, problems) if problems else redirect("obligations:filing", row.id)
