# SPDX-License-Identifier: Apache-2.0
"""Who may see parts lists, matches and notifications, and what they see."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from proofhouse.formats import read_sbom
from proofhouse.server.accounts.gate import readable_by, visible
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine.acts import question
from proofhouse.server.engine.blobs import get_blob
from proofhouse.server.engine.search import Searchable, searchable
from proofhouse.server.members.models import Match, Notification, Sbom

for _model in (Sbom, Match):
    readable_by(_model, Role.COORDINATOR)
readable_by(Notification, Role.COORDINATOR, Role.OPERATOR)


def _parts(sbom: Sbom) -> list[str]:
    """The names of a parts list; a list whose file is gone is still found by its own."""
    try:
        parts = read_sbom(get_blob(sbom.sha256)).components
    except FileNotFoundError:
        parts = ()
    return [sbom.name, sbom.member.title, *(f"{part.group} {part.name} {part.version}" for part in parts)]


searchable(
    Searchable(
        Sbom,
        title=lambda sbom: f"Parts list {sbom.name} of {sbom.member.title}",
        words=_parts,
        address=lambda _: reverse("members:list"),
    )
)


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
