# SPDX-License-Identifier: Apache-2.0
"""Who may see people, invitations, tokens and emergencies; how cases are marked and who is named to them."""

from __future__ import annotations

from typing import Any

from django.db.models import Q

from proofhouse.server.accounts.files import CaseFile, GateOpening, Grant, Recusal
from proofhouse.server.accounts.gate import readable_by, rule, visible
from proofhouse.server.accounts.models import (
    BreakGlass,
    Invitation,
    MachineToken,
    Membership,
    Organisation,
    Person,
)
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine.acts import question
from proofhouse.server.engine.clock import wire

readable_by(CaseFile, *Role)
for _model in (GateOpening, Grant, Recusal):
    readable_by(_model, Role.INSPECTOR, Role.STEWARD)


@rule(Grant)
def own_grants(person: Person) -> Q:
    """Everybody sees what they were named to, and to what they named others."""
    return Q(person=person) | Q(granted_by=person)


@rule(Recusal)
def own_recusals(person: Person) -> Q:
    """Everybody sees what they stand back from."""
    return Q(person=person)


for _of_stewards in (Invitation, Membership, Organisation, Person):
    readable_by(_of_stewards, Role.STEWARD)
readable_by(BreakGlass, Role.INSPECTOR, Role.STEWARD)


@rule(MachineToken)
def own_tokens(person: Person) -> Q:
    """Everybody sees the tokens that they made, a steward all."""
    return Q() if Role.STEWARD in person.roles else Q(person=person)


@question
def people(*, actor: Person) -> list[dict[str, Any]]:
    """Who works here, in which roles; for a steward."""
    held: dict[Any, list[str]] = {}
    for membership in visible(actor, Membership).order_by("organisation", "role"):
        held.setdefault(membership.person_id, []).append(f"{membership.organisation_id}/{membership.role}")
    return [
        {
            "id": str(person.id),
            "name": person.name,
            "email": person.email,
            "active": person.is_active,
            "roles": held.get(person.id, []),
            "signed_in": wire(person.last_login) if person.last_login else None,
        }
        for person in visible(actor, Person)
    ]
