# SPDX-License-Identifier: Apache-2.0
"""The one place where a desk asks for the time."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """The current instant, aware, in UTC."""
    return datetime.now(UTC)


def wire(instant: datetime) -> str:
    """RFC 3339 in UTC with microseconds, as every letter and ledger record writes time."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
