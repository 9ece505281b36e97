# SPDX-License-Identifier: Apache-2.0
"""Writing into the ledger: an act's entry row, and the log that gives it its receipt.

The row commits with the act. One thread of the house then appends the leaves of all acts that wait to the C2SP log,
has the checkpoint cosigned and stores the receipts (group commit). A crash between the log and the rows is healed at
the next start: a leaf is unique, so the log is searched for those that have no index yet before anything is appended.
What the house keeps to itself goes into a second log, which nobody else sees.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db.models import Max, QuerySet

from proofhouse.ledger import (
    FileLog,
    Leaf,
    NotCosigned,
    Policy,
    Receipt,
    WitnessClient,
    leaf,
    log_key,
    verify_receipts,
)
from proofhouse.server.engine.acts import running, under_way
from proofhouse.server.engine.clock import now, wire
from proofhouse.server.engine.keys import inspection_key, signer
from proofhouse.server.engine.models import LedgerEntry
from proofhouse.server.engine.registry import LEDGER_KINDS, NUMBERED_KINDS, OWN_AFFAIRS
from proofhouse.server.house import this_house

logger = logging.getLogger(__name__)

_committing = threading.Lock()
_arrived = threading.Condition()
_collected = 0

LEAVES_A_COMMIT = 4096
"""At most so many entries share one checkpoint, so that no round takes long."""

ROWS_A_STATEMENT = 200
OTHERS_S = 0.25
"""Another process of the house may have stored a receipt: who waits looks so often."""

RECEIPT_PATIENCE_S = 10.0
LOCK_PATIENCE_S = 10.0
"""A restarted house waits so long for its predecessor to let go of the log."""


def record(kind: str, case: str, fields: Mapping[str, Any]) -> LedgerEntry:
    """Add an entry to the act under way. Its effect is pending until the receipt is there.

    Args:
        kind: One of `LEDGER_KINDS`.
        case: What it belongs to, `review:…`, `case:…`; an inspector finds all entries of a case by its tag.
        fields: What happened; digests and names, never whole documents.

    Raises:
        ValueError: The kind is not registered.
    """
    if kind not in LEDGER_KINDS:
        raise ValueError(f"{kind} is not a registered ledger kind")
    current = running()
    created_at = now()
    content = {"kind": kind, "case": case, "at": wire(created_at), "house": this_house().name, **fields}
    key = secrets.token_bytes(32)
    entry = LedgerEntry.objects.create(
        kind=kind,
        case=case,
        record=content,
        record_key=key,
        leaf=bytes(leaf(kind, case, content, key, inspection_key())),
        created_at=created_at,
        log="own" if case.startswith(OWN_AFFAIRS) else "custody",
    )
    current.entries.append(entry)
    for written_before in current.letters:
        written_before.waits_for = entry
        written_before.save(update_fields=["waits_for"])
    return entry


@lru_cache(maxsize=1)
def open_log() -> FileLog:
    """The custody log of this house; only its own process opens it."""
    policy = trust_policy()
    witnesses = [
        WitnessClient(policy.urls[name], key)
        for name, key in policy.witnesses.items()
        if name in policy.urls  # others are asked by hand
    ]
    return FileLog(
        this_house().ledger,
        this_house().log_origin,
        signer("log"),
        witnesses,
        policy=policy,
        wait_s=LOCK_PATIENCE_S,
    )


@lru_cache(maxsize=1)
def open_own_log() -> FileLog:
    """The log of own affairs: the house's own key vouches for it, because a witness would learn its size."""
    return FileLog(
        this_house().own_ledger, this_house().own_log_origin, signer("log"), [], wait_s=LOCK_PATIENCE_S
    )


def allot_number(instant: datetime) -> str:
    """The next public id, `PH-YYYY-NNNNNN`, for what the act under way is about to record as published."""
    running()
    published = LedgerEntry.objects.filter(kind__in=NUMBERED_KINDS, created_at__year=instant.year).count()
    return f"PH-{instant.year}-{published + 1:06d}"


def trust_policy() -> Policy:
    """Who must cosign this house's checkpoints, from `ledger/policy`; nobody where there is no such file."""
    file = this_house().ledger_policy
    if file.exists():
        return Policy.parse(file.read_bytes())
    return Policy.require(log_key(this_house().log_origin, signer("log").public))


class StillPending(Exception):
    """An entry has no receipt yet; it is recorded, and will have one once the log and its witnesses are there."""

    code = "pending"


def heal() -> None:
    """After a crash: find leaves that reached a log while their rows did not hear of it."""
    for log, rows in _logs():
        _heal(log, rows)


def collect_receipts() -> int:
    """Give every entry that has none its receipt: one append, one checkpoint, one cosigning for all acts that wait.

    While one such commit is under way further acts come in; they share the next. So many acts a second cost the disk
    and the witnesses no more than few.

    Returns:
        How many receipts were stored.
    """
    global _collected  # counts what came, for those who wait
    with _committing:
        stored = sum(_append_fresh(log, rows) + _ask_again(log, rows) for log, rows in _logs())
    if stored:
        with _arrived:
            _collected += stored
            _arrived.notify_all()
    return stored


def _logs() -> Iterator[tuple[FileLog, QuerySet[LedgerEntry]]]:
    """The logs with their rows; a house that keeps nothing to itself never opens the second."""
    yield open_log(), LedgerEntry.objects.filter(log="custody")
    own = LedgerEntry.objects.filter(log="own")
    if own.filter(receipt="").exists():
        yield open_own_log(), own


def _heal(log: FileLog, rows: QuerySet[LedgerEntry]) -> None:
    unplaced = {bytes(entry.leaf): entry for entry in rows.filter(log_index=None)}
    if not unplaced:
        return
    placed = []
    first = _placed(rows)
    for index, known in enumerate(log.leaves(first), first):
        entry = unplaced.get(bytes(known))
        if entry is not None:
            entry.log_index = index
            placed.append(entry)
    LedgerEntry.objects.bulk_update(placed, ["log_index"], batch_size=ROWS_A_STATEMENT)


def _placed(rows: QuerySet[LedgerEntry]) -> int:
    """How many leaves of a log the rows know; they are placed in the order of the log."""
    last: int | None = rows.aggregate(last=Max("log_index"))["last"]
    return 0 if last is None else last + 1


def _append_fresh(log: FileLog, rows: QuerySet[LedgerEntry]) -> int:
    if log.recover() or log.size > _placed(rows):
        _heal(log, rows)  # an earlier round reached the log and failed before its rows were written
    fresh = list(rows.filter(log_index=None)[:LEAVES_A_COMMIT])
    if not fresh:
        return 0
    for index, entry in enumerate(fresh, log.size):
        entry.log_index = index
    try:
        receipts = log.append([Leaf.from_bytes(bytes(entry.leaf)) for entry in fresh])
    except NotCosigned as waiting:
        logger.warning("%d entries wait for the witnesses: %s", len(fresh), waiting)
        LedgerEntry.objects.bulk_update(fresh, ["log_index"], batch_size=ROWS_A_STATEMENT)
        return 0
    return _store(log, fresh, receipts)


def _ask_again(log: FileLog, rows: QuerySet[LedgerEntry]) -> int:
    """Entries that are in the log, and whose checkpoint the witnesses had not cosigned."""
    waiting = rows.filter(receipt="", log_index__isnull=False).order_by("log_index")
    pending = list(waiting[:LEAVES_A_COMMIT])
    if not pending:
        return 0
    try:
        receipts = log.receipts([entry.log_index for entry in pending if entry.log_index is not None])
    except NotCosigned as still:
        logger.warning("%d entries wait for the witnesses: %s", len(pending), still)
        return 0
    return _store(log, pending, receipts)


def _store(log: FileLog, entries: Sequence[LedgerEntry], receipts: Sequence[Receipt]) -> int:
    """Keep receipts that verify; an entry is in force from here on."""
    leaves = [Leaf.from_bytes(bytes(entry.leaf)) for entry in entries]
    verify_receipts(zip(receipts, leaves, strict=True), log.policy)
    for entry, receipt in zip(entries, receipts, strict=True):
        entry.receipt = bytes(receipt).decode("utf-8")
    LedgerEntry.objects.bulk_update(entries, ["log_index", "receipt"], batch_size=ROWS_A_STATEMENT)
    return len(entries)


def receipt_for(entry: LedgerEntry, timeout_s: float = RECEIPT_PATIENCE_S) -> Receipt:
    """Wait until an entry is in force; for whoever must show the receipt with the answer.

    Args:
        entry: Of an act that has committed.
        timeout_s: How long to wait.

    Raises:
        StillPending: It has no receipt yet; nothing is lost, ask again.
        RuntimeError: Called by the act itself, whose entry nobody can append before it commits.
    """
    if under_way():
        raise RuntimeError("an act cannot wait for its own receipt; wait when it has committed")
    end_s = time.monotonic() + timeout_s
    while True:
        before = _collected
        entry.refresh_from_db(fields=["receipt", "log_index"])
        if entry.receipt:
            return Receipt.from_bytes(entry.receipt.encode())
        left_s = end_s - time.monotonic()
        if left_s <= 0:
            raise StillPending(f"{entry.kind} is recorded; its receipt is not there after {timeout_s:g} s")
        with _arrived:
            _arrived.wait_for(lambda seen=before: _collected != seen, min(left_s, OTHERS_S))  # type: ignore[misc]
