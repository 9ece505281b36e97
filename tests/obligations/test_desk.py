# SPDX-License-Identifier: Apache-2.0
"""The desk's acts: facts, evidence, one incident and its clocks, overrides, filings."""

from __future__ import annotations

import base64
from datetime import date, datetime, timedelta

import pytest

from obligations.makers import BELIEF, FACTS, MOMENTS, clock_of, open_loss_of_control
from proofhouse.server.accounts.gate import NotFound
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine.acts import ActError
from proofhouse.server.engine.models import LedgerEntry, Letter
from proofhouse.server.obligations import queries, services
from proofhouse.server.obligations.models import CalendarDate, ClockRun, Incident, ProfileFact
from proofhouse.server.obligations.rules import RecordRefused
from server.makers import make_person

IL, NY, CA = "us-il-sb315-incident", "us-ny-raise-incident", "us-ca-sb53-incident"


def test_an_answer_is_kept_with_source_day_and_person_and_the_one_before_it_stays(lead: Person) -> None:
    services.set_fact(actor=lead, name="org.nexus", value=["US-CA"], source="register")
    services.set_fact(
        actor=lead, name="org.nexus", value=["US-CA", "US-NY"], source="new office", since="2026-11-01"
    )
    fact = queries.current_facts(lead)["org.nexus"]
    assert (fact.value, fact.source, fact.since) == (["US-CA", "US-NY"], "new office", date(2026, 11, 1))
    assert ProfileFact.objects.filter(name="org.nexus").count() == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [("org.colour", "blue"), ("model.training_ops", "many"), ("event.death", True), ("nexus", [])],
)
def test_an_answer_that_the_law_does_not_ask_for_is_refused(lead: Person, name: str, value: object) -> None:
    with pytest.raises(ActError):
        services.set_fact(actor=lead, name=name, value=value, source="x")
    assert not ProfileFact.objects.exists()


def test_an_answer_taken_back_is_unknown_again_not_no(lead: Person, answered: None) -> None:
    services.set_fact(actor=lead, name="model.training_ops", value=None, source="under review")
    assert not queries.own_profile(lead).facts.has("model.training_ops")


def test_one_incident_starts_every_clock_strictest_first(incident: Incident) -> None:
    clocks = list(ClockRun.objects.filter(incident=incident, due__isnull=False))
    assert [clock.obligation for clock in clocks] == [IL, NY, CA]
    assert [clock.due for clock in clocks] == sorted(clock.due for clock in clocks if clock.due)
    assert clocks[0].due == datetime.fromisoformat(BELIEF) + timedelta(hours=72)
    assert clocks[0].anchor == "reasonable_belief"
    assert clocks[2].anchor == "discovered"
    assert clocks[0].assessment["explanation"]
    assert clocks[0].assessment["content"]


def test_a_clock_whose_anchor_is_not_known_waits_and_does_not_disappear(incident: Incident) -> None:
    waiting = clock_of(incident, "us-ny-raise-incident-imminent")
    assert waiting.due is None
    assert waiting.running


def test_an_amendment_keeps_the_version_before_it_and_counts_anew(lead: Person, incident: Incident) -> None:
    earlier = {**MOMENTS, "determined": "2027-01-05T09:00:00-05:00"}
    services.amend_incident(
        actor=lead, incident=str(incident.id), moments=earlier, facts=FACTS, reason="determined earlier"
    )
    incident.refresh_from_db()
    assert [(one.number, one.record["moments"]["determined"]) for one in incident.versions.all()] == [
        (1, None),
        (2, "2027-01-05T14:00:00.000000Z"),
    ]
    assert clock_of(incident, NY).due == datetime.fromisoformat("2027-01-08T09:00:00-05:00")
    assert clock_of(incident, IL).due == datetime.fromisoformat(BELIEF) + timedelta(hours=72)


def test_a_clock_that_an_amendment_ends_stays_as_not_running_and_its_date_is_cancelled(
    lead: Person, incident: Incident
) -> None:
    facts = {**FACTS, "kinds": {"safety_incident": False}}
    services.amend_incident(
        actor=lead, incident=str(incident.id), moments=MOMENTS, facts=facts, reason="an exercise"
    )
    assert not clock_of(incident, IL).running
    row = CalendarDate.objects.get(origin=f"incident:{incident.id}", obligation=IL)
    assert (row.cancelled, row.sequence) == (True, 1)


@pytest.mark.parametrize(
    "moments",
    [
        {"discovered": "2031-01-01T00:00:00Z"},
        {"discovered": "2027-01-05T15:00:00"},
        {"discovered": "yesterday"},
        {"occurred": "2027-01-05T10:00:00Z", "discovered": "2027-01-04T10:00:00Z"},
        {"noticed": "2027-01-05T10:00:00Z"},
    ],
)
def test_moments_that_cannot_be_are_refused(lead: Person, moments: dict[str, str]) -> None:
    with pytest.raises(RecordRefused):
        open_loss_of_control(lead, moments=moments)
    assert not Incident.objects.exists()


def test_an_override_counts_only_when_a_second_person_says_the_same(
    lead: Person, developer: Person, incident: Incident
) -> None:
    clock = clock_of(incident, IL)
    asked = {"clock": str(clock.id), "due": "2027-01-07T12:00:00Z", "reason": "agreed with the agency"}
    assert not services.override_clock(actor=lead, **asked).overridden
    with pytest.raises(ActError, match="second person"):
        services.override_clock(actor=lead, **asked)
    moved = services.override_clock(actor=developer, **asked)
    assert moved.overridden
    assert moved.due == clock.due, "the computed date stays beside it"
    row = CalendarDate.objects.get(origin=f"incident:{incident.id}", obligation=IL)
    assert (row.at, row.sequence) == (datetime.fromisoformat("2027-01-07T12:00:00Z"), 1)


def test_another_date_from_the_second_person_is_a_new_proposal(
    lead: Person, developer: Person, incident: Incident
) -> None:
    clock = str(clock_of(incident, IL).id)
    services.override_clock(actor=lead, clock=clock, due="2027-01-07T12:00:00Z", reason="a")
    row = services.override_clock(actor=developer, clock=clock, due="2027-01-09T12:00:00Z", reason="a")
    assert not row.overridden
    assert row.override_first == developer


def test_two_people_may_say_that_a_clock_does_not_run(
    lead: Person, developer: Person, incident: Incident
) -> None:
    clock = str(clock_of(incident, IL).id)
    for person in (lead, developer):
        services.override_clock(actor=person, clock=clock, due=None, reason="not reportable: no nexus")
    assert CalendarDate.objects.get(obligation=IL).cancelled


def test_a_filing_goes_from_draft_to_filed_to_acknowledged_and_nowhere_else(
    lead: Person, incident: Incident
) -> None:
    row = services.draft_filing(
        actor=lead, clock=str(clock_of(incident, IL).id), recipient="Illinois Attorney General"
    )
    with pytest.raises(ActError, match="drafted cannot become acknowledged"):
        services.acknowledge_filing(actor=lead, filing=str(row.id))
    row = services.mark_filed(actor=lead, filing=str(row.id), reference="IL-7")
    row = services.acknowledge_filing(actor=lead, filing=str(row.id))
    assert (row.state, row.reference) == ("acknowledged", "IL-7")
    with pytest.raises(ActError):
        services.mark_filed(actor=lead, filing=str(row.id))


def test_every_recipient_gets_its_filing_from_the_same_record(lead: Person, incident: Incident) -> None:
    clock = clock_of(incident, IL)
    rows = [
        services.draft_filing(actor=lead, clock=str(clock.id), recipient=one["name"])
        for one in clock.assessment["recipients"]
    ]
    shared = ("moments", "event", "kinds", "narrative", "version")
    assert len(rows) == 2
    assert {name: rows[0].record[name] for name in shared} == {name: rows[1].record[name] for name in shared}


def test_an_amended_filing_names_the_one_before_it(lead: Person, incident: Incident) -> None:
    clock = str(clock_of(incident, NY).id)
    to = clock_of(incident, NY).assessment["recipients"][0]["name"]
    first = services.draft_filing(actor=lead, clock=clock, recipient=to)
    second = services.draft_filing(actor=lead, clock=clock, recipient=to, amendment_of=str(first.id))
    assert second.record["amends"] == str(first.id)
    other = str(clock_of(incident, IL).id)
    with pytest.raises(ActError, match="same matter"):
        services.draft_filing(
            actor=lead, clock=other, recipient="Illinois Attorney General", amendment_of=str(first.id)
        )


def test_a_filing_goes_only_to_those_whom_the_duty_names(lead: Person, incident: Incident) -> None:
    with pytest.raises(ActError, match="other recipients"):
        services.draft_filing(actor=lead, clock=str(clock_of(incident, IL).id), recipient="Review Office")


def test_a_redaction_needs_its_reason(lead: Person, incident: Incident) -> None:
    with pytest.raises(RecordRefused, match="needs its reason"):
        services.draft_filing(
            actor=lead,
            clock=str(clock_of(incident, IL).id),
            recipient="Illinois Attorney General",
            redactions=[{"field": "description", "reason": " "}],
        )


def test_evidence_is_stored_once_and_linked_to_many_duties(lead: Person) -> None:
    paper = services.add_evidence(
        actor=lead, title="Framework", content=base64.b64encode(b"text").decode(), file_name="f.pdf",
        valid_until="2027-06-30",
    )  # fmt: skip
    for duty in (IL, NY, CA):
        services.link_evidence(actor=lead, evidence=str(paper.id), obligation=duty, covers="all of it")
    assert queries.valid_links(lead, date(2027, 6, 30)).count() == 3
    assert queries.valid_links(lead, date(2027, 7, 1)).count() == 0
    with pytest.raises(ActError, match="already"):
        services.link_evidence(actor=lead, evidence=str(paper.id), obligation=IL, covers="again")
    with pytest.raises(ActError, match="no duty"):
        services.link_evidence(actor=lead, evidence=str(paper.id), obligation="us-xx", covers="x")


def test_the_ledger_learns_digests_and_names_and_nothing_of_the_content(
    lead: Person, incident: Incident
) -> None:
    entries = list(LedgerEntry.objects.all())
    assert entries
    for entry in entries:
        assert set(entry.record) == {"kind", "case", "at", "house", "content_sha256", "by"}
        assert entry.case.startswith("obligations:")
    assert not Letter.objects.exists(), "nothing of the desk leaves the house"


def test_the_acts_refuse_whoever_also_sits_on_the_other_side(house: object) -> None:
    both = make_person(Role.DEVELOPER, Role.REVIEWER)
    with pytest.raises(NotFound, match="no such desk"):
        services.set_fact(actor=both, name="org.nexus", value=["US-CA"], source="x")
