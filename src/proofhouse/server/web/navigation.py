# SPDX-License-Identifier: Apache-2.0
"""The navigation bar: which desks a person's roles open, and the desk of an organisation without a house."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse

from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Role


@dataclass(frozen=True)
class Place:
    """One entry of the bar."""

    title: str
    address: str
    here: bool


_PLACES: tuple[tuple[str, str, frozenset[Role]], ...] = (
    ("Reviews", "reviews:list", frozenset({Role.AUTHORITY, Role.DEVELOPER, Role.REVIEWER})),
    ("Cases", "cases:list", frozenset({Role.COORDINATOR, Role.MAINTAINER})),
    ("Intake", "cases:intake", frozenset({Role.COORDINATOR})),
    (
        "Leases",
        "cases:leases",
        frozenset({Role.COORDINATOR, Role.DEVELOPER, Role.MAINTAINER, Role.OPERATOR, Role.REVIEWER}),
    ),
    ("Advisories", "advisories:list", frozenset({Role.COORDINATOR})),
    ("Members", "members:list", frozenset({Role.COORDINATOR, Role.OPERATOR})),
    ("Releases", "releases:list", frozenset({Role.COORDINATOR, Role.MAINTAINER, Role.OPERATOR})),
    ("Obligations", "obligations:list", frozenset({Role.COMPLIANCE, Role.DEVELOPER, Role.OPERATOR})),
    ("Letters", "correspondence:list", frozenset(Role)),
    ("Register", "reviews:register", frozenset(Role)),
    ("Ledger", "oversight:ledger", frozenset(Role)),
    ("Work", "engine:work", frozenset({Role.COORDINATOR, Role.REVIEWER, Role.STEWARD})),
    ("People", "accounts:people", frozenset({Role.STEWARD})),
    ("Emergencies", "accounts:emergencies", frozenset({Role.INSPECTOR})),
    ("Access", "accounts:access", frozenset({Role.INSPECTOR, Role.STEWARD})),
)


def entries_for(person: Person, path: str) -> tuple[Place, ...]:
    """The places that the roles of a person open, in fixed order."""
    roles = person.roles
    open_to = [(title, name) for title, name, opens in _PLACES if roles & opens]
    if person.organisations.exists():
        open_to.append(("Your desk", "correspondence:desk"))
    return tuple(
        Place(title, address, path.startswith(address))
        for title, name in open_to
        for address in [reverse(name)]
    )
