# SPDX-License-Identifier: Apache-2.0
"""The house's letters: written inside acts, delivered after their receipts, answered by handlers.

A letter is sealed in the transaction of the act that writes it, and waits for the act's last ledger entry. What arrives
is verified, stored and answered in one transaction as well; the acknowledgement goes back only after the commit. The
rules of order and replay are those of `proofhouse.letters.Thread`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self
from uuid import UUID

from django.db.models import Q

from proofhouse import letters
from proofhouse.letters import DeliveryFailed, Introduction, Introductions
from proofhouse.server.engine.acts import ActError, one_transaction, running
from proofhouse.server.engine.clock import now
from proofhouse.server.engine.keys import signer
from proofhouse.server.engine.models import Letter, Peer, Thread
from proofhouse.server.house import this_house

logger = logging.getLogger(__name__)

FIRST_RETRY = timedelta(seconds=1)
LAST_ATTEMPT = 12
"""A letter that failed so often (over an hour with doubling pauses) is dead until a person looks at it."""


@dataclass(frozen=True)
class Enclosure:
    """A file to send along."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True)
class Received:
    """A letter that a handler answers."""

    row: Letter
    thread: Thread
    body: Mapping[str, Any]
    enclosures: Mapping[str, bytes]
    digests: Mapping[str, str]

    @classmethod
    def reopen(cls, row: Letter) -> Self:
        """Read a stored letter again; it was verified when it arrived."""
        letter = letters.parse_letter(bytes(row.envelope))
        return cls(
            row,
            row.thread,
            letter.body,
            {each.name: each.content for each in letter.enclosures if each.content is not None},
            {each.name: each.sha256 for each in letter.enclosures},
        )


Handler = Callable[[Received], None]
_HANDLERS: dict[str, Handler] = {}


def on_letter(letter_type: str) -> Callable[[Handler], Handler]:
    """Register what this house does when a letter of a type has arrived and taken its place in the thread."""

    def register(handler: Handler) -> Handler:
        if letter_type in _HANDLERS:
            raise ValueError(f"letters of type {letter_type} have a handler already")
        _HANDLERS[letter_type] = handler
        return handler

    return register


def start_thread(peer: str, *, subject: str, case: str) -> Thread:
    """Open a thread with another house.

    Raises:
        ActError: Nobody introduced that house to us.
    """
    running()
    known = Peer.objects.filter(name=peer).first()
    if known is None:
        raise ActError(f"no house called {peer} was introduced to us", "unknown_house")
    return Thread.objects.create(peer=known, subject=subject[:200], case=case, opened_at=now())


def send(
    letter_type: str,
    thread: Thread,
    body: Mapping[str, Any],
    *,
    enclosures: Sequence[Enclosure] = (),
    in_reply_to: Letter | None = None,
) -> Letter:
    """Write a letter as part of the act under way. It leaves once the act's ledger entries have their receipts.

    Raises:
        LetterRefused: The body does not fit its type; the message names the field.
    """
    current = running()
    sequence = thread.letters.filter(direction=Letter.Direction.SENT).count() + 1
    written_at = now()
    checkpoint = this_house().ledger / "checkpoint"
    sealed = letters.seal(
        letter_type,
        body,
        sender=this_house().name,
        recipient=thread.peer.name,
        thread=str(thread.id),
        sequence=sequence,
        signer=signer("letters"),
        now=written_at,
        in_reply_to=in_reply_to.digest if in_reply_to else None,
        enclosures=[letters.Enclosure.of(each.name, each.content, each.media_type) for each in enclosures],
        ledger_checkpoint=checkpoint.read_text(encoding="utf-8") if checkpoint.exists() else None,
    )
    letter = Letter.objects.create(
        digest=sealed.id,
        direction=Letter.Direction.SENT,
        thread=thread,
        type=letter_type,
        sequence=sequence,
        body=dict(body),
        envelope=sealed.data,
        state=Letter.State.QUEUED,
        waits_for=current.entries[-1] if current.entries else None,
        written_at=written_at,
    )
    current.letters.append(letter)
    return letter


def introductions() -> Introductions:
    """Whom this house believes, for which letters."""
    return Introductions(
        Introduction.from_record(entry) for peer in Peer.objects.all() for entry in peer.introductions
    )


def receive(data: bytes) -> bytes:
    """Verify, store and answer one letter; returns the acknowledgement's bytes.

    Raises:
        LetterRefused: It is not one that this house takes; nothing was stored.
        Exception: The handler could not follow it; nothing was stored and the sender may try again.
    """
    letter = letters.open_letter(data, introductions(), this_house().name, now=now())
    if not letter.spec.sequenced:
        raise letters.LetterRefused(f"an {letter.type} comes as the answer to a letter, not on its own")
    with one_transaction(f"letter {letter.type}"):
        thread = _thread_of(letter)
        order = _order_of(thread)
        applied = order.apply(letter)
        if not Letter.objects.filter(digest=letter.id).exists():
            _store(thread, letter, Letter.State.HELD)
        for ready in applied.letters:
            row = Letter.objects.select_related("thread__peer").get(digest=ready.id)
            row.state = Letter.State.RECEIVED
            row.save(update_fields=["state"])
            handler = _HANDLERS.get(ready.type)
            if handler is not None:
                handler(Received.reopen(row))
    return letters.acknowledge(letter, signer("letters"), now(), thread=order, outcome=applied.outcome).data


def _thread_of(letter: letters.Letter) -> Thread:
    peer = Peer.objects.get(name=letter.sender)
    thread, _ = Thread.objects.get_or_create(
        id=UUID(letter.thread),
        defaults={"peer": peer, "subject": f"{letter.type} from {peer.title}", "opened_at": now()},
    )
    if thread.peer_id != peer.name:
        raise letters.WrongThread(f"thread {letter.thread} is not with {letter.sender}")
    return thread


def _order_of(thread: Thread) -> letters.Thread:
    order = letters.Thread(str(thread.id), [this_house().name, thread.peer_id])
    for envelope in thread.letters.values_list("envelope", flat=True):
        order.apply(letters.parse_letter(bytes(envelope)))
    return order


def _store(thread: Thread, letter: letters.Letter, state: Letter.State) -> None:
    Letter.objects.create(
        digest=letter.id,
        direction=Letter.Direction.RECEIVED,
        thread=thread,
        type=letter.type,
        sequence=letter.sequence,
        body=dict(letter.body),
        envelope=letter.data,
        state=state,
        written_at=letter.sent_at,
    )


def deliver_queued() -> None:
    """Try to deliver each letter whose receipts are there and whose pause is over."""
    ready = Letter.objects.filter(
        Q(waits_for=None) | ~Q(waits_for__receipt=""),
        Q(retry_at=None) | Q(retry_at__lte=now()),
        state=Letter.State.QUEUED,
    ).select_related("thread__peer")
    for row in ready:
        _deliver(row)


def _deliver(row: Letter) -> None:
    peer = row.thread.peer
    try:
        answer = letters.deliver_http(f"{peer.address}/letters/", bytes(row.envelope))
        acknowledgement = letters.open_letter(answer, introductions(), this_house().name, now=now())
        if acknowledgement.body.get("letter_sha256") != row.digest:
            raise letters.UnknownReply(f"{peer.name} did not acknowledge this letter")
        _order_of(row.thread).apply(acknowledgement)
    except letters.LetterError as failed:
        row.attempts += 1
        row.problem = str(failed)[:300]
        row.retry_at = now() + FIRST_RETRY * 2 ** (row.attempts - 1)
        final = isinstance(failed, DeliveryFailed) and not failed.retryable
        if final or row.attempts >= LAST_ATTEMPT:
            row.state = Letter.State.DEAD
            logger.error("letter %s to %s is dead: %s", row.type, peer.name, failed)
        row.save(update_fields=["attempts", "problem", "retry_at", "state"])
        return
    row.state = Letter.State.ACKNOWLEDGED
    row.acknowledged_at = now()
    row.acknowledgement = answer
    row.problem = ""
    row.save(update_fields=["state", "acknowledged_at", "acknowledgement", "problem"])
