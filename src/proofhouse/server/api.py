# SPDX-License-Identifier: Apache-2.0
"""The REST interface of a house, `/api/v1`: every desk's part, mounted once.

Changes are additive. Its description is served at `openapi.json`; `proofhouse house api` prints it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Any, cast

import msgspec
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from proofhouse.server.advisories.api import desk as advisories
from proofhouse.server.cases.api import SUBMISSIONS, count_refused
from proofhouse.server.cases.api import desk as cases
from proofhouse.server.correspondence.api import desk as hosted
from proofhouse.server.engine.api import desk as letters
from proofhouse.server.exams.api import desk as exams
from proofhouse.server.members.api import desk as members
from proofhouse.server.obligations.api import desk as obligations
from proofhouse.server.oversight.api import desk as oversight
from proofhouse.server.releases.api import desk as releases
from proofhouse.server.rest.bodies import JsonParser
from proofhouse.server.rest.desk import tagged
from proofhouse.server.rest.door import Bearer, Session
from proofhouse.server.rest.problems import MEDIA_TYPE, problem, problem_of
from proofhouse.server.reviews.api import desk as reviews

PREFIX = "/api/v1/"
View = Callable[..., HttpResponseBase]


def _refused(request: HttpRequest, raised: Any) -> HttpResponse:
    """A refusal; one of a report is counted by intake, so that no report is unaccounted for."""
    answer = problem_of(request, raised)
    if request.path.startswith(f"/api/v1/{SUBMISSIONS}") and answer.status_code not in (401, 403):
        count_refused(answer)
    return answer


def _interface() -> NinjaAPI:
    made = NinjaAPI(
        title="Proofhouse",
        version="1.0.0",
        description=(
            "What the desks of a house show and do. Nothing here says anything about whether a model may be released."
        ),
        openapi_url=None,
        docs_url=None,
        auth=[Bearer(), Session()],
        parser=JsonParser(),
        urls_namespace="api",
    )
    for desk in (
        cases,
        reviews,
        exams,
        advisories,
        members,
        releases,
        oversight,
        obligations,
        letters,
        hosted,
    ):
        made.add_router("", desk)
    for raised in (Exception, Http404, HttpError, ValidationError):  # ninja has handlers of its own for these
        made.add_exception_handler(raised, _refused)
    return made


api = _interface()


def description() -> dict[str, Any]:
    """The OpenAPI 3.1 description; refusals are said once and of the media type that they really have."""
    said: dict[str, Any] = json.loads(json.dumps(api.get_openapi_schema(path_prefix=PREFIX)))
    refusals: dict[str, Any] = {}
    for operations in said["paths"].values():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    name = answer["description"].replace(" ", "")
                    refusals[name] = answer | {"content": {MEDIA_TYPE: answer["content"]["application/json"]}}
                    operation["responses"][status] = {"$ref": f"#/components/responses/{name}"}
    said["components"]["responses"] = refusals
    return said


@csrf_exempt
@login_not_required
def openapi(request: HttpRequest) -> HttpResponse:
    """The description, the same for everybody."""
    return tagged(request, msgspec.json.encode(description()))


@csrf_exempt
@login_not_required
def nowhere(request: HttpRequest, rest: str = "") -> HttpResponse:  # noqa: ARG001 - the route gives it
    """Every address below the prefix that is none."""
    return problem(404, "not_found", "no such address")


def _at_the_door(view: View) -> View:
    """What holds for every operation: HEAD beside GET, JSON only, problems also for what never reaches a desk."""

    @csrf_exempt
    @login_not_required
    @wraps(view)
    def served(request: HttpRequest, **where: Any) -> HttpResponseBase:
        has_body = request.headers.get("Content-Length", "0") not in ("", "0")
        if request.method == "POST" and has_body and request.content_type != "application/json":
            return problem(415, "not_json", "send application/json")
        if "%00" in request.META.get("QUERY_STRING", ""):
            return problem(422, "fields_refused", "no parameter holds a NUL")
        if request.method == "HEAD":
            request.method = "GET"
        answer = view(request, **where)
        if isinstance(answer, HttpResponseNotAllowed):
            refused = problem(405, "method_not_allowed", f"this address takes {answer['Allow']}")
            refused["Allow"] = answer["Allow"]
            return refused
        return answer

    return served


def addresses() -> list[URLPattern]:
    """All addresses below `/api/v1/`."""
    operations: dict[str, URLPattern] = {}
    for pattern in api.urls[0]:
        route = str(pattern.pattern)
        if isinstance(pattern, URLPattern) and route and route not in operations:
            operations[route] = path(route, _at_the_door(cast(View, pattern.callback)), name=pattern.name)
    return [
        *operations.values(),
        path("openapi.json", require_safe(openapi), name="openapi"),
        path("", nowhere),
        path("<path:rest>", nowhere),
    ]
