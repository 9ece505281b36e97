# SPDX-License-Identifier: Apache-2.0
"""Boxes that are opened while others still run: a run waits for its box no longer than it must.

Each is opened for one run and used by that run alone, as if it had been opened then.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from proofhouse.sandbox import Box, BoxSpec
from proofhouse.validation._execution import OpenBox


class BoxesAhead:
    """The boxes of some runs, in the order of the runs; what was opened and not taken is closed at the end.

    Args:
        opener: opens boxes.
        specs: what each run needs.
        pool: where they are opened.
        ahead: how many may be open that no run has taken yet.
    """

    def __init__(
        self, opener: OpenBox, specs: Sequence[BoxSpec], pool: ThreadPoolExecutor, ahead: int
    ) -> None:
        self._opener = opener
        self._specs = specs
        self._pool = pool
        self._ahead = ahead
        self._opened: dict[int, Future[Box]] = {}

    def __enter__(self) -> BoxesAhead:
        for place in range(min(self._ahead, len(self._specs))):
            self._open(place)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for opening in self._opened.values():
            if not opening.cancel() and opening.exception() is None:
                opening.result().close()

    def opener(self, place: int) -> OpenBox:
        """What opens the box of one run: the one that waits for it first, others if that dies."""

        def open_one(spec: BoxSpec) -> Box:
            opening = self._opened.pop(place, None)
            if opening is None:
                return self._opener(spec)
            self._open(place + self._ahead)
            return opening.result()

        return open_one

    def _open(self, place: int) -> None:
        if place < len(self._specs):
            self._opened[place] = self._pool.submit(self._opener, self._specs[place])
