# SPDX-License-Identifier: Apache-2.0
"""Letters as files: what a courier takes through an air gap, and what comes back (`docs/spec/letter.md` §6)."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

from django.db import transaction
from django.db.models import Q

from proofhouse import letters
from proofhouse.letters.batch import BATCH_BYTES, BATCH_LETTERS
from proofhouse.server.engine.acts import ActError, take_turn
from proofhouse.server.engine.clock import now, wire
from proofhouse.server.engine.models import Letter, Peer
from proofhouse.server.engine.post import receive, take_acknowledgement
from proofhouse.server.house import this_house

logger = logging.getLogger(__name__)


@dataclass
class Unpacked:
    """What became of a batch.

    Attributes:
        taken: How many letters came, by what became of them (`new`, `duplicate`, `out-of-order`, `acknowledged`).
        answers: The acknowledgements to carry back.
        refused: Letters that this house did not take, with code and reason.
    """

    taken: dict[str, int] = field(default_factory=dict)
    answers: list[letters.Letter] = field(default_factory=list)
    refused: list[dict[str, str]] = field(default_factory=list)

    def count(self, outcome: str) -> None:
        """One more letter of this outcome."""
        self.taken[outcome] = self.taken.get(outcome, 0) + 1


def pack(peer: Peer, path: Path) -> tuple[int, int]:
    """Write what waits for a house into a file; returns how many letters it holds and how many did not fit.

    Nothing changes here: a letter waits until its acknowledgement comes back, and may be packed again.

    Raises:
        ActError: The file cannot be written.
    """
    waiting = (
        Letter.objects.filter(
            Q(waits_for=None) | ~Q(waits_for__receipt=""), thread__peer=peer, state=Letter.State.QUEUED
        )
        .order_by("written_at", "thread", "sequence")
        .values_list("digest", flat=True)
    )
    packed: list[letters.Letter] = []
    size_bytes = 0
    for digest in waiting[:BATCH_LETTERS]:
        letter = letters.parse_letter(
            bytes(Letter.objects.values_list("envelope", flat=True).get(digest=digest))
        )
        size_bytes += len(letter.data)
        if size_bytes > BATCH_BYTES:
            break
        packed.append(letter)
    _write(path, peer.name, packed)
    return len(packed), waiting.count() - len(packed)


def unpack(path: Path) -> tuple[str, Unpacked]:
    """Take in a batch, one letter after another; returns the house that made it, and what became of its letters.

    Raises:
        BatchRefused: The file is not a whole batch; nothing of it was taken.
        ActError: The file cannot be read, or is for another house.
    """
    try:
        batch = letters.read_batch(path)
    except OSError as error:
        raise ActError(f"{path.name} cannot be read: {error.strerror}", "cannot_read") from error
    if batch.recipient != this_house().name:
        raise ActError(
            f"{path.name} is for {batch.recipient}, not for {this_house().name}", "wrong_recipient"
        )
    unpacked = Unpacked()
    for letter in batch.letters:
        try:
            _take(letter, unpacked)
        except letters.LetterError as refused:
            unpacked.refused.append({"letter": letter.id, "code": refused.code, "reason": str(refused)})
        except Exception as failed:
            logger.exception("a letter from %s could not be followed", path.name)
            reason = f"this house could not follow it: {type(failed).__name__}"
            unpacked.refused.append({"letter": letter.id, "code": "could-not-follow", "reason": reason})
    return batch.sender, unpacked


def write_answers(path: Path, recipient: str, unpacked: Unpacked) -> None:
    """Write the acknowledgements of a batch into a file of their own.

    Raises:
        ActError: The file cannot be written; the batch may be imported again.
    """
    _write(path, recipient, unpacked.answers)


def _take(letter: letters.Letter, unpacked: Unpacked) -> None:
    if letter.spec.sequenced:
        answer = letters.parse_letter(receive(letter.data))
        unpacked.answers.append(answer)
        unpacked.count(answer.body["outcome"])
        return
    with transaction.atomic():
        take_turn()
        take_acknowledgement(letter.data)
    unpacked.count("acknowledged")


def _write(path: Path, recipient: str, carried: list[letters.Letter]) -> None:
    batch = letters.Batch(this_house().name, recipient, wire(now()), tuple(carried))
    try:
        letters.write_batch(path, batch)
    except OSError as error:
        raise ActError(f"{path} cannot be written: {error.strerror}", "cannot_write") from error
