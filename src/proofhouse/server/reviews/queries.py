# SPDX-License-Identifier: Apache-2.0
"""Who may see inquiries, windows and determinations, and what they see."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.urls import reverse

from proofhouse.server.accounts.gate import readable_by, rule, visible
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine.acts import question
from proofhouse.server.engine.search import Searchable, searchable
from proofhouse.server.reviews.models import Agreement, Determination, Inquiry, RegisterEntry, Window

for _model in (Inquiry, Agreement, Window):
    readable_by(_model, Role.AUTHORITY, Role.DEVELOPER, Role.REVIEWER)
readable_by(Determination, Role.AUTHORITY, Role.DEVELOPER, Role.REVIEWER)


@rule(RegisterEntry)
def entries_in_force_are_for_everybody(person: Person) -> Q:
    """The register is public, but an entry without a receipt is not yet one (design rule 3)."""
    return ~Q(determination__entry__receipt="")


def register(actor: Person) -> QuerySet[RegisterEntry]:
    """The label register as it stands."""
    return visible(actor, RegisterEntry).select_related("determination", "determination__statement")


searchable(
    Searchable(
        Inquiry,
        title=lambda inquiry: inquiry.model_name,
        words=lambda inquiry: [inquiry.model_name, inquiry.peer.title],
        address=lambda inquiry: reverse("reviews:review", args=[inquiry.id]),
    )
)


@question
def inquiries(*, actor: Person) -> list[dict[str, Any]]:
    """The inquiries of this house, oldest first."""
    return [
        {
            "id": str(inquiry.id),
            "case": inquiry.case,
            "model": inquiry.model_name,
            "state": inquiry.state,
            "in_force": _window_in_force(inquiry),
        }
        for inquiry in visible(actor, Inquiry).select_related("window__entry")
    ]


def _window_in_force(inquiry: Inquiry) -> bool:
    window = getattr(inquiry, "window", None)
    return window is not None and bool(window.entry.in_force)


@question
def determinations(*, actor: Person) -> list[dict[str, Any]]:
    """The determinations that this house made or was told of."""
    return [
        {
            "id": str(determination.id),
            "model": determination.model_name,
            "label": determination.label,
            "basis": determination.basis,
            "in_force": determination.entry.in_force,
            "register": number,
            "rule_sha256": determination.statement.seal.rule_sha256 if determination.statement else "",
        }
        for determination in visible(actor, Determination).select_related(
            "entry", "register_entry", "statement__seal"
        )
        for number in [getattr(getattr(determination, "register_entry", None), "number", "")]
    ]
