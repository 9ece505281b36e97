# SPDX-License-Identifier: Apache-2.0
"""Keeping clocks and calendar dates in step with profile and incidents; runs inside the act that changed them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from proofhouse.law import Assessment, DueState, LawError, Meaning, Profile, Result, assessment_record
from proofhouse.server.engine.clock import now
from proofhouse.server.engine.work import each_hour
from proofhouse.server.house import Desk, this_house
from proofhouse.server.obligations.models import CalendarDate, ClockRun, Incident, ProfileFact
from proofhouse.server.obligations.own_law import clocks_of, law_book, profile_of

AHEAD = timedelta(days=400)
"""How far the feed looks; what lies beyond comes in with time."""
PROFILE = "profile"


def own_profile() -> Profile:
    """The profile of this house as it stands."""
    return profile_of(ProfileFact.objects.all())


def recompute() -> None:
    """Compute every clock of every incident and every date of the calendar anew."""
    profile = own_profile()
    for incident in Incident.objects.all():
        compute_clocks(incident, profile)
    refresh_dates(profile)


def compute_clocks(incident: Incident, profile: Profile) -> None:
    """Bring the clocks of an incident up to date; one that no longer runs stays, and says so."""
    found = clocks_of(profile, incident, incident.law_day or now().date())
    kept: list[ClockRun] = []
    for one in found:
        record = assessment_record(law_book(), one, profile.sources)
        for part, due in enumerate(one.dues or (None,)):
            clock, _ = ClockRun.objects.update_or_create(
                incident=incident,
                obligation=one.obligation.id,
                part=part,
                defaults={
                    "place": len(kept),
                    "anchor": due.anchor if due else "",
                    "due": due.at if due else None,
                    "running": _runs(one),
                    "assessment": record,
                    "computed_at": now(),
                },
            )
            kept.append(clock)
    gone = ClockRun.objects.filter(incident=incident).exclude(id__in=[clock.id for clock in kept])
    gone.update(running=False, place=9999)


def _runs(one: Assessment) -> bool:
    return one.result in {Result.APPLIES, Result.UNKNOWN}


@dataclass(frozen=True)
class _Date:
    origin: str
    obligation: str
    part: int
    title: str
    at: datetime


def refresh_dates(profile: Profile) -> None:
    """Change the calendar's rows where a date moved, was added or fell away."""
    today = now()
    wanted = {(one.origin, one.obligation, one.part): one for one in _dates(profile, today.date())}
    rows: QuerySet[CalendarDate] = CalendarDate.objects.filter(cancelled=False, at__gte=today)
    standing = {(row.origin, row.obligation, row.part): row for row in rows}
    for key, row in standing.items():
        one = wanted.pop(key, None)
        if one is None:
            row.cancelled = True
        elif (row.at, row.title) == (one.at, one.title):
            continue
        else:
            row.at, row.title = one.at, one.title
        row.sequence += 1
        row.changed_at = today
        row.save(update_fields=["at", "title", "cancelled", "sequence", "changed_at"])
    for one in wanted.values():
        past = CalendarDate.objects.filter(
            origin=one.origin, obligation=one.obligation, part=one.part, at=one.at, cancelled=False
        )
        if not past.exists():
            CalendarDate.objects.create(**vars(one), changed_at=today)


def _dates(profile: Profile, today: date) -> Iterator[_Date]:
    for one in law_book().check(profile, today):
        if one.result is not Result.APPLIES:
            continue
        for part, due in enumerate(one.dues):
            counts = due.state is DueState.DATED and due.meaning is Meaning.DUE
            if counts and due.at is not None and due.at - now() < AHEAD:
                yield _Date(PROFILE, one.obligation.id, part, one.obligation.title, due.at)
    for clock in ClockRun.objects.filter(running=True).select_related("incident"):
        at = clock.override_due if clock.overridden else clock.due
        if at is not None:
            title = f"{clock.incident.title}: {clock.assessment['title']}"[:300]
            yield _Date(f"incident:{clock.incident_id}", clock.obligation, clock.part, title, at)


@each_hour
def keep_dates() -> None:
    """Let the calendar move on with time."""
    if not this_house().desks & {Desk.LAB, Desk.MEMBER} or not ProfileFact.objects.exists():
        return
    try:
        profile = own_profile()
    except LawError:
        return  # a later edition of the data no longer asks for an answer that is stored; the pages say so
    with transaction.atomic():
        refresh_dates(profile)
