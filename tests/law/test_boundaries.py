# SPDX-License-Identifier: Apache-2.0
"""Every threshold at its boundary, and every deadline operator at a year's end, a leap day and a clock change."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from law.profiles import everything, facts
from proofhouse.law import FactSet, LawBook, Obligation, Truth
from proofhouse.law.counting import Unit
from proofhouse.law.deadlines import (
    NAMES,
    Before,
    Composite,
    Deadline,
    EarliestOf,
    FixedDate,
    LatestOf,
    NoDate,
    NoLaterThanEvent,
    OnEvent,
    ReasonableTime,
    Recurring,
    Relative,
    Setting,
    Standing,
    Value,
    Window,
)
from proofhouse.law.facts import FactType, Moment

COMPARISON = re.compile(r"([a-z]+\.[a-z_]+) (<=|>=|<|>) ([0-9.e+]+)")
OPERATIONS, REVENUE = "model.training_ops", "org.group_revenue_usd_prev_calendar_year"
USERS, COST = "system.monthly_users", "model.training_compute_cost_usd"
LIMITS: dict[tuple[str, str, str], float] = {
    ("us-ca-sb53", "2025-09-29", OPERATIONS): 1e26,
    ("us-ca-sb53", "2025-09-29", REVENUE): 500_000_000,
    ("us-ny-raise", "2025-12-19", OPERATIONS): 1e26,
    ("us-ny-raise", "2025-12-19", COST): 100_000_000,
    ("us-ny-raise", "2026-03-27", OPERATIONS): 1e26,
    ("us-ny-raise", "2026-03-27", REVENUE): 500_000_000,
    ("us-il-sb315", "2026-07-06", OPERATIONS): 1e26,
    ("us-il-sb315", "2026-07-06", REVENUE): 500_000_000,
    ("us-ct-sb5", "2026-05-27", OPERATIONS): 1e26,
    ("us-ct-sb5", "2026-05-27", REVENUE): 500_000_000,
    ("us-ca-sb942", "2026-08-02", USERS): 1_000_000,
    ("us-wa-hb1170", "2027-02-01", USERS): 1_000_000,
    ("eu-ai-act", "2025-08-02", OPERATIONS): 1e25,
    ("eu-gpai-cop", "2025-07-10", OPERATIONS): 1e25,
}
"""Instrument, version, fact, and the number that must be exceeded; all thresholds known so far say *more than*."""


@dataclass(frozen=True)
class Threshold:
    """One comparison in the test of one duty."""

    key: tuple[str, str, str]
    obligation: Obligation
    sign: str
    number: float


def thresholds(book: LawBook) -> list[Threshold]:
    return [
        Threshold((instrument.id, str(version.dated), fact), obligation, sign, float(number))
        for instrument in book.instruments.values()
        for version in instrument.versions
        for obligation in version.obligations.values()
        for fact, sign, number in COMPARISON.findall(obligation.applies_when.cel)
    ]


def test_every_threshold_of_the_law_is_in_the_table_strict_as_written(book: LawBook) -> None:
    found = thresholds(book)
    assert {one.key: one.number for one in found} == LIMITS
    assert {one.sign for one in found} == {">"}
    triggers = [
        obligation.trigger_when.cel
        for instrument in book.instruments.values()
        for version in instrument.versions
        for obligation in version.obligations.values()
        if obligation.trigger_when is not None
    ]
    assert not any(COMPARISON.search(text) for text in triggers), "a threshold of events needs a table too"


def test_every_duty_turns_exactly_above_each_of_its_thresholds(book: LawBook) -> None:
    base = everything(book)
    tried = 0
    for one in thresholds(book):
        fact = one.key[2]
        whole = book.vocabulary.type_of(fact) is FactType.INT
        below = int(one.number) - 1 if whole else math.nextafter(one.number, 0)
        above = int(one.number) + 1 if whole else math.nextafter(one.number, math.inf)
        at = int(one.number) if whole else one.number
        for value, expected in ((below, Truth.FALSE), (at, Truth.FALSE), (above, Truth.TRUE)):
            known = facts(book, {**base, fact: value})
            assert one.obligation.applies_when.evaluate(known) is expected, (
                one.key,
                one.obligation.id,
                value,
            )
            tried += 1
        unknown = facts(book, {name: told for name, told in base.items() if name != fact})
        assert one.obligation.applies_when.evaluate(unknown) is Truth.UNKNOWN, (one.key, one.obligation.id)
    assert tried > 150


YEAR_END, LEAP_DAY, CLOCK_CHANGE = "year end", "leap day", "clock change"
NEW_YORK = ZoneInfo("America/New_York")
ANCHOR = "discovered"


def value(amount: object) -> Value:
    return Value(amount, "s. 1", "text")


def after(amount: int, unit: Unit, calendar: str = "", anchor: str = ANCHOR) -> Relative:
    return Relative(anchor=anchor, amount=value(amount), unit=unit, calendar=calendar)


PAIR = (after(72, Unit.HOURS), after(3, Unit.CALENDAR_DAYS, anchor="aware"))
EARLIEST, LATEST = EarliestOf(options=PAIR), LatestOf(options=PAIR)
QUARTERLY = Recurring(every=value(3), unit=Unit.MONTHS, anchor=ANCHOR)
YEARLY = Recurring(every=value(1), unit=Unit.YEARS, first=value(date(2026, 2, 28)))
THREE_BUSINESS_DAYS_BEFORE = Before(
    event=ANCHOR, amount=value(3), unit=Unit.BUSINESS_DAYS, calendar="us-federal"
)
PARTS = Composite(parts=(after(24, Unit.HOURS), after(1, Unit.MONTHS)))
AT, BY = OnEvent(event=ANCHOR), NoLaterThanEvent(event=ANCHOR)
WINDOW = Window(event=ANCHOR, amount=value(30))
Edges = Mapping[str, tuple[Deadline, dict[str, str], list[str | None]]]
EDGES: dict[str, Edges] = {
    "relative": {
        YEAR_END: (after(15, Unit.CALENDAR_DAYS), {ANCHOR: "2026-12-20"}, ["2027-01-04T23:59:59-05:00"]),
        LEAP_DAY: (
            after(4, Unit.BUSINESS_DAYS, "us-federal"),
            {ANCHOR: "2028-02-25"},
            ["2028-03-02T23:59:59-05:00"],
        ),
        CLOCK_CHANGE: (
            after(72, Unit.HOURS),
            {ANCHOR: "2027-03-12T10:00:00-05:00"},
            ["2027-03-15T11:00:00-04:00"],
        ),
    },
    "earliest_of": {
        YEAR_END: (
            EARLIEST,
            {ANCHOR: "2026-12-30T10:00:00-05:00", "aware": "2026-12-29"},
            ["2027-01-01T23:59:59-05:00"],
        ),
        LEAP_DAY: (
            EARLIEST,
            {ANCHOR: "2028-02-27T10:00:00-05:00", "aware": "2028-02-27"},
            ["2028-03-01T10:00:00-05:00"],
        ),
        CLOCK_CHANGE: (
            EARLIEST,
            {ANCHOR: "2027-11-05T10:00:00-04:00", "aware": "2027-11-05"},
            ["2027-11-08T09:00:00-05:00"],
        ),
    },
    "latest_of": {
        YEAR_END: (
            LATEST,
            {ANCHOR: "2026-12-30T10:00:00-05:00", "aware": "2026-12-29"},
            ["2027-01-02T10:00:00-05:00"],
        ),
        LEAP_DAY: (
            LATEST,
            {ANCHOR: "2028-02-26T10:00:00-05:00", "aware": "2028-02-26"},
            ["2028-02-29T23:59:59-05:00"],
        ),
        CLOCK_CHANGE: (
            LATEST,
            {ANCHOR: "2027-11-05T10:00:00-04:00", "aware": "2027-11-04"},
            ["2027-11-08T09:00:00-05:00"],
        ),
    },
    "recurring": {
        YEAR_END: (QUARTERLY, {ANCHOR: "2027-10-31"}, ["2028-01-31T23:59:59-05:00"]),
        LEAP_DAY: (QUARTERLY, {ANCHOR: "2027-11-30"}, ["2028-02-29T23:59:59-05:00"]),
        CLOCK_CHANGE: (QUARTERLY, {ANCHOR: "2026-12-14"}, ["2027-03-14T23:59:59-04:00"]),
    },
    "before": {
        YEAR_END: (THREE_BUSINESS_DAYS_BEFORE, {ANCHOR: "2027-01-05"}, ["2026-12-30T23:59:59-05:00"]),
        LEAP_DAY: (THREE_BUSINESS_DAYS_BEFORE, {ANCHOR: "2028-03-03"}, ["2028-02-29T23:59:59-05:00"]),
        CLOCK_CHANGE: (THREE_BUSINESS_DAYS_BEFORE, {ANCHOR: "2027-03-17"}, ["2027-03-12T23:59:59-05:00"]),
    },
    "no_later_than_event": {
        YEAR_END: (BY, {ANCHOR: "2028-01-01T01:00:00+00:00"}, ["2027-12-31T20:00:00-05:00"]),
        LEAP_DAY: (BY, {ANCHOR: "2028-02-29"}, ["2028-02-29T00:00:00-05:00"]),
        CLOCK_CHANGE: (BY, {ANCHOR: "2027-03-14"}, ["2027-03-14T00:00:00-05:00"]),
    },
    "on_event": {
        YEAR_END: (AT, {ANCHOR: "2026-12-31T23:59:59-05:00"}, ["2026-12-31T23:59:59-05:00"]),
        LEAP_DAY: (AT, {ANCHOR: "2028-02-29T12:00:00-05:00"}, ["2028-02-29T12:00:00-05:00"]),
        CLOCK_CHANGE: (AT, {ANCHOR: "2027-11-07T06:30:00+00:00"}, ["2027-11-07T01:30:00-05:00"]),
    },
    "window": {
        YEAR_END: (WINDOW, {ANCHOR: "2027-01-15"}, ["2026-12-16T00:00:00-05:00"]),
        LEAP_DAY: (WINDOW, {ANCHOR: "2028-03-30"}, ["2028-02-29T00:00:00-05:00"]),
        CLOCK_CHANGE: (WINDOW, {ANCHOR: "2027-04-13"}, ["2027-03-14T00:00:00-05:00"]),
    },
    "composite": {
        YEAR_END: (
            PARTS,
            {ANCHOR: "2026-12-31T10:00:00-05:00"},
            ["2027-01-01T10:00:00-05:00", "2027-01-31T23:59:59-05:00"],
        ),
        LEAP_DAY: (
            PARTS,
            {ANCHOR: "2028-01-31T10:00:00-05:00"},
            ["2028-02-01T10:00:00-05:00", "2028-02-29T23:59:59-05:00"],
        ),
        CLOCK_CHANGE: (
            PARTS,
            {ANCHOR: "2027-03-13T10:00:00-05:00"},
            ["2027-03-14T11:00:00-04:00", "2027-04-13T23:59:59-04:00"],
        ),
    },
    "date": {
        YEAR_END: (FixedDate(day=value(date(2026, 12, 31))), {}, ["2026-12-31T23:59:59-05:00"]),
        LEAP_DAY: (FixedDate(day=value(date(2028, 2, 29))), {}, ["2028-02-29T23:59:59-05:00"]),
        CLOCK_CHANGE: (FixedDate(day=value(date(2027, 3, 14))), {}, ["2027-03-14T23:59:59-04:00"]),
    },
    **{
        NAMES[type(deadline)]: {
            YEAR_END: (deadline, {"aware": "2026-12-31"}, [None]),
            LEAP_DAY: (deadline, {"aware": "2028-02-29"}, [None]),
            CLOCK_CHANGE: (deadline, {"aware": "2027-03-14T03:30:00-04:00"}, [None]),
        }
        for deadline in (
            Standing(),
            NoDate(reason="none is set"),
            ReasonableTime(wording="promptly", anchor="aware"),
        )
    },
}
"""Operator, edge: the deadline, its anchors, and each date in New York that must come out; None is no date."""


def test_no_operator_is_left_without_its_three_edges() -> None:
    assert set(EDGES) == set(NAMES.values())
    assert all(set(edges) == {YEAR_END, LEAP_DAY, CLOCK_CHANGE} for edges in EDGES.values())
    assert all(
        NAMES[type(deadline)] == name for name, edges in EDGES.items() for deadline, _, _ in edges.values()
    )


@pytest.mark.parametrize("edge", [YEAR_END, LEAP_DAY, CLOCK_CHANGE])
@pytest.mark.parametrize("operator", sorted(EDGES))
def test_an_operator_counts_right_over_an_edge_of_the_calendar(
    book: LawBook, operator: str, edge: str
) -> None:
    deadline, anchors, expected = EDGES[operator][edge]
    times: dict[str, Moment] = {
        name: date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
        for name, text in anchors.items()
    }
    dues = deadline.resolve(Setting(times, NEW_YORK, book.calendars, date(2027, 1, 1), FactSet({})))
    assert [due.at for due in dues] == [datetime.fromisoformat(text) if text else None for text in expected]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [("2026-12-31", "2027-02-28"), ("2028-02-28", "2028-02-28"), ("2028-02-29", "2029-02-28")],
)
def test_a_yearly_series_stays_on_its_day_in_leap_years(book: LawBook, asked: str, expected: str) -> None:
    setting = Setting({}, NEW_YORK, book.calendars, date.fromisoformat(asked), FactSet({}))
    (due,) = YEARLY.resolve(setting)
    assert str(due.day) == expected
