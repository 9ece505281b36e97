# SPDX-License-Identifier: Apache-2.0
"""Who may see how cases are marked, who is named to them and who opened what; and why."""

from __future__ import annotations

from django.db.models import Q

from proofhouse.server.accounts.files import CaseFile, GateOpening, Grant, Recusal
from proofhouse.server.accounts.gate import readable_by, rule
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Role

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
