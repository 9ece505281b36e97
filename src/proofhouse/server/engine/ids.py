# SPDX-License-Identifier: Apache-2.0
"""Time-ordered identifiers (RFC 9562 §5.7), which Python gains only in 3.14."""

from __future__ import annotations

import os
import time
import uuid


def uuid7() -> uuid.UUID:
    """A UUID version 7: 48 bits of Unix milliseconds, 12 bits of their fraction, then randomness.

    The fraction (RFC 9562 §6.2, method 3) keeps ids, and so the ledger, in the order in which things were done.
    """
    stamp_ms, rest_ns = divmod(time.time_ns(), 1_000_000)
    fraction = (rest_ns << 12) // 1_000_000
    low = int.from_bytes(os.urandom(8), "big") >> 2
    return uuid.UUID(int=stamp_ms << 80 | 7 << 76 | fraction << 64 | 2 << 62 | low)
