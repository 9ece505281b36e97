# SPDX-License-Identifier: Apache-2.0
"""Cases with known answers that travel with the data, and the means to run them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from proofhouse.law.facts import FactSet, Moment, Vocabulary, read_facts, read_moment, read_times

if TYPE_CHECKING:
    from proofhouse.law.book import LawBook


@dataclass(frozen=True)
class Case:
    """Facts, a day, and the answer that must come out."""

    id: str
    why: str
    obligation: str
    as_of: date
    known_at: date | None
    facts: FactSet
    event_given: bool
    times: Mapping[str, Moment]
    result: str
    due: Moment | None
    missing: tuple[str, ...] | None
    path: str


def read_cases(document: Mapping[str, Any], path: str, vocabulary: Vocabulary) -> tuple[Case, ...]:
    """Read one ``golden.yaml`` (already schema-checked).

    Raises:
        FactRefused: a case names a fact that is unknown or has the wrong type.
    """
    cases = []
    for entry in document["cases"]:
        groups = dict(entry["facts"])
        if "event" in entry:
            groups["event"] = entry["event"]
        expect = entry["expect"]
        cases.append(
            Case(
                id=entry["id"],
                why=entry["why"],
                obligation=entry["obligation"],
                as_of=date.fromisoformat(entry["as_of"]),
                known_at=date.fromisoformat(entry["known_at"]) if "known_at" in entry else None,
                facts=read_facts(groups, vocabulary),
                event_given="event" in entry,
                times=read_times(entry.get("times", {}), vocabulary),
                result=expect["result"],
                due=read_moment(f"{entry['id']}.due", expect["due"]) if "due" in expect else None,
                missing=tuple(expect["missing"]) if "missing" in expect else None,
                path=path,
            )
        )
    return tuple(cases)


def run_case(book: LawBook, case: Case) -> list[str]:
    """Run a case.

    Args:
        book: the law book.
        case: the case; a ``due`` given as a day is compared with the day at the recipient.

    Returns:
        What differs from the expected answer; empty when nothing does.
    """
    one = book.assess(
        case.obligation,
        facts=case.facts,
        as_of=case.as_of,
        times=case.times,
        known_at=case.known_at,
        event_given=case.event_given,
    )
    if one is None:
        return [f"{case.id}: {case.obligation} was not known at {case.known_at}"]
    wrong = []
    if one.result.value != case.result:
        wrong.append(f"{case.id}: result {one.result.value}, expected {case.result}")
    if case.due is not None:
        found = None if one.due is None else one.due.at if isinstance(case.due, datetime) else one.due.day
        if found != case.due:
            wrong.append(f"{case.id}: due {found}, expected {case.due}")
    if case.missing is not None and one.missing != case.missing:
        wrong.append(f"{case.id}: asks for {one.missing}, expected {case.missing}")
    return wrong
