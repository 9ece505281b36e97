# SPDX-License-Identifier: Apache-2.0
"""Every refusal in one form: a problem (RFC 9457) with a `code` for programs and a `detail` for people."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from allauth.core.exceptions import ReauthenticationRequired
from django.core.exceptions import RequestDataTooBig, ValidationError
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from ninja.errors import AuthenticationError, HttpError
from ninja.errors import ValidationError as FieldsRefused
from pydantic import BaseModel, Field

from proofhouse.attest import (
    BadJson,
    BadSignature,
    KeyProblem,
    MalformedEnvelope,
    MalformedStatement,
    NotCanonical,
)
from proofhouse.distribution.errors import DistributionError
from proofhouse.formats import FormatError
from proofhouse.law import FactRefused
from proofhouse.letters import LetterError
from proofhouse.server.accounts.gate import NotAllowed, NotFound

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
CHALLENGE = 'Bearer realm="proofhouse"'
BUSY_S = 1


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    place: str = Field(description="Where it was given: body, path, query or header")
    field: str
    detail: str


class Problem(BaseModel):
    """A refusal (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str = Field(description="Stable, for programs")
    detail: str = Field(description="What was wrong, for people")
    errors: list[FieldProblem] = Field(default=[], description="The fields that were refused")


_WRONG_DOCUMENT: tuple[type[Exception], ...] = (
    BadJson,
    BadSignature,
    DistributionError,
    FactRefused,
    FormatError,
    KeyProblem,
    LetterError,
    MalformedEnvelope,
    MalformedStatement,
    NotCanonical,
    ValidationError,
)
"""What the libraries raise for content that they cannot take."""

_WRONG_VALUE = frozenset(
    {
        "demo_key",
        "document_refused",
        "idempotency_key_reused",
        "identifiers",
        "no_such_cursor",
        "record_refused",
        "unknown_duty",
        "unknown_house",
        "unknown_recipient",
    }
)
"""Codes of acts that refuse what they were given; every other refusal of an act is a conflict with a state."""


_OWN_STATUS = {"quota_used": 429, "too_large": 413}
"""Refusals for which HTTP has a status of its own."""


class ValueRefused(Exception):
    """A value that fits its type and still cannot be taken."""

    def __init__(self, message: str, code: str = "record_refused") -> None:
        super().__init__(message)
        self.code = code


class CsrfRefused(Exception):
    """A session asked for an act without the token that only its own pages know."""


def problem(status: int, code: str, detail: str, errors: Sequence[dict[str, str]] = ()) -> HttpResponse:
    """A refusal as it goes over the wire."""
    content: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        "errors": list(errors),
    }
    answer = HttpResponse(msgspec.json.encode(content), status=status, content_type=MEDIA_TYPE)
    answer["Cache-Control"] = "no-store"
    if status == HTTPStatus.UNAUTHORIZED:
        answer["WWW-Authenticate"] = CHALLENGE
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        answer["Retry-After"] = str(BUSY_S)
    return answer


def problem_of(request: HttpRequest, refused: Any) -> HttpResponse:
    """The one mapper from what was raised to what is answered."""
    match refused:
        case FieldsRefused():
            return problem(422, "fields_refused", "some fields cannot be taken", _fields(refused))
        case AuthenticationError():
            return problem(401, "not_signed_in", "sign in, or send a bearer token")
        case CsrfRefused():
            return problem(403, "csrf_refused", str(refused))
        case ReauthenticationRequired():
            return problem(403, "confirm_first", "confirm at the portal that it is you, then ask again")
        case NotFound():
            return problem(404, "not_found", str(refused))
        case NotAllowed():
            return problem(403, "not_allowed", str(refused))
        case RequestDataTooBig():
            return problem(413, "too_large", "the request is larger than this house takes")
        case HttpError():
            return problem(refused.status_code, _code_of_status(refused.status_code), refused.message)
        case OperationalError():
            logger.warning("busy: %s", refused)
            return problem(503, "busy", "the database is busy; try again")
    code = getattr(refused, "code", None)
    if isinstance(refused, _WRONG_DOCUMENT):
        name = code.replace("-", "_") if isinstance(code, str) else "document_refused"
        return problem(_OWN_STATUS.get(name, 422), name, _said(refused))
    if isinstance(code, str):
        return problem(422 if code in _WRONG_VALUE else 409, code, _said(refused))
    logger.error("%s %s failed", request.method, request.path, exc_info=refused)
    return problem(500, "failed", "this house could not do that; its log says why")


def _said(refused: Exception) -> str:
    if isinstance(refused, ValidationError):
        return "; ".join(refused.messages)
    return str(refused)


def _code_of_status(status: int) -> str:
    return HTTPStatus(status).phrase.lower().replace(" ", "_")


def _fields(refused: FieldsRefused) -> list[dict[str, str]]:
    return [
        {
            "place": str(error["loc"][0]),
            "field": ".".join(str(part) for part in _named(error["loc"])),
            "detail": str(error["msg"]),
        }
        for error in refused.errors
    ]


def _named(place: Sequence[Any]) -> Sequence[Any]:
    """The field's own path, without the name of the parameter that holds the body."""
    inside = place[1:]
    return inside[1:] if place[0] == "body" and len(inside) > 1 and inside[0] == "body" else inside
