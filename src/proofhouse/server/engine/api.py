# SPDX-License-Identifier: Apache-2.0
"""Letters, peers, deadlines and how the house stands, over REST."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from ninja.params.models import Query
from pydantic import BaseModel, Field

from proofhouse.server.engine import queries, search, services
from proofhouse.server.engine.models import Deadline, Letter, Peer, Thread
from proofhouse.server.rest import Body, Desk, Row
from proofhouse.server.rest.bodies import Instant, Line, Slug, one_of

desk = Desk("letters")


class LetterRow(Row):
    """One letter, sent or received; its envelope goes by its digest."""

    digest: str
    direction: Letter.Direction
    thread: UUID
    type: str
    sequence: int
    state: one_of(Letter.State)  # type: ignore[valid-type]  # a type made from the column
    attempts: int
    problem: str
    written_at: datetime
    acknowledged_at: datetime | None


class ThreadRow(Row):
    """A correspondence with one other house."""

    id: UUID
    peer: str
    subject: str
    case: str
    opened_at: datetime


class PeerRow(Row):
    """Another house."""

    name: str
    title: str
    address: str
    transport: one_of(Peer.Transport)  # type: ignore[valid-type]  # a type made from the column
    unreached: int
    retry_at: datetime | None


class DeadlineRow(Row):
    """Something that falls due."""

    id: UUID
    kind: str
    case: str
    due_at: datetime
    version: int
    state: one_of(Deadline.State)  # type: ignore[valid-type]  # a type made from the column
    settled_at: datetime | None


class Standing(BaseModel):
    """What is in force, what is pending, and which letters are on their way."""

    entries: int
    pending: int
    queued: int
    dead: int
    letters: int


class HitFound(BaseModel):
    """One record that was found."""

    kind: str
    id: str
    title: str
    address: str


class Found(BaseModel):
    """What this person finds; `found` counts no record that is not shown to them."""

    found: int
    hits: list[HitFound]


class LetterKey(Body):
    """A public key."""

    algorithm: Literal["ed25519"]
    public: Annotated[str, Field(max_length=100)]


class Introduction(Body):
    """What another house's steward handed over in person."""

    house: Slug
    title: Annotated[str, Field(min_length=1, max_length=120)]
    address: Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.:\[\]-]{1,190}$")]
    key: LetterKey
    demo: bool
    since: Instant
    until: Instant | None


class NewPeer(Body):
    """Whom to believe, for which letters."""

    introduction: Introduction
    purposes: Annotated[list[Line], Field(min_length=1, max_length=64)]
    transport: Literal["https", "file"] = "https"


class KeyEnd(Body):
    """Which key is believed no longer, and why."""

    key_id: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    reason: Line


class Renewal(Body):
    """Why this house's letters get a new key."""

    reason: Line


class Settlement(Body):
    """Why a letter is tried again or given up."""

    reason: Line


desk.rows("letters", Letter, LetterRow, order="written_at", by=("thread", "type", "state", "direction"))
desk.row("letters/{str:letter}", Letter, LetterRow)
desk.rows("threads", Thread, ThreadRow, by=("peer", "case"))
desk.rows("peers", Peer, PeerRow)
desk.rows("deadlines", Deadline, DeadlineRow, by=("case", "state"))
desk.answer("standing", queries.standing, Standing)

desk.answer("search", search.search, Found, text=Annotated[str, Query(..., max_length=200)])

desk.act("peers", services.introduce, NewPeer)
desk.act("peers/{str:peer}/checkpoints", services.tell_checkpoint)
desk.act("peers/{str:peer}/ended-keys", services.end_introduction, KeyEnd)
desk.act("renewed-keys", services.renew_key, Renewal)
desk.act("letters/{str:letter}/requeue", services.requeue_letter, Settlement)
desk.act("letters/{str:letter}/abandonment", services.abandon_letter, Settlement)
desk.act("jobs/{uuid:job}/cancellation", services.cancel_job)
desk.act("jobs/{uuid:job}/requeue", services.requeue_job)
