# SPDX-License-Identifier: Apache-2.0
"""What the data must hold: nothing lost, grades honest, status derived, every value with its place."""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import Any

import holidays
import pytest

from law.expectations import STARTS
from proofhouse.law import Grade, LawBook, Standing
from proofhouse.law.deadlines import Deadline
from proofhouse.law.linting import lint
from proofhouse.law.model import PrivateAction
from proofhouse.law.reading import Documents

FIRST_EDITION = date(2026, 11, 23)
SECOND_EDITION = date(2026, 11, 24)
GAP_CEILING = 28
"""Records that nobody had read on 2026-11-24; lower it with every one that is read, never raise it."""
HISTORIC = {"us-co-sb205-developer-care", "us-co-sb205-ag-disclosure", "us-co-sb205-deployer-care"}
INSTRUMENTS = {
    *("us-ca-sb53", "us-ny-raise", "us-il-sb315", "us-ct-sb5", "us-ca-ab2013", "us-ca-sb942", "us-ca-sb243"),
    *("us-ca-ccpa-admt", "us-co-sb26-189", "us-tx-traiga", "us-ut-ai", "us-il-hb3773", "us-nyc-ll144"),
    *("us-ny-companion", "us-ny-synthetic-performer", "us-wa-hb2225", "us-wa-hb1170", "us-or-sb1546"),
    *("us-id-s1297", "us-me-chatbot", "us-eo14409", "us-sec-8k", "us-circia", "us-dfars-7012"),
    *("us-takeitdown", "us-nydfs-500", "eu-ai-act", "eu-gpai-cop", "eu-cra", "eu-gdpr"),
}
NEXT_CHECKS = {"us-ca-sb53": date(2027, 1, 5), "us-circia": date(2026, 12, 1)}
"""Instruments that are not re-checked on 15 December 2026."""
VOLUNTARY = {"us-eo14409", "eu-gpai-cop"}
CIVIL_RIGHTS = {
    *("us-il-hb3773", "us-nyc-ll144", "us-tx-traiga", "us-co-sb26-189", "us-co-sb24-205", "us-ct-sb5"),
    *("us-ca-ccpa-admt", "eu-ai-act", "eu-gpai-cop"),
}


def test_all_95_obligations_of_the_research_record_are_there(book: LawBook) -> None:
    assert len(STARTS) == 95
    assert set(book.obligation_ids) == set(STARTS) | HISTORIC


def test_all_30_instruments_and_the_superseded_one_are_there(book: LawBook) -> None:
    assert len(INSTRUMENTS) == 30
    assert set(book.instruments) == INSTRUMENTS | {"us-co-sb24-205"}


def test_all_10_watch_items_are_there(book: LawBook) -> None:
    assert len(book.watch) == 10


def test_grades_are_those_of_the_research_record(book: LawBook) -> None:
    grades: Counter[Grade] = Counter()
    for name in STARTS:
        entry = book.entry(name, date(2027, 6, 1))
        assert entry is not None
        grades[entry.obligation.grade] += 1
    assert grades == {
        Grade.PRIMARY_READ: 35,
        Grade.PRIMARY_EXCERPT: 3,
        Grade.SECONDARY: 37,
        Grade.BACKGROUND: 20,
    }


def test_the_gap_list_only_shrinks(book: LawBook) -> None:
    assert len(book.gaps) <= GAP_CEILING
    assert {gap.since for gap in book.gaps} <= {FIRST_EDITION}


def test_the_linter_finds_nothing_on_the_day_of_the_edition(book: LawBook) -> None:
    assert lint(book, book.edition.compiled_on) == ()


def test_status_is_derived_and_agrees_with_the_research_record(book: LawBook) -> None:
    counts: Counter[Standing] = Counter()
    for name in STARTS:
        entry = book.entry(name, FIRST_EDITION)
        assert entry is not None
        one = book.assess(name, facts=_none(), as_of=FIRST_EDITION)
        assert one is not None
        counts[one.standing] += 1
    late = {Standing.NOT_YET_EFFECTIVE, Standing.NOT_YET_LAW}
    assert counts[Standing.IN_FORCE] == 49
    assert sum(counts[standing] for standing in late) == 36
    assert counts[Standing.VOLUNTARY] == 8
    assert counts[Standing.PROPOSED] == 2


def _none() -> Any:
    from proofhouse.law import FactSet

    return FactSet({})


def test_no_file_types_a_status(documents: Documents) -> None:
    assert not [
        path for path, document in documents.items() if _has_key(document, "status") and path != "watch.yaml"
    ]


def _has_key(value: Any, key: str) -> bool:
    if isinstance(value, dict):
        return key in value or any(_has_key(child, key) for child in value.values())
    return isinstance(value, list) and any(_has_key(child, key) for child in value)


def test_every_number_and_day_of_an_obligation_has_a_locator(book: LawBook, documents: Documents) -> None:
    bare = [
        f"{path}: {place}"
        for path, document in documents.items()
        if path.rsplit("/", 1)[-1].startswith("v") and "/" in path
        for place in _bare_numbers(document["obligations"], "obligations")
    ]
    assert bare == []
    for deadline in _deadlines(book):
        assert all(value.locator and value.source for _, value in deadline.values())


def _bare_numbers(value: Any, place: str, located: bool = False) -> Iterator[str]:
    if isinstance(value, dict):
        here = located or "locator" in value
        for key, child in value.items():
            yield from _bare_numbers(child, f"{place}/{key}", here)
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _bare_numbers(child, f"{place}/{index}", located)
    elif isinstance(value, (int, float)) and not isinstance(value, bool) and not located:
        yield place


def _deadlines(book: LawBook) -> Iterator[Deadline]:
    for instrument in book.instruments.values():
        for version in instrument.versions:
            for obligation in version.obligations.values():
                yield obligation.deadline


def test_expressions_hold_no_numbers_of_their_own(documents: Documents) -> None:
    import re

    for path, document in documents.items():
        if "obligations" in document:
            texts = [
                one[key]
                for one in document["obligations"]
                for key in ("applies_when", "trigger_when")
                if key in one
            ]
            texts += [one["expr"] for one in document.get("definitions", {}).values()]
            bare = [re.sub(r'"[^"]*"|\w*[a-z_]\w*', "", text) for text in texts]
            assert not [text for text in bare if re.search(r"\d", text)], path


def test_private_action_and_enforcers_are_stated_for_every_instrument(book: LawBook) -> None:
    for instrument in book.instruments.values():
        bound = instrument.binding and instrument.id not in {"us-circia"}
        sued = instrument.private_action in {PrivateAction.YES, PrivateAction.NONE}
        assert instrument.enforcers or sued or not bound, instrument.id
    assert {name for name, one in book.instruments.items() if not one.binding} == VOLUNTARY
    assert {name for name, one in book.instruments.items() if one.civil_rights} == CIVIL_RIGHTS


def test_federal_equivalence_is_wider_in_illinois_and_nothing_is_designated(book: LawBook) -> None:
    scopes = {name: one.equivalence.scope for name, one in book.instruments.items()}
    assert scopes["us-ca-sb53"] == scopes["us-ny-raise"] == "incident_duty"
    assert scopes["us-il-sb315"] == "whole_act"
    assert not any(one.equivalence.designated for one in book.instruments.values())


def test_dates_of_reading_and_re_checking_are_the_recorded_ones(book: LawBook) -> None:
    for instrument in book.instruments.values():
        assert instrument.next_check == NEXT_CHECKS.get(instrument.id, date(2026, 12, 15)), instrument.id
        for source in instrument.sources.values():
            late = source.reader == "law engine migration"
            assert source.retrieved_on == (SECOND_EDITION if late else FIRST_EDITION), source
        for version in instrument.versions:
            late = version.valid.end is not None
            assert version.known.start == (SECOND_EDITION if late else FIRST_EDITION), version.path
            assert version.known.end is None
        for event in instrument.events:
            late = bool(event.versions) or instrument.id == "us-co-sb24-205"
            assert event.known.start == (SECOND_EDITION if late else FIRST_EDITION), event
            assert event.known.end is None


def test_edition_and_horizon_are_the_recorded_ones(book: LawBook) -> None:
    assert book.edition.days == (FIRST_EDITION, SECOND_EDITION)
    assert book.edition.horizon_statutes == date(2026, 8, 21)
    assert book.edition.horizon_secondary == date(2026, 10, 5)


def _library(name: str) -> dict[date, str]:
    years = range(2024, 2033)
    if name == "us-federal":
        return dict(holidays.country_holidays("US", years=years))
    if name == "us-ny":
        found = dict(holidays.country_holidays("US", subdiv="NY", years=years))
        return {day: text for day, text in found.items() if text != "Susan B. Anthony Day"}
    return dict(holidays.financial_holidays("XECB", years=years))


@pytest.mark.parametrize("name", ["us-federal", "us-ny", "eu-institutions"])
def test_pinned_holidays_agree_with_an_independent_calendar(book: LawBook, name: str) -> None:
    calendar = book.calendars[name]
    expected = {day for day in _library(name) if 2024 <= day.year <= 2032}
    assert set(calendar.holidays) == expected
    assert (calendar.first, calendar.last) == (date(2024, 1, 1), date(2032, 12, 31))
    assert calendar.weekend == {6, 7}


def test_the_day_after_thanksgiving_is_a_federal_business_day(book: LawBook) -> None:
    assert book.calendars["us-federal"].is_business_day(date(2026, 11, 27))
    assert not book.calendars["us-federal"].is_business_day(date(2026, 11, 26))
