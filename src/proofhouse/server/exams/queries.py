# SPDX-License-Identifier: Apache-2.0
"""Who may see seals and exam reports, and what they see."""

from __future__ import annotations

from django.db.models import QuerySet

from proofhouse.server.accounts.gate import readable_by, visible
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.exams.models import ExamStatement, Seal

readable_by(Seal, Role.AUTHORITY, Role.REVIEWER)
readable_by(ExamStatement, Role.AUTHORITY, Role.REVIEWER)


def statements_of(actor: Person, case: str) -> QuerySet[ExamStatement]:
    """The exam reports of a case, oldest first."""
    return visible(actor, ExamStatement).filter(case=case).select_related("seal", "entry")


def seals_of(actor: Person, case: str) -> QuerySet[Seal]:
    """The seals of a case, oldest first."""
    return visible(actor, Seal).filter(case=case).select_related("entry", "opening")
