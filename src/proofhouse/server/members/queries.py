# SPDX-License-Identifier: Apache-2.0
"""Who may see parts lists, matches and notifications, and what they see."""

from __future__ import annotations

from typing import Any

from proofhouse.server.accounts.gate import readable_by, visible
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine.acts import question
from proofhouse.server.members.models import Match, Notification, Sbom

for _model in (Sbom, Match):
    readable_by(_model, Role.COORDINATOR)
readable_by(Notification, Role.COORDINATOR, Role.OPERATOR)


@question
def sboms(*, actor: Person) -> list[dict[str, Any]]:
    """The parts lists that this house holds."""
    return [
        {
            "member": row.member.name,
            "name": row.name,
            "components": row.components,
            "in_force": row.entry.in_force,
        }
        for row in visible(actor, Sbom).select_related("member", "entry")
    ]


@question
def matches(*, actor: Person) -> list[dict[str, Any]]:
    """What matched, and what could not be decided."""
    return [
        {
            "member": row.sbom.member.name,
            "component": row.component,
            "version": row.version,
            "answer": row.answer,
            "reason": row.reason,
        }
        for row in visible(actor, Match).select_related("sbom__member")
    ]


@question
def notifications(*, actor: Person) -> list[dict[str, Any]]:
    """What this house told, or was told."""
    return [
        {
            "id": str(row.id),
            "with": row.peer.name,
            "advisory": row.advisory,
            "components": row.components,
            "due_at": row.due_at.isoformat(),
        }
        for row in visible(actor, Notification).select_related("peer")
    ]
