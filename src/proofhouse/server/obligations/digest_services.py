# SPDX-License-Identifier: Apache-2.0
"""The weekly digest: the house makes it once for each week that is over, keeps it, and puts it into its mailbox.

It is made by the house's hourly duty. A week has one row, made in one transaction with its ledger entry, so that two
rounds at once, a restart or a week in which the house stood still make none twice and leave none out.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from proofhouse.attest import canonical, sha256_hex
from proofhouse.law import LawError
from proofhouse.server.accounts.gate import access
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Permission
from proofhouse.server.engine.acts import act, one_transaction
from proofhouse.server.engine.clock import now
from proofhouse.server.engine.effects import when_in_force
from proofhouse.server.engine.models import LedgerEntry
from proofhouse.server.engine.record import record
from proofhouse.server.engine.work import each_hour
from proofhouse.server.house import Desk, House, this_house
from proofhouse.server.obligations import queries
from proofhouse.server.obligations.digest import (
    WEEK,
    as_record,
    as_text,
    monday_of,
    told_by_the_house,
    week_of,
    weekly,
)
from proofhouse.server.obligations.feed import as_calendar
from proofhouse.server.obligations.models import CalendarDate, DigestReading, ProfileFact, WeeklyDigest
from proofhouse.server.obligations.services import record_own

logger = logging.getLogger(__name__)

LOOK_BACK = 8
"""After a longer standstill the house makes up for so many weeks, not for more."""


@each_hour
def make_digests() -> None:
    """Make the digest of each week that is over and has none."""
    if not this_house().desks & {Desk.LAB, Desk.MEMBER} or not ProfileFact.objects.exists():
        return
    for week in _weeks_without(now().date()):
        try:
            _make(week)
        except LawError as unusable:
            logger.warning("no digest of %s: %s", week, unusable)


def _weeks_without(today: date) -> Iterator[str]:
    """Weeks that are over and have no digest, oldest first; before the first digest, the last week alone."""
    last = today - WEEK
    made = WeeklyDigest.objects.first()
    if made is None:
        yield week_of(last)
        return
    for back in range(LOOK_BACK - 1, -1, -1):
        week = week_of(last - back * WEEK)
        if week > made.week:
            yield week


def _make(week: str) -> None:
    with one_transaction("obligations.weekly_digest"):
        if WeeklyDigest.objects.filter(week=week).exists():
            return
        start = monday_of(week)
        told = as_record(weekly(told_by_the_house(), start, start + WEEK, now()), week)
        content = {"content_sha256": sha256_hex(canonical(told)), "by": "house"}
        entry = record("digest.make", f"obligations:{week}", content)
        WeeklyDigest.objects.create(week=week, record=told, entry=entry, made_at=now())


def mailbox(house: House) -> Path:
    """Where a house leaves files for its own people; only the owner of the house can read it."""
    return house.directory / "mailbox"


def files_of(digest: WeeklyDigest) -> dict[str, bytes]:
    """The digest as text, as JSON, and its dates as a calendar without titles."""
    until = datetime.combine(monday_of(digest.week), time(), UTC) + 14 * WEEK
    dates = CalendarDate.objects.filter(cancelled=False, at__gte=digest.made_at, at__lt=until)
    return {
        "txt": as_text(digest.record).encode(),
        "json": json.dumps(digest.record, indent=1, ensure_ascii=False).encode() + b"\n",
        "ics": as_calendar(dates, titles=False),
    }


@when_in_force("digest.make")
def put_into_mailbox(entry: LedgerEntry) -> None:
    """Write the three files; again, if it comes to that, with the same content."""
    digest = WeeklyDigest.objects.get(entry=entry)
    box = mailbox(this_house())
    box.mkdir(mode=0o700, exist_ok=True)
    for form, content in files_of(digest).items():
        file = box / f"obligations-{digest.week}.{form}"
        temporary = file.with_suffix(f".{form}.new")
        temporary.touch(mode=0o600)
        temporary.write_bytes(content)
        temporary.replace(file)


@act(Permission.OBLIGATIONS_DIGEST_READ)
def read_digest(*, actor: Person, week: str) -> DigestReading:
    """Say that one has read a digest; its notice then goes away for this person.

    Args:
        actor: Somebody of the own side.
        week: `2026-W48`.
    """
    queries.require_desk(actor)
    digest = access(actor, WeeklyDigest, week=week)
    before = DigestReading.objects.filter(digest=digest, person=actor).first()
    if before is not None:
        return before
    told: dict[str, Any] = {"week": week, "record_sha256": sha256_hex(canonical(digest.record))}
    entry = record_own("digest.read", week, told, actor)
    return DigestReading.objects.create(digest=digest, person=actor, entry=entry, read_at=now())
