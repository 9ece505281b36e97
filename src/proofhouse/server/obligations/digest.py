# SPDX-License-Identifier: Apache-2.0
"""What changed for this house in a week: law and knowledge, dates ahead, questions open, evidence running out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from proofhouse.law import Change, Viewpoint, compare
from proofhouse.server.accounts.gate import visible
from proofhouse.server.accounts.models import Person
from proofhouse.server.obligations.models import CalendarDate, Evidence
from proofhouse.server.obligations.own_law import law_book
from proofhouse.server.obligations.queries import own_profile

WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Digest:
    """One screen."""

    start: date
    end: date
    changes: tuple[Change, ...]
    due: tuple[tuple[int, tuple[CalendarDate, ...]], ...]
    """Dates within so many days, each date in the first span that holds it."""
    questions: tuple[str, ...]
    running_out: tuple[Evidence, ...]


def weekly(actor: Person, start: date, end: date, instant: datetime) -> Digest:
    """Put the digest together.

    Args:
        actor: Somebody of the own side.
        start: First day; knowledge older than the data's first edition counts as that edition.
        end: Last day, in law time and knowledge time.
        instant: From when dates ahead are counted.
    """
    book, profile = law_book(), own_profile(actor)
    known = [max(day, book.edition.days[0]) for day in (start, end)]
    changes = compare(book, Viewpoint(start, known[0]), Viewpoint(end, known[1]), profile)
    spans: list[tuple[int, tuple[CalendarDate, ...]]] = []
    since = instant
    for days in (30, 60, 90):
        until = instant + timedelta(days=days)
        rows = visible(actor, CalendarDate).filter(cancelled=False, at__gte=since, at__lt=until)
        spans.append((days, tuple(rows)))
        since = until
    missing = dict.fromkeys(name for one in book.check(profile, end) for name in one.missing)
    old = visible(actor, Evidence).filter(valid_until__lt=end + timedelta(days=90))
    return Digest(start, end, changes, tuple(spans), tuple(missing), tuple(old))
