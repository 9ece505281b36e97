# SPDX-License-Identifier: Apache-2.0
"""The deadline operators, at year ends, leap days and clock changes, and their common properties."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofhouse.law import Due, DueState, FactSet, LawBook, Meaning, OutsideCalendar, Predicate, Truth
from proofhouse.law.counting import Unit, add_months
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
from proofhouse.law.facts import Moment

NEW_YORK = ZoneInfo("America/New_York")
LOS_ANGELES = ZoneInfo("America/Los_Angeles")
BRUSSELS = ZoneInfo("Europe/Brussels")
WORKING_CALENDARS = ("us-federal", "us-ny", "eu-institutions")


def value(amount: object) -> Value:
    return Value(amount, "s. 1", "text")


def relative(amount: int, unit: Unit, calendar: str = "", *, roll: bool = False) -> Relative:
    return Relative(anchor="discovered", amount=value(amount), unit=unit, calendar=calendar, roll=roll)


def moment(text: str) -> Moment:
    return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)


def resolve(
    book: LawBook,
    deadline: Deadline,
    times: Mapping[str, Moment],
    zone: ZoneInfo = NEW_YORK,
    as_of: date = date(2027, 1, 1),
    facts: FactSet | None = None,
) -> tuple[Due, ...]:
    return deadline.resolve(Setting(times, zone, book.calendars, as_of, facts or FactSet({})))


def one(book: LawBook, deadline: Deadline, start: str, zone: ZoneInfo = NEW_YORK) -> Due:
    (due,) = resolve(book, deadline, {"discovered": moment(start)}, zone)
    return due


@pytest.mark.parametrize(
    ("start", "hours", "expected"),
    [
        ("2027-01-05T15:00:00-05:00", 72, "2027-01-08T15:00:00-05:00"),
        ("2027-03-12T10:00:00-05:00", 72, "2027-03-15T11:00:00-04:00"),  # clocks go forward on 14 March
        ("2027-11-06T10:00:00-04:00", 24, "2027-11-07T09:00:00-05:00"),  # clocks go back on 7 November
        ("2027-11-07T01:30:00-04:00", 1, "2027-11-07T01:30:00-05:00"),  # the hour that comes twice
        ("2027-12-31T23:00:00-05:00", 24, "2028-01-01T23:00:00-05:00"),
        ("2028-02-28T12:00:00-05:00", 24, "2028-02-29T12:00:00-05:00"),
        ("2027-02-28T12:00:00-05:00", 24, "2027-03-01T12:00:00-05:00"),
        ("2027-01-09T12:00:00-05:00", 24, "2027-01-10T12:00:00-05:00"),  # a Sunday does not matter
        ("2027-01-05", 24, "2027-01-06T00:00:00-05:00"),  # a day counts from its first moment
        ("2027-03-14", 24, "2027-03-15T01:00:00-04:00"),  # and that day has 23 hours
    ],
)
def test_hours_are_elapsed_time(book: LawBook, start: str, hours: int, expected: str) -> None:
    assert one(book, relative(hours, Unit.HOURS), start).at == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    ("start", "zone", "days", "day", "end"),
    [
        ("2026-11-20T17:00:00-08:00", LOS_ANGELES, 15, "2026-12-05", "2026-12-05T23:59:59-08:00"),
        # ten in the evening in New York is still the same day in Los Angeles
        ("2026-11-20T23:30:00-05:00", LOS_ANGELES, 15, "2026-12-05", "2026-12-05T23:59:59-08:00"),
        # one in the morning in New York is the day before in Los Angeles
        ("2026-11-21T01:00:00-05:00", LOS_ANGELES, 15, "2026-12-05", "2026-12-05T23:59:59-08:00"),
        ("2026-12-20", NEW_YORK, 15, "2027-01-04", "2027-01-04T23:59:59-05:00"),
        ("2028-02-20", NEW_YORK, 10, "2028-03-01", "2028-03-01T23:59:59-05:00"),
        ("2027-02-20", NEW_YORK, 10, "2027-03-02", "2027-03-02T23:59:59-05:00"),
        ("2027-03-07", NEW_YORK, 7, "2027-03-14", "2027-03-14T23:59:59-04:00"),  # last day has 23 hours
        ("2027-10-31", NEW_YORK, 7, "2027-11-07", "2027-11-07T23:59:59-05:00"),  # last day has 25 hours
        ("2027-06-04", NEW_YORK, 30, "2027-07-04", "2027-07-04T23:59:59-04:00"),  # a holiday: never later
    ],
)
def test_calendar_days_end_where_the_recipient_sits(
    book: LawBook, start: str, zone: ZoneInfo, days: int, day: str, end: str
) -> None:
    due = one(book, relative(days, Unit.CALENDAR_DAYS), start, zone)
    assert (str(due.day), due.at) == (day, datetime.fromisoformat(end))


@pytest.mark.parametrize(
    ("start", "days", "calendar", "expected"),
    [
        ("2026-11-25", 4, "us-federal", "2026-12-02"),  # Thanksgiving out, the day after in
        ("2026-11-28", 4, "us-federal", "2026-12-03"),  # a Saturday: Monday is day one
        ("2026-12-30", 4, "us-federal", "2027-01-06"),  # New Year
        ("2027-12-29", 4, "us-federal", "2028-01-05"),  # New Year 2028 is kept on Friday 31 December
        ("2028-02-25", 4, "us-federal", "2028-03-02"),  # over the leap day
        ("2027-03-11", 4, "us-federal", "2027-03-17"),  # over the clock change
        ("2026-12-24", 5, "eu-institutions", "2027-01-04"),  # 25 Dec and 1 Jan are holidays
    ],
)
def test_business_days_follow_the_named_calendar(
    book: LawBook, start: str, days: int, calendar: str, expected: str
) -> None:
    assert str(one(book, relative(days, Unit.BUSINESS_DAYS, calendar), start).day) == expected


@pytest.mark.parametrize(
    ("start", "amount", "unit", "expected"),
    [
        ("2027-01-31", 1, Unit.MONTHS, "2027-02-28"),
        ("2028-01-31", 1, Unit.MONTHS, "2028-02-29"),
        ("2027-12-31", 2, Unit.MONTHS, "2028-02-29"),
        ("2027-11-30", 3, Unit.MONTHS, "2028-02-29"),
        ("2027-10-15", 3, Unit.MONTHS, "2028-01-15"),
        ("2028-02-29", 1, Unit.YEARS, "2029-02-28"),
        ("2028-02-29", 4, Unit.YEARS, "2032-02-29"),
        ("2027-12-31", 1, Unit.YEARS, "2028-12-31"),
        ("2027-12-20", 4, Unit.WEEKS, "2028-01-17"),
        ("2028-02-15", 2, Unit.WEEKS, "2028-02-29"),
        ("2027-03-01", 2, Unit.WEEKS, "2027-03-15"),
    ],
)
def test_months_and_years_are_clamped_to_the_month(
    book: LawBook, start: str, amount: int, unit: Unit, expected: str
) -> None:
    due = one(book, relative(amount, unit), start)
    assert str(due.day) == expected
    assert due.local() is not None
    assert due.local().strftime("%H:%M:%S") == "23:59:59"  # type: ignore[union-attr]


def test_a_roll_happens_only_where_the_record_names_the_regulation(book: LawBook) -> None:
    saturday = "2026-11-28"
    plain = one(book, relative(14, Unit.CALENDAR_DAYS), saturday, BRUSSELS)
    rolled = one(book, relative(14, Unit.CALENDAR_DAYS, "eu-institutions", roll=True), saturday, BRUSSELS)
    assert (str(plain.day), str(rolled.day)) == ("2026-12-12", "2026-12-14")
    christmas = one(
        book, relative(14, Unit.CALENDAR_DAYS, "eu-institutions", roll=True), "2026-12-11", BRUSSELS
    )
    assert str(christmas.day) == "2026-12-28"
    new_year = one(
        book, relative(7, Unit.CALENDAR_DAYS, "eu-institutions", roll=True), "2026-12-25", BRUSSELS
    )
    assert str(new_year.day) == "2027-01-04"


def two(deadline: type[EarliestOf] | type[LatestOf]) -> EarliestOf | LatestOf:
    return deadline(
        options=(
            Relative(anchor="determined", amount=value(72), unit=Unit.HOURS),
            Relative(anchor="reasonable_belief", amount=value(3), unit=Unit.CALENDAR_DAYS),
        )
    )


BOTH = {
    "determined": moment("2027-03-12T10:00:00-05:00"),
    "reasonable_belief": moment("2027-03-12T09:00:00-05:00"),
}


def test_the_earliest_clock_wins_across_a_clock_change(book: LawBook) -> None:
    (due,) = resolve(book, two(EarliestOf), BOTH)
    assert due.at == datetime.fromisoformat("2027-03-15T11:00:00-04:00")
    assert (due.anchor, due.awaiting) == ("determined", ())


def test_an_earliest_clock_without_its_other_anchor_runs_and_says_so(book: LawBook) -> None:
    (due,) = resolve(book, two(EarliestOf), {"reasonable_belief": BOTH["reasonable_belief"]})
    assert (due.state, due.awaiting) == (DueState.DATED, ("determined",))
    assert str(due.day) == "2027-03-15"
    (nothing,) = resolve(book, two(EarliestOf), {})
    assert (nothing.state, nothing.awaiting) == (DueState.AWAITING, ("determined", "reasonable_belief"))


def test_the_latest_clock_waits_for_all_anchors(book: LawBook) -> None:
    (due,) = resolve(book, two(LatestOf), BOTH)
    assert due.at == datetime.fromisoformat("2027-03-15T23:59:59-04:00")
    (waiting,) = resolve(book, two(LatestOf), {"reasonable_belief": BOTH["reasonable_belief"]})
    assert (waiting.state, waiting.awaiting) == (DueState.AWAITING, ("determined",))
    assert waiting.steps == ("not before 2027-03-15",)


@pytest.mark.parametrize(
    ("last", "expected"),
    [("2027-12-31", "2028-03-31"), ("2027-11-30", "2028-02-29"), ("2027-12-12", "2028-03-12")],
)
def test_a_recurring_duty_runs_from_when_it_was_last_done(book: LawBook, last: str, expected: str) -> None:
    deadline = Recurring(every=value(3), unit=Unit.MONTHS, anchor="last_submission")
    (due,) = resolve(book, deadline, {"last_submission": moment(last)})
    assert str(due.day) == expected


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("2027-01-01", "2028-02-29"),
        ("2028-02-29", "2028-02-29"),
        ("2028-03-01", "2029-02-28"),
        ("2031-12-31", "2032-02-29"),
    ],
)
def test_a_series_from_a_first_day_keeps_that_day(book: LawBook, asked: str, expected: str) -> None:
    deadline = Recurring(every=value(1), unit=Unit.YEARS, first=value(date(2028, 2, 29)))
    (due,) = resolve(book, deadline, {}, as_of=date.fromisoformat(asked))
    assert str(due.day) == expected


def test_a_series_ends_with_its_event(book: LawBook) -> None:
    deadline = Recurring(every=value(4), unit=Unit.WEEKS, anchor="last_report", until="resolved")
    last = {"last_report": moment("2027-03-01")}
    (running,) = resolve(book, deadline, {**last, "resolved": moment("2027-03-30")}, BRUSSELS)
    (ended,) = resolve(book, deadline, {**last, "resolved": moment("2027-03-29T10:00:00+02:00")}, BRUSSELS)
    assert (running.state, str(running.day)) == (DueState.DATED, "2027-03-29")
    assert (ended.state, ended.at) == (DueState.ENDED, None)


@pytest.mark.parametrize(
    ("event", "amount", "unit", "calendar", "expected"),
    [
        ("2027-02-01", 10, Unit.BUSINESS_DAYS, "us-ny", "2027-01-15"),  # over Martin Luther King Day
        ("2027-01-04", 2, Unit.BUSINESS_DAYS, "us-ny", "2026-12-30"),  # over New Year
        ("2028-03-02", 2, Unit.BUSINESS_DAYS, "us-ny", "2028-02-29"),
        ("2027-03-16", 2, Unit.BUSINESS_DAYS, "us-ny", "2027-03-12"),  # over the clock change
        ("2028-03-01", 1, Unit.CALENDAR_DAYS, "", "2028-02-29"),
        ("2027-03-31", 1, Unit.MONTHS, "", "2027-02-28"),
    ],
)
def test_a_period_is_counted_back_from_an_event(
    book: LawBook, event: str, amount: int, unit: Unit, calendar: str, expected: str
) -> None:
    deadline = Before(event="aedt_use", amount=value(amount), unit=unit, calendar=calendar)
    (due,) = resolve(book, deadline, {"aedt_use": moment(event)})
    assert str(due.day) == expected


def test_hours_before_an_event_cross_the_clock_change(book: LawBook) -> None:
    deadline = Before(event="aedt_use", amount=value(24), unit=Unit.HOURS)
    (due,) = resolve(book, deadline, {"aedt_use": moment("2027-03-14T12:00:00-04:00")})
    assert due.at == datetime.fromisoformat("2027-03-13T11:00:00-05:00")


@pytest.mark.parametrize("operator", [NoLaterThanEvent, OnEvent])
@pytest.mark.parametrize(
    ("event", "at", "day"),
    [
        ("2027-12-31T22:00:00-05:00", "2027-12-31T22:00:00-05:00", "2027-12-31"),
        ("2028-01-01T01:00:00+00:00", "2027-12-31T20:00:00-05:00", "2027-12-31"),
        ("2028-02-29", "2028-02-29T00:00:00-05:00", "2028-02-29"),
        ("2027-03-15", "2027-03-15T00:00:00-04:00", "2027-03-15"),
    ],
)
def test_an_event_is_its_own_limit_and_a_day_means_its_first_moment(
    book: LawBook, operator: type[OnEvent] | type[NoLaterThanEvent], event: str, at: str, day: str
) -> None:
    (due,) = resolve(book, operator(event="model_deployed"), {"model_deployed": moment(event)})
    assert (due.at, str(due.day)) == (datetime.fromisoformat(at), day)


@pytest.mark.parametrize(
    ("event", "expected"),
    [("2027-01-15", "2026-12-16"), ("2028-03-15", "2028-02-14"), ("2027-04-01", "2027-03-02")],
)
def test_a_window_opens_and_asks_for_nothing(book: LawBook, event: str, expected: str) -> None:
    deadline = Window(event="release_to_other_trusted_partners", amount=value(30))
    (due,) = resolve(book, deadline, {"release_to_other_trusted_partners": moment(event)})
    assert (str(due.day), due.meaning) == (expected, Meaning.OPENS)


@pytest.mark.parametrize("day", ["2027-12-31", "2028-02-29", "2027-03-14"])
def test_a_fixed_date_is_its_last_second(book: LawBook, day: str) -> None:
    (due,) = resolve(book, FixedDate(day=value(date.fromisoformat(day))), {})
    assert due.local() == datetime.fromisoformat(f"{day}T23:59:59").replace(tzinfo=NEW_YORK)


@pytest.mark.parametrize(
    "deadline",
    [Standing(), NoDate(reason="the order sets no date"), ReasonableTime(wording="promptly", anchor="aware")],
)
@pytest.mark.parametrize("at", ["2027-12-31", "2028-02-29", "2027-03-14T02:30:00-05:00"])
def test_words_without_a_number_never_become_a_date(book: LawBook, deadline: Deadline, at: str) -> None:
    (due,) = resolve(book, deadline, {"aware": moment(at)})
    assert (due.state, due.at, due.day) == (DueState.UNDATED, None, None)


def test_a_composite_keeps_every_part(book: LawBook) -> None:
    deadline = Composite(parts=(relative(24, Unit.HOURS), relative(1, Unit.MONTHS), Standing()))
    dues = resolve(book, deadline, {"discovered": moment("2028-01-31T12:00:00-05:00")})
    assert [str(due.day) for due in dues] == ["2028-02-01", "2028-02-29", "None"]


def test_a_conditional_part_is_dropped_only_when_the_condition_is_false(book: LawBook) -> None:
    when = Predicate("org.gives_annual_written_whistleblower_notice", book.vocabulary)
    part = Recurring(every=value(1), unit=Unit.YEARS, anchor="last_notice", when=when)
    times = {"last_notice": moment("2027-01-01")}
    name = "org.gives_annual_written_whistleblower_notice"
    assert resolve(book, part, times, facts=FactSet({name: False})) == ()
    (kept,) = resolve(book, part, times, facts=FactSet({name: True}))
    (open_part,) = resolve(book, part, times)
    assert (kept.condition, open_part.condition) == (Truth.TRUE, Truth.UNKNOWN)
    assert open_part.condition_asks == (name,)
    assert open_part.at == kept.at


def test_a_missing_anchor_keeps_the_clock_and_names_the_question(book: LawBook) -> None:
    counted = [
        relative(24, Unit.HOURS),
        Recurring(every=value(1), unit=Unit.YEARS, anchor="last_review"),
        Before(event="aedt_use", amount=value(10), unit=Unit.BUSINESS_DAYS, calendar="us-ny"),
        Window(event="release_to_other_trusted_partners", amount=value(30)),
        OnEvent(event="consumer_asks"),
        NoLaterThanEvent(event="model_deployed"),
    ]
    for deadline in counted:
        (due,) = resolve(book, deadline, {})
        assert due.state is DueState.AWAITING
        assert due.awaiting == deadline.anchors()
        assert due.at is None


def test_a_count_beyond_the_pinned_calendar_says_so_and_gives_no_date(book: LawBook) -> None:
    (due,) = resolve(book, relative(4, Unit.BUSINESS_DAYS, "us-federal"), {"discovered": date(2032, 12, 30)})
    assert (due.state, due.at) == (DueState.UNCOUNTABLE, None)
    assert "pinned" in due.steps[0]
    with pytest.raises(OutsideCalendar, match="extend it"):
        book.calendars["us-federal"].is_business_day(date(2033, 1, 1))
    unsure = LatestOf(options=(relative(4, Unit.BUSINESS_DAYS, "us-federal"), relative(1, Unit.HOURS)))
    (latest,) = resolve(book, unsure, {"discovered": date(2032, 12, 30)})
    assert latest.state is DueState.UNCOUNTABLE


def test_the_set_of_operators_is_closed() -> None:
    assert set(NAMES.values()) == {
        *("standing", "none", "reasonable_time", "date", "relative", "earliest_of", "latest_of"),
        *("recurring", "before", "no_later_than_event", "on_event", "window", "composite"),
    }


def counted() -> st.SearchStrategy[Deadline]:
    calendars = st.sampled_from(WORKING_CALENDARS)
    amounts = st.integers(1, 120).map(value)
    plain = st.sampled_from([Unit.HOURS, Unit.CALENDAR_DAYS, Unit.WEEKS, Unit.MONTHS, Unit.YEARS])
    small = st.integers(1, 12).map(value)
    leaf = st.one_of(
        st.builds(Relative, anchor=st.just("discovered"), amount=small, unit=plain),
        st.builds(Relative, anchor=st.just("discovered"), amount=amounts, unit=st.just(Unit.HOURS)),
        st.builds(
            Relative,
            anchor=st.just("discovered"),
            amount=small,
            unit=st.just(Unit.BUSINESS_DAYS),
            calendar=calendars,
        ),
        st.builds(
            Relative,
            anchor=st.just("discovered"),
            amount=small,
            unit=st.sampled_from([Unit.CALENDAR_DAYS, Unit.MONTHS]),
            calendar=calendars,
            roll=st.just(True),
        ),
        st.builds(Recurring, every=small, unit=st.just(Unit.MONTHS), anchor=st.just("discovered")),
        st.builds(
            Before,
            event=st.just("discovered"),
            amount=small,
            unit=st.just(Unit.BUSINESS_DAYS),
            calendar=calendars,
        ),
        st.builds(Before, event=st.just("discovered"), amount=small, unit=plain),
        st.builds(NoLaterThanEvent, event=st.just("discovered")),
        st.builds(OnEvent, event=st.just("discovered")),
        st.builds(Window, event=st.just("discovered"), amount=amounts),
        st.builds(FixedDate, day=st.dates(date(2025, 1, 1), date(2028, 12, 31)).map(value)),
    )
    pair = st.lists(leaf, min_size=2, max_size=3).map(tuple)
    return st.one_of(leaf, st.builds(EarliestOf, options=pair), st.builds(LatestOf, options=pair))


ZONES = st.sampled_from([NEW_YORK, LOS_ANGELES, BRUSSELS, ZoneInfo("UTC")])
FIRST = datetime(2025, 2, 1, tzinfo=UTC)
INSTANTS = st.integers(0, 3 * 365 * 86_400).map(lambda seconds: FIRST + timedelta(seconds=seconds))


@given(
    deadline=counted(),
    zone=ZONES,
    start=INSTANTS,
    later=st.timedeltas(timedelta(0), timedelta(days=400)),
    days=st.booleans(),
)
@settings(max_examples=400, deadline=None)
def test_a_later_anchor_never_gives_an_earlier_deadline(
    book: LawBook, deadline: Deadline, zone: ZoneInfo, start: datetime, later: timedelta, days: bool
) -> None:
    anchors: tuple[Moment, Moment] = (start, start + later)
    if days:
        anchors = (start.date(), (start + later).date())
    early, late = (resolve(book, deadline, {"discovered": anchor}, zone)[0] for anchor in anchors)
    assert early.at is not None
    assert late.at is not None
    assert early.at <= late.at


@given(start=INSTANTS, zone=ZONES, days=st.integers(1, 400))
@settings(max_examples=200, deadline=None)
def test_a_day_alone_never_gives_a_later_deadline_than_an_instant_in_it(
    book: LawBook, start: datetime, zone: ZoneInfo, days: int
) -> None:
    whole = start.astimezone(zone).date()
    for unit in (Unit.HOURS, Unit.CALENDAR_DAYS):
        exact, coarse = (
            resolve(book, relative(days, unit), {"discovered": anchor}, zone)[0].at
            for anchor in (start, whole)
        )
        assert exact is not None
        assert coarse is not None
        assert coarse <= exact


@given(day=st.dates(date(2000, 1, 1), date(2099, 12, 31)), months=st.integers(-240, 240))
def test_adding_months_keeps_the_day_or_ends_the_month(day: date, months: int) -> None:
    found = add_months(day, months)
    assert (found.year * 12 + found.month) - (day.year * 12 + day.month) == months
    assert found.day == day.day or (found + timedelta(days=1)).day == 1
