# SPDX-License-Identifier: Apache-2.0
"""Pages for people of an organisation without a house: their threads, their letters, and what they may write."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.core.exceptions import ObjectDoesNotExist
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from proofhouse.letters import Letter as Opened
from proofhouse.letters import parse_letter
from proofhouse.server.accounts.gate import NotAllowed, NotFound, access
from proofhouse.server.accounts.models import Person
from proofhouse.server.correspondence import queries, services
from proofhouse.server.correspondence.forms import FORMS, LetterForm
from proofhouse.server.correspondence.views import Action, show_with
from proofhouse.server.engine.models import Letter, Thread
from proofhouse.server.web.cells import at, plain, state
from proofhouse.server.web.pages import Cell, Page, Table, person_of, row_for, show

_READ = ["GET", "HEAD"]
_FORM = ["GET", "HEAD", "POST"]
_WORDS = {
    "access-offer": "Offer access",
    "agreement-acceptance": "Agree to the terms",
    "case-message": "Answer",
    "inquiry": "Ask whether a model is covered",
    "report": "Report a vulnerability",
    "sbom": "Give a parts list",
}


@require_http_methods(_READ)
def desk(request: HttpRequest) -> HttpResponse:
    """Where somebody of a hosted organisation starts."""
    person = _at_a_desk(request)
    rows = [
        [
            Cell(thread.subject, reverse("correspondence:own-thread", args=[thread.id])),
            plain(thread.peer.title),
            _news(person, thread),
            at(thread.opened_at),
        ]
        for thread in queries.threads_at_desk(person)
    ]
    may = [
        [Cell(_WORDS[kind], reverse("correspondence:write", args=[name, kind])), plain(title)]
        for name, title, kind in queries.openers(person)
    ]
    return show(
        request,
        Page(
            "Your desk",
            "Letters between your organisation and this house. Opening a letter acknowledges it.",
            tables=[
                Table("Threads", ("Subject", "Your organisation", "News", "Since"), rows),
                Table(
                    "Begin something",
                    ("What", "For"),
                    may,
                    "Nothing; answers are in the threads.",
                ),
            ],
        ),
    )


@require_http_methods(_READ)
def thread(request: HttpRequest, thread: UUID) -> HttpResponse:
    """One correspondence of the organisation."""
    person = _at_a_desk(request)
    row = _own_thread(person, id=thread)
    letters = [
        [
            Cell(letter.type, reverse("correspondence:own-letter", args=[letter.digest])),
            plain("from this house" if letter.direction == Letter.Direction.SENT else "from you"),
            state("not opened yet" if queries.unopened(letter) else "opened"),
            at(letter.written_at),
        ]
        for letter in queries.letters_at_desk(person, row)
    ]
    may = [
        [Cell(_WORDS[kind], reverse("correspondence:answer", args=[row.id, kind]))]
        for kind in queries.answers(person, row)
    ]
    tables = [
        Table("Letters", ("Letter", "From", "State", "Written"), letters),
        Table("Answer", ("What you can do now",), may, "Nothing to answer: open what is new first."),
    ]
    return show(request, Page(row.subject, facts=[("Organisation", plain(row.peer.title))], tables=tables))


@require_http_methods(_FORM)
def letter(request: HttpRequest, letter: str) -> HttpResponse:
    """One letter. One to the organisation is shown once somebody opens it, which acknowledges it."""
    person = _at_a_desk(request)
    row = row_for(person, Letter, digest=letter)
    _own_thread(person, id=row.thread_id)
    if request.method == "POST":
        services.open_letter(actor=person, letter=row.digest)
        return redirect("correspondence:own-letter", row.digest)
    back = ("Thread", Cell(row.thread.subject, reverse("correspondence:own-thread", args=[row.thread_id])))
    if queries.unopened(row):
        action = Action(
            "Not opened yet",
            LetterForm(None),
            [("open", "Open")],
            f"Opening tells this house, in your name, that {row.thread.peer.title} has the letter.",
        )
        return show_with(request, Page(row.type, facts=[back, ("Written", at(row.written_at))]), [action])
    opened = parse_letter(bytes(row.envelope))
    return show(request, _letter_page(row, opened, back))


@require_http_methods(_READ)
def enclosure(request: HttpRequest, letter: str, name: str) -> HttpResponse:
    """A file that an opened letter encloses, to keep; never shown in the page."""
    person = _at_a_desk(request)
    try:
        row = access(person, Letter, digest=letter)
        _own_thread(person, id=row.thread_id)
        content = None if queries.unopened(row) else parse_letter(bytes(row.envelope)).enclosure(name).content
    except (NotFound, KeyError):
        raise Http404 from None
    if content is None:
        raise Http404
    answer = HttpResponse(content, content_type="application/octet-stream")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    answer["Cache-Control"] = "no-store"
    return answer


@require_http_methods(_FORM)
def write(request: HttpRequest, organisation: str, kind: str) -> HttpResponse:
    """Write a letter that opens a thread."""
    person = _at_a_desk(request)
    if kind in services.ANSWERS or not services.may_write(person, organisation, kind):
        raise Http404
    return _write(request, person, organisation, kind, None)


@require_http_methods(_FORM)
def answer(request: HttpRequest, thread: UUID, kind: str) -> HttpResponse:
    """Write a letter that goes on with a thread."""
    person = _at_a_desk(request)
    row = _own_thread(person, id=thread)
    if kind not in queries.answers(person, row):
        raise Http404
    return _write(request, person, str(row.peer.organisation_id), kind, row)


def _write(
    request: HttpRequest, person: Person, organisation: str, kind: str, thread: Thread | None
) -> HttpResponse:
    data = (request.POST, request.FILES) if request.method == "POST" else ()
    form = FORMS[kind](thread, *data)
    if form.is_valid():
        try:
            written = services.write_letter(
                actor=person,
                organisation=organisation,
                letter_type=kind,
                body=form.body(),
                thread=str(thread.id) if thread else "",
                in_reply_to=form.in_reply_to(),
                files=form.enclosures(),
            )
        except (NotAllowed, NotFound):
            raise Http404 from None
        except Letter.DoesNotExist:
            form.add_error(None, "There is no letter in this thread that this would answer.")
        except Exception as refused:
            # What a desk cannot follow has a code, is a value that it cannot read, or names what is not there.
            coded = isinstance(getattr(refused, "code", None), str)
            if not coded and not isinstance(refused, (ValueError, ObjectDoesNotExist)):
                raise
            form.add_error(None, str(refused))
        else:
            return redirect("correspondence:own-thread", written.thread_id)
    action = Action(form.title, form, [("send", "Send")], form.lead, form.multipart)
    facts = [("For", plain(organisation)), ("Signed as", plain(person.name))]
    page = Page(thread.subject if thread else "A new letter", facts=facts)
    return show_with(request, page, [action], status=422 if form.errors else 200)


def _letter_page(row: Letter, opened: Opened, back: tuple[str, Cell]) -> Page:
    said: list[tuple[str, Cell]] = [
        (name.replace("_", " ").capitalize(), plain(_as_text(value))) for name, value in opened.body.items()
    ]
    if opened.hosted is not None:
        said.append(("Written by", plain(opened.hosted.person)))
    files = [
        [
            Cell(each.name, reverse("correspondence:enclosure", args=[row.digest, each.name])),
            plain(f"{each.size_bytes} bytes"),
            plain(each.sha256),
        ]
        for each in opened.enclosures
        if each.content is not None
    ]
    facts = [back, ("Written", at(row.written_at)), ("Opened", at(row.acknowledged_at)), *said]
    tables = [Table("Enclosed", ("File", "Size", "SHA-256"), files)] if files else []
    return Page(row.type, facts=facts, tables=tables)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)


def _news(person: Person, thread: Thread) -> Cell:
    new = sum(queries.unopened(letter) for letter in queries.letters_at_desk(person, thread))
    return state(f"{new} not opened" if new else "nothing new", good=frozenset({"nothing new"}))


def _at_a_desk(request: HttpRequest) -> Person:
    person = person_of(request)
    if not person.organisations.exists():
        raise Http404
    return person


def _own_thread(person: Person, **where: Any) -> Thread:
    try:
        return queries.threads_at_desk(person).get(**where)
    except Thread.DoesNotExist:
        raise Http404 from None
