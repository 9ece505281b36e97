# SPDX-License-Identifier: Apache-2.0
"""Acts of the bridge: consent and withdrawal, and what is made of an event of a review besides an incident."""

from __future__ import annotations

from datetime import datetime

from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Permission
from proofhouse.server.engine.acts import ActError, act
from proofhouse.server.engine.clock import now, wire
from proofhouse.server.obligations import queries
from proofhouse.server.obligations.bridge import candidate
from proofhouse.server.obligations.models import Bridge, BridgedEvent
from proofhouse.server.obligations.rules import read_moment
from proofhouse.server.obligations.services import decide, keep_fact, record_own


@act(Permission.OBLIGATIONS_BRIDGE_CONSENT)
def consent_bridge(*, actor: Person, since: str | datetime | None = None) -> Bridge:
    """Consent that letters which this house receives in reviews may come over to this desk; none do without.

    Args:
        actor: A compliance lead.
        since: Letters written from this instant on, RFC 3339 with offset; from now on by default.

    Raises:
        ActError: A consent stands already.
    """
    queries.require_desk(actor)
    if Bridge.objects.filter(stands=True).exists():
        raise ActError("a consent stands already; withdraw it first", "consented_before")
    begin = read_moment("since", since) or now()
    entry = record_own("bridge.consent", "bridge", {"since": wire(begin)}, actor)
    return Bridge.objects.create(since=begin, entry=entry, consented_by=actor.email, consented_at=now())


@act(Permission.OBLIGATIONS_BRIDGE_CONSENT)
def withdraw_bridge(*, actor: Person) -> Bridge:
    """Withdraw the consent: nothing comes over any more, and what nobody has decided about is gone from the desk.

    Raises:
        ActError: No consent stands.
    """
    queries.require_desk(actor)
    row = Bridge.objects.filter(stands=True).first()
    if row is None:
        raise ActError("no consent stands", "no_consent")
    row.stands = False
    row.withdrawal = record_own("bridge.withdraw", "bridge", {"consent": str(row.id)}, actor)
    row.withdrawn_by, row.withdrawn_at = actor.email, now()
    row.save(update_fields=["stands", "withdrawal", "withdrawn_by", "withdrawn_at"])
    return row


@act(Permission.OBLIGATIONS_INCIDENT_RECORD)
def set_aside(*, actor: Person, letter: str, reason: str) -> BridgedEvent:
    """Decide that an event of a review is no incident; the reason is kept.

    Args:
        actor: Somebody of the own side.
        letter: SHA-256 of the letter.
        reason: Why not.
    """
    queries.require_desk(actor)
    text = reason.strip()
    if not text or len(text) > 300:
        raise ActError("reason: write between 1 and 300 characters", "record_refused")
    return decide(actor, candidate(actor, letter), reason=text)


@act(Permission.OBLIGATIONS_FACT_SET)
def take_fact(*, actor: Person, letter: str) -> BridgedEvent:
    """Take the answer that an event of a review bears out into the profile.

    Args:
        actor: Somebody of the own side.
        letter: SHA-256 of the letter.

    Raises:
        ActError: The event bears out no answer.
    """
    queries.require_desk(actor)
    came = candidate(actor, letter)
    if came.fact is None:
        raise ActError("this event answers no question of the profile", "no_fact")
    name, value = came.fact
    source = f"{came.title}, letter {came.letter[:16]} of {came.sender}"
    return decide(actor, came, fact=keep_fact(actor, name, value, source=source, day=came.at.date()))
