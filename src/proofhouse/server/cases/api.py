# SPDX-License-Identifier: Apache-2.0
"""The case desk over REST."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from proofhouse.server.cases import services
from proofhouse.server.cases.models import Case, Patch, Report, ValidationRun
from proofhouse.server.cases.rules import CaseState, EmbargoState, ReportState
from proofhouse.server.rest import Body, Desk, Row
from proofhouse.server.rest.bodies import (
    Base64,
    FileName,
    Identifier,
    Instant,
    Line,
    Prose,
    Short,
    Slug,
    in_force,
)

desk = Desk("cases")


class CaseRow(Row):
    """One flaw that one fix mends."""

    id: UUID
    title: str
    product: str
    identifiers: list[str]
    state: CaseState
    embargo: EmbargoState
    embargo_until: datetime | None
    vendor: str | None
    opened_at: datetime
    in_force: bool


class ReportRow(Row):
    """What a finder sent."""

    id: UUID
    finder: str
    identifier: str
    product: str
    summary: str
    proof_name: str
    recipe_sha256: str
    provenance: dict[str, Any]
    state: ReportState
    case: UUID | None
    received_at: datetime
    in_force: bool


class RunRow(Row):
    """What running a report's proof showed."""

    id: UUID
    report: UUID
    statement_sha256: str
    verdict: ReportState
    crash_class: str
    frame: str
    runs: int
    crashes: int
    real: bool
    run_at: datetime
    in_force: bool


class PatchRow(Row):
    """A fix, and whether it was proved by running it."""

    id: int
    case: UUID
    name: str
    sha256: str
    proof_sha256: str
    proved: bool
    offered_at: datetime


class Product(Body):
    """A product as its vendor knows it."""

    name: Line
    version: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    purl: Annotated[str, Field(pattern="^pkg:[^ ]{1,390}$")] | None = None
    supplier: Line | None = None


class Enclosed(Body):
    """A file."""

    name: FileName
    content: Base64


class Provenance(Body):
    """How the flaw was found."""

    means: Literal["person", "ai-system", "fuzzer", "scanner", "other"]
    tool: Line | None = None
    model: Line | None = None


class NewReport(Body):
    """One vulnerability, with proofs that run."""

    clearinghouse: Slug
    identifier: Identifier
    title: Line
    product: Product
    description: Prose
    claimed_crash: Short
    provenance: Provenance
    recipe: Enclosed
    proofs: Annotated[list[Enclosed], Field(min_length=1, max_length=16)]


class NewValidation(Body):
    """A signed statement of what running the proofs showed."""

    title: Line
    product: Line
    envelope: Base64


class Notice(Body):
    """Whom to tell, and until when to keep silent."""

    vendor: Slug
    product: Product
    embargo_until: Instant


class NewPatch(Body):
    """A fix."""

    name: FileName
    content: Base64
    fixed_version: Short


desk.rows("cases", Case, CaseRow, by=("state", "embargo", "vendor"), **in_force())
desk.row("cases/{uuid:case}", Case, CaseRow, **in_force())
desk.rows("reports", Report, ReportRow, by=("state", "case"), **in_force())
desk.row("reports/{uuid:report}", Report, ReportRow, **in_force())
desk.rows("validation-runs", ValidationRun, RunRow, by=("report",), **in_force())
desk.rows("patches", Patch, PatchRow, by=("case",))

desk.act("reports", services.send_report, NewReport)
desk.act("cases", services.accept_validation, NewValidation)
desk.act("cases/{uuid:case}/vendor-notice", services.notify_vendor, Notice)
desk.act("cases/{uuid:case}/acknowledgement", services.acknowledge_case)
desk.act("cases/{uuid:case}/patches", services.offer_patch, NewPatch)
desk.act("cases/{uuid:case}/fix", services.accept_patch)
desk.act("cases/{uuid:case}/embargo-end", services.lift_embargo)
