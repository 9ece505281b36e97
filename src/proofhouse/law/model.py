# SPDX-License-Identifier: Apache-2.0
"""The law as data: instruments, their versions, the obligations in them, and where each value was read.

Two times run through it. *Law time* says when something is law (``valid``); *knowledge time* says when this
data held it (``known``). Spans include their first day and exclude their last.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from proofhouse.law.deadlines import Deadline, Value
from proofhouse.law.predicates import Predicate


class Grade(enum.StrEnum):
    """How the record was verified, best first."""

    PRIMARY_READ = "primary_read"
    PRIMARY_EXCERPT = "primary_excerpt"
    SECONDARY = "secondary"
    BACKGROUND = "background"


class PrivateAction(enum.StrEnum):
    """Whether a private person may sue."""

    NONE = "none"
    YES = "yes"
    PARTIAL = "partial"
    UNCERTAIN = "uncertain"
    NOT_STATED = "not_stated"


class EventKind(enum.StrEnum):
    """What can happen to an instrument."""

    PROPOSED = "proposed"
    SIGNED = "signed"
    ADOPTED = "adopted"
    DELAYED = "delayed"
    EFFECTIVE = "effective"
    ENJOINED = "enjoined"
    INJUNCTION_LIFTED = "injunction_lifted"
    PRE_EMPTED = "pre_empted"
    PRE_EMPTION_LIFTED = "pre_emption_lifted"
    SUPERSEDED = "superseded"
    FAILED = "failed"


class Standing(enum.StrEnum):
    """Where an obligation stands on a day; always derived from dates and events, never typed."""

    IN_FORCE = "in_force"
    VOLUNTARY = "voluntary"
    NOT_YET_LAW = "not_yet_law"
    """The text that this data knows was not adopted by that day."""
    NOT_YET_EFFECTIVE = "not_yet_effective"
    PROPOSED = "proposed"
    ENJOINED = "enjoined"
    PRE_EMPTED = "pre_empted"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"
    FAILED = "failed"


@dataclass(frozen=True)
class Span:
    """From a day, included, to a day, excluded; None is open."""

    start: date
    end: date | None

    def holds(self, day: date) -> bool:
        """Say whether the day lies in the span."""
        return self.start <= day and (self.end is None or day < self.end)


@dataclass(frozen=True)
class Source:
    """A text or page that was read, and the places in it that the data cites."""

    id: str
    title: str
    url: str
    retrieved_on: date
    grade: Grade
    reader: str
    locators: frozenset[str]
    copy: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class StatusEvent:
    """Something that happened to an instrument, or to some of its versions or obligations."""

    kind: EventKind
    on: Value
    known: Span
    versions: frozenset[date]
    """Versions it is limited to; empty means all."""
    obligations: frozenset[str]
    """Obligations it is limited to; empty means all."""
    note: str = ""

    def touches(self, version: date, obligation: str) -> bool:
        """Say whether the event concerns an obligation of a version."""
        return (not self.versions or version in self.versions) and (
            not self.obligations or obligation in self.obligations
        )


@dataclass(frozen=True)
class Recipient:
    """Who is told, and the zone in which their days end."""

    name: str
    zone: ZoneInfo


@dataclass(frozen=True)
class Penalty:
    """What a breach may cost, as far as the data says."""

    amounts: tuple[Mapping[str, Any], ...]
    remedy: str
    enforcer: str
    reaches: str
    private_action: PrivateAction
    cure_days: Value | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Definition:
    """A term of an instrument as a predicate."""

    name: str
    predicate: Predicate
    locator: str
    source: str
    note: str = ""


@dataclass(frozen=True)
class Obligation:
    """One duty, in the words of the compilers of the data."""

    id: str
    title: str
    family: str
    binding: bool
    who: str
    applies_when: Predicate
    trigger: str
    trigger_when: Predicate | None
    duty: str
    deadline: Deadline
    recipients: tuple[Recipient, ...]
    content: tuple[str, ...]
    """What a filing must contain, where the data says it."""
    exemptions: tuple[str, ...]
    penalty: Penalty | None
    effective_from: Value | None
    effective_to: Value | None
    confidentiality: str
    interplay: str
    review_link: str
    evidence_types: tuple[str, ...]
    citation: str
    source: str
    grade: Grade
    confidence: str
    notes: str


@dataclass(frozen=True)
class Version:
    """One text of an instrument."""

    dated: date
    instrument: str
    dated_by: str
    valid: Span
    known: Span
    values: Mapping[str, Value]
    definitions: Mapping[str, Definition]
    obligations: Mapping[str, Obligation]
    path: str
    document: Mapping[str, Any]
    """The file as read, for differences between versions."""


@dataclass(frozen=True)
class Equivalence:
    """Whether following federal rules can stand in for this instrument."""

    scope: str
    """``none``, ``not_stated``, ``incident_duty`` or ``whole_act``."""
    route: str
    designated: tuple[Mapping[str, Any], ...]
    """Federal rules designated so far."""
    locator: str
    source: str


@dataclass(frozen=True)
class Instrument:
    """A statute, regulation, order or code with its history and its enforcement."""

    id: str
    name: str
    jurisdiction: str
    nature: str
    binding: bool
    events: tuple[StatusEvent, ...]
    enforcers: tuple[str, ...]
    private_action: PrivateAction
    who_may_sue: str
    civil_rights: bool
    """Whether it lays down civil-rights or fairness duties."""
    civil_rights_note: str
    equivalence: Equivalence
    source: str
    grade: Grade
    next_check: date
    supersedes: str
    notes: str
    versions: tuple[Version, ...]
    sources: Mapping[str, Source]
    folder: str


@dataclass(frozen=True)
class Edition:
    """What this edition of the data is, and how far it reaches."""

    title: str
    days: tuple[date, ...]
    """The days on which the data was published; knowledge begins and ends on these only."""
    horizon_statutes: date
    horizon_secondary: date
    disclaimer: str
    grades: Mapping[str, str]

    @property
    def compiled_on(self) -> date:
        """The day of this edition."""
        return self.days[-1]


@dataclass(frozen=True)
class WatchItem:
    """An open matter that would change the law if it came about."""

    id: str
    what: str
    status: str
    effect_if_enacted: str
    affects: tuple[str, ...]
    """Instrument ids; a trailing ``*`` stands for any ending."""
    confidence: str
    source_url: str


@dataclass(frozen=True)
class Gap:
    """A record known to be weak; the list may only shrink."""

    record: str
    gap: str
    since: date
