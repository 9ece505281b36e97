# SPDX-License-Identifier: Apache-2.0
"""Who may see what the desk keeps, and what they see.

The desk is of a developer's, deployer's or operator's own house. Whoever sits on a review's other side, in whatever
second role, sees nothing of it: no row, no page, no ledger entry.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from django.db.models import Model, Q, QuerySet

from proofhouse.law import Profile
from proofhouse.server.accounts.gate import NotFound, access, readable_by, rule, visible
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine.acts import question
from proofhouse.server.engine.clock import wire
from proofhouse.server.engine.models import LedgerEntry
from proofhouse.server.engine.registry import OWN_AFFAIRS
from proofhouse.server.house import Desk, this_house
from proofhouse.server.members.models import Notification
from proofhouse.server.obligations.models import (
    AiModel,
    Bridge,
    BridgedEvent,
    CalendarDate,
    CalendarFeed,
    ClockRun,
    DigestReading,
    Evidence,
    EvidenceLink,
    Filing,
    Incident,
    IncidentVersion,
    ProfileFact,
    WeeklyDigest,
)
from proofhouse.server.obligations.own_law import latest, profile_of
from proofhouse.server.releases.models import Acknowledgement
from proofhouse.server.reviews.models import Determination, Inquiry

OWN_SIDE = frozenset({Role.COMPLIANCE, Role.DEVELOPER, Role.OPERATOR})
OTHER_SIDE = frozenset({Role.AUTHORITY, Role.COORDINATOR, Role.INSPECTOR, Role.MAINTAINER, Role.REVIEWER})
_HOUSES = frozenset({Desk.LAB, Desk.MEMBER})


def at_the_desk(person: Person) -> bool:
    """Whether the desk is there for a person: own side only, in a developer's or a member's house."""
    roles = person.roles
    return bool(
        person.is_active and roles & OWN_SIDE and not roles & OTHER_SIDE and this_house().desks & _HOUSES
    )


def require_desk(person: Person) -> None:
    """Check before any act.

    Raises:
        NotFound: There is no such desk for this person.
    """
    if not at_the_desk(person):
        raise NotFound("no such desk here")


def own_side_only(person: Person) -> Q | None:
    """Everything of the desk, or nothing."""
    return Q() if at_the_desk(person) else None


_OWN: tuple[type[Model], ...] = (
    AiModel, Bridge, BridgedEvent, CalendarDate, ClockRun, DigestReading, Evidence, EvidenceLink, Filing, Incident,
    IncidentVersion, ProfileFact, WeeklyDigest,
)  # fmt: skip
for _model in _OWN:
    rule(_model)(own_side_only)


@rule(CalendarFeed)
def own_feeds(person: Person) -> Q | None:
    """A private address is its owner's alone."""
    return Q(person=person) if at_the_desk(person) else None


@rule(LedgerEntry)
def entries_of_the_desk(person: Person) -> Q | None:
    """What the desk recorded; the engine shows it to nobody else."""
    return Q(case__startswith=OWN_AFFAIRS) if at_the_desk(person) else None


# The governance view names reviews and updates of the own house.
readable_by(Inquiry, Role.COMPLIANCE)
readable_by(Determination, Role.COMPLIANCE)
readable_by(Notification, Role.COMPLIANCE)
readable_by(Acknowledgement, Role.COMPLIANCE)


def current_facts(actor: Person, model: AiModel | None = None) -> dict[str, ProfileFact]:
    """The answers that count for a model, or for the organisation."""
    return latest(visible(actor, ProfileFact).select_related("evidence"), model)


def own_profile(actor: Person, model: AiModel | None = None) -> Profile:
    """The profile of the organisation with one of its models, as answered so far."""
    return profile_of(visible(actor, ProfileFact), model)


def own_models(actor: Person) -> list[AiModel]:
    """The models of this organisation, by name."""
    return list(visible(actor, AiModel))


def valid_links(actor: Person, day: date) -> QuerySet[EvidenceLink]:
    """Links whose evidence has not run out."""
    return (
        visible(actor, EvidenceLink)
        .filter(Q(evidence__valid_until=None) | Q(evidence__valid_until__gte=day))
        .select_related("evidence")
    )


@question
def clocks(*, actor: Person, incident: str) -> dict[str, Any]:
    """The clocks of an incident, strictest first, with the explanation and the record behind each."""
    row = access(actor, Incident, id=incident)
    return {
        "incident": str(row.id),
        "title": row.title,
        "model": row.model.name if row.model else None,
        "law_day": row.law_day.isoformat() if row.law_day else None,
        "version": row.version,
        "clocks": [
            {
                "id": str(clock.id),
                "anchor": clock.anchor,
                "due": wire(clock.due) if clock.due else None,
                "running": clock.running,
                "part": clock.part,
                "overridden": clock.overridden,
                "override_due": wire(clock.override_due) if clock.override_due else None,
                "assessment": clock.assessment,
            }
            for clock in visible(actor, ClockRun).filter(incident=row)
        ],
    }


@question
def facts(*, actor: Person) -> dict[str, Any]:
    """The organisation's answers, each with its source and day; those of its models stand under `models`."""
    own = _told(current_facts(actor))
    models: dict[str, Any] = {
        model.name: _told({fact.name: fact for fact in visible(actor, ProfileFact).filter(model=model)})
        for model in own_models(actor)
    }
    return {**own, "models": models} if models else own


def _told(found: dict[str, ProfileFact]) -> dict[str, Any]:
    return {
        name: {"value": fact.value, "source": fact.source, "since": fact.since.isoformat()}
        for name, fact in found.items()
    }
