# SPDX-License-Identifier: Apache-2.0
"""An organisation without a house: written to like a house, answering through a desk of this one.

It has a key, which this house made and keeps for it, and an introduction by which that key is believed here and nowhere
else. Its letters are the same typed, sealed statements as everybody's, and go through the same handlers, so that no
other desk knows the difference. Each says at which desk, and by whom, it was written. What this house writes to it
waits here until one of its people opens it; opening is what acknowledges it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from proofhouse import letters
from proofhouse.attest import Signer
from proofhouse.letters import Introduction
from proofhouse.server.accounts.models import Organisation, Person
from proofhouse.server.engine.clock import now
from proofhouse.server.engine.keys import signer
from proofhouse.server.engine.models import Letter, Peer, Thread
from proofhouse.server.engine.order import order_of
from proofhouse.server.engine.post import Enclosure, introductions, take
from proofhouse.server.house import this_house


def hosted_key(name: str) -> Signer:
    """The key that this house keeps for an organisation; made when first asked for, and good within this house only."""
    file: Path = this_house().keys / "hosted" / f"{name}.pem"
    if not file.exists():
        Signer.generate("hosted", name, demo=this_house().demo).save(this_house().keys)
    return _load(file)


@lru_cache
def _load(file: Path) -> Signer:
    return Signer.load(file)


def host(organisation: Organisation, purposes: Sequence[str]) -> Peer:
    """Open a desk for an organisation; part of the act under way."""
    introduction = Introduction(
        organisation.name,
        hosted_key(organisation.name).public,
        frozenset({*purposes, "acknowledgement"}),
        now(),
    )
    peer, _ = Peer.objects.update_or_create(
        name=organisation.name,
        defaults={
            "title": organisation.title,
            "address": "",
            "transport": Peer.Transport.HOSTED,
            "organisation": organisation,
            "introductions": [introduction.to_record()],
        },
    )
    return peer


def write_at_desk(
    peer: Peer,
    by: Person,
    thread: str,
    letter_type: str,
    body: Mapping[str, Any],
    *,
    enclosures: Sequence[Enclosure] = (),
    in_reply_to: Letter | None = None,
) -> Letter:
    """Seal a letter of a hosted organisation and have this house take it, as if it had come in at the door.

    Part of the act under way: what the handler does commits with the letter or not at all.

    Raises:
        LetterError: The letter does not fit its type, or the organisation was not introduced for it.
    """
    existing = Thread.objects.filter(id=thread).first()
    sealed = letters.seal(
        letter_type,
        body,
        sender=peer.name,
        recipient=this_house().name,
        thread=thread,
        sequence=order_of(existing).next_sequence(peer.name) if existing else 1,
        signer=hosted_key(peer.name),
        now=now(),
        in_reply_to=in_reply_to.digest if in_reply_to else None,
        enclosures=[letters.Enclosure.of(each.name, each.content, each.media_type) for each in enclosures],
        hosted=_here(by),
    )
    letter = letters.open_letter(sealed.data, introductions(), this_house().name, now=now())
    order, outcome = take(letter)
    row = Letter.objects.get(digest=letter.id)
    row.acknowledgement = letters.acknowledge(
        letter, signer("letters"), now(), thread=order, outcome=outcome
    ).data
    row.acknowledged_at = now()
    row.save(update_fields=["acknowledgement", "acknowledged_at"])
    return row


def open_at_desk(row: Letter, by: Person) -> None:
    """One of its people opens a letter of this house: that acknowledges it. Opening again changes nothing."""
    if row.state != Letter.State.QUEUED:
        return
    order = order_of(row.thread)
    letter = letters.parse_letter(bytes(row.envelope))
    answer = letters.acknowledge(
        letter, hosted_key(row.thread.peer_id), now(), thread=order, hosted=_here(by)
    )
    order.apply(letters.open_letter(answer.data, introductions(), this_house().name, now=now()))


def _here(by: Person) -> letters.Hosted:
    return letters.Hosted(this_house().name, by.name)
