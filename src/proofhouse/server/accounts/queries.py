# SPDX-License-Identifier: Apache-2.0
"""Who may see people, invitations, tokens and emergencies; how cases are marked and who is named to them."""

from __future__ import annotations

from typing import Any

from django.db.models import Q

from proofhouse.server.accounts.explaining import Reach, explain_case
from proofhouse.server.accounts.files import CaseFile, GateOpening, Grant, Recusal
from proofhouse.server.accounts.gate import NotFound, readable_by, rule, visible
from proofhouse.server.accounts.marks import Mark
from proofhouse.server.accounts.models import (
    BreakGlass,
    Invitation,
    MachineToken,
    Membership,
    Organisation,
    Person,
)
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.accounts.standing import standing_of
from proofhouse.server.engine.acts import question
from proofhouse.server.engine.clock import wire

KEEPERS = frozenset({Role.INSPECTOR, Role.STEWARD})
"""They see who may see what, and why; not what it is."""

readable_by(CaseFile, *Role)
for _model in (GateOpening, Grant, Recusal):
    readable_by(_model, *KEEPERS)


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


def who_reaches(actor: Person, case: str) -> tuple[Mark, list[Reach]]:
    """The mark of a case and how far everybody reaches into it.

    Raises:
        NotFound: The actor keeps nobody's access.
    """
    if not (actor.is_active and standing_of(actor).roles & KEEPERS):
        raise NotFound("no case like that")
    return explain_case(case)


@question
def who_may_see(*, actor: Person, case: str) -> dict[str, Any]:
    """Who may see what lies under a case, and by which rules; for stewards and inspectors."""
    mark, reaches = who_reaches(actor, case)
    return {
        "case": case if reaches else "",
        "mark": mark if reaches else "",
        "people": [
            {
                "person": each.person.email,
                "model": each.model,
                "opened": each.opened,
                "rows": each.rows,
                "admitted_by": list(each.admitted_by),
                "forbidden_by": list(each.forbidden_by),
            }
            for each in reaches
        ],
    }


@question
def openings(*, actor: Person) -> list[dict[str, Any]]:
    """What was opened that is TLP:AMBER+STRICT or RED, newest first; the last thousand."""
    return [
        {
            "person": row.person.email,
            "model": row.model,
            "row": row.row,
            "case": row.case,
            "mark": row.mark,
            "rules": row.rules,
            "first_at": wire(row.first_at),
        }
        for row in visible(actor, GateOpening).select_related("person")[:1000]
    ]
