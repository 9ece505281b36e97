# SPDX-License-Identifier: Apache-2.0
"""The cases that travel with the data, and the tables that hold it from outside."""

import dataclasses
from collections.abc import Callable, Iterator
from datetime import date

import pytest

from law import suite
from proofhouse.law import LawBook
from proofhouse.law.golden import run_case

RESEARCH = {f"g{number:02d}" for number in range(1, 23)}


def test_all_22_research_cases_are_there_and_every_instrument_has_its_own(book: LawBook) -> None:
    assert {case.id for case in book.cases} >= RESEARCH
    folders = {case.path.rsplit("/", 1)[0] for case in book.cases}
    assert folders == {instrument.folder for instrument in book.instruments.values()}


def test_every_golden_case_comes_out_as_expected(book: LawBook) -> None:
    assert [wrong for case in book.cases for wrong in run_case(book, case)] == []


@pytest.mark.parametrize("check", suite.SUITE, ids=lambda check: check.__name__)
def test_the_tables_hold(book: LawBook, check: Callable[[LawBook], Iterator[str]]) -> None:
    assert list(check(book)) == []


def test_no_counted_clock_is_without_an_expectation(book: LawBook) -> None:
    assert list(suite.every_counted_clock_is_expected(book)) == []


def test_a_case_with_a_wrong_expectation_says_what_differs(book: LawBook) -> None:
    case = next(case for case in book.cases if case.id == "g03")
    for change, reason in (
        ({"result": "unknown"}, "result applies, expected unknown"),
        ({"due": date(2027, 1, 9)}, "due 2027-01-08, expected 2027-01-09"),
        ({"missing": ("org.nexus",)}, "asks for"),
        ({"known_at": date(2026, 1, 1)}, "was not known"),
    ):
        (wrong,) = run_case(book, dataclasses.replace(case, **change))
        assert reason in wrong
