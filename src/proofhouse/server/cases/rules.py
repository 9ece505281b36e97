# SPDX-License-Identifier: Apache-2.0
"""States of reports, leases, cases, embargoes and vendors. Pure.

The embargo follows Vultron's EM machine (none, proposed, active, exited); a case has at most one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum


class ReportState(StrEnum):
    """What running the proof has shown so far, or what two people read where nothing can be run."""

    RECEIVED = "received"
    QUEUED = "queued"
    REPRODUCED = "reproduced"
    FLAKY = "flaky"
    NOT_REPRODUCED = "not-reproduced"
    ALREADY_FIXED = "already-fixed"
    OUT_OF_MODEL = "out-of-model"
    NEEDS_HUMAN = "needs-human"
    READ_REAL = "read-real"
    READ_UNFOUNDED = "read-unfounded"
    DUPLICATE = "duplicate"


BY_RUNNING = frozenset(
    {
        ReportState.REPRODUCED,
        ReportState.FLAKY,
        ReportState.NOT_REPRODUCED,
        ReportState.ALREADY_FIXED,
        ReportState.OUT_OF_MODEL,
        ReportState.NEEDS_HUMAN,
    }
)
"""What running a proof can show."""

WAITING = frozenset({ReportState.RECEIVED, ReportState.QUEUED})
"""A report whose proof has not run yet."""

PROVABLE = WAITING | {ReportState.NEEDS_HUMAN}
"""A report that a run may still decide: one that people were to read, too, once somebody has made it run."""

REPORT_TRANSITIONS: dict[ReportState, frozenset[ReportState]] = {
    ReportState.RECEIVED: BY_RUNNING | {ReportState.QUEUED, ReportState.DUPLICATE},
    ReportState.QUEUED: BY_RUNNING,
    ReportState.NEEDS_HUMAN: BY_RUNNING
    | {ReportState.QUEUED, ReportState.READ_REAL, ReportState.READ_UNFOUNDED},
    ReportState.FLAKY: frozenset({ReportState.QUEUED}),
    ReportState.NOT_REPRODUCED: frozenset({ReportState.QUEUED}),
    ReportState.REPRODUCED: frozenset(),
    ReportState.ALREADY_FIXED: frozenset(),
    ReportState.OUT_OF_MODEL: frozenset(),
    ReportState.READ_REAL: frozenset(),
    ReportState.READ_UNFOUNDED: frozenset(),
    ReportState.DUPLICATE: frozenset(),
}
"""A duplicate keeps its state until a person takes it apart (`set_apart`): what it comes to is the state of the report
that it repeats."""


class Channel(StrEnum):
    """How a report came in."""

    LETTER = "letter"
    FORM = "form"
    REST = "rest"
    VINCE = "vince"
    SARIF = "sarif"
    CSAF = "csaf"
    OSV = "osv"
    EMAIL = "email"


class Means(StrEnum):
    """How a flaw was found."""

    PERSON = "person"
    AI_SYSTEM = "ai-system"
    FUZZER = "fuzzer"
    SCANNER = "scanner"
    OTHER = "other"


class PromptClass(StrEnum):
    """What an AI system was asked to do; the prompt itself stays with the finder."""

    NONE = "none"
    FIND_FLAWS = "find-flaws"
    READ_CODE = "read-code"
    WRITE_HARNESS = "write-harness"
    WORK_ALONE = "work-alone"
    SORT_RESULTS = "sort-results"
    OTHER = "other"


class Standard(StrEnum):
    """On what a reading of a report stands that nothing can run: closed products, OT, firmware."""

    VENDOR_CONFIRMED = "vendor-confirmed"
    """The vendor said so in writing."""
    SOURCE_READ = "source-read"
    """The reader names the lines that are wrong and the input that reaches them."""
    DEMONSTRATED = "demonstrated"
    """The reader saw it on the device, or a recording whose making is described."""
    REPEATED_ELSEWHERE = "repeated-elsewhere"
    """A laboratory or a second finder, named, has repeated it."""
    CONTRADICTED = "contradicted"
    """The reader names what shows that it cannot be so."""


READABLE = frozenset({ReportState.READ_REAL, ReportState.READ_UNFOUNDED, ReportState.OUT_OF_MODEL})
"""What a reader may find."""


class CaseState(StrEnum):
    """How far coordination has come."""

    VALIDATED = "validated"
    VENDOR_NOTIFIED = "vendor-notified"
    VENDOR_ACKNOWLEDGED = "vendor-acknowledged"
    FIX_PROVED = "fix-proved"
    PUBLISHED = "published"


CASE_TRANSITIONS: dict[CaseState, frozenset[CaseState]] = {
    CaseState.VALIDATED: frozenset({CaseState.VENDOR_NOTIFIED}),
    CaseState.VENDOR_NOTIFIED: frozenset({CaseState.VENDOR_ACKNOWLEDGED}),
    CaseState.VENDOR_ACKNOWLEDGED: frozenset({CaseState.FIX_PROVED}),
    CaseState.FIX_PROVED: frozenset({CaseState.PUBLISHED}),
    CaseState.PUBLISHED: frozenset(),
}


class EmbargoState(StrEnum):
    """Vultron EM."""

    NONE = "none"
    PROPOSED = "proposed"
    ACTIVE = "active"
    EXITED = "exited"


EMBARGO_TRANSITIONS: dict[EmbargoState, frozenset[EmbargoState]] = {
    EmbargoState.NONE: frozenset({EmbargoState.PROPOSED}),
    EmbargoState.PROPOSED: frozenset({EmbargoState.ACTIVE, EmbargoState.NONE}),
    EmbargoState.ACTIVE: frozenset({EmbargoState.EXITED}),
    EmbargoState.EXITED: frozenset(),
}


class OutOfOrder(Exception):
    """A report, a case or an embargo cannot take the step asked for."""

    code = "out_of_order"


def step_report(current: ReportState, wanted: ReportState) -> ReportState:
    """The next state of a report.

    Raises:
        OutOfOrder: The table has no such step.
    """
    if wanted not in REPORT_TRANSITIONS[current]:
        raise OutOfOrder(f"a report that is {current.value} cannot become {wanted.value}")
    return wanted


def agreed(readings: Iterable[tuple[object, ReportState]]) -> ReportState | None:
    """What two different people found alike, or None while there are no two (the second reader).

    Args:
        readings: Who read and what each found, oldest first; somebody's later reading replaces their earlier one.
    """
    newest = dict(readings)
    for finding in READABLE:
        if sum(found is finding for found in newest.values()) >= 2:
            return finding
    return None


def may_repeat(current: ReportState) -> bool:
    """Whether a person may say of a report that it repeats another."""
    return current is not ReportState.DUPLICATE


def set_apart(verdicts: Sequence[ReportState], settled: ReportState | None, *, shows: bool) -> ReportState:
    """What a report is again that repeats another no more.

    Args:
        verdicts: What running it showed, oldest first.
        settled: What two people found on reading it.
        shows: Whether it has files that could be run.
    """
    if settled is not None:
        return settled
    if verdicts:
        return verdicts[-1]
    return ReportState.QUEUED if shows else ReportState.NEEDS_HUMAN


def step_case(current: CaseState, wanted: CaseState) -> CaseState:
    """The next state of a case.

    Raises:
        OutOfOrder: The table has no such step.
    """
    if wanted not in CASE_TRANSITIONS[current]:
        raise OutOfOrder(f"a case that is {current.value} cannot become {wanted.value}")
    return wanted


def step_embargo(current: EmbargoState, wanted: EmbargoState) -> EmbargoState:
    """The next state of an embargo.

    Raises:
        OutOfOrder: The table has no such step.
    """
    if wanted not in EMBARGO_TRANSITIONS[current]:
        raise OutOfOrder(f"an embargo that is {current.value} cannot become {wanted.value}")
    return wanted
