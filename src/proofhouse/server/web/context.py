# SPDX-License-Identifier: Apache-2.0
"""What every template may use."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from proofhouse.server.accounts.models import Person
from proofhouse.server.house import this_house
from proofhouse.server.web.navigation import entries_for


def house(request: HttpRequest) -> dict[str, Any]:
    """The house that is open, and where this person can go in it."""
    person = request.user if isinstance(request.user, Person) else None
    return {"house": this_house(), "navigation": entries_for(person, request.path) if person else ()}
