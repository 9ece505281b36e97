# SPDX-License-Identifier: Apache-2.0
"""A deterministic stream of choices.

`random.Random` promises a stable `random()` only; its `shuffle` and `choice` may change between Python
versions. Items must come out identical for as long as a bank lives, so the stream is SHA-256 in counter
mode and nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Stream:
    """Choices drawn from SHA-256(seed ‖ label ‖ counter).

    Args:
        seed: secret bytes.
        label: domain of this stream; two labels give independent streams.
    """

    def __init__(self, seed: bytes, label: str) -> None:
        self._prefix = hashlib.sha256(seed + b"\0" + label.encode()).digest()
        self._counter = 0

    def u64(self) -> int:
        """The next 64 uniform bits."""
        block = hashlib.sha256(self._prefix + self._counter.to_bytes(8, "big")).digest()
        self._counter += 1
        return int.from_bytes(block[:8], "big")

    def u32(self) -> int:
        """The next 32 uniform bits."""
        return self.u64() >> 32

    def between(self, low: int, high: int) -> int:
        """An integer from `low` to `high`, both included (bias below 2^-32 for spans under 2^32)."""
        return low + self.u64() % (high - low + 1)

    def choice(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[self.between(0, len(options) - 1)]

    def shuffled(self, options: Sequence[T]) -> list[T]:
        """The options in a new order (Fisher-Yates)."""
        pool = list(options)
        for last in range(len(pool) - 1, 0, -1):
            other = self.between(0, last)
            pool[last], pool[other] = pool[other], pool[last]
        return pool

    def sample(self, options: Sequence[T], count: int) -> list[T]:
        """`count` different options."""
        return self.shuffled(options)[:count]

    def token(self, count: int) -> bytes:
        """`count` uniform bytes."""
        return b"".join(self.u64().to_bytes(8, "big") for _ in range(-(-count // 8)))[:count]
