# SPDX-License-Identifier: Apache-2.0
"""Pages of the letters desk for the people of this house: threads, letters that are stuck, whose keys are believed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from proofhouse.letters import Introduction, LetterError
from proofhouse.server.accounts.gate import NotAllowed, may_do, visible
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Permission
from proofhouse.server.correspondence.forms import EndForm, HandedForm, IntroduceForm, ReasonForm
from proofhouse.server.correspondence.queries import STUCK, grouped, keys_of, letters_in
from proofhouse.server.engine import services as engine
from proofhouse.server.engine.acts import ActError
from proofhouse.server.engine.clock import wire
from proofhouse.server.engine.models import Letter, Peer, Thread
from proofhouse.server.engine.order import order_of
from proofhouse.server.web.cells import at, digest, plain, state
from proofhouse.server.web.pages import Cell, Moment, Page, Table, person_of, row_for, show

GOOD = frozenset({"acknowledged", "received"})
BAD = frozenset({"abandoned", "dead"})
REFUSALS = (ActError, NotAllowed, LetterError)


@dataclass(frozen=True)
class Action:
    """A form at the foot of a page, and its buttons (value of `do`, words)."""

    title: str
    form: forms.Form
    buttons: Sequence[tuple[str, str]]
    lead: str = ""
    multipart: bool = False


def show_with(
    request: HttpRequest, page: Page, actions: Sequence[Action], *, status: int = 200
) -> HttpResponse:
    """Render a page with forms at its foot."""
    if "live" in request.GET or not actions:
        return show(request, page)
    return render(request, "correspondence/page.html", {"page": page, "actions": actions}, status=status)


def letter_row(letter: Letter) -> list[Cell]:
    """A letter as a line of a table."""
    way = "to" if letter.direction == Letter.Direction.SENT else "from"
    return [
        Cell(letter.type, reverse("correspondence:letter", args=[letter.digest])),
        plain(f"{way} {letter.thread.peer.title}"),
        plain(letter.sequence),
        state(letter.state, good=GOOD, bad=BAD),
        at(letter.written_at),
        plain(letter.problem or "–"),
    ]


_COLUMNS = ("Letter", "With", "Number", "State", "Written", "Problem")


def desk(request: HttpRequest) -> HttpResponse:
    """Threads, what is stuck, what is on its way, and what waits for an earlier letter."""
    person = person_of(request)
    queued = list(letters_in(person, Letter.State.QUEUED)[:200])
    threads = [
        [
            Cell(thread.subject, reverse("correspondence:thread", args=[thread.id])),
            plain(thread.peer.title),
            at(thread.opened_at),
        ]
        for thread in visible(person, Thread).select_related("peer").order_by("-opened_at")[:200]
    ]
    houses = [
        [
            plain(peer.title),
            plain(peer.get_transport_display()),
            state(
                "reached" if not peer.unreached else f"not reached {peer.unreached} times",
                good=frozenset({"reached"}),
            ),
            at(peer.retry_at),
        ]
        for peer in visible(person, Peer)
    ]
    moving = [
        Moment(
            letter.written_at,
            letter.type,
            f"to {letter.thread.peer.title}, tried {letter.attempts} times",
            "sent",
            pending=letter.thread.peer.transport == Peer.Transport.HTTPS,
        )
        for letter in queued
    ]
    stuck = [letter_row(letter) for letter in letters_in(person, *STUCK)[:200]]
    held = [letter_row(letter) for letter in letters_in(person, Letter.State.HELD)[:200]]
    page = Page(
        "Letters",
        "Signed statements between houses. A letter is sent again until it is acknowledged.",
        tables=[
            Table("Stuck", _COLUMNS, stuck, "No letter is dead or abandoned."),
            Table("Held until an earlier letter comes", _COLUMNS, held, "None."),
            Table("On their way", _COLUMNS, [letter_row(letter) for letter in queued], "None."),
            Table("Threads", ("Subject", "With", "Since"), threads),
            Table("Houses", ("House", "By", "Standing", "Tried again"), houses, "Nobody was introduced yet."),
        ],
        moments=moving,
    )
    return show(request, page)


def _standing(peer: Peer) -> str:
    return f"not reached {peer.unreached} times" if peer.unreached else "reached"


def thread(request: HttpRequest, thread: UUID) -> HttpResponse:
    """One correspondence, with the digest by which both houses can see that they hold the same."""
    person = person_of(request)
    row = row_for(person, Thread, id=thread)
    rows = [
        letter_row(letter)
        for letter in visible(person, Letter)
        .filter(thread=row)
        .select_related("thread__peer")
        .defer("envelope")
    ]
    order = order_of(row)
    facts = [
        ("With", plain(row.peer.title)),
        ("Case", plain(row.case or "–")),
        *((f"Letters of {head.house}", plain(head.sequence)) for head in order.heads),
        ("Digest, equal on both sides", plain(grouped(order.digest))),
    ]
    return show(request, Page(row.subject, facts=facts, tables=[Table("Letters", _COLUMNS, rows)]))


@require_http_methods(["GET", "HEAD", "POST"])
def letter(request: HttpRequest, letter: str) -> HttpResponse:
    """One letter; the steward tries a stuck one again or gives it up."""
    person = person_of(request)
    row = row_for(person, Letter, digest=letter)
    may_settle = may_do(person, Permission.HOUSE_LETTER_SETTLE)
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        acts = {"requeue": engine.requeue_letter, "abandon": engine.abandon_letter}
        chosen = acts.get(request.POST.get("do", ""))
        if chosen is None or not may_settle:
            raise Http404
        if form.is_valid() and _done(form, chosen, actor=person, letter=row.digest, **form.cleaned_data):
            return redirect("correspondence:letter", row.digest)
    facts = [
        ("Thread", Cell(row.thread.subject, reverse("correspondence:thread", args=[row.thread_id]))),
        ("Number", plain(row.sequence)),
        ("State", state(row.state, good=GOOD, bad=BAD)),
        ("Written", at(row.written_at)),
        ("Acknowledged", at(row.acknowledged_at)),
        ("Tries that failed", plain(row.attempts)),
        ("Tried again", at(row.retry_at)),
        ("Problem", plain(row.problem or "–")),
        ("Letter id", digest(row.digest)),
    ]
    buttons = []
    if row.state in STUCK:
        buttons.append(("requeue", "Try again"))
    if row.direction == Letter.Direction.SENT and row.state in (Letter.State.DEAD, Letter.State.QUEUED):
        buttons.append(("abandon", "Give up"))
    lead = "Giving up ends the thread: the other house would hold all later letters."
    settle = Action("Settle this letter", form, buttons, lead)
    actions = [settle] if may_settle and (buttons or form.errors) else []
    page = Page(f"{row.type}, {row.direction}", facts=facts)
    return show_with(request, page, actions, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def keys(request: HttpRequest) -> HttpResponse:
    """Whose keys are believed for what; the steward introduces and ends."""
    person = person_of(request)
    if not may_do(person, Permission.HOUSE_PEER_INTRODUCE):
        raise Http404
    handed, introducing, ending, renewing = HandedForm(), None, EndForm(_all_keys(person)), ReasonForm()
    step = request.POST.get("do", "") if request.method == "POST" else ""
    if step == "look":
        handed = HandedForm(request.POST)
        if handed.is_valid():
            introducing = IntroduceForm(initial={"introduction": handed["introduction"].value()})
    elif step == "introduce":
        introducing = IntroduceForm(request.POST)
        if introducing.is_valid() and _done(
            introducing,
            engine.introduce,
            actor=person,
            **{name: introducing.cleaned_data[name] for name in ("introduction", "purposes", "transport")},
        ):
            return redirect("correspondence:keys")
    elif step == "end":
        ending = EndForm(_all_keys(person), request.POST)
        if ending.is_valid():
            peer, _, key_id = ending.cleaned_data["key"].partition("/")
            reason = ending.cleaned_data["reason"]
            if _done(ending, engine.end_introduction, actor=person, peer=peer, key_id=key_id, reason=reason):
                return redirect("correspondence:keys")
    elif step == "renew":
        renewing = ReasonForm(request.POST)
        if renewing.is_valid() and _done(
            renewing, engine.renew_key, actor=person, reason=renewing.cleaned_data["reason"]
        ):
            return redirect("correspondence:keys")
    actions = [
        _introduce_action(introducing)
        if introducing
        else Action("Introduce a house, or another key of one", handed, [("look", "Show its fingerprint")]),
    ]
    if _all_keys(person):
        lead = "What it sealed before stays believed; from now on nothing."
        actions.append(Action("Believe a key no longer", ending, [("end", "End it")], lead))
    lead = "Every other house is told under the old key, and written to under it until it has acknowledged the new one."
    actions.append(Action("Renew this house's own key", renewing, [("renew", "Renew it")], lead))
    bad = any(form.errors for form in (handed, ending, renewing, introducing) if form)
    return show_with(request, _keys_page(person), actions, status=422 if bad else 200)


def _introduce_action(form: IntroduceForm) -> Action:
    try:
        told = json.loads(str(form["introduction"].value()))
        key_id = Introduction.from_record({**told, "purposes": []}).key.key_id
        lead = f"{told['title']} ({told['house']}), {told['address']}. Fingerprint: {grouped(key_id)}"
    except (ValueError, KeyError, TypeError):
        raise Http404 from None
    return Action("Compare the fingerprint, then introduce", form, [("introduce", "Introduce")], lead)


def _keys_page(person: Person) -> Page:
    rows = [
        [
            plain(peer.title),
            plain(grouped(each.key.key_id)),
            plain(", ".join(sorted(each.purposes))),
            plain(wire(each.since)[:16].replace("T", " ") + " UTC"),
            at(each.until),
        ]
        for peer in visible(person, Peer)
        for each in keys_of(peer)
    ]
    own = engine.introduction(actor=person)
    key_id = Introduction.from_record({**own, "purposes": []}).key.key_id
    return Page(
        "Keys of other houses",
        "A letter is believed because its key was introduced here, for that kind of letter and that time.",
        facts=[("Our fingerprint", plain(grouped(key_id))), ("Our introduction", plain(json.dumps(own)))],
        tables=[Table("Introductions", ("House", "Fingerprint", "For", "Since", "Until"), rows)],
    )


def _all_keys(person: Person) -> list[tuple[str, str]]:
    return [
        (f"{peer.name}/{each.key.key_id}", f"{peer.title}, {grouped(each.key.key_id)[:19]}…")
        for peer in visible(person, Peer)
        for each in keys_of(peer)
        if each.until is None
    ]


def _done(form: forms.Form, act: Any, **arguments: Any) -> bool:
    try:
        act(**arguments)
    except REFUSALS as refused:
        form.add_error(None, str(refused))
        return False
    return True
