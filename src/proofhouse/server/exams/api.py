# SPDX-License-Identifier: Apache-2.0
"""The exam desk over REST."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from proofhouse.server.exams import services
from proofhouse.server.exams.models import ExamStatement, Seal
from proofhouse.server.rest import Body, Desk, Row
from proofhouse.server.rest.bodies import Base64, Digest, Id, in_force

desk = Desk("exams")

Matter = Annotated[str, Field(pattern="^[a-z]{1,12}:[A-Za-z0-9._-]{1,48}$", examples=["review:0192f1c2"])]


class SealRow(Row):
    """A bank and a rule, fixed before access; only commitments are shown."""

    id: UUID
    case: str
    rule_sha256: str
    items: int
    sealed_at: datetime
    opened_at: datetime | None
    in_force: bool


class StatementRow(Row):
    """One signed exam report that was verified."""

    sha256: str
    case: str
    model_name: str
    subject_sha256: str
    seal: UUID
    verdict: str
    ability: float
    ability_low: float
    ability_high: float
    outcomes: dict[str, int]
    tier: str
    accepted_at: datetime
    in_force: bool


class Commitments(BaseModel):
    """What `proofhouse exam seal` wrote; the ledger keeps all of it."""

    model_config = ConfigDict(extra="allow", strict=True)

    plan_sha256: Digest
    rule_sha256: Digest
    bank_root_sha256: Digest
    items: Annotated[int, Field(ge=1, le=100_000)]


class NewSeal(Body):
    """What is fixed for a review."""

    case: Matter
    commitments: Commitments


class NewStatement(Body):
    """A signed exam report."""

    seal: Id
    case: Matter
    envelope: Base64


class Opening(Body):
    """What `proofhouse exam open-seal` wrote."""

    opening: dict[str, Any]


desk.rows("seals", Seal, SealRow, by=("case",), **in_force())
desk.row("seals/{uuid:seal}", Seal, SealRow, **in_force())
desk.rows(
    "statements", ExamStatement, StatementRow, order="accepted_at", by=("case", "verdict"), **in_force()
)
desk.row("statements/{str:statement}", ExamStatement, StatementRow, **in_force())

desk.act("seals", services.seal_bank, NewSeal)
desk.act("seals/{uuid:seal}/opening", services.open_seal, Opening)
desk.act("statements", services.accept_statement, NewStatement)
