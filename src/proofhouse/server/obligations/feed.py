# SPDX-License-Identifier: Apache-2.0
"""The calendar feed (RFC 5545): identities stay, sequences count, what fell away is cancelled, titles are kept back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from icalendar import Alarm, Calendar, Event

from proofhouse.server.house import this_house
from proofhouse.server.obligations.answers import foot, grade_of
from proofhouse.server.obligations.models import CalendarDate

REDACTED = "Date at the obligations desk"
WARNED_BEFORE = (timedelta(days=7), timedelta(days=1))


def as_calendar(dates: Iterable[CalendarDate], *, titles: bool) -> bytes:
    """The feed.

    Args:
        dates: Rows of the calendar, cancelled ones among them.
        titles: Whether duties and incidents are named.
    """
    calendar = Calendar()
    calendar.add("prodid", "-//Proofhouse//Obligations//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", "Obligations")
    for one in dates:
        event = Event()
        event.add("uid", f"{one.id}@{this_house().name}.proofhouse")
        event.add("sequence", one.sequence)
        event.add("dtstamp", one.changed_at)
        event.add("last-modified", one.changed_at)
        event.add("dtstart", one.at)
        event.add("summary", one.title if titles else REDACTED)
        grade = grade_of(one.obligation, one.at.date())
        told = f"Grade: {grade}. {foot()} Open the desk: {this_house().address}/obligations/calendar/"
        event.add("description", told)
        event.add("class", "PRIVATE")
        event.add("transp", "TRANSPARENT")
        event.add("status", "CANCELLED" if one.cancelled else "CONFIRMED")
        if not one.cancelled:
            for before in WARNED_BEFORE:
                alarm = Alarm()
                alarm.add("action", "DISPLAY")
                alarm.add("description", one.title if titles else REDACTED)
                alarm.add("trigger", -before)
                event.add_component(alarm)
        calendar.add_component(event)
    ics: bytes = calendar.to_ical()
    return ics
