# SPDX-License-Identifier: Apache-2.0
"""Writing into the ledger: an act's entry row, and the log that gives it its receipt.

The row commits with the act. One thread of the house then appends the leaf to the C2SP log, has the checkpoint
cosigned and stores the receipt. What the house keeps to itself goes into a second log, which nobody else sees. A crash
between log and row is healed at the next start: a leaf is unique, so the log is searched for those that have no index
yet before anything is appended.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from proofhouse.ledger import FileLog, Leaf, NotCosigned, Policy, WitnessClient, leaf, log_key, verify_receipt
from proofhouse.server.engine.acts import running
from proofhouse.server.engine.clock import now, wire
from proofhouse.server.engine.keys import inspection_key, signer
from proofhouse.server.engine.models import LedgerEntry
from proofhouse.server.engine.registry import LEDGER_KINDS, NUMBERED_KINDS, OWN_AFFAIRS
from proofhouse.server.house import this_house

logger = logging.getLogger(__name__)

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
    witnesses = [WitnessClient(policy.urls[name], key) for name, key in policy.witnesses.items()]
    return FileLog(
        this_house().ledger, this_house().log_origin, signer("log"), witnesses, wait_s=LOCK_PATIENCE_S
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


def heal() -> None:
    """After a crash: find leaves that reached a log while their rows did not hear of it."""
    for log, rows in _logs():
        _heal(log, rows)


def collect_receipts() -> None:
    """Append what is not in its log yet, in one commit for each log, and store every receipt that verifies."""
    for log, rows in _logs():
        _collect(log, rows)


def _logs() -> Iterator[tuple[FileLog, QuerySet[LedgerEntry]]]:
    """The logs with their rows; a house that keeps nothing to itself never opens the second."""
    yield open_log(), LedgerEntry.objects.filter(log="custody")
    own = LedgerEntry.objects.filter(log="own")
    if own.filter(receipt="").exists():
        yield open_own_log(), own


def _heal(log: FileLog, rows: QuerySet[LedgerEntry]) -> None:
    for entry in rows.filter(log_index=None):
        entry.log_index = log.find(Leaf.from_bytes(bytes(entry.leaf)))
        if entry.log_index is not None:
            entry.save(update_fields=["log_index"])


def _collect(log: FileLog, rows: QuerySet[LedgerEntry]) -> None:
    if log.size > rows.exclude(log_index=None).count():
        _heal(log, rows)  # an earlier round reached the log and failed before its rows were written
    fresh = list(rows.filter(log_index=None))
    if fresh:
        first = log.size
        with suppress(NotCosigned):
            log.append([Leaf.from_bytes(bytes(entry.leaf)) for entry in fresh])
        with transaction.atomic():
            for index, entry in enumerate(fresh, first):
                entry.log_index = index
                entry.save(update_fields=["log_index"])
    pending = list(rows.filter(receipt="").exclude(log_index=None))
    if not pending:
        return
    try:
        receipts = log.receipts([entry.log_index for entry in pending if entry.log_index is not None])
    except NotCosigned as waiting:
        logger.warning("%d entries wait for the witnesses: %s", len(pending), waiting)
        return
    with transaction.atomic():
        for entry, receipt in zip(pending, receipts, strict=True):
            verify_receipt(receipt, Leaf.from_bytes(bytes(entry.leaf)), log.policy)
            entry.receipt = bytes(receipt).decode("utf-8")
            entry.save(update_fields=["receipt"])
