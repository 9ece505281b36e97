# SPDX-License-Identifier: Apache-2.0
"""The boot check: whether the rows of a house and its log tell the same story, before the house goes on telling it.

A restored backup, a disk that lost something, or a hand in the database shows here: as a leaf without its row, a row
without its leaf, a record that is not what was committed to, or a receipt that proves something else. The log's own
files are checked against each other first: the root is recomputed from the tiles and compared with both checkpoints.

The log is read before the rows, and an entry's row is committed before its leaf is appended. So the check may run
beside the house: what is appended meanwhile is not judged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from proofhouse.ledger import (
    Checkpoint,
    Leaf,
    LedgerError,
    LogContent,
    NotProven,
    Policy,
    Receipt,
    VerifierKey,
    leaf,
    log_key,
    read_log,
)
from proofhouse.server.engine.keys import inspection_key, signer
from proofhouse.server.engine.models import LedgerEntry
from proofhouse.server.engine.record import trust_policy
from proofhouse.server.house import this_house

NAMED = 20
"""So many differences are named; one is reason enough not to start."""


@dataclass(frozen=True)
class Difference:
    """One thing that rows and log say differently.

    Attributes:
        code: What kind of difference; stable, for programs.
        what: What differs, for people.
        index: The place in the log, where there is one.
        entry: The row, where there is one.
    """

    code: str
    what: str
    index: int | None = None
    entry: str = ""


@dataclass(frozen=True)
class Checked:
    """What a check found.

    Attributes:
        leaves: Entries of the log.
        rows: Entries of the database.
        pending: Rows that wait for their leaf or their receipt; no fault, the house goes on with them.
        differences: What differs, the first `NAMED`.
    """

    leaves: int
    rows: int
    pending: int
    differences: tuple[Difference, ...]

    @property
    def message(self) -> str:
        """One line for people."""
        if not self.differences:
            return f"rows and log agree: {self.rows} entries, {self.leaves} leaves, {self.pending} pending"
        first = self.differences[0]
        more = f", and {len(self.differences) - 1} more" if len(self.differences) > 1 else ""
        return f"{first.what} ({first.code}){more}"

    def to_record(self) -> dict[str, object]:
        """The JSON form."""
        return {"ok": not self.differences, **asdict(self)}


class Disagreement(Exception):
    """Rows and log of the house differ; it does not start, since whatever it added would hide that."""

    code = "ledger_disagrees"


def check_house() -> Checked:
    """Compare the rows of this house with its logs. Changes nothing."""
    house = this_house()
    custody = _check_log("custody", house.ledger, house.log_origin, trust_policy())
    own_key = log_key(house.own_log_origin, signer("log").public)
    own = _check_log("own", house.own_ledger, house.own_log_origin, Policy.require(own_key))
    return Checked(
        custody.leaves + own.leaves,
        custody.rows + own.rows,
        custody.pending + own.pending,
        (custody.differences + own.differences)[:NAMED],
    )


def _check_log(name: str, directory: Path, origin: str, policy: Policy) -> Checked:
    key = log_key(origin, signer("log").public)
    try:
        log = read_log(directory, key)
    except LedgerError as broken:
        rows = LedgerEntry.objects.filter(log=name).count()
        return Checked(0, rows, 0, (Difference("log_broken", f"the {name} log: {broken}"),))
    entries = list(LedgerEntry.objects.filter(log=name))
    found = tuple(_differences(log, entries, key, policy))
    return Checked(len(log.leaves), len(entries), sum(not row.receipt for row in entries), found)


def require_agreement() -> None:
    """Refuse to start on rows and a log that differ.

    Raises:
        Disagreement: The message names the first difference.
    """
    checked = check_house()
    if checked.differences:
        raise Disagreement(checked.message)


def _differences(
    log: LogContent, rows: list[LedgerEntry], own: VerifierKey, policy: Policy
) -> Iterator[Difference]:
    places = {entry: index for index, entry in enumerate(log.leaves)}
    if len(places) != len(log.leaves):
        yield Difference("leaf_twice", "the log holds a leaf twice")
    named = {bytes(row.leaf) for row in rows}
    for entry, index in places.items():
        if entry not in named:
            yield Difference("leaf_without_row", f"leaf {index} of the log has no row in the database", index)
    tag_key, receipts = inspection_key(), _Receipts(log, own, policy)
    for row in rows:
        yield from _row_differences(row, places, tag_key, receipts)


def _row_differences(
    row: LedgerEntry, places: dict[bytes, int], tag_key: bytes, receipts: _Receipts
) -> Iterator[Difference]:
    said, kept = f"{row.kind} of {row.case}", bytes(row.leaf)

    def difference(code: str, what: str) -> Difference:
        return Difference(code, f"{said} {what}", row.log_index, str(row.id))

    if bytes(leaf(row.kind, row.case, row.record, bytes(row.record_key), tag_key)) != kept:
        yield difference("record_altered", "is not the record to which its leaf commits")
    if row.log_index is None:
        if row.receipt:
            yield difference("receipt_without_leaf", "has a receipt but no place in the log")
        return
    place = places.get(kept)
    if place is None and row.log_index < receipts.log.size:
        yield difference("row_without_leaf", f"should be leaf {row.log_index}, but the log does not hold it")
    elif place is None:
        if row.receipt or row.log_index >= receipts.size_now():
            yield difference("row_without_leaf", f"should be leaf {row.log_index}; the log ends before it")
    elif place != row.log_index:
        yield difference("wrong_place", f"says leaf {row.log_index}; it is leaf {place}")
    elif row.receipt:
        try:
            receipts.check(row)
        except NotProven as wrong:
            yield difference("receipt_altered", f"has a receipt that does not prove it: {wrong}")


class _Receipts:
    """Checks receipts against the log's key and its tree; a checkpoint that many share is checked once."""

    def __init__(self, log: LogContent, own: VerifierKey, policy: Policy) -> None:
        self.log = log
        self._own = own
        self._policy = replace(policy, logs=(own,), quorum="none")
        """A cosignature that is there must be right; how many there had to be, an older policy may have said."""
        self._checked: dict[bytes, Checkpoint] = {}

    def size_now(self) -> int:
        """How long the log is by now; it may have grown since it was read."""
        return read_log(self.log.directory, self._own, leaves=False).size

    def check(self, row: LedgerEntry) -> None:
        """Check one receipt.

        Raises:
            NotProven: It proves nothing, another leaf, or another history than this log's.
        """
        receipt = Receipt.from_bytes(row.receipt.encode())
        if receipt.index != row.log_index:
            raise NotProven(f"it is for leaf {receipt.index}")
        note = bytes(receipt.note)
        if note not in self._checked:
            checkpoint = self._policy.check(receipt.note)
            if checkpoint.size <= self.log.size and self.log.root(checkpoint.size) != checkpoint.root:
                raise NotProven(f"its checkpoint of {checkpoint.size} leaves is of another history")
            self._checked[note] = checkpoint
        receipt.check_inclusion(Leaf.from_bytes(bytes(row.leaf)), self._checked[note])
