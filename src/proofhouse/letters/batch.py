# SPDX-License-Identifier: Apache-2.0
"""Letters as one file: what a courier carries through an air gap, and the acknowledgements that come back.

A batch is text, one JSON object a line: a head that names every letter in it, then the letters, byte for byte as they
travel over HTTP. The head is not signed; each letter is. It makes a file that was cut short, altered or put together
from two refuse itself as a whole, with one message, before anything of it is opened.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proofhouse.attest import canonical, sha256_hex
from proofhouse.letters._check import check, compiled
from proofhouse.letters._errors import BatchRefused, LetterRefused
from proofhouse.letters._letter import Letter, Limits, parse_letter
from proofhouse.letters._schema import HOUSE, SHA256, TIME, many_different, record

FORMAT = "proofhouse-letters/v1"
BATCH_SUFFIX = ".letters"

BATCH_LETTERS = 10_000
BATCH_BYTES = 256 << 20

_HEAD = record(
    {
        "format": {"const": FORMAT},
        "sender": HOUSE,
        "recipient": HOUSE,
        "made_at": TIME,
        "letters": many_different(SHA256, 0, BATCH_LETTERS),
        "sha256": SHA256,
    }
)
_HEAD_FORM = compiled(_HEAD)
_HEAD_BYTES = 1 << 20


@dataclass(frozen=True)
class Batch:
    """What one house has for another, in the order in which it wrote it.

    Attributes:
        sender: Slug of the house that made the file.
        recipient: Slug of the house that it is for.
        made_at: When, as on the wire; for people.
        letters: The letters; nobody's seal was checked.
    """

    sender: str
    recipient: str
    made_at: str
    letters: tuple[Letter, ...]


def write_batch(path: Path, batch: Batch) -> None:
    """Write a batch; the file is complete or not there at all.

    Raises:
        BatchRefused: More letters or bytes than a batch may hold.
        OSError: The file cannot be written.
    """
    if len(batch.letters) > BATCH_LETTERS or sum(len(letter.data) for letter in batch.letters) > BATCH_BYTES:
        raise BatchRefused(
            f"{path.name}: a batch holds {BATCH_LETTERS} letters and {BATCH_BYTES} bytes at most"
        )
    body = b"".join(letter.data + b"\n" for letter in batch.letters)
    head = canonical(
        {
            "format": FORMAT,
            "sender": batch.sender,
            "recipient": batch.recipient,
            "made_at": batch.made_at,
            "letters": [letter.id for letter in batch.letters],
            "sha256": sha256_hex(body),
        }
    )
    partial = path.with_name(
        f".{path.name}.partial"
    )  # by its name, so that what a killed process left is taken away
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(head + b"\n" + body)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def read_batch(path: Path, limits: Limits = Limits()) -> Batch:  # noqa: B008 - frozen, safe to share
    """Read a batch whole, or refuse it whole. Its letters are those that the head names; nobody's seal is checked yet.

    Raises:
        BatchRefused: It is no batch, cut short or altered; the message names the file, the line and the letter.
        OSError: The file cannot be read.
    """
    if not stat.S_ISREG(path.lstat().st_mode):
        raise BatchRefused(f"{path.name} is not a regular file")
    if path.stat().st_size > BATCH_BYTES + _HEAD_BYTES + BATCH_LETTERS:
        raise BatchRefused(f"{path.name} has more than {BATCH_BYTES} bytes of letters")
    with path.open("rb") as file:
        head = _read_head(path, file.readline(_HEAD_BYTES))
        named: Sequence[str] = head["letters"]
        letters = []
        seen = hashlib.sha256()
        for number, letter_id in enumerate(named, 2):
            line = file.readline(limits.letter_bytes + 2)
            if not line.endswith(b"\n"):
                raise BatchRefused(
                    f"{path.name} is cut short: line {number} of {len(named) + 1}, letter {letter_id}, "
                    f"{'is not complete' if line else 'is missing'}"
                )
            seen.update(line)
            letters.append(_read_letter(path, number, letter_id, line[:-1], limits))
        if file.read(1):
            raise BatchRefused(f"{path.name} goes on after its last letter, line {len(named) + 1}")
    if seen.hexdigest() != head["sha256"]:
        raise BatchRefused(f"{path.name} was altered: its letters are not the bytes that line 1 names")
    return Batch(head["sender"], head["recipient"], head["made_at"], tuple(letters))


def _read_head(path: Path, line: bytes) -> dict[str, Any]:
    try:
        head = json.loads(line)
        check(head, _HEAD_FORM, "line 1")
        if not line.endswith(b"\n") or canonical(head) != line[:-1]:
            raise ValueError("line 1 is not complete or not in canonical JSON")
    except (ValueError, TypeError, RecursionError, LetterRefused) as error:
        raise BatchRefused(f"{path.name} is no batch of letters: {str(error)[:300]}") from error
    return dict(head)


def _read_letter(path: Path, number: int, letter_id: str, data: bytes, limits: Limits) -> Letter:
    try:
        letter = parse_letter(data, limits)
    except LetterRefused as error:
        raise BatchRefused(f"{path.name} was altered: line {number}, letter {letter_id}: {error}") from error
    if letter.id != letter_id:
        raise BatchRefused(
            f"{path.name} was altered: line {number} holds letter {letter.id}, not {letter_id}"
        )
    return letter
