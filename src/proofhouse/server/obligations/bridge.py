# SPDX-License-Identifier: Apache-2.0
"""The bridge: what a review tells this house may come over to the obligations desk, by consent and one by one.

It goes one way. Letters that this house received in a review are read here; nothing of this desk is written into a
review, its letters or its ledger. Without a consent whose receipt is there, nothing comes over; a withdrawal ends that
at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from proofhouse.law import Assessment, LawError
from proofhouse.server.accounts.gate import NotFound, visible
from proofhouse.server.accounts.models import Person
from proofhouse.server.engine.models import Letter
from proofhouse.server.obligations.models import AiModel, Bridge, BridgedEvent
from proofhouse.server.obligations.own_law import law_book, read_incident
from proofhouse.server.obligations.queries import own_profile
from proofhouse.server.reviews.models import Inquiry

EVENTS: Mapping[str, str] = {
    "finding": "A finding was received",
    "notice": "A determination was notified",
    "window-opened": "A window of access was opened",
    "window-closed": "A window of access was closed",
}
"""Letters of a review that may come over, and what they say happened."""

SUGGESTED: Mapping[str, tuple[str, Any]] = {"window-opened": ("org.eo14409_participating", True)}
"""Answers of the profile that an event bears out by itself."""

_STARTS_CLOCKS = frozenset({"finding", "notice"})


@dataclass(frozen=True)
class Candidate:
    """One letter of a review about which nobody at this desk has decided yet."""

    letter: str
    """SHA-256 of the letter."""
    kind: str
    title: str
    model_name: str
    sender: str
    at: datetime
    """When its sender wrote it; the earliest moment at which this house can have learnt of it."""
    fact: tuple[str, Any] | None


def consent(actor: Person) -> Bridge | None:
    """The consent that stands, whether or not its receipt is there yet."""
    return visible(actor, Bridge).filter(stands=True).select_related("entry").first()


def candidates(actor: Person) -> list[Candidate]:
    """Letters that came over and wait for a decision; none without a consent in force."""
    given = consent(actor)
    if given is None or not given.entry.in_force:
        return []
    decided = visible(actor, BridgedEvent).values("letter_sha256")
    letters = (
        visible(actor, Letter)
        .filter(
            direction=Letter.Direction.RECEIVED,
            type__in=EVENTS,
            thread__case__startswith="review:",
            written_at__gte=given.since,
        )
        .exclude(digest__in=decided)
        .select_related("thread__peer")
    )
    names = dict(visible(actor, Inquiry).values_list("case", "model_name"))
    return [
        Candidate(
            letter.digest,
            letter.type,
            EVENTS[letter.type],
            letter.body.get("model", {}).get("name") or names.get(letter.thread.case, ""),
            letter.thread.peer.title,
            letter.written_at,
            SUGGESTED.get(letter.type),
        )
        for letter in letters
    ]


def candidate(actor: Person, letter: str) -> Candidate:
    """One of them.

    Raises:
        NotFound: It did not come over, or was decided about.
    """
    for one in candidates(actor):
        if one.letter == letter:
            return one
    raise NotFound("no event like that")


def model_of(actor: Person, one: Candidate) -> AiModel | None:
    """The desk's own model of the name under which it is reviewed."""
    return visible(actor, AiModel).filter(name=one.model_name).first()


def may_start(actor: Person, one: Candidate) -> list[Assessment]:
    """Dated clocks that an event may start if it turns out to be an incident, counted from the earliest moment."""
    if one.kind not in _STARTS_CLOCKS:
        return []
    moments = {"discovered": one.at, "reasonable_belief": one.at}
    event = read_incident(one.title, moments, {})
    try:
        clocks = law_book().incident_clocks(own_profile(actor, model_of(actor, one)), event, one.at.date())
    except LawError:
        return []
    return [clock for clock in clocks if clock.due is not None]
