# SPDX-License-Identifier: Apache-2.0
"""Time never goes back, and what falls due happens once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine import clock, deadlines, mark
from proofhouse.server.engine.acts import one_transaction
from proofhouse.server.engine.clock import SetClock, now, using, wire
from proofhouse.server.engine.deadlines import cancel_deadline, on_deadline, set_deadline, sweep
from proofhouse.server.engine.models import Deadline, HighWater, LedgerEntry, Letter
from proofhouse.server.engine.record import record
from proofhouse.server.engine.work import tick
from proofhouse.server.reviews import services as reviews
from proofhouse.server.reviews.models import Inquiry, Window
from proofhouse.server.reviews.rules import InquiryState, OutOfOrder
from server.makers import Correspondent, make_inquiry, make_person, make_seal
from server.test_database import at_once, on_postgresql

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)

jumps = st.integers(-(10**12), 10**12).map(lambda us: timedelta(microseconds=us))


@pytest.fixture
def stopped() -> Iterator[SetClock]:
    """A clock that the test sets."""
    set_clock = SetClock(NOON)
    with using(set_clock):
        yield set_clock


@pytest.fixture
def fired(desk: None) -> list[str]:
    """A kind of deadline, `test.due`, that only notes whose case it was."""
    cases: list[str] = []
    on_deadline("test.due")(lambda row: cases.append(row.case))
    return cases


def set_due(case: str, due_at: datetime) -> Deadline:
    with one_transaction("test"):
        return set_deadline("test.due", case, due_at)


def restart(by: SetClock) -> Any:
    """What a new process knows of time: what the database kept."""
    return using(by)


# --- the clock --------------------------------------------------------------------------------------------------------


@given(st.lists(jumps, max_size=30))
def test_now_never_goes_back_however_the_clock_jumps(moves: list[timedelta]) -> None:
    with using(SetClock(NOON)):
        given_out = [now()]
        for move in moves:
            with_clock = clock._clock
            assert isinstance(with_clock, SetClock)
            with_clock.move(move)
            given_out.append(now())
            assert given_out[-1] >= with_clock.read()
        assert given_out == sorted(given_out)


@pytest.mark.django_db
@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(jumps, st.booleans()), min_size=1, max_size=8))
def test_no_act_is_earlier_than_one_before_it_over_jumps_and_restarts(
    story: list[tuple[timedelta, bool]],
) -> None:
    HighWater.objects.all().delete()
    instants: list[datetime] = []
    reading = NOON
    processes: list[list[timedelta]] = [[]]
    for move, starts_anew in story:
        if starts_anew:
            processes.append([])
        processes[-1].append(move)
    for moves in processes:
        with using(SetClock(reading)):
            for move in moves:
                reading += move
                assert isinstance(clock._clock, SetClock)
                clock._clock.move(move)
                with one_transaction("test"):
                    instants.append(now())
    assert instants == sorted(instants)
    assert HighWater.objects.get().at == instants[-1]


@pytest.mark.django_db
def test_an_act_that_fails_leaves_the_persisted_mark_alone(stopped: SetClock) -> None:
    with one_transaction("test"):
        pass
    stopped.move(DAY)
    with pytest.raises(ZeroDivisionError), one_transaction("test"):
        raise ZeroDivisionError
    assert HighWater.objects.get().at == NOON


@pytest.mark.django_db
def test_an_idle_house_keeps_its_mark_by_ticks(stopped: SetClock) -> None:
    tick()
    stopped.move(DAY)
    tick()
    with restart(SetClock(NOON)):
        mark.take_up()
        assert now() == NOON + DAY
        assert clock.behind() == DAY


def test_time_on_the_wire_has_microseconds_and_utc() -> None:
    east = datetime(2026, 12, 1, 13, 0, 0, 7, tzinfo=UTC).astimezone()
    assert wire(east) == "2026-12-01T13:00:00.000007Z"


# --- deadlines --------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_deadline_fires_when_it_is_due_and_only_once(stopped: SetClock, fired: list[str]) -> None:
    set_due("case:1", NOON + DAY)
    assert sweep() == 0
    stopped.move(DAY)
    assert (sweep(), sweep(), fired) == (1, 0, ["case:1"])
    stopped.move(-5 * DAY)
    assert sweep() == 0
    row = Deadline.objects.get()
    assert (row.state, row.settled_at) == (Deadline.State.FIRED, NOON + DAY)


@pytest.mark.django_db
@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(-50, 50), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(-60, 60), st.booleans()), max_size=12),
)
def test_over_jumps_and_restarts_each_deadline_fires_once_and_never_early(
    due_in_hours: list[int], story: list[tuple[int, bool]]
) -> None:
    Deadline.objects.all().delete()
    HighWater.objects.all().delete()
    cases: list[str] = []
    kept = dict(deadlines._HANDLERS)
    deadlines._HANDLERS["test.due"] = lambda row: cases.append(row.case)
    try:
        reading, latest = SetClock(NOON), NOON
        with using(reading):
            for number, hours in enumerate(due_in_hours):
                set_due(f"case:{number}", NOON + timedelta(hours=hours))
        for hours, sweeps_twice in story:
            reading.move(timedelta(hours=hours))
            latest = max(latest, reading.read())
            with using(reading):
                mark.take_up()
                sweep()
                if sweeps_twice:
                    sweep()
                tick()
        expected = {
            f"case:{n}" for n, hours in enumerate(due_in_hours) if NOON + timedelta(hours=hours) <= latest
        }
        assert len(cases) == len(set(cases))
        assert set(cases) == (expected if story else set())
    finally:
        deadlines._HANDLERS.clear()
        deadlines._HANDLERS.update(kept)


@pytest.mark.django_db
def test_a_moved_deadline_fires_at_its_new_time_and_a_cancelled_one_never(
    stopped: SetClock, fired: list[str]
) -> None:
    set_due("case:1", NOON + DAY)
    moved = set_due("case:1", NOON + 3 * DAY)
    assert (moved.version, Deadline.objects.count()) == (2, 1)
    set_due("case:2", NOON + DAY)
    with one_transaction("test"):
        assert cancel_deadline("test.due", "case:2")
        assert not cancel_deadline("test.due", "case:3")
    stopped.move(2 * DAY)
    assert sweep() == 0
    stopped.move(2 * DAY)
    assert (sweep(), fired) == (1, ["case:1"])


@pytest.mark.django_db
def test_what_a_handler_cannot_do_is_undone_noted_and_tried_again_and_stops_no_other(
    house: object, stopped: SetClock, desk: None
) -> None:
    trouble = [True]

    @on_deadline("test.due")
    def follow(row: Deadline) -> None:
        record("window.close", row.case, {})
        if row.case == "case:1" and trouble:
            raise OSError("no disk")

    set_due("case:1", NOON)
    set_due("case:2", NOON)
    assert sweep() == 1
    row = Deadline.objects.get(case="case:1")
    assert (row.state, row.attempts, row.problem) == ("pending", 1, "OSError: no disk")
    assert LedgerEntry.objects.count() == 1
    trouble.clear()
    assert (sweep(), LedgerEntry.objects.count()) == (1, 2)


@pytest.mark.django_db
def test_a_deadline_belongs_to_an_act_and_to_a_handler(stopped: SetClock, fired: list[str]) -> None:
    with pytest.raises(RuntimeError, match="acts only"):
        set_deadline("test.due", "case:1", NOON)
    with pytest.raises(ValueError, match="nothing is registered"), one_transaction("test"):
        set_deadline("test.other", "case:1", NOON)
    with pytest.raises(ValueError, match="handler already"):
        on_deadline("test.due")(lambda row: None)


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_sweepers_that_race_fire_each_deadline_once(fired: list[str]) -> None:
    for number in range(20):
        set_due(f"case:{number}", now())
    assert sum(at_once(*[sweep] * 4)) == 20
    assert sorted(fired) == sorted({f"case:{number}" for number in range(20)})


# --- the window of a review -------------------------------------------------------------------------------------------


@pytest.fixture
def window(lab: Correspondent, stopped: SetClock) -> Window:
    inquiry = make_inquiry(lab.peer, InquiryState.ACCESS_OFFERED)
    seal = make_seal(inquiry.case)
    seal.entry.log_index = 0
    seal.entry.save(update_fields=["log_index"])
    opened: Window = reviews.open_window(actor=make_person(Role.REVIEWER), inquiry=str(inquiry.id), days=30)
    return opened


def closings() -> list[tuple[Any, Any]]:
    return [
        (letter.body["reason"], letter.waits_for) for letter in Letter.objects.filter(type="window-closed")
    ]


@pytest.mark.django_db
def test_a_window_that_runs_out_is_closed_with_no_finding_implied(window: Window, stopped: SetClock) -> None:
    stopped.move(30 * DAY - timedelta(microseconds=1))
    assert sweep() == 0
    stopped.move(timedelta(microseconds=1))
    assert (sweep(), sweep()) == (1, 0)
    window.refresh_from_db()
    assert (window.closed_at, window.inquiry.state) == (NOON + 30 * DAY, InquiryState.CLOSED)
    entry = LedgerEntry.objects.get(kind="window.close")
    assert closings() == [("term-ended", entry)]
    assert set(entry.record) == {"kind", "case", "at", "house", "window", "reason", "by"}


@pytest.mark.django_db
def test_a_clock_set_back_reopens_no_window(window: Window, stopped: SetClock) -> None:
    stopped.move(31 * DAY)
    sweep()
    with restart(SetClock(NOON)):
        assert sweep() == 0
        with pytest.raises(OutOfOrder):
            reviews.open_window(actor=make_person(Role.REVIEWER), inquiry=str(window.inquiry_id), days=30)
    assert Inquiry.objects.get().state == InquiryState.CLOSED


@pytest.mark.django_db
def test_a_window_closed_before_its_end_is_not_closed_again(window: Window, stopped: SetClock) -> None:
    stopped.move(DAY)
    reviews.close_window(actor=make_person(Role.REVIEWER), inquiry=str(window.inquiry_id))
    stopped.move(60 * DAY)
    assert sweep() == 0
    assert [reason for reason, _ in closings()] == ["work-done"]
    assert Deadline.objects.get().state == Deadline.State.CANCELLED
