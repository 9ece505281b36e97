# SPDX-License-Identifier: Apache-2.0
"""States of reports, cases, embargoes and vendors. Pure.

The embargo follows Vultron's EM machine (none, proposed, active, exited); a case has at most one.
"""

from __future__ import annotations

from enum import StrEnum


class ReportState(StrEnum):
    """What running the proof has shown so far."""

    RECEIVED = "received"
    REPRODUCED = "reproduced"
    FLAKY = "flaky"
    NOT_REPRODUCED = "not-reproduced"
    ALREADY_FIXED = "already-fixed"
    NEEDS_HUMAN = "needs-human"


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
    """A case or an embargo cannot take the step asked for."""

    code = "out_of_order"


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
