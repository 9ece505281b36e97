# SPDX-License-Identifier: Apache-2.0
"""The bridge: off by default, by consent, one way, ended at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from obligations.makers import make_letter, make_review
from proofhouse.server.accounts.gate import NotAllowed, NotFound
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine.acts import ActError
from proofhouse.server.engine.clock import now, wire
from proofhouse.server.engine.models import LedgerEntry, Letter
from proofhouse.server.engine.record import collect_receipts
from proofhouse.server.obligations import bridge, bridge_services, queries, services
from proofhouse.server.obligations.models import Bridge, BridgedEvent, Incident, ProfileFact
from server.makers import make_person


def consent(lead: Person, **arguments: Any) -> None:
    """Consent, and let the receipt come."""
    bridge_services.consent_bridge(actor=lead, **arguments)
    collect_receipts()


def test_by_default_nothing_comes_over(lead: Person) -> None:
    for kind in bridge.EVENTS:
        make_letter(make_review(), kind)
    assert bridge.candidates(lead) == []


def test_consent_counts_once_its_receipt_is_there(lead: Person) -> None:
    review = make_review()
    bridge_services.consent_bridge(actor=lead)
    letter = make_letter(review)
    assert bridge.candidates(lead) == []
    collect_receipts()
    [came] = bridge.candidates(lead)
    assert (came.letter, came.model_name, came.at) == (letter.digest, "Example-1", letter.written_at)


def test_letters_from_before_the_consent_stay_where_they_are_unless_asked_for(lead: Person) -> None:
    review, earlier = make_review(), now() - timedelta(days=3)
    make_letter(review, at=earlier)
    consent(lead)
    assert bridge.candidates(lead) == []
    bridge_services.withdraw_bridge(actor=lead)
    consent(lead, since=wire(earlier - timedelta(days=1)))
    assert len(bridge.candidates(lead)) == 1


def test_only_letters_that_say_something_happened_come_over(lead: Person) -> None:
    consent(lead)
    review = make_review()
    for kind in ("agreement", "inquiry", "checkpoint", "finding", "window-opened", "window-closed", "notice"):
        make_letter(review, kind)
    make_letter(review, "finding", direction="sent")
    assert {came.kind for came in bridge.candidates(lead)} == set(bridge.EVENTS)
    assert len(bridge.candidates(lead)) == 4


def test_a_withdrawal_ends_it_at_once_and_leaves_what_was_recorded(lead: Person, answered: None) -> None:
    consent(lead)
    review = make_review()
    taken, left = make_letter(review), make_letter(review)
    services.open_incident(actor=lead, title="From a finding", moments={}, facts={}, event=taken.digest)
    bridge_services.withdraw_bridge(actor=lead)
    assert bridge.candidates(lead) == []
    assert Incident.objects.get().events.get().letter_sha256 == taken.digest
    with pytest.raises(NotFound):
        bridge_services.set_aside(actor=lead, letter=left.digest, reason="late")
    with pytest.raises(ActError, match="no consent"):
        bridge_services.withdraw_bridge(actor=lead)


def test_one_consent_at_a_time_and_only_of_a_compliance_lead(lead: Person, developer: Person) -> None:
    with pytest.raises(NotAllowed):
        bridge_services.consent_bridge(actor=developer)
    consent(lead)
    with pytest.raises(ActError, match="stands already"):
        bridge_services.consent_bridge(actor=lead)
    both = make_person(Role.COMPLIANCE, Role.REVIEWER)
    with pytest.raises(NotFound):
        bridge_services.withdraw_bridge(actor=both)


def test_consent_withdrawal_and_decision_stand_in_the_own_ledger(lead: Person) -> None:
    consent(lead)
    letter = make_letter(make_review())
    bridge_services.set_aside(actor=lead, letter=letter.digest, reason="found in our own sandbox")
    bridge_services.withdraw_bridge(actor=lead)
    entries = LedgerEntry.objects.filter(case="obligations:bridge")
    assert [entry.kind for entry in entries] == ["bridge.consent", "event.decide", "bridge.withdraw"]
    assert all(entry.log == "own" for entry in entries)
    assert Letter.objects.filter(direction="sent").count() == 0


def test_a_finding_becomes_an_incident_of_its_model_and_is_decided_once(lead: Person, answered: None) -> None:
    model = services.add_model(actor=lead, name="Example-1")
    consent(lead)
    letter = make_letter(make_review())
    told = {"title": "F", "moments": {}, "facts": {}, "model": str(model.id), "event": letter.digest}
    incident = services.open_incident(actor=lead, **told)
    event = BridgedEvent.objects.get()
    assert (event.incident, event.kind, incident.model) == (incident, "finding", model)
    assert bridge.candidates(lead) == []
    with pytest.raises(NotFound):
        services.open_incident(actor=lead, **told)
    assert Incident.objects.count() == 1, "nothing is half-stored"


def test_an_opened_window_answers_the_question_of_taking_part(lead: Person) -> None:
    consent(lead)
    letter = make_letter(make_review(), "window-opened")
    bridge_services.take_fact(actor=lead, letter=letter.digest)
    fact = queries.current_facts(lead)["org.eo14409_participating"]
    assert fact.value is True
    assert letter.digest[:16] in fact.source
    assert fact.since == letter.written_at.date()
    other = make_letter(make_review("Example-2"), "notice")
    with pytest.raises(ActError, match="answers no question"):
        bridge_services.take_fact(actor=lead, letter=other.digest)


def test_an_event_does_nothing_by_itself(lead: Person, answered: None) -> None:
    before = ProfileFact.objects.count()
    consent(lead)
    make_letter(make_review(), "window-opened")
    make_letter(make_review("Example-2"))
    bridge.candidates(lead)
    assert (ProfileFact.objects.count(), Incident.objects.count()) == (before, 0)


def test_a_finding_shows_the_clocks_that_it_may_start_from_the_earliest_moment(
    lead: Person, answered: None
) -> None:
    consent(lead, since="2026-11-01T00:00:00Z")
    letter = make_letter(make_review())
    [came] = bridge.candidates(lead)
    clocks = bridge.may_start(lead, came)
    california = next(one for one in clocks if one.obligation.id == "us-ca-sb53-incident")
    assert california.due is not None
    assert california.due.at is not None
    assert (california.due.at - letter.written_at).days in (14, 15)
    assert california.result.value == "unknown", "nobody has said that it is an incident"


def test_the_page_carries_an_event_from_consent_to_incident(
    lead: Person, answered: None, browser: Client
) -> None:
    services.add_model(actor=lead, name="Example-1")
    page = reverse("obligations:bridge")
    assert "nothing comes over" in browser.get(page).content.decode()
    browser.post(reverse("obligations:bridge-consent"), {"to": "consent"})
    assert "waits for the ledger" in browser.get(page).content.decode()
    collect_receipts()
    letter = make_letter(make_review())
    aside = make_letter(make_review("Example-2"), "notice")
    shown = browser.get(page).content.decode()
    assert "A finding was received" in shown
    assert "it may start: Report a critical safety incident" in shown
    assert "2 events of a review to decide about" in browser.get(reverse("obligations:list")).content.decode()
    new = f"{reverse('obligations:incident-new')}?event={letter.digest}"
    form = browser.get(new).content.decode()
    assert "A finding was received: Example-1" in form
    assert letter.digest in form
    model = queries.own_models(lead)[0]
    sent = {"title": "Finding", "zone": "UTC", "model": str(model.id), "kind:safety_incident": "yes"}
    assert browser.post(new, sent).status_code == 302
    assert Incident.objects.get().model == model
    decide = reverse("obligations:bridge-decide", args=[aside.digest])
    assert browser.post(decide, {"to": "aside", "reason": " "}).status_code == 422
    assert browser.post(decide, {"to": "aside", "reason": "a label, no incident"}).status_code == 302
    assert "set aside: a label, no incident" in browser.get(page).content.decode()
    browser.post(reverse("obligations:bridge-consent"), {"to": "withdraw"})
    assert Bridge.objects.get().withdrawn_by == lead.email
    assert browser.get(f"{reverse('obligations:incident-new')}?event={'0' * 64}").status_code == 404
