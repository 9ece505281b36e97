# SPDX-License-Identifier: Apache-2.0
"""What a thread remembers of its letters. The rules are `Thread`'s; a memory keeps and finds, and decides nothing.

`Recollection` keeps everything in the process. A house gives its threads a memory over the rows of its database, so
that each letter costs the same few look-ups however long the thread has become.
"""

from __future__ import annotations

from typing import Protocol

from proofhouse.letters._letter import Letter


class Placed(Protocol):
    """What the order of a thread depends on. Every `Letter` has it."""

    @property
    def id(self) -> str:
        """Id of the letter."""

    @property
    def sender(self) -> str:
        """Slug of the house that wrote it."""

    @property
    def sequence(self) -> int:
        """Its number among the sender's letters in the thread."""

    @property
    def in_reply_to(self) -> str | None:
        """Id of the letter that it answers."""


class Memory(Protocol):
    """The letters of one thread, each waiting or applied."""

    def reach(self, house: str) -> tuple[int, str] | None:
        """Number and chain head of the house's last applied letter; None where there is none."""

    def head_at(self, house: str, sequence: int) -> str | None:
        """Chain head after the house's applied letter with this number; None where there is none."""

    def id_at(self, house: str, sequence: int) -> str | None:
        """Id of the house's letter with this number, applied or waiting."""

    def has_applied(self, letter_id: str) -> bool:
        """Whether the letter is one that was applied."""

    def waiting(self, house: str, sequence: int) -> Placed | None:
        """The house's waiting letter with this number."""

    def waiting_numbers(self, house: str) -> list[int]:
        """Numbers of the house's waiting letters, ascending."""

    def count_waiting(self) -> int:
        """How many letters of both houses wait."""

    def keep(self, letter: Letter) -> None:
        """Remember a letter that waits; nothing of it has taken effect. Keeping it twice changes nothing."""

    def place(self, letter: Placed, head: str) -> None:
        """A waiting letter is applied; `head` is the sender's chain head after it."""

    def is_of(self, house: str, letter_id: str) -> bool:
        """Whether the house wrote the letter, applied or waiting."""

    def is_acknowledged(self, letter_id: str) -> bool:
        """Whether an acknowledgement of the letter was taken."""

    def acknowledge(self, letter_id: str, acknowledgement: Letter) -> None:
        """The letter is acknowledged."""

    def outstanding(self, house: str) -> tuple[str, ...]:
        """Ids of the house's applied letters without an acknowledgement, in their order."""


class Recollection:
    """A memory in the process: ids of what was applied, and whole letters only while they wait."""

    def __init__(self) -> None:
        self._ids: dict[str, list[str]] = {}
        self._heads: dict[str, list[str]] = {}
        self._applied: dict[str, str] = {}
        self._waiting: dict[tuple[str, int], Letter] = {}
        self._acknowledged: set[str] = set()

    def reach(self, house: str) -> tuple[int, str] | None:
        """See `Memory`."""
        heads = self._heads.get(house)
        return (len(heads), heads[-1]) if heads else None

    def head_at(self, house: str, sequence: int) -> str | None:
        """See `Memory`."""
        heads = self._heads.get(house, [])
        return heads[sequence - 1] if 0 < sequence <= len(heads) else None

    def id_at(self, house: str, sequence: int) -> str | None:
        """See `Memory`."""
        ids = self._ids.get(house, [])
        if 0 < sequence <= len(ids):
            return ids[sequence - 1]
        waiting = self._waiting.get((house, sequence))
        return None if waiting is None else waiting.id

    def has_applied(self, letter_id: str) -> bool:
        """See `Memory`."""
        return letter_id in self._applied

    def waiting(self, house: str, sequence: int) -> Letter | None:
        """See `Memory`."""
        return self._waiting.get((house, sequence))

    def waiting_numbers(self, house: str) -> list[int]:
        """See `Memory`."""
        return sorted(sequence for sender, sequence in self._waiting if sender == house)

    def count_waiting(self) -> int:
        """See `Memory`."""
        return len(self._waiting)

    def keep(self, letter: Letter) -> None:
        """See `Memory`."""
        self._waiting[letter.sender, letter.sequence] = letter

    def place(self, letter: Placed, head: str) -> None:
        """See `Memory`."""
        del self._waiting[letter.sender, letter.sequence]
        self._applied[letter.id] = letter.sender
        self._ids.setdefault(letter.sender, []).append(letter.id)
        self._heads.setdefault(letter.sender, []).append(head)

    def is_of(self, house: str, letter_id: str) -> bool:
        """See `Memory`."""
        return self._applied.get(letter_id) == house or any(
            letter.id == letter_id and letter.sender == house for letter in self._waiting.values()
        )

    def is_acknowledged(self, letter_id: str) -> bool:
        """See `Memory`."""
        return letter_id in self._acknowledged

    def acknowledge(self, letter_id: str, acknowledgement: Letter) -> None:  # noqa: ARG002 - kept by others
        """See `Memory`."""
        self._acknowledged.add(letter_id)

    def outstanding(self, house: str) -> tuple[str, ...]:
        """See `Memory`."""
        return tuple(each for each in self._ids.get(house, ()) if each not in self._acknowledged)
