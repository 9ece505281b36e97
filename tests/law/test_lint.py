# SPDX-License-Identifier: Apache-2.0
"""Every rule of the linter finds what it is there for."""

import copy
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from proofhouse.law import LawBook
from proofhouse.law.linting import Severity, lint
from proofhouse.law.reading import Documents

TODAY = date(2026, 11, 24)
VERSION = "us-ny/raise/v2026-03-27.yaml"
INSTRUMENT = "us-ny/raise/instrument.yaml"
SOURCES = "us-ny/raise/sources.yaml"
Change = Callable[[Any], object]


def findings(documents: Documents, path: str, change: Change, today: date = TODAY) -> set[tuple[str, str]]:
    fresh = dict(documents)
    fresh[path] = copy.deepcopy(documents[path])
    change(fresh[path])
    return {(one.rule, one.severity.value) for one in lint(LawBook.from_documents(fresh), today)}


def incident(version: Any) -> Any:
    return next(one for one in version["obligations"] if one["id"] == "us-ny-raise-incident")


@pytest.mark.parametrize(
    ("rule", "path", "change"),
    [
        ("phantom-locator", VERSION, lambda v: incident(v).update(citation="N.Y. Gen. Bus. Law 9999")),
        ("phantom-source", VERSION, lambda v: v["obligations"][0].update(source="nowhere")),
        ("idle-locator", SOURCES, lambda s: s["sources"][0]["locators"].append("N.Y. Gen. Bus. Law 9999")),
        ("unfixed-text", SOURCES, lambda s: s["sources"][0].pop("sha256")),
        ("grade", SOURCES, lambda s: s["sources"][0].update(grade="secondary")),
        ("wording", VERSION, lambda v: incident(v).update(notes="Then you are compliant.")),
        (
            "idle-term",
            VERSION,
            lambda v: v["values"].update(spare={"value": 1, "unit": "x", "locator": "s. 1 x"}),
        ),
        ("history", VERSION, lambda v: v["valid"].update({"from": "2026-03-28"})),
        ("history", INSTRUMENT, lambda i: i["events"].pop(1)),
        ("history", INSTRUMENT, lambda i: i["events"].pop(2)),
        ("history", INSTRUMENT, lambda i: i["events"].pop(3)),
        ("history", INSTRUMENT, lambda i: i["events"][0].update(versions=["2020-01-01"])),
        ("history", INSTRUMENT, lambda i: i["events"][3].update(obligations=["us-ny-raise-nothing"])),
        ("knowledge", VERSION, lambda v: v["known"].update({"from": "2026-11-25"})),
        (
            "calendar",
            "calendars/us-ny.yaml",
            lambda c: c["holidays"].append({"day": "2040-01-01", "name": "x"}),
        ),
        ("vocabulary", "facts.yaml", lambda f: f["times"].update(never="When did nothing happen?")),
        (
            "vocabulary",
            "facts.yaml",
            lambda f: f["facts"].update({"org.idle": {"type": "bool", "ask": "Idle?"}}),
        ),
        ("watch", "watch.yaml", lambda w: w["watch"][0].update(affects=["us-xx-none"])),
        (
            "gap-closed",
            "gaps.yaml",
            lambda g: g["gaps"].append({"record": "eu-cra", "gap": "overdue", "since": "2026-11-23"}),
        ),
        ("golden", "us-ny/raise/golden.yaml", lambda g: g["cases"][0]["expect"].update(result="applies")),
    ],
)
def test_a_broken_rule_is_an_error(documents: Documents, rule: str, path: str, change: Change) -> None:
    assert (rule, "error") in findings(documents, path, change)


def test_a_binding_record_nobody_read_holds_back_a_release_unless_listed(documents: Documents) -> None:
    assert ("background", "release") in findings(documents, "gaps.yaml", lambda gaps: gaps["gaps"].pop(0))


def test_an_overdue_recheck_holds_back_a_release(documents: Documents) -> None:
    book = LawBook.from_documents(documents)
    assert not [one for one in lint(book, date(2026, 12, 1)) if one.rule == "overdue"]
    overdue = [one for one in lint(book, date(2026, 12, 2)) if one.rule == "overdue"]
    assert [one.severity for one in overdue] == [Severity.RELEASE]
    assert "us-circia" in overdue[0].message


def test_two_versions_may_not_answer_for_the_same_time(documents: Documents) -> None:
    rules = findings(documents, "us-ny/raise/v2025-12-19.yaml", lambda v: v["valid"].update(to=None))
    assert ("history", "error") in rules


def test_a_calendar_that_runs_out_holds_back_a_release(documents: Documents) -> None:
    book = LawBook.from_documents(documents)
    late = {one.place for one in lint(book, date(2031, 6, 1)) if one.rule == "calendar"}
    assert late == {f"calendars/{name}.yaml" for name in book.calendars}
