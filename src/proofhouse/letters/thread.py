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
from proofhouse.letters._letter import Letter, seal

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
        letters: The letters that took effect now, in order: the letter itself and those that waited for it.
    """

    outcome: Outcome
    letters: tuple[Letter, ...] = ()


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

    Give it every letter of both houses, the own ones too, before they are sent. To bring a thread back, apply
    its stored letters again: any order gives the same state. It keeps ids, and whole letters only while they
    wait.

    Args:
        thread: UUID of the thread.
        houses: Slugs of the two houses.
    """

    def __init__(self, thread: str, houses: Iterable[str]) -> None:
        self.thread = thread
        self.houses = tuple(sorted(houses))
        if len(set(self.houses)) != 2:
            raise WrongThread("a thread has exactly two houses")
        self._ids: dict[str, list[str]] = {house: [] for house in self.houses}
        self._chain: dict[str, list[str]] = {house: [_chain_start(thread, house)] for house in self.houses}
        self._applied: set[str] = set()
        self._waiting: dict[tuple[str, int], Letter] = {}
        self._acknowledged: set[str] = set()
        self._acknowledgements: set[str] = set()

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
        known = self._id_at(letter.sender, letter.sequence)
        if known is not None and known != letter.id:
            raise Conflict(
                f"{letter.sender} signed two letters with number {letter.sequence}: {known} and {letter.id}"
            )
        if letter.id in self._applied:
            return Applied(Outcome.DUPLICATE)
        if known is None and len(self._waiting) >= _MAX_WAITING:
            raise TooManyWaiting(
                f"{_MAX_WAITING} letters wait for number {self.next_sequence(letter.sender)}"
            )
        self._waiting[letter.sender, letter.sequence] = letter
        applied = self._apply_ready()
        return Applied(Outcome.NEW if letter in applied else Outcome.OUT_OF_ORDER, applied)

    def next_sequence(self, house: str) -> int:
        """The number of the house's next letter."""
        return len(self._ids[house]) + 1

    def missing(self, house: str) -> tuple[int, ...]:
        """Numbers of the house's letters for which others wait."""
        last = max((sequence for sender, sequence in self._waiting if sender == house), default=0)
        return tuple(
            number
            for number in range(self.next_sequence(house), last)
            if (house, number) not in self._waiting
        )

    def outstanding(self, house: str) -> tuple[str, ...]:
        """Ids of the house's letters that are not acknowledged yet, oldest first: send these again."""
        return tuple(each for each in self._ids[house] if each not in self._acknowledged)

    @property
    def heads(self) -> tuple[Head, ...]:
        """How far each house's letters reach, in the order of the slugs."""
        return tuple(Head(house, len(self._ids[house]), self._chain[house][-1]) for house in self.houses)

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
            chain = self._chain.get(head["house"])
            if chain is None:
                raise WrongThread(f"{head['house']} has no part in this thread")
            if head["sequence"] < len(chain) and chain[head["sequence"]] != head["sha256"]:
                raise Conflict(
                    f"the houses hold different letters of {head['house']} up to number {head['sequence']}"
                )

    def _apply_acknowledgement(self, letter: Letter) -> Applied:
        if letter.id in self._acknowledgements:
            return Applied(Outcome.DUPLICATE)
        named = letter.body["letter_sha256"]
        ours = {*self._ids[letter.recipient], *(each.id for each in self._waiting.values())}
        if named not in ours:
            raise UnknownReply(f"{letter.sender} acknowledges {named}, which {letter.recipient} never sent")
        self.compare(letter.body.get("heads", ()))
        self._acknowledgements.add(letter.id)
        self._acknowledged.add(named)
        return Applied(Outcome.NEW, (letter,))

    def _apply_ready(self) -> tuple[Letter, ...]:
        applied: list[Letter] = []
        while ready := [each for each in map(self._next_of, self.houses) if each is not None]:
            for letter in ready:
                del self._waiting[letter.sender, letter.sequence]
                self._applied.add(letter.id)
                self._ids[letter.sender].append(letter.id)
                chain = self._chain[letter.sender]
                chain.append(_chain_next(chain[-1], letter.id))
                applied.append(letter)
        return tuple(applied)

    def _next_of(self, house: str) -> Letter | None:
        letter = self._waiting.get((house, self.next_sequence(house)))
        if letter is None or (letter.in_reply_to is not None and letter.in_reply_to not in self._applied):
            return None
        return letter

    def _id_at(self, house: str, sequence: int) -> str | None:
        ids = self._ids[house]
        if sequence <= len(ids):
            return ids[sequence - 1]
        waiting = self._waiting.get((house, sequence))
        return None if waiting is None else waiting.id


def acknowledge(
    letter: Letter,
    signer: Signer,
    now: datetime,
    *,
    thread: Thread | None = None,
    outcome: Outcome = Outcome.NEW,
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
    )


def _chain_start(thread: str, house: str) -> str:
    return hashlib.sha256(_CHAIN_START + f"{thread}\n{house}\n".encode()).hexdigest()


def _chain_next(head: str, letter_id: str) -> str:
    return hashlib.sha256(bytes.fromhex(head) + bytes.fromhex(letter_id)).hexdigest()
