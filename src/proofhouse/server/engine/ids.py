# SPDX-License-Identifier: Apache-2.0
"""Time-ordered identifiers (RFC 9562 §5.7), which Python gains only in 3.14."""

from __future__ import annotations

import os
import time
import uuid


def uuid7() -> uuid.UUID:
    """A UUID version 7: 48 bits of Unix milliseconds, then randomness."""
    stamp_ms = time.time_ns() // 1_000_000
    noise = int.from_bytes(os.urandom(10), "big")
    high, low = noise >> 62 & 0xFFF, noise & (1 << 62) - 1
    return uuid.UUID(int=stamp_ms << 80 | 7 << 76 | high << 64 | 2 << 62 | low)
