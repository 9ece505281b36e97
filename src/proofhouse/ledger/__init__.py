# SPDX-License-Identifier: Apache-2.0
"""Transparency log in C2SP formats: confidential leaves, witnessed checkpoints, offline receipts."""

from proofhouse.ledger._audit import Audit, LogContent, audit, read_log
from proofhouse.ledger._checkpoint import Checkpoint
from proofhouse.ledger._errors import (
    BrokenLog,
    LedgerError,
    LogBusy,
    Malformed,
    NotCosigned,
    NotProven,
    WitnessRefused,
    WitnessUnavailable,
)
from proofhouse.ledger._leaf import Commitment, Leaf, commit, inspection_tag, leaf, new_key
from proofhouse.ledger._log import FileLog, Log, read_receipt
from proofhouse.ledger._note import Note, VerifierKey, log_key, witness_key
from proofhouse.ledger._policy import Policy
from proofhouse.ledger._proof import Receipt, verify_receipt, verify_receipts
from proofhouse.ledger._witness import Witness
from proofhouse.ledger._witness_client import WitnessClient
from proofhouse.ledger._witness_server import WitnessServer
from proofhouse.ledger.opening import OpenedField, Opening, open_fields, scan

__all__ = [
    "Audit",
    "BrokenLog",
    "Checkpoint",
    "Commitment",
    "FileLog",
    "Leaf",
    "LedgerError",
    "Log",
    "LogBusy",
    "LogContent",
    "Malformed",
    "NotCosigned",
    "NotProven",
    "Note",
    "OpenedField",
    "Opening",
    "Policy",
    "Receipt",
    "VerifierKey",
    "Witness",
    "WitnessClient",
    "WitnessRefused",
    "WitnessServer",
    "WitnessUnavailable",
    "audit",
    "commit",
    "inspection_tag",
    "leaf",
    "log_key",
    "new_key",
    "open_fields",
    "read_log",
    "read_receipt",
    "scan",
    "verify_receipt",
    "verify_receipts",
    "witness_key",
]
