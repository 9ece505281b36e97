# SPDX-License-Identifier: Apache-2.0
"""RFC 6962 §2.1 as written there: recursive, slow, and independent of what it checks."""

from __future__ import annotations

import hashlib
from functools import cache


class Tree:
    """The definitions over one list of entries; ranges are remembered, else the larger tests would crawl."""

    def __init__(self, entries: list[bytes]) -> None:
        self.entries = entries
        self.mth = cache(self._mth)

    def _mth(self, start: int, end: int) -> bytes:
        count = end - start
        if count == 0:
            return hashlib.sha256(b"").digest()
        if count == 1:
            return hashlib.sha256(b"\x00" + self.entries[start]).digest()
        k = largest_power_below(count)
        return hashlib.sha256(b"\x01" + self.mth(start, start + k) + self.mth(start + k, end)).digest()

    def path(self, m: int, start: int, end: int) -> list[bytes]:
        count = end - start
        if count == 1:
            return []
        k = largest_power_below(count)
        if m < k:
            return [*self.path(m, start, start + k), self.mth(start + k, end)]
        return [*self.path(m - k, start + k, end), self.mth(start, start + k)]

    def proof(self, m: int, n: int) -> list[bytes]:
        return self._subproof(m, 0, n, True)

    def _subproof(self, m: int, start: int, end: int, whole: bool) -> list[bytes]:
        count = end - start
        if m == count:
            return [] if whole else [self.mth(start, end)]
        k = largest_power_below(count)
        if m <= k:
            return [*self._subproof(m, start, start + k, whole), self.mth(start + k, end)]
        return [*self._subproof(m - k, start + k, end, False), self.mth(start, start + k)]


def largest_power_below(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k
