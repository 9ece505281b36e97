# SPDX-License-Identifier: Apache-2.0
"""The oversight desk over REST."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from proofhouse.server.engine.models import LedgerEntry
from proofhouse.server.oversight import services
from proofhouse.server.oversight.models import Export
from proofhouse.server.rest import Body, Desk, Row
from proofhouse.server.rest.bodies import Slug, in_force

desk = Desk("oversight")


class EntryRow(Row):
    """One ledger entry; the log itself holds its salted leaf only."""

    id: UUID
    kind: str
    case: str
    created_at: datetime
    log_index: int | None
    receipt: str


class ExportRow(Row):
    """A bundle that was handed to, or received by, an inspector."""

    id: UUID
    peer: str
    sha256: str
    made_at: datetime
    in_force: bool


class NewRequest(Body):
    """Which ledger, which cases."""

    house: Slug
    origin: Annotated[str, Field(min_length=3, max_length=200, pattern=r"^[^\s+]+$")]
    cases: Annotated[
        list[Annotated[str, Field(pattern="^[a-z]{1,16}:[A-Za-z0-9._:-]{1,60}$")]],
        Field(min_length=1, max_length=64),
    ]


desk.rows("ledger-entries", LedgerEntry, EntryRow, by=("case", "kind"))
desk.row("ledger-entries/{uuid:entry}", LedgerEntry, EntryRow)
desk.rows("exports", Export, ExportRow, by=("peer",), **in_force())

desk.act("export-requests", services.ask_export, NewRequest)
desk.act("exports", services.make_export)
