# SPDX-License-Identifier: Apache-2.0
"""Cells that many pages share."""

from __future__ import annotations

from datetime import datetime

from proofhouse.server.engine.models import LedgerEntry
from proofhouse.server.web.pages import Cell


def plain(value: object) -> Cell:
    """Text as it is."""
    return Cell(str(value))


def at(instant: datetime | None) -> Cell:
    """An instant to the minute, with its zone."""
    return Cell(f"{instant:%Y-%m-%d %H:%M} UTC" if instant else "–")


def digest(sha256: str) -> Cell:
    """A digest, short; the whole of it is in the record."""
    return Cell(f"{sha256[:16]}…" if sha256 else "–")


def receipt(entry: LedgerEntry) -> Cell:
    """Whether an effect is in force (design rule 3)."""
    if entry.in_force:
        return Cell(f"in force, leaf {entry.log_index}", mark="ok")
    return Cell("pending, no receipt", mark="wait")


def state(value: str, *, good: frozenset[str] = frozenset(), bad: frozenset[str] = frozenset()) -> Cell:
    """A state as a tag."""
    return Cell(value, mark="ok" if value in good else "alert" if value in bad else "plain")
