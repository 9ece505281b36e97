# SPDX-License-Identifier: Apache-2.0
"""The house's high-water mark of time, as a row: taken up when an act begins, persisted when it commits."""

from __future__ import annotations

from functools import lru_cache

from django.db import connection

from proofhouse.server.engine import clock
from proofhouse.server.engine.models import HighWater
from proofhouse.server.engine.prepared import Statement

_ROW = 1
_KEEP = (
    f'INSERT INTO "{HighWater._meta.db_table}" (id, at) VALUES ({_ROW}, %s) '  # noqa: S608 - our own names
    "ON CONFLICT (id) DO UPDATE SET at = excluded.at"
)


@lru_cache(maxsize=1)
def _kept() -> Statement:
    return Statement(HighWater.objects.filter(pk=_ROW).values_list("at"))


def take_up() -> None:
    """Let `now()` give at least the persisted mark."""
    for (at,) in _kept().ask():
        clock.not_before(at)


def persist() -> None:
    """Raise the persisted mark to the latest instant known; part of the transaction under way."""
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, [connection.ops.adapt_datetimefield_value(clock.now())])
