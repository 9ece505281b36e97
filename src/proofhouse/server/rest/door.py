# SPDX-License-Identifier: Apache-2.0
"""Who is asking: a person with a session in the browser, or a machine with a token. All others get 401."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest
from ninja.security import APIKeyCookie, HttpBearer
from ninja.utils import check_csrf

from proofhouse.server.accounts.gate import NotAllowed
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Permission
from proofhouse.server.accounts.tokens import Machine, Scope, authenticate_token
from proofhouse.server.rest.problems import CsrfRefused


class Session(APIKeyCookie):
    """The session that signing in at the portal opened; acts need its CSRF token in the header `X-CSRFToken`."""

    param_name = settings.SESSION_COOKIE_NAME

    def __call__(self, request: HttpRequest) -> Person | None:
        """The person of the session, or None; Django has read the cookie already."""
        return self.authenticate(request, None)

    def authenticate(self, request: HttpRequest, key: str | None) -> Person | None:  # noqa: ARG002 - ninja's signature
        """The person of the session, or None."""
        person = request.user
        if not isinstance(person, Person):
            return None
        if check_csrf(request):
            raise CsrfRefused("send the session's CSRF token in X-CSRFToken")
        return person


class Bearer(HttpBearer):
    """A machine's token, in `Authorization: Bearer ph_…`; it reaches as far as its scopes and its maker reach."""

    def __call__(self, request: HttpRequest) -> Machine | None:
        """The machine of the token, or None."""
        header = request.headers.get("Authorization", "")
        return self.authenticate(request, header) if header else None

    def authenticate(self, request: HttpRequest, token: str) -> Machine | None:  # noqa: ARG002 - ninja's signature
        """The machine of the header's token, or None."""
        return authenticate_token(token)


def reader(request: HttpRequest) -> Person:
    """In whose name rows are read.

    Raises:
        NotAllowed: It is a machine whose token is not for reading.
    """
    asking = _asking(request)
    if isinstance(asking, Person):
        return asking
    if not asking.reads:
        raise NotAllowed(f"this token lacks the scope {Scope.READ.value}")
    return asking.person


def actor(request: HttpRequest, permission: Permission) -> Person:
    """In whose name an act is asked for.

    Raises:
        NotAllowed: It is a machine whose token is not for this act.
    """
    asking = _asking(request)
    if isinstance(asking, Person):
        return asking
    if not asking.may(permission):
        raise NotAllowed(f"this token, or who made it, lacks {permission.value}")
    return asking.person


def _asking(request: HttpRequest) -> Person | Machine:
    asking: Person | Machine = request.auth  # type: ignore[attr-defined]  # set by ninja from what the door returned
    return asking
