# SPDX-License-Identifier: Apache-2.0
"""What every page of the desk shares: who gets in, the standing sentence, and how a refusal is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from functools import update_wrapper
from typing import Any, Concatenate, ParamSpec, TypeVar

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from proofhouse.server.accounts.gate import NotAllowed, NotFound, access, visible
from proofhouse.server.accounts.models import Person
from proofhouse.server.engine.acts import ActError
from proofhouse.server.engine.clock import now
from proofhouse.server.obligations.answers import View, foot
from proofhouse.server.obligations.bridge import candidates
from proofhouse.server.obligations.models import AiModel, DigestReading, WeeklyDigest
from proofhouse.server.obligations.queries import at_the_desk
from proofhouse.server.obligations.rules import RecordRefused
from proofhouse.server.web.pages import person_of

P = ParamSpec("P")
T = TypeVar("T")

PLACES = (
    ("What applies", "obligations:list"),
    ("Profile", "obligations:profile"),
    ("Calendar", "obligations:calendar"),
    ("Incidents", "obligations:incidents"),
    ("From reviews", "obligations:bridge"),
    ("Evidence", "obligations:evidence"),
    ("Changes", "obligations:changes"),
    ("Digests", "obligations:digests"),
    ("For the board", "obligations:governance"),
)
REFUSALS = (ActError, NotAllowed, RecordRefused)


def desk_page(
    *methods: str,
) -> Callable[
    [Callable[Concatenate[HttpRequest, P], HttpResponse]], Callable[Concatenate[HttpRequest, P], HttpResponse]
]:
    """Open a page to the own side; for everybody else there is no such address.

    Args:
        methods: What it answers besides GET and HEAD; `POST` alone for a page that only takes.
    """
    allowed = list(methods) or ["GET", "HEAD"]

    def wrap(
        page: Callable[Concatenate[HttpRequest, P], HttpResponse],
    ) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
        def run(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            if not at_the_desk(person_of(request)):
                raise Http404
            try:
                return page(request, *args, **kwargs)
            except NotFound:
                raise Http404 from None

        update_wrapper(run, page)
        checked: Callable[Concatenate[HttpRequest, P], HttpResponse] = require_http_methods(allowed)(run)
        return checked

    return wrap


def attempt(act: Callable[..., T], problems: list[str], **arguments: Any) -> T | None:
    """Do an act; a refusal is added to what the page says."""
    try:
        return act(**arguments)
    except REFUSALS as refused:
        problems.append(str(refused))
        return None


def day_of(request: HttpRequest, name: str, default: date | None) -> date | None:
    """A day from the address; one that is none is left out."""
    try:
        return date.fromisoformat(request.GET.get(name, ""))
    except ValueError:
        return default


def view_of(request: HttpRequest) -> View:
    """The two times that are asked about."""
    return View(day_of(request, "as_of", None) or now().date(), day_of(request, "known_at", None))


def asked_model(request: HttpRequest) -> AiModel | None:
    """The model that is asked about; None for all.

    Raises:
        NotFound: There is none like that.
    """
    wanted = request.GET.get("model", "")
    return access(person_of(request), AiModel, id=wanted) if wanted else None


def notices(person: Person) -> list[tuple[str, str]]:
    """What waits for a person at this desk, each with where it is read."""
    read = visible(person, DigestReading).filter(person=person).values("digest")
    unread = visible(person, WeeklyDigest).exclude(week__in=read)
    found = [
        (f"What changed for you in week {digest.week}", reverse("obligations:digest", args=[digest.week]))
        for digest in unread[:3]
    ]
    waiting = len(candidates(person))
    if waiting:
        told = "1 event" if waiting == 1 else f"{waiting} events"
        found.append((f"{told} of a review to decide about", reverse("obligations:bridge")))
    return found


def show(
    request: HttpRequest, template: str, context: Mapping[str, Any], *, status: int = 200
) -> HttpResponse:
    """Render a page of the desk."""
    person = person_of(request)
    shared = {"places": PLACES, "foot": foot(), "person": person, "notices": notices(person)}
    return render(request, f"obligations/{template}.html", {**shared, **context}, status=status)


def download(content: bytes, content_type: str, name: str) -> HttpResponse:
    """A file to keep; never shown in the page."""
    answer = HttpResponse(content, content_type=content_type)
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    answer["Cache-Control"] = "no-store"
    return answer
