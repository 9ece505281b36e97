# SPDX-License-Identifier: Apache-2.0
"""The house's letters: written inside acts, answered by handlers. `delivery` carries them.

A letter is sealed in the transaction of the act that writes it, and waits for the act's last ledger entry. What arrives
is verified, stored and answered in one transaction as well; the acknowledgement goes back only after the commit. The
rules of order and replay are those of `proofhouse.letters.Thread`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from proofhouse import letters
from proofhouse.attest import Signer
from proofhouse.letters import Introduction, Introductions
from proofhouse.server.engine.acts import ActError, one_transaction, running
from proofhouse.server.engine.blobs import put_blob
from proofhouse.server.engine.clock import now
from proofhouse.server.engine.models import LedgerEntry, Letter, Peer, Thread
from proofhouse.server.engine.order import order_of
from proofhouse.server.engine.own_keys import sealing_key
from proofhouse.server.engine.record import record
from proofhouse.server.house import this_house


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
        return cls.of(row, letters.parse_letter(bytes(row.envelope)))

    @classmethod
    def of(cls, row: Letter, letter: letters.Letter) -> Self:
        """What a verified letter says, beside its row."""
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
    key: Signer | None = None,
) -> Letter:
    """Write a letter as part of the act under way. It leaves once the act's ledger entries have their receipts.

    Args:
        letter_type: What kind of letter.
        thread: Where it takes its place.
        body: What it says.
        enclosures: Files that go with it.
        in_reply_to: The letter that it answers.
        key: What seals it; the newest of our keys that the other house is known to believe.

    Raises:
        LetterRefused: The body does not fit its type; the message names the field.
        ActError: A letter of this thread was abandoned, so that the other house would hold all that follow.
    """
    current = running()
    if thread.letters.filter(state=Letter.State.ABANDONED).exists():
        raise ActError(
            f"a letter of this thread with {thread.peer_id} was abandoned; write in a new thread",
            "thread_abandoned",
        )
    order = order_of(thread)
    checkpoint = this_house().ledger / "checkpoint"
    sealed = letters.seal(
        letter_type,
        body,
        sender=this_house().name,
        recipient=thread.peer_id,
        thread=str(thread.id),
        sequence=order.next_sequence(this_house().name),
        signer=key or sealing_key(thread.peer),
        now=now(),
        in_reply_to=in_reply_to.digest if in_reply_to else None,
        enclosures=[letters.Enclosure.of(each.name, each.content, each.media_type) for each in enclosures],
        ledger_checkpoint=checkpoint.read_text(encoding="utf-8") if checkpoint.exists() else None,
    )
    order.apply(sealed)
    letter = Letter.objects.get(digest=sealed.id)
    if current.entries:
        letter.waits_for = current.entries[-1]
        letter.save(update_fields=["waits_for"])
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
        ThreadRefused: Its thread cannot take it; two letters with one number are kept as evidence.
        Exception: The handler could not follow it; nothing was stored and the sender may try again.
    """
    letter = letters.open_letter(data, introductions(), this_house().name, now=now())
    if not letter.spec.sequenced:
        raise letters.LetterRefused(f"an {letter.type} comes as the answer to a letter, not on its own")
    try:
        with one_transaction(f"letter {letter.type}"):
            order, outcome = take(letter)
    except letters.Conflict as conflict:
        _keep_evidence(letter, conflict)
        raise
    key = sealing_key(Peer.objects.get(name=letter.sender))
    return letters.acknowledge(letter, key, now(), thread=order, outcome=outcome).data


def take_acknowledgement(data: bytes, digest: str | None = None) -> str:
    """Verify an acknowledgement, and note it on the letter that it names; within a transaction.

    Args:
        data: The bytes as they came.
        digest: The letter that they answer, where that is known.

    Returns:
        The digest of the letter that is acknowledged now.

    Raises:
        LetterRefused: It is not one that this house takes.
        ThreadRefused: It acknowledges what was never sent, or shows that the other house holds another thread.
    """
    acknowledgement = letters.open_letter(data, introductions(), this_house().name, now=now())
    if acknowledgement.spec.sequenced:
        raise letters.UnknownReply(f"a letter of type {acknowledgement.type} acknowledges nothing")
    named: str = acknowledgement.body["letter_sha256"]
    if digest not in (None, named):
        raise letters.UnknownReply(f"{acknowledgement.sender} did not acknowledge this letter")
    thread = Thread.objects.filter(id=UUID(acknowledgement.thread), peer=acknowledgement.sender).first()
    if thread is None:
        raise letters.WrongThread(f"no thread {acknowledgement.thread} with {acknowledgement.sender}")
    order_of(thread).apply(acknowledgement)
    return named


def take(letter: letters.Letter) -> tuple[letters.Thread, letters.Outcome]:
    """Give a verified letter its place in its thread, and answer what can be answered now; within a transaction."""
    order = order_of(_thread_of(letter))
    applied = order.apply(letter)
    for ready in applied.letters:
        row = Letter.objects.select_related("thread__peer").get(digest=ready.id)
        handler = _HANDLERS.get(row.type)
        if handler is not None:
            handler(Received.of(row, letter) if ready.id == letter.id else Received.reopen(row))
    return order, applied.outcome


def _keep_evidence(letter: letters.Letter, conflict: letters.Conflict) -> None:
    """Keep a letter that contradicts another of the same house; both were signed, and the ledger says so once."""
    digest = put_blob(letter.data)
    with one_transaction("letter conflict"):
        case = f"letter:{letter.id[:32]}"
        if not LedgerEntry.objects.filter(kind="letter.conflict", case=case).exists():
            record(
                "letter.conflict",
                case,
                {
                    "thread": letter.thread,
                    "sequence": letter.sequence,
                    "from": letter.sender,
                    "letter": letter.id,
                    "envelope_sha256": digest,
                    "problem": str(conflict),
                },
            )


def _thread_of(letter: letters.Letter) -> Thread:
    peer = Peer.objects.get(name=letter.sender)
    thread, _ = Thread.objects.get_or_create(
        id=UUID(letter.thread),
        defaults={"peer": peer, "subject": f"{letter.type} from {peer.title}", "opened_at": now()},
    )
    if thread.peer_id != peer.name:
        raise letters.WrongThread(f"thread {letter.thread} is not with {letter.sender}")
    return thread
