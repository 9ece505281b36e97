# SPDX-License-Identifier: Apache-2.0
"""The review desk over REST."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from proofhouse.server.rest import Body, Desk, Row
from proofhouse.server.rest.bodies import Day, Digest, Prose, Short, Slug, in_force
from proofhouse.server.reviews import services
from proofhouse.server.reviews.models import Agreement, Determination, Inquiry, RegisterEntry, Window
from proofhouse.server.reviews.rules import Basis, InquiryState, Label

desk = Desk("reviews")

ModelName = Annotated[
    str, Field(min_length=1, max_length=120, description="The model as its developer names it")
]
Days = Annotated[int, Field(ge=1, le=30)]


class InquiryRow(Row):
    """One inquiry and how far its review has come."""

    id: UUID
    case: str
    peer: str
    model_name: str
    model_sha256: str
    planned_partner_release: datetime
    state: InquiryState
    inquired_at: datetime


class AgreementRow(Row):
    """One version of the terms of access."""

    id: int
    inquiry: UUID
    version: int
    terms: dict[str, Any]
    terms_sha256: str
    proposed_at: datetime
    accepted_at: datetime | None


class WindowRow(Row):
    """The span of access; it only ever closes, and nothing is implied when it does."""

    id: UUID
    inquiry: UUID
    opens_at: datetime
    closes_at: datetime
    closed_at: datetime | None
    in_force: bool


class DeterminationRow(Row):
    """The authority's word on whether a model is covered."""

    id: UUID
    case: str
    model_name: str
    model_sha256: str
    developer: str
    basis: Basis
    label: Label
    decided_by: str
    decided_at: datetime
    in_force: bool


class RegisterRow(Row):
    """One line of the label register."""

    number: str
    determination: UUID


class NewInquiry(Body):
    """What a developer asks with."""

    office: Slug
    model_name: ModelName
    model_sha256: Digest
    planned_partner_release: Day
    capabilities: Prose


class Terms(Body):
    """A version of the terms."""

    terms: dict[str, Any]


class Signatory(Body):
    """In which role the person signs."""

    signatory: Short


class Span(Body):
    """For how many days."""

    days: Days


class NewDetermination(Body):
    """From which evidence."""

    statement: Digest
    basis: Annotated[str, Field(pattern=f"^({'|'.join(Basis)})$")]


desk.rows("inquiries", Inquiry, InquiryRow, by=("state", "peer"))
desk.row("inquiries/{uuid:inquiry}", Inquiry, InquiryRow)
desk.rows("agreements", Agreement, AgreementRow, by=("inquiry",))
desk.rows("windows", Window, WindowRow, by=("inquiry",), **in_force())
desk.rows("determinations", Determination, DeterminationRow, by=("label",), **in_force())
desk.row("determinations/{uuid:determination}", Determination, DeterminationRow, **in_force())
desk.rows("register", RegisterEntry, RegisterRow)

desk.act("inquiries", services.inquire, NewInquiry)
desk.act("inquiries/{uuid:inquiry}/agreements", services.propose_agreement, Terms)
desk.act("inquiries/{uuid:inquiry}/acceptance", services.accept_agreement, Signatory)
desk.act("inquiries/{uuid:inquiry}/access-offer", services.offer_access, Span)
desk.act("inquiries/{uuid:inquiry}/window", services.open_window, Span)
desk.act("inquiries/{uuid:inquiry}/window/closing", services.close_window)
desk.act("determinations", services.determine, NewDetermination)
