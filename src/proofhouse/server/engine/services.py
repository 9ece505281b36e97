# SPDX-License-Identifier: Apache-2.0
"""Introducing other houses: whose key this house believes, for which letters."""

from __future__ import annotations

from typing import Any

from proofhouse.letters import Introduction, Introductions
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Permission
from proofhouse.server.engine.acts import ActError, act, question
from proofhouse.server.engine.clock import now, wire
from proofhouse.server.engine.keys import signer
from proofhouse.server.engine.models import Peer
from proofhouse.server.house import this_house


@question
def introduction(*, actor: Person) -> dict[str, Any]:
    """What this house tells others so that they can believe its letters; to be handed over in person."""
    return {
        "house": this_house().name,
        "title": this_house().title,
        "address": this_house().address,
        "key": signer("letters").public.to_record(),
        "demo": signer("letters").demo,
        "since": wire(now()),
        "until": None,
    }


@act(Permission.HOUSE_PEER_INTRODUCE)
def introduce(*, actor: Person, introduction: dict[str, Any], purposes: list[str]) -> Peer:
    """Believe another house's key from now on.

    Args:
        actor: The steward, who has compared the key's fingerprint over another channel.
        introduction: What the other house's steward handed over.
        purposes: The letter types for which its key is taken; acknowledgements always are.

    Raises:
        ActError: A demonstration key was offered to a real house.
    """
    if introduction["demo"] and not this_house().demo:
        raise ActError("that is a demonstration key; a real house does not take it", "demo_key")
    record = {
        "house": introduction["house"],
        "key": introduction["key"],
        "purposes": sorted({*purposes, "acknowledgement"}),
        "since": introduction["since"],
        "until": introduction["until"],
    }
    Introductions([Introduction.from_record(record)])
    peer, _ = Peer.objects.update_or_create(
        name=introduction["house"],
        defaults={
            "title": introduction["title"],
            "address": introduction["address"],
            "introductions": [record],
        },
    )
    return peer
