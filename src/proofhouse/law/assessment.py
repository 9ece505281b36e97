# SPDX-License-Identifier: Apache-2.0
"""One obligation, one profile, one day: does it appear to apply, why, and by when.

The answer joins two things that stay visible side by side: *applicability* (three-valued, from the facts) and
*standing* (from dates and events). Only law in force, or a voluntary undertaking, shows a date.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from zoneinfo import ZoneInfo

from proofhouse.law.calendars import Calendar
from proofhouse.law.counting import local_day
from proofhouse.law.deadlines import Due, DueState, Meaning, Setting
from proofhouse.law.facts import FactSet, Moment
from proofhouse.law.model import EventKind, Instrument, Obligation, Standing, StatusEvent, Version
from proofhouse.law.predicates import Explanation, Truth, all_of


class Result(enum.StrEnum):
    """The answer of an assessment."""

    APPLIES = "applies"
    DOES_NOT_APPLY = "does_not_apply"
    UNKNOWN = "unknown"
    NOT_YET_EFFECTIVE = "not_yet_effective"
    PROPOSED = "proposed"
    ENJOINED = "enjoined"
    PRE_EMPTED = "pre_empted"
    SUPERSEDED = "superseded"
    FAILED = "failed"


WORDS: Mapping[Result, str] = {
    Result.APPLIES: "appears to apply",
    Result.DOES_NOT_APPLY: "does not appear to apply",
    Result.UNKNOWN: "cannot tell",
    Result.NOT_YET_EFFECTIVE: "not yet effective",
    Result.PROPOSED: "proposed, not law",
    Result.ENJOINED: "enjoined by a court",
    Result.PRE_EMPTED: "pre-empted",
    Result.SUPERSEDED: "no longer law",
    Result.FAILED: "failed, never law",
}
"""The words in which results are shown to people."""

_BY_STANDING: Mapping[Standing, Result] = {
    Standing.NOT_YET_LAW: Result.NOT_YET_EFFECTIVE,
    Standing.NOT_YET_EFFECTIVE: Result.NOT_YET_EFFECTIVE,
    Standing.PROPOSED: Result.PROPOSED,
    Standing.ENJOINED: Result.ENJOINED,
    Standing.PRE_EMPTED: Result.PRE_EMPTED,
    Standing.SUPERSEDED: Result.SUPERSEDED,
    Standing.EXPIRED: Result.SUPERSEDED,
    Standing.FAILED: Result.FAILED,
}
_ADOPTED = frozenset({EventKind.SIGNED, EventKind.ADOPTED, EventKind.EFFECTIVE})


def standing_of(
    instrument: Instrument, version: Version, obligation: Obligation, as_of: date, known_at: date
) -> Standing:
    """Derive where an obligation stands.

    Args:
        instrument: the instrument, with its status events.
        version: the version chosen for ``as_of``.
        obligation: the obligation in it.
        as_of: day in law time.
        known_at: day in knowledge time; events learnt later are not seen.

    Returns:
        The standing; the gravest bar wins.
    """
    events = [
        event
        for event in instrument.events
        if event.known.holds(known_at) and event.touches(version.dated, obligation.id)
    ]
    past = sorted((event for event in events if event.on.value <= as_of), key=_when)
    kinds = [event.kind for event in past]
    if EventKind.FAILED in kinds:
        return Standing.FAILED
    if version.valid.end is not None and version.valid.end <= as_of:
        return Standing.SUPERSEDED
    if _open_bar(kinds, EventKind.PRE_EMPTED, EventKind.PRE_EMPTION_LIFTED):
        return Standing.PRE_EMPTED
    if _open_bar(kinds, EventKind.ENJOINED, EventKind.INJUNCTION_LIFTED):
        return Standing.ENJOINED
    if obligation.effective_to is not None and obligation.effective_to.value <= as_of:
        return Standing.EXPIRED
    if not any(event.kind in _ADOPTED for event in events):
        return Standing.PROPOSED
    if as_of < version.valid.start:
        return Standing.NOT_YET_LAW
    if obligation.effective_from is None or as_of < obligation.effective_from.value:
        return Standing.NOT_YET_EFFECTIVE
    return Standing.IN_FORCE if instrument.binding else Standing.VOLUNTARY


def _when(event: StatusEvent) -> date:
    day: date = event.on.value
    return day


def _open_bar(kinds: list[EventKind], raised: EventKind, lifted: EventKind) -> bool:
    last = [kind for kind in kinds if kind in {raised, lifted}]
    return bool(last) and last[-1] is raised


@dataclass(frozen=True)
class Asked:
    """What was asked: facts, anchors and the two times."""

    facts: FactSet
    times: Mapping[str, Moment]
    as_of: date
    known_at: date
    event_given: bool = False
    """Whether facts of an event are there, so that its qualification is to be judged."""
    occurred: Truth = Truth.TRUE
    """Whether the event of the obligation's trigger took place."""


@dataclass(frozen=True)
class Assessment:
    """The answer for one obligation."""

    instrument: Instrument
    version: Version
    obligation: Obligation
    asked: Asked
    standing: Standing
    applicability: Truth
    result: Result
    calendars: Mapping[str, Calendar]

    @cached_property
    def explanations(self) -> tuple[Explanation, ...]:
        """Why: one tree for the profile, and one for the event where it was judged."""
        trees = [self.obligation.applies_when.explain(self.asked.facts)]
        if self.asked.event_given and self.obligation.trigger_when is not None:
            trees.append(self.obligation.trigger_when.explain(self.asked.facts))
        return tuple(trees)

    @property
    def missing(self) -> tuple[str, ...]:
        """Facts (and triggers, as ``trigger.…``) whose answer could decide; empty when it can be told."""
        if self.applicability is not Truth.UNKNOWN:
            return ()
        names = [name for tree in self.explanations for name in tree.open_questions()]
        if self.asked.occurred is Truth.UNKNOWN:
            names.insert(0, f"trigger.{self.obligation.trigger}")
        return tuple(dict.fromkeys(names))

    @cached_property
    def dues(self) -> tuple[Due, ...]:
        """The dates; none for law that does not bind on that day or does not appear to apply.

        Where recipients sit in several zones, each day ends where it ends first.
        """
        if self.result not in {Result.APPLIES, Result.UNKNOWN}:
            return ()
        zones = dict.fromkeys(recipient.zone for recipient in self.obligation.recipients) or {
            ZoneInfo("UTC"): None
        }
        rows = [
            self.obligation.deadline.resolve(
                Setting(self.asked.times, zone, self.calendars, self.asked.as_of, self.asked.facts)
            )
            for zone in zones
        ]
        return tuple(min(row, key=strictness) for row in zip(*rows, strict=True))

    @property
    def due(self) -> Due | None:
        """The first date that asks for an act, or None."""
        dated = [due for due in self.dues if due.state is DueState.DATED and due.meaning is not Meaning.OPENS]
        return min(dated, key=strictness) if dated else None

    @property
    def anchor_precedes_law(self) -> bool:
        """Whether a clock's anchor lies before the duty's first day: a question for counsel."""
        start = self.obligation.effective_from
        if start is None:
            return False
        return any(
            due.anchor_at is not None and local_day(due.anchor_at, ZoneInfo(due.zone)) < start.value
            for due in self.dues
        )


_STATE_ORDER: Mapping[DueState, int] = {
    DueState.DATED: 0,
    DueState.UNCOUNTABLE: 1,
    DueState.AWAITING: 2,
    DueState.UNDATED: 3,
    DueState.ENDED: 4,
}


def strictness(due: Due) -> tuple[int, float]:
    """Sort key: dates first, earliest first; then what cannot be counted yet; then what has no date."""
    return _STATE_ORDER[due.state], due.at.timestamp() if due.at else 0.0


def assess(
    instrument: Instrument,
    version: Version,
    obligation: Obligation,
    asked: Asked,
    calendars: Mapping[str, Calendar],
) -> Assessment:
    """Assess one obligation; total for checked facts.

    Args:
        instrument: where the obligation belongs.
        version: the version chosen for the two times.
        obligation: the duty.
        asked: facts, anchors, times.
        calendars: pinned calendars by id.

    Returns:
        The assessment; facts that do not meet the test come first (*does not apply*), then the standing of
        the law, then what cannot be told.
    """
    truths = [obligation.applies_when.evaluate(asked.facts), asked.occurred]
    if asked.event_given and obligation.trigger_when is not None:
        truths.append(obligation.trigger_when.evaluate(asked.facts))
    applicability = all_of(truths)
    standing = standing_of(instrument, version, obligation, asked.as_of, asked.known_at)
    if applicability is Truth.FALSE:
        result = Result.DOES_NOT_APPLY
    elif standing in _BY_STANDING:
        result = _BY_STANDING[standing]
    else:
        result = Result.UNKNOWN if applicability is Truth.UNKNOWN else Result.APPLIES
    return Assessment(instrument, version, obligation, asked, standing, applicability, result, calendars)
