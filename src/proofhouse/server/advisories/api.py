# SPDX-License-Identifier: Apache-2.0
"""The advisory desk over REST."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from proofhouse.server.advisories import services
from proofhouse.server.advisories.models import Advisory
from proofhouse.server.rest import Body, Desk, Row
from proofhouse.server.rest.bodies import Id, Identifier, Line, Prose, Short, in_force

desk = Desk("advisories")

Web = Annotated[str, Field(pattern=r"^https?://[^\s<>\"{}|\\^`]{1,380}$")]


class AdvisoryRow(Row):
    """One advisory under its public number; its documents go by their digests."""

    number: str
    case: UUID
    title: str
    tlp: str
    csaf_sha256: str
    osv_sha256: str
    fixed_version: str
    published_at: datetime
    in_force: bool


class Flaw(Body):
    """One flaw with its names."""

    identifier: Identifier
    title: Line
    description: Prose
    cwe_id: Annotated[str, Field(pattern=r"^CWE-[1-9][0-9]{0,5}$")] = ""
    cwe_name: Annotated[str, Field(max_length=200)] = ""
    cvss: Annotated[str, Field(pattern=r"^(CVSS:3\.[01]/.{1,100})?$")] = ""


class Package(Body):
    """Which versions have the flaw, and which one mends it."""

    vendor: Line
    name: Line
    purl: Annotated[str, Field(pattern="^pkg:[^ ]{1,390}$")]
    ecosystem: Short
    fixed: Short
    introduced: Short = "0"
    fix_url: Web | None = None
    fix_details: Prose


class Credit(Body):
    """Who found it."""

    name: Line
    organization: Annotated[str, Field(max_length=200)] = ""
    ai_system: Annotated[str, Field(max_length=200)] = ""
    url: Web | None = None


class NewAdvisory(Body):
    """What is published about a case."""

    case: Id
    summary: Prose
    vulnerabilities: Annotated[list[Flaw], Field(min_length=1, max_length=16)]
    package: Package
    finders: Annotated[list[Credit], Field(max_length=16)]


desk.rows("advisories", Advisory, AdvisoryRow, by=("case",), **in_force())
desk.row("advisories/{str:advisory}", Advisory, AdvisoryRow, **in_force())

desk.act("advisories", services.publish_advisory, NewAdvisory)
