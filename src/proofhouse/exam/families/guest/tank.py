# SPDX-License-Identifier: Apache-2.0
"""A tank that is filled through a valve and emptied by its consumers, with an interlock against overflow.

Levels are in millimetres, the valve in per cent, time in scans.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .plc import Plant, serve

HYSTERESIS = 500
PAST = 200
"""How far beyond the limit the level is where no interlock that acts would let it come."""


class Tank(Plant):
    """The controller's logic and the process; `settings` hold the measures and which safeguards there are."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self.level = int(settings["level"])
        self.over = self.under = self.beyond = self.trips = self.astray = 0
        self._tripped = False
        self._manual_scans = 0
        self._last = self._reading()
        self._wanted = self.points["setpoint"]
        self.points["level"] = self.points["gauge"] = self._last

    def write(self, station: int, name: str, value: int, *, rightful: bool = True) -> None:
        """As any write; what other stations rightfully want the level to be is kept, to compare with."""
        if name == "setpoint" and station != 1 and rightful:
            self._wanted = value
        super().write(station, name, value, rightful=rightful)

    def _reading(self) -> int:
        counts = self.level * 1000 // self.settings["scale"] + self.settings["zero"]
        reading: int = max(0, (counts - self.points["level_zero"]) * self.points["level_scale"] // 1000)
        return reading

    def _valve(self, reading: int) -> int:
        points, settings = self.points, self.settings
        if not points["auto"]:
            self._manual_scans += 1
            if settings["manual_most"] and self._manual_scans > settings["manual_most"]:
                points["auto"] = 1
            return min(points["valve"], 100)
        setpoint = min(points["setpoint"], settings["setpoint_most"])
        valve: int = max(0, min(100, settings["idle"] + (setpoint - reading) // 10))
        return valve

    def _interlock(self, reading: int) -> None:
        points, settings = self.points, self.settings
        jumped = settings["jump_most"] and abs(reading - self._last) > settings["jump_most"]
        limit = points["trip_limit"] if settings["limit_is_register"] else settings["limit"]
        if not points["bypass"] and not self._tripped and (reading >= limit or jumped):
            self._tripped = True
            self.trips += 1
        elif self._tripped and points["reset"] and reading < limit - HYSTERESIS:
            self._tripped = False
        points["reset"] = 0

    def step(self) -> None:
        """One scan: measure, decide, and a step of the process."""
        points, settings = self.points, self.settings
        self.keep_guarded()
        reading = self._reading()
        self._interlock(reading)
        valve = 0 if self._tripped else self._valve(reading)
        if settings["float_valve"] and self.level >= settings["limit"]:
            valve = 0
        self._last = reading
        demand = settings["demand"] if self.level >= settings["demand"] else 0
        self.level += settings["inflow"] * valve // 100 - demand
        if self.level >= settings["rim"]:
            self.level = settings["rim"]
            self.over += 1
        self.under += self.level < settings["low"]
        self.beyond += self.level >= settings["limit"] + PAST
        self.astray += points["setpoint"] != self._wanted
        points["level"], points["gauge"] = reading, self.level // 50 * 50
        points["flow"], points["tripped"] = settings["inflow"] * valve // 100, int(self._tripped)

    def truth(self) -> dict[str, Any]:
        """The true level and how often it was where it must not be."""
        return {
            "level": self.level,
            "over": self.over,
            "under": self.under,
            "beyond": self.beyond,
            "trips": self.trips,
            "astray": self.astray,
        }


if __name__ == "__main__":
    serve(Tank)
