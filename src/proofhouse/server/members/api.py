# SPDX-License-Identifier: Apache-2.0
"""The member desk over REST."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from proofhouse.server.members import services
from proofhouse.server.members.models import Match, Notification, Sbom
from proofhouse.server.rest import Body, Desk, Row
from proofhouse.server.rest.bodies import Base64, Line, Slug, in_force

desk = Desk("members")


class SbomRow(Row):
    """A member's parts list, by its digest."""

    id: UUID
    member: str
    name: str
    sha256: str
    components: int
    received_at: datetime
    in_force: bool


class MatchRow(Row):
    """One component against one advisory; unknown is an answer."""

    id: int
    sbom: UUID
    advisory: str
    component: str
    version: str
    answer: Match.Answer
    reason: str


class NotificationRow(Row):
    """What, where, do this, by when."""

    id: UUID
    peer: str
    advisory: str
    title: str
    components: list[str]
    action: str
    due_at: datetime
    notified_at: datetime
    in_force: bool


class NewSbom(Body):
    """A parts list."""

    clearinghouse: Slug
    name: Line
    content: Base64


class AdvisoryToMatch(Body):
    """Which advisory."""

    advisory: Annotated[str, Field(pattern="^[A-Z]{2,8}-[0-9]{4}-[0-9]{1,8}$", examples=["PH-2026-000001"])]


desk.rows("sboms", Sbom, SbomRow, by=("member",), **in_force())
desk.rows("matches", Match, MatchRow, by=("advisory", "answer"))
desk.rows("notifications", Notification, NotificationRow, by=("advisory", "peer"), **in_force())
desk.row("notifications/{uuid:notification}", Notification, NotificationRow, **in_force())

desk.act("sboms", services.send_sbom, NewSbom)
desk.act("matches", services.match_advisory, AdvisoryToMatch)
