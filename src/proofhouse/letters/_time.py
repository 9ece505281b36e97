# SPDX-License-Identifier: Apache-2.0
"""Instants on the wire: RFC 3339, UTC, microseconds, `Z`; exactly one spelling for each."""

from __future__ import annotations

from datetime import UTC, datetime

_FORM = "%Y-%m-%dT%H:%M:%S.%fZ"


def to_wire(instant: datetime) -> str:
    """Spell an aware instant, for instance `2026-11-24T09:30:00.000000Z`.

    Raises:
        ValueError: The instant has no time zone.
    """
    if instant.tzinfo is None:
        raise ValueError("an instant needs a time zone; pass an aware datetime")
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def from_wire(text: str) -> datetime:
    """Read an instant in exactly the spelling of `to_wire`.

    Raises:
        ValueError: Any other spelling.
    """
    instant = datetime.strptime(text, _FORM).replace(tzinfo=UTC)
    if to_wire(instant) != text:
        raise ValueError(f"{text!r} is not an instant as in 2026-11-24T09:30:00.000000Z")
    return instant
