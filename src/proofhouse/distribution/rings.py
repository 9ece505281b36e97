# SPDX-License-Identifier: Apache-2.0
"""Who gets an item when: rings by the member's own choice, a sticky bucket within each ring.

The bucket depends on member and item alone. Asking again, at any time and from any mirror, gives the same
answer; a plan whose percentage rises only ever adds members.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

RINGS: Final = (0, 1, 2, 3)
"""0 volunteers and vendor laboratories, then 1, 2, and 3 for what must not break."""


@dataclass(frozen=True, slots=True)
class RingStep:
    """From `opens` on, `percent` of a ring's members may install (0 pauses the ring)."""

    ring: int
    opens: datetime
    percent: int


def bucket(member: str, item: str) -> int:
    """The place of a member in an item's roll-out: 64 bits of SHA-256(member ‖ item), scaled to 0…99.

    Args:
        member: the member's identifier.
        item: the item's identifier, always 32 characters, so that the concatenation has one reading.

    Returns:
        0 to 99; a step of `percent` p admits the buckets below p.
    """
    digest = hashlib.sha256(f"{member}{item}".encode()).digest()
    return int.from_bytes(digest[:8], "big") * 100 >> 64


def percent_open(plan: Iterable[RingStep], ring: int, now: datetime) -> int:
    """The percentage that the newest step already open gives to a ring; 0 where none is open.

    Args:
        plan: the steps of one item, in any order.
        ring: the member's ring.
        now: the present, aware.

    Returns:
        0 to 100.
    """
    opened = [step for step in plan if step.ring == ring and step.opens <= now]
    return max(opened, key=lambda step: step.opens).percent if opened else 0


def admits(plan: Iterable[RingStep], *, member: str, ring: int, item: str, now: datetime) -> bool:
    """Whether a plan lets this member install this item now."""
    return bucket(member, item) < percent_open(plan, ring, now)
