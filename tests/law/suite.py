# SPDX-License-Identifier: Apache-2.0
"""The checks that hold the law data, as functions over a book; the mutation test runs them on changed data.

Each check yields what is wrong. All look only at what the book holds, so they run on one instrument alone.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from math import inf, nextafter
from typing import Any
from zoneinfo import ZoneInfo

from law.expectations import ANCHOR, CLOCKS, ENDS, FIXED, PENALTIES, STARTS
from law.profiles import everything, facts
from proofhouse.law import DueState, FactSet, LawBook, Obligation, Result, Truth
from proofhouse.law.deadlines import Due, Setting
from proofhouse.law.facts import Moment
from proofhouse.law.golden import run_case
from proofhouse.law.linting import lint_instrument

THRESHOLDS = [
    ("us-ca-sb53-incident", "model.training_ops", 1.0e26),
    ("us-ny-raise-incident", "model.training_ops", 1.0e26),
    ("us-il-sb315-incident", "model.training_ops", 1.0e26),
    ("us-ct-sb5-wb", "model.training_ops", 1.0e26),
    ("us-ca-sb53-framework", "org.group_revenue_usd_prev_calendar_year", 500_000_000.0),
    ("us-ny-raise-framework", "org.group_revenue_usd_prev_calendar_year", 500_000_000.0),
    ("us-il-sb315-framework", "org.group_revenue_usd_prev_calendar_year", 500_000_000.0),
    ("us-ct-sb5-wb-channel", "org.group_revenue_usd_prev_calendar_year", 500_000_000.0),
    ("us-ca-sb942-detection", "system.monthly_users", 1_000_000),
    ("us-wa-hb1170", "system.monthly_users", 1_000_000),
    ("eu-aia-55-incident", "model.training_ops", 1.0e25),
    ("eu-cop-framework-5bd", "model.training_ops", 1.0e25),
]
"""Obligation, fact, and the number that must be exceeded."""

FIRST_TEXT = [
    ("model.training_ops", 1.0e26),
    ("model.training_compute_cost_usd", 100_000_000.0),
]
"""Thresholds of RAISE as first signed."""

FIRST_TEXT_DAY = date(2026, 1, 15)
FIRST_TEXT_PENALTIES = (10_000_000, 30_000_000)


def setting(
    book: LawBook, obligation: Obligation, known: FactSet, as_of: date, times: dict[str, Moment]
) -> Setting:
    zone = obligation.recipients[0].zone if obligation.recipients else ZoneInfo("UTC")
    return Setting(times, zone, book.calendars, as_of, known)


def shown(due: Due) -> set[str]:
    """Return the ways in which a date may be written in the tables."""
    assert due.at is not None
    return {due.at.strftime("%Y-%m-%dT%H:%M:%SZ"), str(due.day)}


def starts_hold(book: LawBook) -> Iterator[str]:
    known = facts(book, everything(book))
    for name, start in STARTS.items():
        if name not in book.obligation_ids:
            continue
        if start is None:
            one = book.assess(name, facts=known, as_of=date(2030, 1, 1))
            if one is None or one.result is not Result.PROPOSED or one.dues:
                yield f"{name} should only be proposed"
            continue
        first = date.fromisoformat(start)
        on = book.assess(name, facts=known, as_of=first)
        before = book.assess(name, facts=known, as_of=first - timedelta(days=1))
        if on is None or on.result is not Result.APPLIES:
            yield f"{name} should apply on {first}"
        if before is None or before.result is not Result.NOT_YET_EFFECTIVE:
            yield f"{name} should not be effective the day before {first}"
    for name, end in ENDS.items():
        if name not in book.obligation_ids:
            continue
        last = date.fromisoformat(end) - timedelta(days=1)
        for when, expected in ((last, Result.APPLIES), (last + timedelta(days=1), Result.SUPERSEDED)):
            one = book.assess(name, facts=known, as_of=when)
            if one is None or one.result is not expected:
                yield f"{name} should be {expected} on {when}"


def clocks_hold(book: LawBook) -> Iterator[str]:
    known = facts(book, everything(book))
    as_of = date(2029, 3, 1)
    expected: dict[tuple[str, str], list[str]] = {}
    for name, anchor, due in CLOCKS:
        expected.setdefault((name, anchor), []).append(due)
    for (name, anchor), dues in expected.items():
        if name not in book.obligation_ids:
            continue
        entry = book.entry(name, as_of)
        assert entry is not None
        at = setting(book, entry.obligation, known, as_of, {anchor: ANCHOR})
        found = [
            due
            for due in entry.obligation.deadline.resolve(at)
            if due.state is DueState.DATED and due.anchor == anchor
        ]
        if len(found) != len(dues) or not all(
            text in shown(due) for text, due in zip(dues, found, strict=True)
        ):
            yield f"{name} from {anchor}: {[shown(due) for due in found]}, expected {dues}"
    for name, asked, anchors, day in FIXED:
        if name not in book.obligation_ids:
            continue
        entry = book.entry(name, date.fromisoformat(asked))
        assert entry is not None
        times = {key: date.fromisoformat(value) for key, value in anchors.items()}
        at = setting(book, entry.obligation, known, date.fromisoformat(asked), times)
        first = entry.obligation.deadline.resolve(at)[0]
        if str(first.day) != day:
            yield f"{name} on {asked}: {first.day}, expected {day}"


def every_counted_clock_is_expected(book: LawBook) -> Iterator[str]:
    """An operator that counts and that no table row reads would be held by nothing."""
    rows = {(name, anchor) for name, anchor, _ in CLOCKS} | {
        (name, anchor) for name, _, anchors, _ in FIXED for anchor in (anchors or {"": ""})
    }
    for name in book.obligation_ids:
        entry = book.entry(name, date(2029, 3, 1))
        assert entry is not None
        for anchor in entry.obligation.deadline.anchors() if entry.obligation.deadline.values() else ():
            if (name, anchor) not in rows and not _event_only(anchor):
                yield f"{name}: no expectation for a clock from {anchor}"


def _event_only(anchor: str) -> bool:
    return anchor.startswith("develop_deploy_or_operate") or anchor in {
        "ownership_transferred",
        "disclosed_information_materially_changed",
    }


def thresholds_hold(book: LawBook) -> Iterator[str]:
    base = everything(book)
    for name, fact, number in THRESHOLDS:
        if name in book.obligation_ids:
            entry = book.entry(name, date(2029, 3, 1))
            assert entry is not None
            yield from _threshold(book, entry.obligation, base, fact, number)
    if "us-ny-raise-incident" in book.obligation_ids:
        entry = book.entry("us-ny-raise-incident", FIRST_TEXT_DAY)
        assert entry is not None
        for fact, number in FIRST_TEXT:
            yield from _threshold(book, entry.obligation, base, fact, number)


def _threshold(
    book: LawBook, obligation: Obligation, base: dict[str, Any], fact: str, number: float | int
) -> Iterator[str]:
    above = number + 1 if isinstance(number, int) else nextafter(number, inf)
    for value, expected in ((number, Truth.FALSE), (above, Truth.TRUE)):
        found = obligation.applies_when.evaluate(facts(book, {**base, fact: value}))
        if found is not expected:
            yield f"{obligation.id}: {fact} = {value!r} gave {found}, expected {expected}"


def penalties_hold(book: LawBook) -> Iterator[str]:
    for name in book.obligation_ids:
        entry = book.entry(name, date(2029, 3, 1))
        assert entry is not None
        found = _amounts(entry.obligation)
        if found != PENALTIES.get(name, ()):
            yield f"{name}: penalties {found}, expected {PENALTIES.get(name, ())}"
    if "us-ny-raise-incident" in book.obligation_ids:
        entry = book.entry("us-ny-raise-incident", FIRST_TEXT_DAY)
        assert entry is not None
        if _amounts(entry.obligation) != FIRST_TEXT_PENALTIES:
            yield "us-ny-raise-incident: penalties of the first text"


def _amounts(obligation: Obligation) -> tuple[float, ...]:
    penalty = obligation.penalty
    if penalty is None:
        return ()
    found = [amount[key] for amount in penalty.amounts for key in ("value", "low", "high") if key in amount]
    return (*found, penalty.cure_days.value) if penalty.cure_days else tuple(found)


def golden_holds(book: LawBook) -> Iterator[str]:
    for case in book.cases:
        yield from run_case(book, case)


def first_text_clocks_hold(book: LawBook) -> Iterator[str]:
    """Both clocks of RAISE as first signed."""
    if "us-ny-raise-incident" not in book.obligation_ids:
        return
    entry = book.entry("us-ny-raise-incident", FIRST_TEXT_DAY)
    assert entry is not None
    for anchor in ("determined", "reasonable_belief"):
        at = setting(book, entry.obligation, FactSet({}), FIRST_TEXT_DAY, {anchor: ANCHOR})
        due = entry.obligation.deadline.resolve(at)[0]
        if due.at != ANCHOR + timedelta(hours=72):
            yield f"first text from {anchor}: {due.at}"


def earlier_versions_hold(book: LawBook) -> Iterator[str]:
    """What superseded versions answer for their own time."""
    if "us-co-sb205-ag-disclosure" not in book.obligation_ids:
        return
    known = facts(book, everything(book))
    name = "us-co-sb205-ag-disclosure"
    for asked, standing, start in (
        ("2024-05-16", "not_yet_law", "2026-02-01"),
        ("2024-05-17", "not_yet_effective", "2026-02-01"),
        ("2025-08-27", "not_yet_effective", "2026-02-01"),
        ("2025-08-28", "not_yet_effective", "2026-06-30"),
        ("2026-04-29", "not_yet_effective", "2026-06-30"),
        ("2026-04-30", "enjoined", "2026-06-30"),
        ("2026-05-13", "enjoined", "2026-06-30"),
        ("2026-05-14", "superseded", "2026-06-30"),
    ):
        one = book.assess(name, facts=known, as_of=date.fromisoformat(asked))
        assert one is not None
        found = one.obligation.effective_from
        if one.standing.value != standing or found is None or str(found.value) != start:
            yield f"{name} on {asked}: {one.standing}, expected {standing}"
        if one.dues:
            yield f"{name} on {asked} shows a date"
    for asked in ("2025-01-01", "2026-01-01"):
        for each in ("us-co-sb205-developer-care", "us-co-sb205-deployer-care", name):
            entry = book.entry(each, date.fromisoformat(asked))
            assert entry is not None
            assert entry.obligation.effective_from is not None
            expected = "2026-02-01" if asked < "2025-08-28" else "2026-06-30"
            if str(entry.obligation.effective_from.value) != expected:
                yield f"{each} on {asked}: starts {entry.obligation.effective_from.value}"
    for as_of in ("2025-01-01", "2026-01-01"):
        entry = book.entry(name, date.fromisoformat(as_of))
        assert entry is not None
        at = setting(book, entry.obligation, known, date(2025, 1, 1), {"discovered": ANCHOR})
        if str(entry.obligation.deadline.resolve(at)[0].day) != "2029-05-30":
            yield f"{name} in the version of {as_of}"


def lint_holds(book: LawBook) -> Iterator[str]:
    for instrument in book.instruments.values():
        for finding in lint_instrument(book, instrument):
            yield f"{finding.place}: {finding.message}"


SUITE = (
    starts_hold,
    clocks_hold,
    thresholds_hold,
    penalties_hold,
    first_text_clocks_hold,
    earlier_versions_hold,
    golden_holds,
    lint_holds,
)


def failures(book: LawBook) -> Iterator[str]:
    """Yield everything that is wrong, check after check."""
    for check in SUITE:
        yield from check(book)
