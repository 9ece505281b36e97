# SPDX-License-Identifier: Apache-2.0
"""The thread: the order of letters, which are new, and whether both houses hold the same. Pure state.

Each of the two houses numbers its own letters from 1. A thread applies each house's letters in the order of
their numbers and a letter that answers another only after that other one. For each house it keeps a hash
chain over the ids of its letters; the two chain heads together are the thread's state, so two houses that
hold the same letters hold the same digest, in whatever order the letters of one reached the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from proofhouse.attest import Signer, canonical, sha256_hex
from proofhouse.letters._errors import Conflict, TooManyWaiting, UnknownReply, WrongThread
from proofhouse.letters._letter import Hosted, Letter, seal
from proofhouse.letters.memory import Memory, Placed, Recollection

_CHAIN_START = b"proofhouse-thread/v1\n"
_MAX_WAITING = 1000


class Outcome(StrEnum):
    """What became of a letter that a thread was given."""

    NEW = "new"
    DUPLICATE = "duplicate"
    OUT_OF_ORDER = "out-of-order"


@dataclass(frozen=True)
class Applied:
    """The answer of `Thread.apply`.

    Attributes:
        outcome: What became of the letter.
        letters: The letters that took effect now, in order: the letter itself and those that waited for it,
            as the thread's memory gives them back.
    """

    outcome: Outcome
    letters: tuple[Placed, ...] = ()


@dataclass(frozen=True)
class Head:
    """How far one house's letters reach.

    Attributes:
        house: Slug of the house that wrote them.
        sequence: Number of its last letter; 0 where there is none.
        sha256: Head of the hash chain over their ids.
    """

    house: str
    sequence: int
    sha256: str

    def to_record(self) -> dict[str, Any]:
        """The head as it stands in an acknowledgement."""
        return {"house": self.house, "sequence": self.sequence, "sha256": self.sha256}


class Thread:
    """Two houses' letters on one matter.

    Give it every letter of both houses, the own ones too, before they are sent. Applying the same letters in any order
    gives the same state. What it knows lies in its memory: a thread that was put away goes on when it is given the same
    memory again.

    Args:
        thread: UUID of the thread.
        houses: Slugs of the two houses.
        memory: Where its letters are remembered; in the process, unless told otherwise.
    """

    def __init__(self, thread: str, houses: Iterable[str], memory: Memory | None = None) -> None:
        self.thread = thread
        self.houses = tuple(sorted(houses))
        if len(set(self.houses)) != 2:
            raise WrongThread("a thread has exactly two houses")
        self._memory: Memory = Recollection() if memory is None else memory

    def apply(self, letter: Letter) -> Applied:
        """Take a letter that `open_letter` (or `seal`) returned.

        Raises:
            WrongThread: It belongs elsewhere.
            Conflict: Its sender signed another letter with the same number, or its acknowledgement shows
                another thread.
            UnknownReply: It acknowledges a letter that was never sent.
            TooManyWaiting: Too many letters wait for a missing one.
        """
        if letter.thread != self.thread or tuple(sorted((letter.sender, letter.recipient))) != self.houses:
            raise WrongThread(
                f"the letter is from {letter.sender} to {letter.recipient} in thread {letter.thread}; "
                f"this is {self.thread} between {self.houses[0]} and {self.houses[1]}"
            )
        if not letter.spec.sequenced:
            return self._apply_acknowledgement(letter)
        known = self._memory.id_at(letter.sender, letter.sequence)
        if known is not None and known != letter.id:
            raise Conflict(
                f"{letter.sender} signed two letters with number {letter.sequence}: {known} and {letter.id}"
            )
        if known is not None and self._memory.has_applied(letter.id):
            return Applied(Outcome.DUPLICATE)
        if known is None and self._memory.count_waiting() >= _MAX_WAITING:
            raise TooManyWaiting(
                f"{_MAX_WAITING} letters wait for number {self.next_sequence(letter.sender)}"
            )
        if known is None:
            self._memory.keep(letter)
        applied = self._apply_ready()
        is_new = any(each.id == letter.id for each in applied)
        return Applied(Outcome.NEW if is_new else Outcome.OUT_OF_ORDER, applied)

    def next_sequence(self, house: str) -> int:
        """The number of the house's next letter."""
        return self._head(house).sequence + 1

    def missing(self, house: str) -> tuple[int, ...]:
        """Numbers of the house's letters for which others wait."""
        waiting = self._memory.waiting_numbers(house)
        there = frozenset(waiting)
        last = waiting[-1] if waiting else 0
        return tuple(number for number in range(self.next_sequence(house), last) if number not in there)

    def outstanding(self, house: str) -> tuple[str, ...]:
        """Ids of the house's letters that are not acknowledged yet, oldest first: send these again."""
        return self._memory.outstanding(house)

    @property
    def heads(self) -> tuple[Head, ...]:
        """How far each house's letters reach, in the order of the slugs."""
        return tuple(self._head(house) for house in self.houses)

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON `{"heads": […], "thread": "…"}`: equal where both hold the same."""
        return sha256_hex(
            canonical({"thread": self.thread, "heads": [head.to_record() for head in self.heads]})
        )

    def compare(self, heads: Iterable[Mapping[str, Any]]) -> None:
        """Compare the other house's view with this one, as far as both reach.

        Raises:
            Conflict: The two hold different letters.
        """
        for head in heads:
            house, sequence = head["house"], head["sequence"]
            if house not in self.houses:
                raise WrongThread(f"{house} has no part in this thread")
            ours = self._memory.head_at(house, sequence) if sequence else _chain_start(self.thread, house)
            if ours is not None and ours != head["sha256"]:
                raise Conflict(f"the houses hold different letters of {house} up to number {sequence}")

    def _head(self, house: str) -> Head:
        sequence, sha256 = self._memory.reach(house) or (0, _chain_start(self.thread, house))
        return Head(house, sequence, sha256)

    def _apply_acknowledgement(self, letter: Letter) -> Applied:
        named = letter.body["letter_sha256"]
        if not self._memory.is_of(letter.recipient, named):
            raise UnknownReply(f"{letter.sender} acknowledges {named}, which {letter.recipient} never sent")
        self.compare(letter.body.get("heads", ()))
        if self._memory.is_acknowledged(named):
            return Applied(Outcome.DUPLICATE)
        self._memory.acknowledge(named, letter)
        return Applied(Outcome.NEW, (letter,))

    def _apply_ready(self) -> tuple[Placed, ...]:
        applied: list[Placed] = []
        while ready := [each for each in map(self._next_of, self.houses) if each is not None]:
            for letter in ready:
                self._memory.place(letter, _chain_next(self._head(letter.sender).sha256, letter.id))
                applied.append(letter)
        return tuple(applied)

    def _next_of(self, house: str) -> Placed | None:
        letter = self._memory.waiting(house, self.next_sequence(house))
        if letter is None or (
            letter.in_reply_to is not None and not self._memory.has_applied(letter.in_reply_to)
        ):
            return None
        return letter


def acknowledge(
    letter: Letter,
    signer: Signer,
    now: datetime,
    *,
    thread: Thread | None = None,
    outcome: Outcome = Outcome.NEW,
    hosted: Hosted | None = None,
) -> Letter:
    """Say that a letter arrived.

    Acknowledgements have no number, are in no chain and are never acknowledged themselves; one for a
    duplicate is as good as the first.

    Args:
        letter: The letter, as `open_letter` returned it.
        signer: This house's key.
        now: This house's clock.
        thread: The thread after the letter was applied; its heads let the other house compare.
        outcome: What became of the letter.
        hosted: The desk and the person, where the reader has no house of its own.
    """
    body: dict[str, Any] = {"letter_sha256": letter.id, "outcome": outcome.value}
    if thread is not None:
        body["heads"] = [head.to_record() for head in thread.heads]
    return seal(
        "acknowledgement",
        body,
        sender=letter.recipient,
        recipient=letter.sender,
        thread=letter.thread,
        sequence=0,
        signer=signer,
        now=now,
        in_reply_to=letter.id,
        hosted=hosted,
    )


def _chain_start(thread: str, house: str) -> str:
    return hashlib.sha256(_CHAIN_START + f"{thread}\n{house}\n".encode()).hexdigest()


def _chain_next(head: str, letter_id: str) -> str:
    return hashlib.sha256(bytes.fromhex(head) + bytes.fromhex(letter_id)).hexdigest()
