# SPDX-License-Identifier: Apache-2.0
"""States and bounds of reviews and cases: total, closed, and only by the table."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofhouse.server.cases import rules as cases
from proofhouse.server.cases.rules import CaseState, EmbargoState, step_case, step_embargo
from proofhouse.server.reviews import rules as reviews
from proofhouse.server.reviews.rules import InquiryState, Label, label_for, step, window_end

INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds


@given(
    opens_at=INSTANTS,
    days=st.integers(-5, 60),
    ahead=st.timedeltas(-timedelta(days=5), timedelta(days=60)),
)
def test_a_window_is_never_longer_than_30_days_nor_past_the_planned_release(
    opens_at: datetime, days: int, ahead: timedelta
) -> None:
    release = opens_at + ahead
    try:
        closes_at = window_end(opens_at, days, release)
    except ValueError:
        assert not 1 <= days <= 30 or release <= opens_at
        return
    assert opens_at < closes_at <= opens_at + timedelta(days=30)
    assert closes_at <= release
    assert closes_at <= opens_at + timedelta(days=days)


@given(
    opens_at=INSTANTS, days=st.integers(1, 30), ahead=st.timedeltas(timedelta(days=30), timedelta(days=900))
)
def test_a_window_far_from_the_release_has_the_length_that_was_asked_for(
    opens_at: datetime, days: int, ahead: timedelta
) -> None:
    assert window_end(opens_at, days, opens_at + ahead) == opens_at + timedelta(days=days)


@given(
    opens_at=INSTANTS,
    days=st.integers(1, 29),
    ahead=st.timedeltas(timedelta(microseconds=1), timedelta(days=60)),
)
def test_asking_for_a_longer_window_never_gives_a_shorter_one(
    opens_at: datetime, days: int, ahead: timedelta
) -> None:
    release = opens_at + ahead
    assert window_end(opens_at, days, release) <= window_end(opens_at, days + 1, release)


MACHINES: dict[str, tuple[Any, Any, Any, Any]] = {
    "review": (InquiryState, reviews.TRANSITIONS, step, reviews.OutOfOrder),
    "case": (CaseState, cases.CASE_TRANSITIONS, step_case, cases.OutOfOrder),
    "embargo": (EmbargoState, cases.EMBARGO_TRANSITIONS, step_embargo, cases.OutOfOrder),
}


@pytest.mark.parametrize("machine", MACHINES)
def test_a_state_changes_only_by_the_table(machine: str) -> None:
    states, table, advance, refused = MACHINES[machine]
    assert set(table) == set(states), "every state is decided about"
    for current in states:
        for wanted in states:
            if wanted in table[current]:
                assert advance(current, wanted) is wanted
            else:
                with pytest.raises(refused, match=wanted.value) as said:
                    advance(current, wanted)
                assert said.value.code == "out_of_order"


def reachable(table: Mapping[Any, frozenset[Any]], start: StrEnum) -> set[StrEnum]:
    found, fresh = {start}, {start}
    while fresh:
        fresh = set().union(*(table[state] for state in fresh)) - found
        found |= fresh
    return found


def test_every_state_can_be_reached_and_every_open_review_may_be_withdrawn() -> None:
    assert reachable(reviews.TRANSITIONS, InquiryState.INQUIRED) == set(InquiryState)
    for state in set(InquiryState) - {InquiryState.CLOSED, InquiryState.WITHDRAWN}:
        assert {InquiryState.WITHDRAWN, InquiryState.CLOSED} <= reviews.TRANSITIONS[state]


def test_a_review_that_is_over_stays_over() -> None:
    assert reviews.TRANSITIONS[InquiryState.CLOSED] == frozenset()
    assert reviews.TRANSITIONS[InquiryState.WITHDRAWN] == frozenset()


def test_no_advisory_before_a_fix_was_proved() -> None:
    assert [state for state in CaseState if CaseState.PUBLISHED in cases.CASE_TRANSITIONS[state]] == [
        CaseState.FIX_PROVED
    ]


def test_an_embargo_that_ended_does_not_begin_again() -> None:
    assert reachable(cases.EMBARGO_TRANSITIONS, EmbargoState.EXITED) == {EmbargoState.EXITED}


def test_each_verdict_gives_one_label_and_unknown_never_shows_as_no() -> None:
    given_labels = {verdict: label_for(verdict) for verdict in ("exceeds", "below", "inconclusive")}
    assert set(given_labels.values()) == set(Label)
    assert given_labels["inconclusive"] is Label.UNDETERMINED


@given(st.text().filter(lambda word: word not in {"exceeds", "below", "inconclusive"}))
def test_what_is_no_verdict_gives_no_label(word: str) -> None:
    with pytest.raises(ValueError, match="is not a verdict"):
        label_for(word)
