# SPDX-License-Identifier: Apache-2.0
"""States and bounds of a review. Pure.

Nothing here, and nowhere else, can say that a release is allowed or forbidden: section 3(c) of the order keeps review
apart from licensing. A window that runs out is *closed*, with no finding implied.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

WINDOW_CEILING = timedelta(days=30)
"""EO 14409 §3(b)(ii): access "for up to 30 days", read as calendar days before the planned release to partners."""


SERVING_WARNING = "Serving this letter may start statutory clocks at its recipient."
"""Said to the reviewer's side wherever a letter of findings is served. It is the same for everybody: what a recipient's
duties are is worked out in the recipient's own house, and nothing of it comes here."""


class InquiryState(StrEnum):
    """Where an inquiry stands, as both houses see it."""

    INQUIRED = "inquired"
    AGREEMENT_PROPOSED = "agreement-proposed"
    AGREED = "agreed"
    ACCESS_OFFERED = "access-offered"
    ACCESS_OPEN = "access-open"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"


TRANSITIONS: dict[InquiryState, frozenset[InquiryState]] = {
    InquiryState.INQUIRED: frozenset(
        {InquiryState.AGREEMENT_PROPOSED, InquiryState.WITHDRAWN, InquiryState.CLOSED}
    ),
    InquiryState.AGREEMENT_PROPOSED: frozenset(
        {InquiryState.AGREED, InquiryState.WITHDRAWN, InquiryState.CLOSED}
    ),
    InquiryState.AGREED: frozenset(
        {InquiryState.ACCESS_OFFERED, InquiryState.WITHDRAWN, InquiryState.CLOSED}
    ),
    InquiryState.ACCESS_OFFERED: frozenset(
        {InquiryState.ACCESS_OPEN, InquiryState.WITHDRAWN, InquiryState.CLOSED}
    ),
    InquiryState.ACCESS_OPEN: frozenset({InquiryState.CLOSED, InquiryState.WITHDRAWN}),
    InquiryState.CLOSED: frozenset(),
    InquiryState.WITHDRAWN: frozenset(),
}


class Label(StrEnum):
    """What a determination says about a model. It says nothing about its release."""

    COVERED = "covered"
    NOT_COVERED = "not-covered"
    UNDETERMINED = "undetermined"


class Basis(StrEnum):
    """How the authority came to the capability evidence."""

    REVIEW = "review"
    PUBLIC_ACCESS = "public-access"


class OutOfOrder(Exception):
    """An inquiry cannot go from its state to the one asked for."""

    code = "out_of_order"


def step(current: InquiryState, wanted: InquiryState) -> InquiryState:
    """The next state of an inquiry.

    Raises:
        OutOfOrder: The table has no such step.
    """
    if wanted not in TRANSITIONS[current]:
        raise OutOfOrder(f"an inquiry that is {current.value} cannot become {wanted.value}")
    return wanted


def window_end(opens_at: datetime, days: int, planned_partner_release: datetime) -> datetime:
    """When a window that opens now must close.

    Args:
        opens_at: The instant of opening.
        days: Length asked for, 1 to 30 calendar days.
        planned_partner_release: Planned release to other trusted partners; the window never runs past it.

    Raises:
        ValueError: More than 30 days or less than one, or the planned release is over.
    """
    if not 1 <= days <= WINDOW_CEILING.days:
        raise ValueError(f"a window lasts 1 to {WINDOW_CEILING.days} days, not {days}")
    if planned_partner_release <= opens_at:
        raise ValueError("the planned release to partners is over; there is no window before it")
    return min(opens_at + timedelta(days=days), planned_partner_release)


def label_for(verdict: str) -> Label:
    """The label that a three-way verdict against the sealed rule gives, whoever took part.

    Raises:
        ValueError: Not a verdict.
    """
    labels = {"exceeds": Label.COVERED, "below": Label.NOT_COVERED, "inconclusive": Label.UNDETERMINED}
    if verdict not in labels:
        raise ValueError(f"{verdict!r} is not a verdict; expected one of {', '.join(labels)}")
    return labels[verdict]
