# SPDX-License-Identifier: Apache-2.0
"""Business days by named calendars whose holidays are pinned in the law data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from proofhouse.law.errors import OutsideCalendar

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Calendar:
    """Weekend and holidays between two days, both included."""

    id: str
    first: date
    last: date
    weekend: frozenset[int]
    """ISO weekdays, 1 is Monday."""
    holidays: Mapping[date, str]

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Calendar:
        """Read a calendar file (already schema-checked)."""
        return cls(
            id=document["id"],
            first=date.fromisoformat(document["from"]),
            last=date.fromisoformat(document["to"]),
            weekend=frozenset(document["weekend"]),
            holidays={date.fromisoformat(entry["day"]): entry["name"] for entry in document["holidays"]},
        )

    def is_business_day(self, day: date) -> bool:
        """Say whether a day is neither weekend nor holiday.

        Raises:
            OutsideCalendar: the day lies outside the pinned years.
        """
        if not self.first <= day <= self.last:
            raise OutsideCalendar(
                f"calendar {self.id} is pinned from {self.first} to {self.last} and cannot judge {day}; "
                "extend it in the law data"
            )
        return day.isoweekday() not in self.weekend and day not in self.holidays

    def after(self, day: date, count: int) -> date:
        """Return the ``count``-th business day after ``day``; ``day`` itself is not counted.

        A period that is to begin on, and include, the next business day when ``day`` is none gives the same.

        Raises:
            OutsideCalendar: the count leaves the pinned years.
        """
        return self._count(day, count, _DAY)

    def before(self, day: date, count: int) -> date:
        """Return the ``count``-th business day before ``day``; ``day`` itself is not counted.

        Raises:
            OutsideCalendar: the count leaves the pinned years.
        """
        return self._count(day, count, -_DAY)

    def _count(self, day: date, count: int, step: timedelta) -> date:
        while count > 0:
            day += step
            if self.is_business_day(day):
                count -= 1
        return day

    def at_or_after(self, day: date) -> date:
        """Return ``day`` if it is a business day, else the next one.

        Raises:
            OutsideCalendar: the search leaves the pinned years.
        """
        while not self.is_business_day(day):
            day += _DAY
        return day
