# SPDX-License-Identifier: Apache-2.0
"""Pages of the desk: what applies and why, profile, evidence, calendar, changes, the board's page, exports."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_safe

from proofhouse.attest import sha256_hex
from proofhouse.law import Truth, assessment_record
from proofhouse.server.accounts.gate import access, visible
from proofhouse.server.engine.blobs import get_blob
from proofhouse.server.engine.clock import now
from proofhouse.server.house import this_house
from proofhouse.server.obligations import digest, services
from proofhouse.server.obligations.answers import LISTS, answer, for_whom, grade_of, in_list, why
from proofhouse.server.obligations.desk import (
    asked_model,
    attempt,
    day_of,
    desk_page,
    download,
    show,
    view_of,
)
from proofhouse.server.obligations.exports import EXPORTS
from proofhouse.server.obligations.feed import as_calendar
from proofhouse.server.obligations.forms import EvidenceForm, LinkForm, ProfileForm
from proofhouse.server.obligations.models import CalendarDate, CalendarFeed, Evidence, EvidenceLink
from proofhouse.server.obligations.own_law import TEN_QUESTIONS, belongs_to_a_model, concerns_models, law_book
from proofhouse.server.obligations.queries import (
    at_the_desk,
    current_facts,
    own_models,
    own_profile,
    valid_links,
)
from proofhouse.server.obligations.rules import flat
from proofhouse.server.web.cells import at, plain
from proofhouse.server.web.cells import digest as short
from proofhouse.server.web.pages import Cell, Table, person_of

_FEED_ROWS = 2000


@desk_page()
def applies(request: HttpRequest) -> HttpResponse:
    """What appears to apply and why, in three lists; each line leads to its explanation."""
    person, view, model = person_of(request), view_of(request), asked_model(request)
    record = answer(person, view, model)
    linked = {link.obligation for link in valid_links(person, view.as_of)}
    lists = [
        (
            name,
            title,
            [
                {**row, "why": why(row), "of": for_whom(row), "evidence": row["obligation"] in linked}
                for row in rows
            ],
        )
        for name, title, results in LISTS
        for rows in [in_list(record["assessments"], results)]
    ]
    exports = [(name, reverse("obligations:export", args=[name])) for name in EXPORTS]
    context = {
        "lists": lists,
        "view": view,
        "exports": exports,
        "answered": len(current_facts(person, model)),
        "models": own_models(person),
        "model": model,
    }
    return show(request, "applies", context)


@desk_page("GET", "HEAD", "POST")
def profile(request: HttpRequest) -> HttpResponse:
    """Ten plain questions, or those of one model; with `?ask=` a question that a duty cannot be told without."""
    person, model = person_of(request), asked_model(request)
    known = law_book().vocabulary
    names = _asked(request) or [name for name in TEN_QUESTIONS if model is None or belongs_to_a_model(name)]
    current, papers = current_facts(person, model), list(visible(person, Evidence))
    data = request.POST if request.method == "POST" else None
    form = ProfileForm(data, names=names, current=current, evidence=papers)
    problems: list[str] = []
    if data is not None and form.is_valid():
        for told in form.answers():
            of = str(model.id) if model and belongs_to_a_model(told["name"]) else None
            attempt(services.set_fact, problems, actor=person, model=of, **told)
        if not problems:
            return redirect(reverse("obligations:list") + (f"?model={model.id}" if model else ""))
    context = {
        "form": form,
        "heading": "Ten questions" if names == list(TEN_QUESTIONS) else "Questions",
        "problems": problems,
        "model": model,
        "models": own_models(person),
        "further": [
            (name, known.question(name), flat(fact.value), fact.source)
            for name, fact in current.items()
            if name not in names
        ],
    }
    return show(request, "profile", context, status=422 if problems or form.errors else 200)


def _asked(request: HttpRequest) -> list[str]:
    known = law_book().vocabulary
    return [
        name
        for name in request.GET.getlist("ask")
        if (name in known.facts and not name.startswith("event."))
        or (name.startswith("times.") and name.removeprefix("times.") in known.times)
    ]


@desk_page("POST")
def add_model(request: HttpRequest) -> HttpResponse:
    """Name a model of this organisation."""
    problems: list[str] = []
    made = attempt(services.add_model, problems, actor=person_of(request), name=request.POST.get("name", ""))
    if made is None:
        return show(request, "refused", {"title": "Models", "problems": problems}, status=422)
    return redirect(f"{reverse('obligations:profile')}?model={made.id}")


@desk_page()
def duty(request: HttpRequest, obligation: str) -> HttpResponse:
    """One duty: the answer, the tree that explains it, the citation with its grade, dates and evidence."""
    person, view, model = person_of(request), view_of(request), asked_model(request)
    if obligation not in law_book().obligation_ids:
        raise Http404
    told = own_profile(person, model)
    assessed = law_book().assess(
        obligation, facts=told.facts, times=told.times, as_of=view.as_of, known_at=view.known_at
    )
    if assessed is None:
        raise Http404
    row = assessment_record(law_book(), assessed, told.sources)
    links = valid_links(person, view.as_of).filter(obligation=obligation)
    occurred_only = bool(assessed.obligation.trigger_when)
    context = {
        "row": row,
        "view": view,
        "model": model,
        "models": own_models(person) if concerns_models(assessed.obligation) else [],
        "links": links,
        "trees": row["explanation"],
        "grade": law_book().edition.grades[row["grade"]],
        "by_event": occurred_only or assessed.obligation.trigger != "standing",
        "trigger": law_book().vocabulary.triggers[assessed.obligation.trigger].ask,
        "certain": assessed.applicability is not Truth.UNKNOWN,
    }
    return show(request, "duty", context)


@desk_page()
def calendar(request: HttpRequest) -> HttpResponse:
    """The next dates."""
    person = person_of(request)
    rows = [
        [
            at(row.at),
            Cell(row.title, _origin(row)),
            plain(row.obligation),
            plain(grade_of(row.obligation, now().date())),
        ]
        for row in visible(person, CalendarDate).filter(cancelled=False, at__gte=now())
    ]
    tables = [
        Table("Next dates", ["When", "What", "Duty", "Grade"], rows, "No dates. Answer the profile first.")
    ]
    return show(
        request,
        "tables",
        {
            "title": "Calendar",
            "lead": "Dates of duties that appear to apply, and of running incident clocks.",
            "tables": tables,
            "links": [("Have these dates in your own calendar", reverse("obligations:feed"))],
        },
    )


def _origin(row: CalendarDate) -> str:
    kind, _, identity = row.origin.partition(":")
    if kind == "incident":
        return reverse("obligations:incident", args=[identity])
    return reverse("obligations:duty", args=[row.obligation])


@desk_page("GET", "HEAD", "POST")
def evidence(request: HttpRequest) -> HttpResponse:
    """Evidence once, linked to many duties."""
    person = person_of(request)
    problems: list[str] = []
    form = EvidenceForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        attempt(services.add_evidence, problems, actor=person, **form.told())
        if not problems:
            return redirect("obligations:evidence")
    return _evidence_page(request, form, _link_form(request, None), problems)


@desk_page("POST")
def link(request: HttpRequest) -> HttpResponse:
    """Link evidence to a duty."""
    person = person_of(request)
    problems: list[str] = []
    form = _link_form(request, request.POST)
    if form.is_valid():
        attempt(services.link_evidence, problems, actor=person, **form.cleaned_data)
        if not problems:
            return redirect("obligations:evidence")
    return _evidence_page(request, EvidenceForm(), form, problems)


def _link_form(request: HttpRequest, data: object) -> LinkForm:
    duties = [
        (entry.obligation.id, f"{entry.obligation.title} [{entry.obligation.id}]")
        for entry in law_book().entries(now().date())
    ]
    papers = list(visible(person_of(request), Evidence))
    return LinkForm(data, evidence=papers, duties=duties)  # type: ignore[arg-type]  # POST data is a mapping


def _evidence_page(
    request: HttpRequest, form: EvidenceForm, linking: LinkForm, problems: list[str]
) -> HttpResponse:
    person = person_of(request)
    papers: QuerySet[Evidence] = visible(person, Evidence).prefetch_related("links")
    rows = [
        [
            Cell(row.title, reverse("obligations:evidence-file", args=[row.id])),
            short(row.sha256),
            plain(row.valid_until or "no end"),
            plain(len(row.links.all())),
        ]
        for row in papers
    ]
    links = [
        [
            Cell(one.obligation, reverse("obligations:duty", args=[one.obligation])),
            plain(one.evidence.title),
            plain(one.covers),
            plain(
                "ran out" if one.evidence.valid_until and one.evidence.valid_until < now().date() else "valid"
            ),
        ]
        for one in visible(person, EvidenceLink).select_related("evidence")
    ]
    context = {
        "form": form,
        "linking": linking,
        "problems": problems,
        "papers": Table("Documents", ["Title", "SHA-256", "Valid until", "Duties"], rows),
        "links": Table("Links", ["Duty", "Evidence", "What it covers, what it leaves open", "Now"], links),
    }
    wrong = problems or (request.method == "POST" and (form.errors or linking.errors))
    return show(request, "evidence", context, status=422 if wrong else 200)


@desk_page()
def evidence_file(request: HttpRequest, evidence: object) -> HttpResponse:
    """The bytes of a document."""
    row = access(person_of(request), Evidence, id=evidence)
    return download(get_blob(row.sha256), "application/octet-stream", f"evidence-{row.sha256[:12]}.bin")


@desk_page()
def changes(request: HttpRequest) -> HttpResponse:
    """What changed for this house, by default in the last week."""
    end = day_of(request, "to", None) or now().date()
    start = day_of(request, "from", None) or end - digest.WEEK
    told = digest.weekly(digest.told_to(person_of(request)), start, end, now())
    record = digest.as_record(told, digest.week_of(start))
    return show(request, "changes", {"title": "What changed for us", "record": record, "choose": True})


@desk_page()
def export(request: HttpRequest, name: str) -> HttpResponse:
    """One export by its file name."""
    if name not in EXPORTS:
        raise Http404
    make, content_type = EXPORTS[name]
    content = make(person_of(request), view_of(request), asked_model(request))
    return download(content, content_type, name)


@desk_page("GET", "HEAD", "POST")
def feed(request: HttpRequest) -> HttpResponse:
    """Open a private calendar address; it is shown once."""
    person = person_of(request)
    problems: list[str] = []
    address = ""
    if request.method == "POST":
        token = services.new_token()
        titles = request.POST.get("titles") == "yes"
        if attempt(services.make_feed, problems, actor=person, token=token, titles=titles):
            address = this_house().address + reverse("obligations:feed-file", args=[token])
    current = visible(person, CalendarFeed).filter(revoked_at=None).first()
    context = {"address": address, "current": current, "problems": problems}
    answer_ = show(request, "feed", context)
    answer_["Cache-Control"] = "no-store"
    return answer_


@login_not_required
@require_safe
def feed_file(_request: HttpRequest, token: str) -> HttpResponse:
    """The feed at its private address; the token is the key, and it ends with its owner's roles."""
    found = (
        CalendarFeed.objects.filter(token_sha256=sha256_hex(token.encode()), revoked_at=None)
        .select_related("person")
        .first()
    )
    if found is None or not at_the_desk(found.person):
        raise Http404
    rows = visible(found.person, CalendarDate)[:_FEED_ROWS]
    answer_ = HttpResponse(
        as_calendar(rows, titles=found.titles), content_type="text/calendar; charset=utf-8"
    )
    answer_["Cache-Control"] = "no-store"
    answer_["X-Robots-Tag"] = "noindex"
    return answer_
