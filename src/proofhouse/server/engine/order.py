# SPDX-License-Identifier: Apache-2.0
"""The order of a thread, over its rows: what `proofhouse.letters.Thread` remembers, found by index, nothing reread.

Taking or writing a letter costs the same few look-ups in a thread of three letters and in one of three thousand.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet

from proofhouse import letters
from proofhouse.server.engine.clock import now
from proofhouse.server.engine.models import Letter, Thread
from proofhouse.server.house import this_house


@dataclass(frozen=True)
class Waiting:
    """A letter that waits in a row, as far as order needs it."""

    id: str
    sender: str
    sequence: int
    in_reply_to: str | None


class Rows:
    """The memory of one thread (`proofhouse.letters.Memory`); good for one transaction."""

    def __init__(self, thread: Thread) -> None:
        self._thread = thread
        self._own = this_house().name
        self._reach: dict[str, tuple[int, str] | None] = {}
        self._waiting: dict[tuple[str, int], Waiting | None] = {}

    def reach(self, house: str) -> tuple[int, str] | None:
        """See `Memory`."""
        if house not in self._reach:
            last = self._of(house).exclude(head="").order_by("-sequence")
            self._reach[house] = last.values_list("sequence", "head").first()
        return self._reach[house]

    def head_at(self, house: str, sequence: int) -> str | None:
        """See `Memory`."""
        return self._of(house).filter(sequence=sequence).values_list("head", flat=True).first() or None

    def id_at(self, house: str, sequence: int) -> str | None:
        """See `Memory`."""
        return self._of(house).filter(sequence=sequence).values_list("digest", flat=True).first()

    def has_applied(self, letter_id: str) -> bool:
        """See `Memory`."""
        return self._thread.letters.filter(digest=letter_id).exclude(head="").exists()

    def waiting(self, house: str, sequence: int) -> Waiting | None:
        """See `Memory`."""
        place = house, sequence
        if place not in self._waiting:
            rows = self._of(house).filter(sequence=sequence, head="")
            row = rows.values_list("digest", "in_reply_to").first()
            self._waiting[place] = None if row is None else Waiting(row[0], house, sequence, row[1] or None)
        return self._waiting[place]

    def waiting_numbers(self, house: str) -> list[int]:
        """See `Memory`."""
        return list(self._of(house).filter(head="").order_by("sequence").values_list("sequence", flat=True))

    def count_waiting(self) -> int:
        """See `Memory`."""
        return self._thread.letters.filter(state=Letter.State.HELD).count()

    def keep(self, letter: letters.Letter) -> None:
        """See `Memory`; an own letter is queued, another's is held."""
        own = letter.sender == self._own
        Letter.objects.create(
            digest=letter.id,
            direction=Letter.Direction.SENT if own else Letter.Direction.RECEIVED,
            thread=self._thread,
            type=letter.type,
            sequence=letter.sequence,
            in_reply_to=letter.in_reply_to or "",
            body=dict(letter.body),
            envelope=letter.data,
            state=Letter.State.QUEUED if own else Letter.State.HELD,
            queued_at=letter.sent_at if own else None,
            written_at=letter.sent_at,
        )
        place = letter.sender, letter.sequence
        self._waiting[place] = Waiting(letter.id, *place, letter.in_reply_to)

    def place(self, letter: letters.Placed, head: str) -> None:
        """See `Memory`; another's letter counts as received from now on."""
        row = self._thread.letters.filter(digest=letter.id)
        if letter.sender == self._own:
            row.update(head=head)
        else:
            row.update(head=head, state=Letter.State.RECEIVED)
        self._reach[letter.sender] = (letter.sequence, head)
        self._waiting[letter.sender, letter.sequence] = None

    def is_of(self, house: str, letter_id: str) -> bool:
        """See `Memory`."""
        return self._of(house).filter(digest=letter_id).exists()

    def is_acknowledged(self, letter_id: str) -> bool:
        """See `Memory`."""
        return self._thread.letters.filter(digest=letter_id).exclude(acknowledged_at=None).exists()

    def acknowledge(self, letter_id: str, acknowledgement: letters.Letter) -> None:
        """See `Memory`; whatever became of the letter here, the other house has it."""
        self._thread.letters.filter(digest=letter_id).update(
            state=Letter.State.ACKNOWLEDGED,
            acknowledged_at=now(),
            acknowledgement=acknowledgement.data,
            problem="",
        )

    def outstanding(self, house: str) -> tuple[str, ...]:
        """See `Memory`."""
        rows = self._of(house).filter(acknowledged_at=None).exclude(head="").order_by("sequence")
        return tuple(rows.values_list("digest", flat=True))

    def _of(self, house: str) -> QuerySet[Letter]:
        direction = Letter.Direction.SENT if house == self._own else Letter.Direction.RECEIVED
        return self._thread.letters.filter(direction=direction)


def order_of(thread: Thread) -> letters.Thread:
    """The rules of a thread over its rows; for the transaction under way."""
    return letters.Thread(str(thread.id), [this_house().name, thread.peer_id], Rows(thread))
