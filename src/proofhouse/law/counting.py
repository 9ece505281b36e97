# SPDX-License-Identifier: Apache-2.0
"""Counting time: hours on UTC, days where the recipient sits, months clamped to their end."""

from __future__ import annotations

import calendar as month_lengths
import enum
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from proofhouse.law.facts import Moment


class Unit(enum.StrEnum):
    """Units of statutory periods."""

    HOURS = "hours"
    CALENDAR_DAYS = "calendar_days"
    BUSINESS_DAYS = "business_days"
    WEEKS = "weeks"
    MONTHS = "months"
    YEARS = "years"


def start_of(moment: Moment, zone: ZoneInfo) -> datetime:
    """Return the instant in UTC; for a day its first moment in the zone."""
    if isinstance(moment, datetime):
        return moment.astimezone(UTC)
    return datetime.combine(moment, time(0), zone).astimezone(UTC)


def end_of(day: date, zone: ZoneInfo) -> datetime:
    """Return the last second of a day in the zone, as UTC."""
    return datetime.combine(day, time(23, 59, 59), zone).astimezone(UTC)


def local_day(moment: Moment, zone: ZoneInfo) -> date:
    """Return the day on which a moment falls in the zone."""
    return moment.astimezone(zone).date() if isinstance(moment, datetime) else moment


def add_months(day: date, months: int) -> date:
    """Add months, clamped to the end of the month: 31 January plus one month is 28 or 29 February."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    last = month_lengths.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last))


def add_period(day: date, amount: int, unit: Unit) -> date:
    """Add (or, with a negative amount, take away) days, weeks, months or years."""
    if unit is Unit.CALENDAR_DAYS:
        return day + timedelta(days=amount)
    if unit is Unit.WEEKS:
        return day + timedelta(weeks=amount)
    if unit is Unit.MONTHS:
        return add_months(day, amount)
    if unit is Unit.YEARS:
        return add_months(day, 12 * amount)
    raise ValueError(f"{unit} is not counted on the calendar")
