# SPDX-License-Identifier: Apache-2.0
"""Facts that the desk's tests stand on."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from proofhouse.attest import Signer, sha256_hex
from proofhouse.server.accounts.models import Person
from proofhouse.server.engine.clock import now
from proofhouse.server.engine.models import Letter, Peer
from proofhouse.server.obligations import services
from proofhouse.server.obligations.models import ClockRun, Incident
from proofhouse.server.reviews.models import Inquiry
from server.makers import make_inquiry, make_peer

PROFILE: dict[str, Any] = {
    "org.nexus": ["US-CA", "US-NY", "US-IL"],
    "org.roles": ["ai_developer"],
    "org.trained_or_initiated_training": True,
    "org.group_revenue_usd_prev_calendar_year": 2.0e9,
    "model.training_ops": 2.1e26,
}
LAW_DAY = "2027-01-05"
BELIEF = "2027-01-05T15:00:00-05:00"
MOMENTS: dict[str, Any] = {
    "occurred": "2027-01-04T09:00:00-05:00",
    "discovered": BELIEF,
    "reasonable_belief": BELIEF,
}
FACTS: dict[str, Any] = {
    "kinds": {"safety_incident": True},
    "event": {
        "in_elicitation_evaluation": False,
        "deceptive_subversion": True,
        "catastrophic_risk_increased": True,
    },
    "narrative": {
        "description": "The model switched off its monitor // and #said [nothing].",
        "reasons": "Deception outside an evaluation.",
    },
}


def open_loss_of_control(actor: Person, **changed: Any) -> Incident:
    """An incident whose reasonable belief is 15:00 in New York on 5 January 2027."""
    arguments = {"title": "Monitor off", "moments": MOMENTS, "facts": FACTS, "law_day": LAW_DAY, **changed}
    return services.open_incident(actor=actor, **arguments)


def clock_of(incident: Incident, obligation: str) -> ClockRun:
    """One clock of an incident."""
    return ClockRun.objects.get(incident=incident, obligation=obligation, part=0)


def make_office() -> Peer:
    """The review office, as the lab knows it."""
    found = Peer.objects.filter(name="office").first()
    return found or make_peer("office", Signer.generate("letters", "office", demo=True))


def make_review(model: str = "Example-1") -> Inquiry:
    """A review of a model of this house, in the lab's own books."""
    return make_inquiry(make_office(), model_name=model)


def make_letter(review: Inquiry, kind: str = "finding", at: datetime | None = None, **fields: Any) -> Letter:
    """A letter that this house received in a review."""
    sequence = review.thread.letters.count() + 1
    digest = sha256_hex(f"{kind}/{review.id}/{sequence}".encode())
    return Letter.objects.create(
        **{
            "digest": digest, "direction": "received", "thread": review.thread, "type": kind, "sequence": sequence,
            "body": {}, "envelope": b"", "state": "received", "written_at": at or now(), **fields,
        }
    )  # fmt: skip
