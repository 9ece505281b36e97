# SPDX-License-Identifier: Apache-2.0
"""The case desk over REST."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from django.http import HttpResponse
from pydantic import BaseModel, Field

from proofhouse.server.cases import (
    intake_services,
    lease_services,
    merge_services,
    prove_services,
    queries,
    reading_services,
    services,
)
from proofhouse.server.cases.lease_rules import LeaseState, Mandate, Method
from proofhouse.server.cases.models import (
    Attachment,
    Case,
    Patch,
    ProductRules,
    Reading,
    Report,
    ScanLease,
    ValidationRun,
)
from proofhouse.server.cases.rules import (
    CaseState,
    Channel,
    EmbargoState,
    Means,
    PromptClass,
    ReportState,
    Standard,
)
from proofhouse.server.cases.submission import FILES_MOST
from proofhouse.server.rest import Body, Desk, Row
from proofhouse.server.rest.bodies import (
    Base64,
    Day,
    Digest,
    FileName,
    Id,
    Identifier,
    Instant,
    Line,
    Prose,
    Short,
    Slug,
    in_force,
)

desk = Desk("cases")
SUBMISSIONS = "submissions"
"""Where reports come in, below the prefix of the interface."""


def count_refused(answer: HttpResponse) -> None:
    """Count a submission that was refused."""
    intake_services.refuse(Channel.REST, str(json.loads(answer.content)["code"]))


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
    channel: Channel
    finder: str
    title: str
    identifier: str
    product: str
    version: str
    summary: str
    claimed_crash: str
    weakness: str
    location: str
    proof_name: str
    recipe_sha256: str
    document_sha256: str
    provenance: dict[str, Any]
    state: ReportState
    duplicate_of: UUID | None
    case: UUID | None
    lease: UUID | None
    received_at: datetime
    in_force: bool


class AttachmentRow(Row):
    """A file of a report; its bytes are at the report's page, for who may see it."""

    id: int
    report: UUID
    name: str
    sha256: str
    length_bytes: int
    recipe: bool


class ReadingRow(Row):
    """What one person found on reading a report that nothing here can run."""

    id: int
    report: UUID
    reader: UUID
    finding: ReportState
    standard: Standard
    grounds: str
    read_at: datetime
    in_force: bool


class RunRow(Row):
    """What running a report's proof showed."""

    id: UUID
    report: UUID
    statement_sha256: str
    verdict: ReportState
    reason: str
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


class Given(Body):
    """A file under the name that its sender gave it; it is kept under a harmless one."""

    name: Annotated[str, Field(min_length=1, max_length=400)]
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


class HowFound(Body):
    """How the flaw was found; of an AI system also what it was asked to do."""

    means: Annotated[Means, Field(strict=False)]
    tool: Annotated[str, Field(max_length=200)] | None = None
    model: Annotated[str, Field(max_length=200)] | None = None
    prompt_class: Annotated[PromptClass, Field(strict=False)] | None = None


class NewSubmission(Body):
    """One vulnerability, reported to this house."""

    title: Line
    product: Line
    description: Prose
    version: Annotated[str, Field(max_length=100)] = ""
    identifier: Identifier | Literal[""] = ""
    claimed_crash: Annotated[str, Field(max_length=100)] = ""
    weakness: Annotated[str, Field(max_length=9)] = ""
    location: Annotated[str, Field(max_length=400)] = ""
    provenance: HowFound | None = None
    files: Annotated[list[Given], Field(default_factory=list, max_length=FILES_MOST)]
    recipe: Base64 | None = None
    lease: Id | Literal[""] = ""


class NewDocument(Body):
    """A document that tells of flaws."""

    format: Literal["sarif", "csaf", "osv"]
    content: Base64
    product: Annotated[str, Field(max_length=200)] = ""
    provenance: HowFound | None = None
    lease: Id | Literal[""] = ""


class NewReading(Body):
    """What reading a report shows, and on what that stands."""

    finding: Literal["read-real", "read-unfounded", "out-of-model"]
    standard: Annotated[Standard, Field(strict=False)]
    grounds: Prose


class NewRepetition(Body):
    """Which report showed the flaw first, and why they are one."""

    first: Id
    reason: Annotated[str, Field(min_length=1, max_length=1000)]


class Why(Body):
    """Why a report shows another flaw."""

    reason: Annotated[str, Field(min_length=1, max_length=1000)]


class LeaseRow(Row):
    """What somebody means to scan."""

    id: UUID
    product: str
    subsystem: str
    commit_from: str
    commit_to: str
    method: Method
    mandate: Mandate
    mandated_by: str
    mandated_on: date
    mandate_terms: str
    starts_at: datetime
    ends_at: datetime
    state: LeaseState
    taken_at: datetime
    in_force: bool


class RulesRow(Row):
    """What the owner of a product asks."""

    id: UUID
    product: str
    owner: str
    methods: list[str]
    longest_days: int | None
    security_model: str
    stated_at: datetime
    in_force: bool


class Company(BaseModel):
    """How many others may look at the same."""

    others: int
    before_you: int


class NewLease(Body):
    """What you mean to scan, and who allowed it."""

    product: Line
    subsystem: Annotated[str, Field(max_length=200)] = ""
    commit_from: Annotated[str, Field(max_length=80)] = ""
    commit_to: Annotated[str, Field(max_length=80)] = ""
    method: Annotated[Method, Field(strict=False)]
    mandate: Annotated[Mandate, Field(strict=False)]
    starts_at: Instant
    ends_at: Instant
    mandated_by: Line
    mandated_on: Day
    mandate_terms: Annotated[str, Field(min_length=1, max_length=2000)]


class NewRules(Body):
    """What the owner of a product asks of whoever scans it."""

    product: Line
    owner: Line
    methods: list[Annotated[Method, Field(strict=False)]]
    security_model: Annotated[str, Field(max_length=4000)]
    longest_days: Annotated[int, Field(ge=1, le=30)] | None = None


class Asked(Body):
    """The fingerprint of a flaw (docs/spec/blind-check.md)."""

    fingerprint: Digest


class NewBench(Body):
    """The recipe on which reports about a product are run, and whose."""

    product: Line
    recipe: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,80}$")]
    trusted: Annotated[list[Line], Field(max_length=1000)]


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
desk.rows("reports", Report, ReportRow, by=("state", "case", "channel", "lease"), **in_force())
desk.row("reports/{uuid:report}", Report, ReportRow, **in_force())
desk.rows("attachments", Attachment, AttachmentRow, by=("report",))
desk.rows("readings", Reading, ReadingRow, by=("report",), **in_force())
desk.rows("validation-runs", ValidationRun, RunRow, by=("report",), **in_force())
desk.rows("patches", Patch, PatchRow, by=("case",))

desk.act("reports", services.send_report, NewReport)
desk.rows("leases", ScanLease, LeaseRow, by=("state",), **in_force())
desk.row("leases/{uuid:lease}", ScanLease, LeaseRow, **in_force())
desk.answer("leases/{uuid:lease}/company", queries.company, Company)
desk.rows("product-rules", ProductRules, RulesRow, **in_force())

desk.act("leases", lease_services.take_lease, NewLease)
desk.act("leases/{uuid:lease}/end", lease_services.end_lease)
desk.act("leases/{uuid:lease}/questions", lease_services.ask_blind, Asked)
desk.act("product-rules", lease_services.state_rules, NewRules)
desk.act("benches", prove_services.set_bench, NewBench)
desk.act(SUBMISSIONS, intake_services.submit_report, NewSubmission)
desk.act(f"{SUBMISSIONS}/documents", intake_services.submit_document, NewDocument)
desk.act("reports/{uuid:report}/case", reading_services.open_read_case)
desk.act("reports/{uuid:report}/readings", reading_services.read_report, NewReading)
desk.act("reports/{uuid:report}/repetition", merge_services.merge_report, NewRepetition)
desk.act("reports/{uuid:report}/repetition-end", merge_services.split_report, Why)
desk.act("cases", services.accept_validation, NewValidation)
desk.act("cases/{uuid:case}/vendor-notice", services.notify_vendor, Notice)
desk.act("cases/{uuid:case}/acknowledgement", services.acknowledge_case)
desk.act("cases/{uuid:case}/patches", services.offer_patch, NewPatch)
desk.act("cases/{uuid:case}/fix", services.accept_patch)
desk.act("cases/{uuid:case}/embargo-end", services.lift_embargo)
