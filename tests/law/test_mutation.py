# SPDX-License-Identifier: Apache-2.0
"""Change every number and date of the law, one at a time: some check must notice.

Not mutated: numbers inside prose and citations, digests, and the golden cases, which are checks themselves.
"""

import copy
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from law import suite
from law.test_data import (
    FIRST_EDITION,
    SECOND_EDITION,
    test_dates_of_reading_and_re_checking_are_the_recorded_ones,
    test_edition_and_horizon_are_the_recorded_ones,
    test_pinned_holidays_agree_with_an_independent_calendar,
    test_the_gap_list_only_shrinks,
)
from proofhouse.law import FactRefused, LawBook, LawMalformed
from proofhouse.law.reading import Document, Documents

Place = tuple[str | int, ...]
SHARED = ("edition.yaml", "facts.yaml", "watch.yaml", "gaps.yaml")
KILLED_AT_LEAST = 0.95


def leaves(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Yield every number and every whole-string date with its place."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield from leaves(child, (*place, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from leaves(child, (*place, index))
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield place, value
    elif isinstance(value, str) and len(value) == 10 and value[4:5] == "-" and value[:4].isdigit():
        yield place, date.fromisoformat(value)


def mutants_of(value: Any) -> list[Any]:
    """Return the nearest other values."""
    if isinstance(value, date):
        return [str(value + timedelta(days=step)) for step in (-1, 1)]
    if isinstance(value, float):
        return [value * 0.999, value * 1.001]
    return [value - 1, value + 1]


def put(document: Document, place: Place, value: Any) -> Document:
    """Return a copy of a document with one value changed."""
    fresh = copy.deepcopy(document)
    at: Any = fresh
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = value
    return fresh


def scope_of(path: str, documents: Documents) -> list[str]:
    """Return the files that are needed to judge a change in one file."""
    calendars = [name for name in documents if name.startswith("calendars/")]
    if "/" not in path or path.startswith("calendars/"):
        return list(documents)
    folder = path.rsplit("/", 1)[0]
    return [*SHARED, *calendars, *(name for name in documents if name.rsplit("/", 1)[0] == folder)]


def noticed(path: str, documents: Documents) -> str | None:
    """Return what notices that the documents are wrong, or None."""
    try:
        book = LawBook.from_documents(documents)
    except (LawMalformed, FactRefused, ValueError) as error:
        return f"refused: {error}"
    first = next(suite.failures(book), None) if not path.startswith("calendars/") else None
    if first is not None:
        return first
    checks: list[Any] = [
        test_dates_of_reading_and_re_checking_are_the_recorded_ones,
        test_edition_and_horizon_are_the_recorded_ones,
        test_the_gap_list_only_shrinks,
    ]
    try:
        for check in checks:
            check(book)
        if path.startswith("calendars/"):
            name = path.removeprefix("calendars/").removesuffix(".yaml")
            test_pinned_holidays_agree_with_an_independent_calendar(book, name)
            pinned_on = documents[path]["pinned_on"]
            assert date.fromisoformat(pinned_on) == SECOND_EDITION
    except AssertionError as error:
        return f"assertion: {error}"
    return None


def kill(documents: Documents, paths: list[str]) -> tuple[int, list[str]]:
    """Mutate the files at some paths.

    Returns:
        How many mutants were made, and those that nothing noticed.
    """
    made = 0
    survivors: list[str] = []
    for path in paths:
        scope = {name: documents[name] for name in scope_of(path, documents)}
        for place, value in leaves(documents[path]):
            for mutant in mutants_of(value):
                made += 1
                changed = {**scope, path: put(documents[path], place, mutant)}
                if noticed(path, changed) is None:
                    survivors.append(f"{path} {'/'.join(map(str, place))}: {value} -> {mutant}")
    return made, survivors


def law_files(documents: Documents) -> list[str]:
    return [path for path in documents if not path.endswith("golden.yaml") and path != "facts.yaml"]


def test_the_unchanged_data_is_noticed_by_nothing(documents: Documents) -> None:
    assert noticed("edition.yaml", documents) is None
    assert FIRST_EDITION < SECOND_EDITION


def test_every_changed_number_of_the_three_frontier_statutes_is_noticed(documents: Documents) -> None:
    """The quick half: thresholds, amounts and starts of SB 53, RAISE and SB 315."""
    survivors: list[str] = []
    made = 0
    for path in (
        "us-ca/sb-53/v2025-09-29.yaml",
        "us-ny/raise/v2026-03-27.yaml",
        "us-il/sb-315/v2026-07-06.yaml",
    ):
        scope = {name: documents[name] for name in scope_of(path, documents)}
        for place, value in leaves({"values": documents[path]["values"]}):
            mutant = mutants_of(value)[1]
            made += 1
            if noticed(path, {**scope, path: put(documents[path], place, mutant)}) is None:
                survivors.append(f"{path} {place}")
        for index, obligation in enumerate(documents[path]["obligations"]):
            for place, value in leaves(obligation["deadline"], ("obligations", index, "deadline")):
                made += 1
                if noticed(path, {**scope, path: put(documents[path], place, mutants_of(value)[0])}) is None:
                    survivors.append(f"{path} {place}")
    assert made > 30
    assert survivors == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_changing_any_number_or_date_of_the_law_is_noticed(documents: Documents) -> None:
    made, survivors = kill(documents, law_files(documents))
    sys.stdout.write(
        f"{made} mutants, {len(survivors)} survivors\n" + "".join(f"{one}\n" for one in survivors)
    )
    assert made > 1_000
    assert (made - len(survivors)) / made >= KILLED_AT_LEAST, survivors
