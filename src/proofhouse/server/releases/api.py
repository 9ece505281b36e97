# SPDX-License-Identifier: Apache-2.0
"""The release desk over REST."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from proofhouse.server.releases import services
from proofhouse.server.releases.models import Acknowledgement, Release
from proofhouse.server.rest import Body, Desk, Row
from proofhouse.server.rest.bodies import Slug, in_force

desk = Desk("releases")


class ReleaseRow(Row):
    """A patch that members may install once it stands in a manifest."""

    id: UUID
    item: str
    advisory: str
    vendor: str
    path: str
    sha256: str
    length_bytes: int
    manifest_version: int | None
    authorised_at: datetime
    in_force: bool


class AcknowledgementRow(Row):
    """What an agent answered."""

    id: UUID
    item: str
    member: str
    agent: str
    stage: str
    reason: str
    envelope_sha256: str
    received_at: datetime
    in_force: bool


class NewVendor(Body):
    """A vendor and the public halves of its keys."""

    vendor: Slug
    keys: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=8)]


class NewRelease(Body):
    """Which advisory's patch."""

    advisory: Annotated[str, Field(pattern="^[A-Z]{2,8}-[0-9]{4}-[0-9]{1,8}$", examples=["PH-2026-000001"])]


class AgentKey(Body):
    """The public half of an agent's key."""

    algorithm: Literal["ed25519"]
    public: Annotated[str, Field(max_length=100)]


class NewAgent(Body):
    """An agent and its key."""

    name: Annotated[str, Field(pattern="^[a-z0-9][a-z0-9.-]{0,118}$")]
    public_key: AgentKey


desk.rows("releases", Release, ReleaseRow, by=("advisory", "vendor"), **in_force())
desk.row("releases/{uuid:release}", Release, ReleaseRow, **in_force())
desk.rows("acknowledgements", Acknowledgement, AcknowledgementRow, by=("item", "member"), **in_force())

desk.act("repositories", services.open_repositories)
desk.act("vendors", services.enrol_vendor, NewVendor)
desk.act("cases/{uuid:case}/signature", services.sign_release)
desk.act("releases", services.direct_patch, NewRelease)
desk.act("agents", services.enrol_agent, NewAgent)
