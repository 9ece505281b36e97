# SPDX-License-Identifier: Apache-2.0
"""A generator behind a breaker, with a synchronism check that lets it close in step with the grid only.

Angles are in thousandths of a degree, frequency as the deviation from the grid's in millihertz, one scan is a tenth
of a second. Closing at an angle a strains the shaft by 50·(1 - cos a); the shaft breaks where the strains of all
closings reach its strength.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .plc import Plant, serve

ROUND = 360_000
HALF = ROUND // 2
PER_SCAN = 36
"""Thousandths of a degree that one millihertz makes in one scan."""


def wrapped(angle: int) -> int:
    """The same angle between minus and plus half a round."""
    return (angle + HALF) % ROUND - HALF


class Breaker(Plant):
    """The controller's logic and the process; `settings` hold the measures and which safeguards there are."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self.closed, self.locked = True, False
        self.angle = self.deviation = self.strain = 0
        self.closings = self.bad_closings = self.refused = 0
        self._open_scans = 0
        self._last: int | None = None
        self._show()

    def _reading(self) -> int:
        """The angle as the relay sees it: the measured one, moved by the group of the transformer."""
        return wrapped(self.angle + (self.points["group"] - self.settings["group"]) * 100)

    def _lock_out(self) -> None:
        self.locked, self.closed = True, False

    def _watch(self, reading: int) -> None:
        """What shuts the machine for good: a reading that jumps, or that says closed and out of step; too long open."""
        settings = self.settings
        if self.closed:
            self._last = None
            if settings["closed_most"] and abs(reading) > settings["closed_most"]:
                self._lock_out()
            return
        self._open_scans += 1
        if settings["open_most"] and self._open_scans > settings["open_most"]:
            self._lock_out()
        moved = 0 if self._last is None else wrapped(reading - self._last - PER_SCAN * self.deviation)
        if settings["jump_most"] and abs(moved) > settings["jump_most"]:
            self._lock_out()
        self._last = reading

    def _close(self, reading: int) -> None:
        points, settings = self.points, self.settings
        most = points["angle_most"] * 1000 if settings["limit_is_register"] else settings["angle_most"]
        in_step = abs(reading) <= most and abs(self.deviation) <= settings["slip_most"]
        if not (points["bypass"] or in_step):
            self.refused += 1
            if settings["refused_most"] and self.refused > settings["refused_most"]:
                self._lock_out()
            return
        if settings["second_relay"] and abs(wrapped(self.angle)) > settings["angle_most"]:
            return
        self.closed = True
        self.closings += 1
        strain = round(50 * (1 - math.cos(math.radians(self.angle / 1000))))
        self.strain += strain
        self.bad_closings += strain >= 50
        self.deviation = self._open_scans = 0

    def step(self) -> None:
        """One scan: measure, decide, and a step of the process."""
        points, settings = self.points, self.settings
        self.keep_guarded()
        if self.closed:
            self.angle = wrapped(self.angle) // 2 % ROUND
        else:
            self.deviation += (min(points["power"], settings["power_most"]) - settings["load"]) // settings[
                "inertia"
            ]
            self.deviation = max(-2000, min(self.deviation, 2000))
            self.angle = (self.angle + PER_SCAN * self.deviation) % ROUND
        reading = self._reading()
        self._watch(reading)
        if points["open"] and self.closed:
            self.closed = False
        elif points["close"] and not self.closed and not self.locked:
            self._close(reading)
        points["open"] = points["close"] = 0
        self._show()

    def _show(self) -> None:
        points = self.points
        points["angle"] = self._reading() // 100 % 3600
        points["slip"] = self.deviation + 10_000
        points["closed"], points["locked"] = int(self.closed), int(self.locked)
        points["refused"] = self.refused

    def truth(self) -> dict[str, Any]:
        """The strain of the shaft and how it came about."""
        return {
            "strain": self.strain,
            "closings": self.closings,
            "bad_closings": self.bad_closings,
            "refused": self.refused,
            "locked": self.locked,
            "closed": self.closed,
        }


if __name__ == "__main__":
    serve(Breaker)
