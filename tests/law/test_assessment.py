# SPDX-License-Identifier: Apache-2.0
"""Standing, the two times, and what is never shown."""

import copy
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from law.profiles import PLACES, everything, facts, nested, random_values, value_sets
from proofhouse.law import Assessment, Incident, LawBook, LawError, Profile, Result, Standing, Truth
from proofhouse.law.facts import TriggerClass
from proofhouse.law.reading import Document, Documents

NY = "us-ny-raise-incident"
JANUARY = date(2027, 1, 5)
MOMENTS = dict.fromkeys(
    ("discovered", "determined", "reasonable_belief", "aware"), "2027-01-05T15:00:00-05:00"
)
DAYS = st.dates(date(2025, 1, 1), date(2029, 12, 31))
SILENT = {
    Result.DOES_NOT_APPLY,
    Result.NOT_YET_EFFECTIVE,
    Result.PROPOSED,
    Result.ENJOINED,
    Result.PRE_EMPTED,
    Result.SUPERSEDED,
    Result.FAILED,
}


def changed(documents: Documents, path: str) -> tuple[Documents, Document]:
    """Return the documents with one of them open to change."""
    fresh = dict(documents)
    fresh[path] = copy.deepcopy(documents[path])
    return fresh, fresh[path]


def assess(book: LawBook, name: str, as_of: date, known_at: date | None = None) -> Assessment:
    one = book.assess(name, facts=facts(book, everything(book)), as_of=as_of, known_at=known_at)
    assert one is not None
    return one


def with_events(documents: Documents, *events: tuple[str, str], **scope: Any) -> LawBook:
    fresh, record = changed(documents, "us-ny/raise/instrument.yaml")
    for kind, day in events:
        value = {"value": day, "locator": "S. 8828 ss. 3, 5", "source": "text"}
        known = {"from": "2026-11-23", "to": None}
        record["events"].append({"event": kind, "date": value, "known": known, **scope})
    return LawBook.from_documents(fresh)


def test_new_york_answers_for_each_time(book: LawBook) -> None:
    story = {
        date(2025, 12, 18): Standing.NOT_YET_LAW,
        date(2026, 1, 15): Standing.NOT_YET_EFFECTIVE,
        date(2026, 6, 1): Standing.NOT_YET_EFFECTIVE,
        date(2026, 12, 31): Standing.NOT_YET_EFFECTIVE,
        date(2027, 1, 1): Standing.IN_FORCE,
    }
    assert {day: assess(book, NY, day).standing for day in story} == story


def test_the_first_text_of_raise_is_kept_and_answers_for_its_time(book: LawBook) -> None:
    first, second = assess(book, NY, date(2026, 1, 15)), assess(book, NY, date(2026, 4, 1))
    assert (str(first.version.dated), str(second.version.dated)) == ("2025-12-19", "2026-03-27")
    assert "compute_cost" in first.obligation.applies_when.cel
    assert "compute_cost" not in second.obligation.applies_when.cel


def test_colorados_first_act_is_superseded_and_never_due(book: LawBook) -> None:
    one = assess(book, "us-co-sb205-ag-disclosure", date(2026, 7, 1))
    assert (one.result, one.standing, one.dues) == (Result.SUPERSEDED, Standing.SUPERSEDED, ())


def test_a_sunset_ends_a_duty(book: LawBook) -> None:
    before, after = (
        assess(book, "us-ut-genai-request", day) for day in (date(2027, 6, 30), date(2027, 7, 1))
    )
    assert (before.result, after.result) == (Result.APPLIES, Result.SUPERSEDED)
    assert after.standing is Standing.EXPIRED


def test_what_the_data_did_not_know_it_does_not_answer(book: LawBook) -> None:
    known = facts(book, everything(book))
    name = "us-co-sb205-developer-care"
    assert book.assess(name, facts=known, as_of=JANUARY, known_at=date(2026, 11, 23)) is None
    assert book.assess(name, facts=known, as_of=JANUARY, known_at=date(2026, 11, 24)) is not None
    profile = Profile(known)
    assert book.check(profile, JANUARY, date(2026, 11, 22)) == ()
    assert len(book.check(profile, JANUARY, date(2026, 11, 23))) == 95
    assert len(book.check(profile, JANUARY)) == 98


def test_a_correction_is_appended_and_the_older_belief_stays(documents: Documents) -> None:
    path = "us-ny/raise/v2026-03-27.yaml"
    fresh, old = changed(documents, path)
    fresh["edition.yaml"] = {
        **documents["edition.yaml"],
        "editions": ["2026-11-23", "2026-11-24", "2026-12-10"],
    }
    new = copy.deepcopy(old)
    old["known"]["to"] = "2026-12-10"
    new["known"]["from"] = "2026-12-10"
    options = next(one for one in new["obligations"] if one["id"] == NY)["deadline"]["options"]
    for option in options:
        option["amount"]["value"] = 48
    fresh["us-ny/raise/v2026-03-27.k2026-12-10.yaml"] = new
    book = LawBook.from_documents(fresh)
    known, times = facts(book, everything(book)), {"determined": JANUARY}
    believed = [
        book.assess(NY, facts=known, as_of=JANUARY, times=times, known_at=day)
        for day in (date(2026, 12, 1), date(2026, 12, 10), None)
    ]
    assert [str(one.due.day) for one in believed if one and one.due] == [
        "2027-01-08",
        "2027-01-07",
        "2027-01-07",
    ]


@pytest.mark.parametrize(
    ("events", "result"),
    [
        ([("enjoined", "2027-01-03")], Result.ENJOINED),
        ([("enjoined", "2027-01-03"), ("injunction_lifted", "2027-01-04")], Result.APPLIES),
        ([("enjoined", "2027-01-03"), ("injunction_lifted", "2027-01-06")], Result.ENJOINED),
        ([("pre_empted", "2027-01-03")], Result.PRE_EMPTED),
        ([("pre_empted", "2027-01-03"), ("pre_emption_lifted", "2027-01-05")], Result.APPLIES),
        ([("pre_empted", "2027-01-06")], Result.APPLIES),
        ([("failed", "2027-01-05")], Result.FAILED),
    ],
)
def test_bars_show_no_date_while_they_stand(
    documents: Documents, events: list[tuple[str, str]], result: Result
) -> None:
    book = with_events(documents, *events)
    known = facts(book, everything(book))
    one = book.assess(NY, facts=known, as_of=JANUARY, times={"determined": JANUARY})
    assert one is not None
    assert one.result is result
    assert bool(one.dues) == (result is Result.APPLIES)


def test_a_bar_may_be_limited_to_some_obligations(documents: Documents) -> None:
    book = with_events(documents, ("enjoined", "2027-01-03"), obligations=[NY])
    assert assess(book, NY, JANUARY).result is Result.ENJOINED
    assert assess(book, "us-ny-raise-framework", JANUARY).result is Result.APPLIES


def test_an_event_learnt_later_was_not_known_before(documents: Documents) -> None:
    fresh, record = changed(documents, "us-ny/raise/instrument.yaml")
    fresh["edition.yaml"] = {
        **documents["edition.yaml"],
        "editions": ["2026-11-23", "2026-11-24", "2027-01-10"],
    }
    value = {"value": "2027-01-03", "locator": "S. 8828 ss. 3, 5", "source": "text"}
    known = {"from": "2027-01-10", "to": None}
    record["events"].append({"event": "enjoined", "date": value, "known": known})
    book = LawBook.from_documents(fresh)
    assert assess(book, NY, JANUARY, date(2027, 1, 9)).result is Result.APPLIES
    assert assess(book, NY, JANUARY, date(2027, 1, 10)).result is Result.ENJOINED


def test_proposed_law_shows_its_clock_to_nobody(book: LawBook) -> None:
    for name in ("us-circia-incident", "us-circia-ransom"):
        one = assess(book, name, date(2030, 1, 1))
        assert (one.result, one.dues, one.due) == (Result.PROPOSED, (), None)


def test_an_unheard_of_obligation_is_refused(book: LawBook) -> None:
    with pytest.raises(LawError, match="no obligation"):
        book.entry("us-xx-nothing", JANUARY)


def incident(book: LawBook, values: dict[str, Any], kinds: dict[str, bool]) -> Incident:
    events = {name: value for name, value in values.items() if name.startswith("event.")}
    record = {"kinds": kinds, "times": MOMENTS, **nested(events)}
    return Incident.from_mapping(record, book.vocabulary)


def profile(book: LawBook, values: dict[str, Any]) -> Profile:
    return Profile(
        facts(book, {name: value for name, value in values.items() if not name.startswith("event.")})
    )


@given(data=st.data(), as_of=DAYS)
@settings(max_examples=60, deadline=None)
def test_law_that_does_not_bind_never_shows_a_date(book: LawBook, data: st.DataObject, as_of: date) -> None:
    values = data.draw(value_sets(book))
    clocks = book.incident_clocks(profile(book, values), incident(book, values, {}), as_of)
    for one in (*book.check(profile(book, values), as_of), *clocks):
        if one.result in SILENT:
            assert one.dues == ()


@given(seed=st.integers(0, 10_000), drop=st.integers(0, 10_000), as_of=DAYS)
@settings(max_examples=80, deadline=None)
def test_forgetting_a_fact_never_makes_a_duty_disappear(
    book: LawBook, seed: int, drop: int, as_of: date
) -> None:
    values = random_values(book, random.Random(seed))
    fewer = {name: value for name, value in values.items() if random.Random(f"{drop}{name}").random() < 0.6}
    full = book.check(profile(book, values), as_of)
    less = book.check(profile(book, fewer), as_of)
    for before, after in zip(full, less, strict=True):
        if before.applicability is Truth.TRUE:
            assert after.applicability is not Truth.FALSE
        if after.applicability is Truth.UNKNOWN:
            assert after.result is not Result.DOES_NOT_APPLY
            assert after.missing


@given(seed=st.integers(0, 10_000), place=st.sampled_from(PLACES), as_of=DAYS)
@settings(max_examples=80, deadline=None)
def test_adding_a_jurisdiction_never_removes_a_duty(
    book: LawBook, seed: int, place: str, as_of: date
) -> None:
    values = random_values(book, random.Random(seed))
    values.setdefault("org.nexus", [])
    wider = {**values, "org.nexus": [*values["org.nexus"], place]}
    order = {Truth.FALSE: 0, Truth.UNKNOWN: 1, Truth.TRUE: 2}
    for narrow, wide in zip(
        book.check(profile(book, values), as_of), book.check(profile(book, wider), as_of), strict=True
    ):
        assert order[wide.applicability] >= order[narrow.applicability]


def test_saying_nothing_gives_no_denial_at_all(book: LawBook) -> None:
    for offset in range(0, 1500, 100):
        assessments = book.check(Profile(facts(book, {})), date(2025, 6, 1) + timedelta(days=offset))
        assert Result.DOES_NOT_APPLY not in {one.result for one in assessments}
        assert all(one.applicability is Truth.UNKNOWN for one in assessments)


def test_clocks_come_strictest_first_with_recipient_content_and_zone(book: LawBook) -> None:
    values = everything(book) | {"org.nexus": ["US-CA", "US-NY", "US-IL"], "org.roles": ["ai_developer"]}
    values |= {"event.imminent_risk_death_or_serious_injury": False}
    clocks = book.incident_clocks(
        profile(book, values), incident(book, values, {"safety_incident": True}), JANUARY
    )
    running = [one for one in clocks if one.due]
    assert [one.obligation.id for one in running] == ["us-il-sb315-incident", NY, "us-ca-sb53-incident"]
    instants = [one.due.at for one in running if one.due and one.due.at]
    assert instants == sorted(instants)
    illinois = running[0]
    assert illinois.due is not None
    assert illinois.due.local() is not None
    assert illinois.due.local().isoformat() == "2027-01-08T14:00:00-06:00"  # type: ignore[union-attr]
    assert [recipient.name for recipient in illinois.obligation.recipients][1] == "Illinois Attorney General"
    assert len(illinois.obligation.content) == 3


def test_a_kind_of_incident_that_was_not_asked_about_stays_in_sight(book: LawBook) -> None:
    values = everything(book)
    asked = {"safety_incident": True, "personal_data_breach": False}
    clocks = book.incident_clocks(profile(book, values), incident(book, values, asked), JANUARY)
    by_id = {one.obligation.id: one for one in clocks}
    assert by_id["us-sec-8k-105"].result is Result.UNKNOWN
    assert "trigger.cyber_incident" in by_id["us-sec-8k-105"].missing
    assert "eu-gdpr-33" not in by_id
    assert by_id["eu-cra-14-vuln-24h"].due is not None
    acts = {name for name, one in book.vocabulary.triggers.items() if one.kind is TriggerClass.ACT}
    assert not {one.obligation.trigger for one in clocks} & acts


def test_an_act_is_looked_at_when_the_record_names_it(book: LawBook) -> None:
    values = everything(book)
    clocks = book.incident_clocks(
        profile(book, values), incident(book, values, {"adverse_outcome": True}), JANUARY
    )
    assert "us-co-sb189-adverse" in {one.obligation.id for one in clocks}


def test_an_anchor_before_the_law_is_marked_for_counsel(book: LawBook) -> None:
    known = facts(book, everything(book))
    early, later = (
        book.assess(NY, facts=known, as_of=JANUARY, times={"determined": day})
        for day in (date(2026, 12, 31), date(2027, 1, 1))
    )
    assert early is not None
    assert later is not None
    assert early.anchor_precedes_law
    assert not later.anchor_precedes_law


def test_an_explanation_names_facts_values_and_the_question(book: LawBook) -> None:
    told = facts(
        book,
        {"org.trained_or_initiated_training": True, "model.training_ops": 2.1e26, "org.nexus": ["US-NY"]},
    )
    one = book.assess("us-ny-raise-framework", facts=told, as_of=JANUARY)
    assert one is not None
    tree = one.explanations[0]
    assert (tree.kind, tree.name, tree.truth) == ("definition", "large_frontier_developer", Truth.UNKNOWN)
    joined = tree.children[0]
    assert [(child.kind, child.truth) for child in joined.children] == [
        ("definition", Truth.TRUE),
        ("test", Truth.UNKNOWN),
    ]
    operations = joined.children[0].children[0].children[1]
    assert operations.to_record() == {
        "text": "model.training_ops > 1e+26",
        "kind": "test",
        "truth": "true",
        "facts": {"model.training_ops": 2.1e26},
    }
    assert one.missing == ("org.group_revenue_usd_prev_calendar_year",)


def test_a_book_can_be_shared_between_threads(book: LawBook) -> None:
    asked = profile(book, everything(book))
    expected = [one.result for one in book.check(asked, JANUARY)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: [one.result for one in book.check(asked, JANUARY)], range(40)))
    assert all(results == expected for results in found)
