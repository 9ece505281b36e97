# SPDX-License-Identifier: Apache-2.0
"""Contributed files are bounded, and wrong ones are refused with the place named."""

import copy
from importlib import resources
from pathlib import Path
from typing import Any

import holidays
import pytest

from proofhouse.law import FactRefused, Incident, LawBook, LawMalformed, LawUnavailable, Profile
from proofhouse.law.places import COUNTRIES, UNION, US_PARTS, read_places
from proofhouse.law.reading import MAX_FILE_BYTES, Documents, law_directory, parse, read_directory


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"a: 1\na: 2\n", "occurs twice"),
        (b"a: &x [1]\nb: *x\n", "alias"),
        (b"- 1\n", "one map"),
        (b"a: [1\n", "not readable"),
        (b"a: !!python/object/apply:os.system [x]\n", "not readable"),
        (b"a: \xff\xfe\n", "not readable"),
        (b"a: " + b"[" * 40 + b"]" * 40, "deeper"),
        (b"a: [" + b"1," * 30_000 + b"1]", "more than"),
        (b"#" * (MAX_FILE_BYTES + 1), "larger than"),
    ],
)
def test_an_unbounded_or_unsafe_file_is_refused(text: bytes, reason: str) -> None:
    with pytest.raises(LawMalformed, match=reason):
        parse(text, "x.yaml")


def test_dates_stay_text() -> None:
    assert parse(b"day: 2027-01-05\n", "x.yaml") == {"day": "2027-01-05"}


def test_a_directory_without_an_edition_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LawUnavailable, match="--law DIR"):
        law_directory(tmp_path)


def test_the_checkout_is_found_without_being_named() -> None:
    assert LawBook.load().obligation_ids


def test_a_stray_file_is_refused(documents: Documents) -> None:
    with pytest.raises(LawMalformed, match="no file of this name"):
        LawBook.from_documents({**documents, "us-ny/raise/notes.yaml": {}})


@pytest.mark.parametrize("name", ["edition.yaml", "facts.yaml", "watch.yaml", "gaps.yaml"])
def test_a_missing_shared_file_is_refused(documents: Documents, name: str) -> None:
    with pytest.raises(LawMalformed, match="is missing"):
        LawBook.from_documents({path: document for path, document in documents.items() if path != name})


def first(document: Any) -> Any:
    return document["obligations"][0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d: first(d).update(applies_when="import os"), "cannot use"),
        (lambda d: first(d).update(applies_when="d.nobody"), "no definition"),
        (lambda d: first(d).update(trigger="moonrise"), "not in facts.yaml"),
        (lambda d: first(d).update(code="print(1)"), "code"),
        (lambda d: first(d).update(deadline={"type": "sometime"}), "deadline"),
        (lambda d: first(d).update(deadline={"type": "on_event", "event": "moonrise"}), "moonrise"),
        (lambda d: first(d)["recipients"][0].update(zone="Mars/Olympus"), "no time zone"),
        (
            lambda d: first(d)["effective"].update({"from": {"value": "2027-02-30", "locator": "s. 1"}}),
            "calendar",
        ),
        (lambda d: first(d).update(deadline=counted("business_days")), "named calendar"),
        (lambda d: first(d).update(deadline={**counted("business_days"), "calendar": "mars"}), "no calendar"),
        (
            lambda d: first(d).update(
                deadline={**counted("hours"), "roll": "eu-1182-71", "calendar": "us-ny"}
            ),
            "roll",
        ),
        (lambda d: first(d).update(deadline=series()), "either an anchor or a first day"),
        (lambda d: first(d).update(deadline=many()), "more than 24"),
        (lambda d: d["obligations"].append(first(d)), "occurs twice"),
        (lambda d: d.update(of="us-ca-sb53"), "lies in the folder"),
        (lambda d: d["valid"].update(to="2020-01-01"), "ends on or before"),
    ],
)
def test_a_wrong_version_file_is_refused_with_its_name(
    documents: Documents, change: Any, reason: str
) -> None:
    path = "us-ny/raise/v2026-03-27.yaml"
    fresh = {**documents, path: copy.deepcopy(documents[path])}
    change(fresh[path])
    with pytest.raises(LawMalformed, match=reason) as refused:
        LawBook.from_documents(fresh)
    assert refused.value.path == path


def counted(unit: str) -> dict[str, Any]:
    return {"type": "relative", "from": "discovered", "amount": {"value": 3, "locator": "s. 1"}, "unit": unit}


def series() -> dict[str, Any]:
    return {"type": "recurring", "every": {"value": 3, "locator": "s. 1"}, "unit": "months"}


def many() -> dict[str, Any]:
    inner = {"type": "composite", "parts": [counted("hours")] * 5}
    return {"type": "composite", "parts": [inner] * 5}


@pytest.mark.parametrize(
    ("record", "field"),
    [
        ({"org": {"rolles": []}}, "org.rolles"),
        ({"org": {"roles": ["ai_devloper"]}}, "org.roles"),
        ({"org": {"roles": "ai_developer"}}, "org.roles"),
        ({"org": {"nexus": ["California"]}}, "org.nexus"),
        ({"org": {"trained_or_initiated_training": "yes"}}, "org.trained_or_initiated_training"),
        ({"model": {"training_ops": "2e26"}}, "model.training_ops"),
        ({"model": {"training_ops": -1}}, "model.training_ops"),
        ({"model": {"training_ops": float("nan")}}, "model.training_ops"),
        ({"model": {"training_ops": True}}, "model.training_ops"),
        ({"system": {"monthly_users": 1.5}}, "system.monthly_users"),
        ({"system": {"monthly_users": 2**63}}, "system.monthly_users"),
        ({"planet": {}}, "planet"),
        ({"org": []}, "org"),
        ({"event": {"death": True}}, "event"),
        ({"times": {"moonrise": "2027-01-01"}}, "times.moonrise"),
        ({"times": {"discovered": "2027-01-01T10:00:00"}}, "times.discovered"),
        ({"times": {"discovered": "yesterday"}}, "times.discovered"),
        ({"times": {"discovered": "0001-01-01"}}, "times.discovered"),
        ({"times": {"discovered": 7}}, "times.discovered"),
        ({"times": []}, "times"),
        ({"sources": {"org.rolles": "x"}}, "sources.org.rolles"),
        ({"sources": []}, "sources"),
    ],
)
def test_a_wrong_fact_is_refused_with_its_field(book: LawBook, record: dict[str, Any], field: str) -> None:
    with pytest.raises(FactRefused) as refused:
        Profile.from_mapping(record, book.vocabulary)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("record", "field"),
    [
        ({"kinds": ["standing"]}, "kinds.standing"),
        ({"kinds": {"cyber_incident": "yes"}}, "kinds.cyber_incident"),
        ({"kinds": 3}, "kinds"),
        ({"event": {"primary_purpose": "fun"}}, "event.primary_purpose"),
        ({"org": {}}, "org"),
    ],
)
def test_a_wrong_incident_is_refused_with_its_field(
    book: LawBook, record: dict[str, Any], field: str
) -> None:
    with pytest.raises(FactRefused) as refused:
        Incident.from_mapping(record, book.vocabulary)
    assert refused.value.field == field


def test_null_means_unknown_and_places_lie_in_places(book: LawBook) -> None:
    profile = Profile.from_mapping(
        {"org": {"nexus": ["US-NY-NYC", "DE-BY"], "roles": None}, "model": {"training_ops": 10**27}},
        book.vocabulary,
    )
    assert set(profile.facts.get("org.nexus")) == {"US-NY-NYC", "US-NY", "US", "DE-BY", "DE", "EU"}
    assert not profile.facts.has("org.roles")
    assert profile.facts.get("model.training_ops") == 1e27


def test_places_are_the_countries_and_the_states_that_there_are(book: LawBook) -> None:
    table = resources.files("tzdata.zoneinfo").joinpath("iso3166.tab").read_text()
    assert {line[:2] for line in table.splitlines() if line[:1] != "#"} == COUNTRIES
    assert set(holidays.country_holidays("US").subdivisions) == US_PARTS
    assert UNION < COUNTRIES
    assert len(UNION) == 27
    for instrument in book.instruments.values():
        assert instrument.jurisdiction in read_places("org.nexus", [instrument.jurisdiction])


def test_a_profile_may_not_hide_the_states(book: LawBook) -> None:
    with pytest.raises(FactRefused, match="name the states") as refused:
        Profile.from_mapping({"org": {"nexus": ["US"]}}, book.vocabulary)
    assert refused.value.field == "org.nexus"
    told = Profile.from_mapping({"org": {"nexus": ["US", "US-TX"]}}, book.vocabulary)
    assert told.facts.get("org.nexus") == ["US", "US-TX"]


def test_the_law_directory_holds_only_law(documents: Documents) -> None:
    folder = Path(__file__).resolve().parents[2] / "law"
    assert read_directory(folder).keys() == documents.keys()
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} == {".yaml"}
