# SPDX-License-Identifier: Apache-2.0
"""What can go wrong in the ledger, as types."""

from __future__ import annotations

from collections.abc import Sequence


class LedgerError(Exception):
    """Root of all ledger errors; the message says what to do."""


class NotProven(LedgerError):
    """A proof, signature, quorum or opening does not show what it should show."""


class Malformed(NotProven):
    """Bytes that are not the document they claim to be (note, checkpoint, proof, leaf, policy)."""


class BrokenLog(LedgerError):
    """The files of a log contradict its checkpoint, its name or its key; nothing may be appended."""


class LogBusy(LedgerError):
    """Another writer holds this log."""


class NotCosigned(LedgerError):
    """Entries are durably in the log, but the quorum of witnesses has not cosigned them yet.

    Nothing is lost and nothing must be appended again: ask `FileLog.receipts(error.indices)` later.

    Attributes:
        indices: Positions of the entries that wait for their receipts.
    """

    def __init__(self, message: str, indices: Sequence[int] = ()) -> None:
        super().__init__(message)
        self.indices = list(indices)


class WitnessUnavailable(NotCosigned):
    """Too few witnesses could be reached; asking again later can help."""


class WitnessRefused(NotCosigned):
    """A witness answered that it will not cosign: fork, rollback, unknown log or key. A person must look."""
