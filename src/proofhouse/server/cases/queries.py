# SPDX-License-Identifier: Apache-2.0
"""Who may see reports and cases, and what they see."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Q, Sum
from django.urls import reverse

from proofhouse.server.accounts.gate import access, readable_by, rule, visible
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.cases import lease_services
from proofhouse.server.cases.models import (
    Attachment,
    Bench,
    BlindCheck,
    Case,
    Patch,
    ProductRules,
    Reading,
    Refusal,
    Report,
    ScanLease,
    ValidationRun,
)
from proofhouse.server.engine.acts import question
from proofhouse.server.engine.search import Searchable, searchable

readable_by(Attachment, Role.COORDINATOR)
readable_by(Case, Role.COORDINATOR, Role.MAINTAINER)
readable_by(Patch, Role.COORDINATOR, Role.MAINTAINER)
readable_by(Reading, Role.COORDINATOR)
readable_by(Refusal, Role.COORDINATOR)
readable_by(Report, Role.COORDINATOR)
readable_by(ValidationRun, Role.COORDINATOR)
readable_by(Bench, Role.COORDINATOR)
readable_by(BlindCheck, Role.COORDINATOR)
readable_by(ProductRules, Role.COORDINATOR, Role.DEVELOPER, Role.MAINTAINER, Role.OPERATOR, Role.REVIEWER)
readable_by(ScanLease, Role.COORDINATOR)


@rule(ScanLease)
def holder_of_the_lease(person: Person) -> Q | None:
    """Whoever took a lease sees it; nobody else but a coordinator does."""
    return Q(holder=person)


@rule(BlindCheck)
def who_asked(person: Person) -> Q | None:
    """Whoever asked sees what was asked."""
    return Q(lease__holder=person)


searchable(
    Searchable(
        Case,
        title=lambda case: case.title,
        words=lambda case: [case.title, case.product, *case.identifiers],
        address=lambda case: reverse("cases:case", args=[case.id]),
    )
)


@question
def reports(*, actor: Person) -> list[dict[str, Any]]:
    """The reports of this house, oldest first."""
    return [
        {
            "id": str(report.id),
            "identifier": report.identifier,
            "finder": report.finder,
            "state": report.state,
            "recipe_sha256": report.recipe_sha256,
            "case": str(report.case_id or ""),
        }
        for report in visible(actor, Report)
    ]


@question
def cases(*, actor: Person) -> list[dict[str, Any]]:
    """The cases of this house, oldest first."""
    return [
        {
            "id": str(case.id),
            "title": case.title,
            "identifiers": case.identifiers,
            "state": case.state,
            "embargo": case.embargo,
            "in_force": case.entry.in_force,
        }
        for case in visible(actor, Case).select_related("entry")
    ]


@question
def related(*, actor: Person, case: str) -> list[str]:
    """The ledger cases of a case's reports and of the validation that opened it."""
    reports = visible(actor, Report).filter(case=access(actor, Case, id=case))
    runs = visible(actor, ValidationRun).filter(report__in=reports).select_related("entry")
    return sorted({f"report:{report.id}" for report in reports} | {run.entry.case for run in runs})


@question
def intake(*, actor: Person) -> dict[str, dict[str, int]]:
    """What became of everything that came in: reports by state, and by reason what was refused."""
    states = visible(actor, Report).order_by().values_list("state").annotate(count=Count("id"))
    refused = visible(actor, Refusal).order_by().values_list("code").annotate(total=Sum("count"))
    return {"reports": dict(states), "refused": dict(refused)}


@question
def company(*, actor: Person, lease: str) -> dict[str, int]:
    """How many others may look at the same as a lease, and how many of them come first."""
    others, first = lease_services.company(access(actor, ScanLease, id=lease))
    return {"others": others, "before_you": first}
