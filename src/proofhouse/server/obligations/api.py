# SPDX-License-Identifier: Apache-2.0
"""The obligations desk over REST; for its own side only, as everything of the desk."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from proofhouse.server.obligations import services
from proofhouse.server.obligations.models import (
    ClockRun,
    Evidence,
    EvidenceLink,
    Filing,
    Incident,
    ProfileFact,
)
from proofhouse.server.obligations.rules import FilingState
from proofhouse.server.rest import Body, Desk, Row
from proofhouse.server.rest.bodies import Base64, Day, FileName, Id, Instant, Line, Short, in_force

desk = Desk("obligations")

Reason = Annotated[str, Field(min_length=1, max_length=300)]


class FactRow(Row):
    """One answer about this organisation; the latest of a name counts."""

    id: UUID
    name: str
    value: Any
    source: str
    evidence: UUID | None
    since: date
    set_by: str
    set_at: datetime
    in_force: bool


class EvidenceRow(Row):
    """A document that bears something out, by its digest."""

    id: UUID
    sha256: str
    title: str
    file_name: str
    valid_until: date | None
    added_by: str
    added_at: datetime
    in_force: bool


class LinkRow(Row):
    """Which duty a piece of evidence bears out."""

    id: UUID
    evidence: UUID
    obligation: str
    covers: str
    linked_at: datetime
    in_force: bool


class IncidentRow(Row):
    """One event as it is known now."""

    id: UUID
    title: str
    occurred: datetime | None
    discovered: datetime | None
    reasonable_belief: datetime | None
    determined: datetime | None
    involvement_aware: datetime | None
    resolved: datetime | None
    facts: dict[str, Any]
    law_day: date | None
    version: int
    opened_by: str
    opened_at: datetime


class ClockRow(Row):
    """One clock of an incident, with the explanation and the record behind it."""

    id: UUID
    incident: UUID
    obligation: str
    part: int
    anchor: str
    due: datetime | None
    running: bool
    override_due: datetime | None
    override_reason: str
    assessment: dict[str, Any]
    computed_at: datetime


class FilingRow(Row):
    """One report to one recipient."""

    id: UUID
    incident: UUID
    obligation: str
    recipient: str
    record_sha256: str
    amendment_of: UUID | None
    state: FilingState
    reference: str
    drafted_at: datetime
    filed_at: datetime | None
    acknowledged_at: datetime | None
    in_force: bool


class NewFact(Body):
    """One answer."""

    name: Short
    value: Any
    source: Reason
    since: Day | None = None
    evidence: Id | None = None


class NewEvidence(Body):
    """A document."""

    title: Line
    content: Base64
    file_name: FileName
    valid_until: Day | None = None


class NewLink(Body):
    """What the evidence bears out."""

    obligation: Short
    covers: Reason


class Moments(Body):
    """Six moments kept apart; one that is absent is not known."""

    occurred: Instant | None = None
    discovered: Instant | None = None
    reasonable_belief: Instant | None = None
    determined: Instant | None = None
    involvement_aware: Instant | None = None
    resolved: Instant | None = None


class NewIncident(Body):
    """An event."""

    title: Line
    moments: Moments
    facts: dict[str, Any]
    law_day: Day | None = None


class Amendment(Body):
    """The event as it is known now."""

    moments: Moments
    facts: dict[str, Any]
    reason: Reason


class Override(Body):
    """Another date, or none."""

    due: Instant | None
    reason: Reason


class Redaction(Body):
    """A passage to leave out."""

    field: Short
    reason: Reason


class NewFiling(Body):
    """For whom."""

    recipient: Line
    redactions: Annotated[list[Redaction], Field(max_length=16, default_factory=list)]
    amendment_of: Id | None = None


class Reference(Body):
    """Under which number the recipient keeps it."""

    reference: Annotated[str, Field(max_length=200)] = ""


class NewFeed(Body):
    """A private calendar address of one's own."""

    token: Annotated[
        str, Field(pattern="^[A-Za-z0-9_-]{43,86}$", description="32 random bytes, URL-safe base64")
    ]
    titles: bool = False


desk.rows("facts", ProfileFact, FactRow, by=("name",), **in_force())
desk.rows("evidence", Evidence, EvidenceRow, **in_force())
desk.rows("evidence-links", EvidenceLink, LinkRow, by=("evidence", "obligation"), **in_force())
desk.rows("incidents", Incident, IncidentRow)
desk.row("incidents/{uuid:incident}", Incident, IncidentRow)
desk.rows("clocks", ClockRun, ClockRow, by=("incident", "obligation"))
desk.row("clocks/{uuid:clock}", ClockRun, ClockRow)
desk.rows("filings", Filing, FilingRow, by=("incident", "state"), **in_force())
desk.row("filings/{uuid:filing}", Filing, FilingRow, **in_force())

desk.act("facts", services.set_fact, NewFact)
desk.act("evidence", services.add_evidence, NewEvidence)
desk.act("evidence/{uuid:evidence}/links", services.link_evidence, NewLink)
desk.act("incidents", services.open_incident, NewIncident)
desk.act("incidents/{uuid:incident}/amendments", services.amend_incident, Amendment)
desk.act("clocks/{uuid:clock}/override", services.override_clock, Override)
desk.act("clocks/{uuid:clock}/filings", services.draft_filing, NewFiling)
desk.act("filings/{uuid:filing}/filed", services.mark_filed, Reference)
desk.act("filings/{uuid:filing}/acknowledged", services.acknowledge_filing, Reference)
desk.act("feeds", services.make_feed, NewFeed)
