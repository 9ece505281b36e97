# SPDX-License-Identifier: Apache-2.0
"""The house's high-water mark of time, as a row: taken up when an act begins, persisted when it commits."""

from __future__ import annotations

from proofhouse.server.engine import clock
from proofhouse.server.engine.models import HighWater

_ROW = 1


def take_up() -> None:
    """Let `now()` give at least the persisted mark."""
    at = HighWater.objects.filter(pk=_ROW).values_list("at", flat=True).first()
    if at is not None:
        clock.not_before(at)


def persist() -> None:
    """Raise the persisted mark to the latest instant known; part of the transaction under way."""
    at = clock.now()
    if not HighWater.objects.filter(pk=_ROW).update(at=at):
        HighWater.objects.create(pk=_ROW, at=at)
