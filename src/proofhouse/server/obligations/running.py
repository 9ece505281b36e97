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
from proofhouse.server.obligations.models import AiModel, CalendarDate, ClockRun, Incident, ProfileFact
from proofhouse.server.obligations.own_law import clocks_of, concerns_models, law_book, profile_of

AHEAD = timedelta(days=400)
"""How far the feed looks; what lies beyond comes in with time."""
PROFILE = "profile"


def own_profile(model: AiModel | None = None) -> Profile:
    """The profile of this house with one of its models, as it stands."""
    return profile_of(ProfileFact.objects.all(), model)


def recompute() -> None:
    """Compute every clock of every incident and every date of the calendar anew."""
    for incident in Incident.objects.select_related("model"):
        compute_clocks(incident)
    refresh_dates()


def compute_clocks(incident: Incident) -> None:
    """Bring the clocks of an incident up to date; one that no longer runs stays, and says so."""
    profile = own_profile(incident.model)
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


def refresh_dates() -> None:
    """Change the calendar's rows where a date moved, was added or fell away."""
    today = now()
    wanted = {(one.origin, one.obligation, one.part): one for one in _dates(today.date())}
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


def _dates(today: date) -> Iterator[_Date]:
    yield from _duty_dates(today)
    for clock in ClockRun.objects.filter(running=True).select_related("incident"):
        at = clock.override_due if clock.overridden else clock.due
        if at is not None:
            title = f"{clock.incident.title}: {clock.assessment['title']}"[:300]
            yield _Date(f"incident:{clock.incident_id}", clock.obligation, clock.part, title, at)


def _duty_dates(today: date) -> Iterator[_Date]:
    """Dates of duties; where all models share one it stands once, otherwise once for each model, by name."""
    models = list(AiModel.objects.all())
    if not models:
        yield from (_Date(PROFILE, *key, title, at) for key, title, at, _ in _dated(own_profile(), today))
        return
    shared: dict[tuple[str, int], dict[AiModel, tuple[str, datetime]]] = {}
    about_models = set()
    for model in models:
        for key, title, at, by_model in _dated(own_profile(model), today):
            shared.setdefault(key, {})[model] = title, at
            if by_model:
                about_models.add(key)
    for key, found in shared.items():
        moments = {at for _, at in found.values()}
        title, at = next(iter(found.values()))
        if len(moments) == 1 and (len(found) == len(models) or key not in about_models):
            yield _Date(PROFILE, *key, title, at)
        else:
            for model, (title, at) in found.items():
                yield _Date(f"model:{model.id}", *key, f"{model.name}: {title}"[:300], at)


def _dated(profile: Profile, today: date) -> Iterator[tuple[tuple[str, int], str, datetime, bool]]:
    for one in law_book().check(profile, today):
        if one.result is not Result.APPLIES:
            continue
        for part, due in enumerate(one.dues):
            counts = due.state is DueState.DATED and due.meaning is Meaning.DUE
            if counts and due.at is not None and due.at - now() < AHEAD:
                key = (one.obligation.id, part)
                yield key, one.obligation.title, due.at, concerns_models(one.obligation)


@each_hour
def keep_dates() -> None:
    """Let the calendar move on with time."""
    if not this_house().desks & {Desk.LAB, Desk.MEMBER} or not ProfileFact.objects.exists():
        return
    try:
        with transaction.atomic():
            refresh_dates()
    except LawError:
        return  # a later edition of the data no longer asks for an answer that is stored; the pages say so
