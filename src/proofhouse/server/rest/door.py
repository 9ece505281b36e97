# SPDX-License-Identifier: Apache-2.0
"""Who is asking: a person with a session in the browser. Whoever is neither gets 401 and how to sign in."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja.security import APIKeyCookie
from ninja.utils import check_csrf

from proofhouse.server.accounts.models import Person
from proofhouse.server.rest.problems import CsrfRefused


class Session(APIKeyCookie):
    """The session that signing in at the portal opened; acts need its CSRF token in the header `X-CSRFToken`."""

    param_name = settings.SESSION_COOKIE_NAME

    def __call__(self, request: HttpRequest) -> Person | None:
        """The person of the session, or None."""
        person = request.user
        if not isinstance(person, Person):
            return None
        if check_csrf(request):
            raise CsrfRefused("send the session's CSRF token in X-CSRFToken")
        return person

    def authenticate(self, request: HttpRequest, key: str | None) -> Any:
        """Never asked: the call above decides."""
        raise NotImplementedError


def person_asking(request: HttpRequest) -> Person:
    """The person whom the door let in."""
    person: Person = request.auth  # type: ignore[attr-defined]  # set by ninja from what the door returned
    return person
