# SPDX-License-Identifier: Apache-2.0
"""Acts that need a person who has just confirmed that it is still them.

`Permission.needs_fresh` marks them. The check is the act's own, so no page can forget it: done from a page whose
session confirmed nothing within `MAX_AGE_S`, the act raises; allauth's middleware keeps what was posted, asks for the
passkey and then does what was asked for. A machine has nobody to ask and is refused. Acts over the control
socket, which only the owner of the house directory can open, are not asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.internal.flows.login import get_authentication_records
from allauth.core import context
from allauth.core.exceptions import ReauthenticationRequired
from django.http import HttpRequest, HttpResponse

from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Permission
from proofhouse.server.house import this_house

MAX_AGE_S = 300


def is_fresh(request: HttpRequest) -> bool:
    """Whether the person of this session confirmed within the last five minutes that it is them."""
    if not isinstance(request.user, Person):
        return False
    counted = {"mfa", "click"} if this_house().demo else {"mfa"}
    return any(
        record.get("reauthenticated")
        and record.get("method") in counted
        and 0 <= time.time() - record["at"] < MAX_AGE_S
        for record in get_authentication_records(request, request.user)
    )


def require_fresh(permission: Permission) -> None:
    """Refuse an act that needs a confirmation, where it is done from a page that has none.

    Raises:
        ReauthenticationRequired: The person has to confirm first; allauth's middleware sees to it.
        NotAllowed: Nobody has signed in to whom the question could be put.
    """
    request = context.request
    if request is None or not permission.needs_fresh:
        return
    if not isinstance(request.user, Person):
        from proofhouse.server.accounts.gate import NotAllowed

        raise NotAllowed(f"{permission.value} takes a person who has just confirmed who they are")
    if not is_fresh(request):
        raise ReauthenticationRequired


def fresh(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Ask for the confirmation before a page is shown at all, as a kindness to who fills in its form."""

    @wraps(view)
    def ask_first(request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponse:
        if not is_fresh(request):
            raise ReauthenticationRequired
        return view(request, *arguments, **named)

    return ask_first
