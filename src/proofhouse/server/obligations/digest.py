# SPDX-License-Identifier: Apache-2.0
"""What changed for this house in a week: law and knowledge, dates ahead, questions open, evidence running out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from proofhouse.law import WORDS, Change, Profile, Viewpoint, compare
from proofhouse.server.accounts.gate import visible
from proofhouse.server.accounts.models import Person
from proofhouse.server.engine.clock import wire
from proofhouse.server.house import this_house
from proofhouse.server.obligations.answers import foot, grade_of
from proofhouse.server.obligations.models import AiModel, CalendarDate, Evidence, ProfileFact
from proofhouse.server.obligations.own_law import law_book, profile_of
from proofhouse.server.obligations.rules import NOT_ADVICE

WEEK = timedelta(days=7)
SPANS_DAYS = (30, 60, 90)


@dataclass(frozen=True)
class Told:
    """What a digest is made from: the profiles by model, the dates and the evidence that may be seen."""

    profiles: Mapping[str, Profile]
    dates: Iterable[CalendarDate]
    evidence: Iterable[Evidence]


@dataclass(frozen=True)
class ForUs:
    """One change of the law, and the models for which it matters; none named where it matters for all."""

    change: Change
    models: tuple[str, ...]


@dataclass(frozen=True)
class Digest:
    """One screen."""

    start: date
    end: date
    changes: tuple[ForUs, ...]
    due: tuple[tuple[int, tuple[CalendarDate, ...]], ...]
    """Dates within so many days, each date in the first span that holds it."""
    questions: tuple[str, ...]
    running_out: tuple[Evidence, ...]


def told_to(actor: Person) -> Told:
    """What a person may see."""
    return _told(
        visible(actor, AiModel),
        visible(actor, ProfileFact),
        visible(actor, CalendarDate),
        visible(actor, Evidence),
    )


def told_by_the_house() -> Told:
    """Everything at this desk, for the digest that the house itself makes."""
    return _told(
        AiModel.objects.all(), ProfileFact.objects.all(), CalendarDate.objects.all(), Evidence.objects.all()
    )


def _told(
    models: Iterable[AiModel],
    facts: Iterable[ProfileFact],
    dates: Iterable[CalendarDate],
    evidence: Iterable[Evidence],
) -> Told:
    given = list(facts)
    profiles = {model.name: profile_of(given, model) for model in models} or {"": profile_of(given)}
    return Told(profiles, dates, evidence)


def weekly(told: Told, start: date, end: date, instant: datetime) -> Digest:
    """Put the digest together.

    Args:
        told: What it is made from.
        start: First day; knowledge older than the data's first edition counts as that edition.
        end: Last day, in law time and knowledge time.
        instant: From when dates ahead are counted.
    """
    book = law_book()
    known = [max(day, book.edition.days[0]) for day in (start, end)]
    before, after = Viewpoint(start, known[0]), Viewpoint(end, known[1])
    found: dict[str, tuple[Change, list[str]]] = {}
    for name, profile in told.profiles.items():
        for change in compare(book, before, after, profile):
            found.setdefault(change.obligation, (change, []))[1].append(name)
    changes = tuple(
        ForUs(change, () if len(names) == len(told.profiles) else tuple(names))
        for change, names in found.values()
    )
    missing = dict.fromkeys(
        name for profile in told.profiles.values() for one in book.check(profile, end) for name in one.missing
    )
    ahead = [row for row in told.dates if not row.cancelled and row.at >= instant]
    last = end + timedelta(days=SPANS_DAYS[-1])
    old = tuple(row for row in told.evidence if row.valid_until is not None and row.valid_until < last)
    return Digest(start, end, changes, _by_span(ahead, instant), tuple(missing), old)


def _by_span(
    rows: Iterable[CalendarDate], instant: datetime
) -> tuple[tuple[int, tuple[CalendarDate, ...]], ...]:
    given, spans, since = list(rows), [], instant
    for days in SPANS_DAYS:
        until = instant + timedelta(days=days)
        spans.append((days, tuple(row for row in given if since <= row.at < until)))
        since = until
    return tuple(spans)


def week_of(day: date) -> str:
    """The ISO 8601 week of a day, `2026-W48`."""
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02d}"


def monday_of(week: str) -> date:
    """The first day of a week.

    Raises:
        ValueError: It is no week such as 2026-W48.
    """
    year, mark, number = week.partition("-W")
    if not mark:
        raise ValueError(f"{week!r} is no week such as 2026-W48")
    return date.fromisocalendar(int(year), int(number), 1)


def as_record(digest: Digest, week: str) -> dict[str, Any]:
    """The digest as it is kept, sent and exported."""
    vocabulary, edition = law_book().vocabulary, law_book().edition
    return {
        "week": week,
        "house": this_house().name,
        "from": digest.start.isoformat(),
        "to": digest.end.isoformat(),
        "note": NOT_ADVICE,
        "foot": foot(),
        "horizon": edition.horizon_statutes.isoformat(),
        "changes": [_change(one) for one in digest.changes],
        "due": [
            {
                "within_days": days,
                "at": wire(row.at),
                "title": row.title,
                "obligation": row.obligation,
                "grade": grade_of(row.obligation, digest.end),
            }
            for days, rows in digest.due
            for row in rows
        ],
        "questions": [
            {"fact": name, "ask": vocabulary.question(name)}
            for name in digest.questions
            if not name.startswith("trigger.")
        ],
        "evidence_running_out": [
            {"title": row.title, "valid_until": row.valid_until.isoformat() if row.valid_until else None}
            for row in digest.running_out
        ],
    }


def _change(one: ForUs) -> dict[str, Any]:
    change = one.change
    return {
        "obligation": change.obligation,
        "title": change.title,
        "grade": grade_of(change.obligation, date.max),
        "models": list(one.models),
        "kinds": [kind.value for kind in change.kinds],
        "standing": [
            value.value if value else None for value in (change.standing_before, change.standing_after)
        ],
        "result": [value.value if value else None for value in (change.result_before, change.result_after)],
        "words": [WORDS[value] if value else None for value in (change.result_before, change.result_after)],
        "fields": [
            {"path": field.path, "before": field.before, "after": field.after} for field in change.fields
        ],
    }


def as_text(record: Mapping[str, Any]) -> str:
    """The digest as plain text, one screen where a week brings what weeks usually bring."""
    lines = [
        f"Obligations of {record['house']}, week {record['week']} ({record['from']} to {record['to']})",
        "",
    ]
    lines.append(f"What changed in the law for us: {len(record['changes']) or 'nothing'}")
    for one in record["changes"]:
        of = f" ({', '.join(one['models'])})" if one["models"] else ""
        lines.append(f"  {one['title']}{of} [{one['obligation']}, grade {one['grade']}]: {_told_change(one)}")
    lines += [
        "",
        f"Dates of duties that each appears to apply: {len(record['due']) or 'none'} within 90 days",
    ]
    lines += [f"  {one['at'][:16]}Z  {one['title']} (grade {one['grade']})" for one in record["due"]]
    lines += ["", f"Questions not answered: {len(record['questions']) or 'none'}"]
    lines += [f"  {one['ask']}" for one in record["questions"]]
    if record["evidence_running_out"]:
        lines += ["", "Evidence that runs out within 90 days:"]
        lines += [f"  {one['valid_until']}  {one['title']}" for one in record["evidence_running_out"]]
    return "\n".join([*lines, "", record["foot"], ""])


def _told_change(one: Mapping[str, Any]) -> str:
    told = [
        f"{name}: {(pair[0] or 'none').replace('_', ' ')} -> {(pair[1] or 'none').replace('_', ' ')}"
        for name, pair in (("standing", one["standing"]), ("for us", one["words"]))
        if pair[0] != pair[1]
    ]
    return "; ".join(told) or f"{len(one['fields'])} values differ"
