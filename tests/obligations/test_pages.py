# SPDX-License-Identifier: Apache-2.0
"""The desk's pages: who gets in, ten answers to a list with reasons, the board, the words on every page."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from obligations.makers import clock_of
from proofhouse.server.accounts.gate import visible
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine.models import LedgerEntry
from proofhouse.server.house import Desk, House
from proofhouse.server.obligations import models, queries, services
from proofhouse.server.obligations.models import Evidence, EvidenceLink, Filing, Incident
from proofhouse.server.obligations.own_law import TEN_QUESTIONS, law_book
from server.makers import confirm, make_bridge_and_digest, make_person

IL = "us-il-sb315-incident"
OTHERS = [role for role in Role if role not in queries.OWN_SIDE]
OWN_MODELS = [
    models.AiModel,
    models.Bridge,
    models.BridgedEvent,
    models.CalendarDate,
    models.CalendarFeed,
    models.ClockRun,
    models.DigestReading,
    models.Evidence,
    models.EvidenceLink,
    models.Filing,
    models.Incident,
    models.IncidentVersion,
    models.ProfileFact,
    models.WeeklyDigest,
]
PLAIN = [
    "list",
    "profile",
    "calendar",
    "changes",
    "governance",
    "governance-pdf",
    "bridge",
    "digests",
    "evidence",
    "feed",
    "incidents",
    "incident-new",
]


@pytest.fixture
def everything(lead: Person, incident: Incident) -> dict[str, str]:
    """Every page of the desk by its name, with something on it."""
    clock = clock_of(incident, IL)
    filing = services.draft_filing(actor=lead, clock=str(clock.id), recipient="Illinois Attorney General")
    paper = services.add_evidence(actor=lead, title="Card", content="dGV4dA==", file_name="card.txt")
    services.link_evidence(actor=lead, evidence=str(paper.id), obligation=IL, covers="the facts")
    services.make_feed(actor=lead, token=services.new_token())
    make_bridge_and_digest(incident, "obligations:own")
    pages = {name: reverse(f"obligations:{name}") for name in PLAIN}
    pages |= {
        "duty": reverse("obligations:duty", args=[IL]),
        "incident": reverse("obligations:incident", args=[incident.id]),
        "incident-amend": reverse("obligations:incident-amend", args=[incident.id]),
        "clock": reverse("obligations:clock", args=[clock.id]),
        "filing": reverse("obligations:filing", args=[filing.id]),
        "filing-pdf": reverse("obligations:filing-file", args=[filing.id, "pdf"]),
        "filing-json": reverse("obligations:filing-file", args=[filing.id, "json"]),
        "evidence-file": reverse("obligations:evidence-file", args=[paper.id]),
        "obligations.csv": reverse("obligations:export", args=["obligations.csv"]),
    }
    return pages


def test_the_own_side_gets_every_page(everything: dict[str, str], browser: Client) -> None:
    for name, address in everything.items():
        assert browser.get(address).status_code == 200, name


def test_for_everybody_else_there_is_no_such_address(everything: dict[str, str]) -> None:
    for role in OTHERS:
        client = Client()
        client.force_login(make_person(role))
        for name, address in everything.items():
            assert client.get(address).status_code == 404, f"{role.value} reaches {name}"


def test_a_second_role_on_the_other_side_closes_the_desk(everything: dict[str, str]) -> None:
    client = Client()
    client.force_login(make_person(Role.COMPLIANCE, Role.INSPECTOR))
    assert {client.get(address).status_code for address in everything.values()} == {404}


def test_the_desk_is_not_there_in_a_review_office(
    everything: dict[str, str], browser: Client, house: House, settings: Any
) -> None:
    settings.HOUSE = replace(house, desks=frozenset({Desk.REVIEW, Desk.AUTHORITY}))
    assert {browser.get(address).status_code for address in everything.values()} == {404}


def test_the_other_side_sees_no_row_and_no_ledger_entry_of_the_desk(everything: dict[str, str]) -> None:
    for model in OWN_MODELS:
        assert model._default_manager.exists(), model
        for role in OTHERS:
            assert not visible(make_person(role), model).exists(), (model, role)
    for role in OTHERS:
        assert not visible(make_person(role), LedgerEntry).exists()
    assert visible(make_person(Role.OPERATOR), LedgerEntry).exists()


def test_every_page_says_grade_horizon_not_advice_and_appears_to_apply(
    everything: dict[str, str], browser: Client
) -> None:
    for name, address in everything.items():
        if name in {"filing-pdf", "governance-pdf", "evidence-file"}:
            continue
        text = browser.get(address).content.decode()
        for word in ("grade", "2026-08-21", "not legal advice", "appears to apply"):
            assert word in text.lower(), f"{name} lacks {word!r}"
        assert not re.search(r"\bcompliant\b|compliance status", text, re.IGNORECASE), name


def test_no_field_of_a_page_lacks_its_label(everything: dict[str, str], browser: Client) -> None:
    for name in ("incident-new", "incident-amend", "clock", "evidence", "filing"):
        text = browser.get(everything[name]).content.decode()
        labels = set(re.findall(r'<label[^>]* for="([^"]+)"', text))
        for tag in re.findall(r"<(?:input|select|textarea)[^>]*>", text):
            if 'type="hidden"' not in tag:
                identity = re.search(r'id="([^"]+)"', tag)
                assert identity, f"{name}: {tag}"
                assert identity.group(1) in labels, f"{name}: {tag}"


def test_ten_questions_give_a_list_with_reasons(browser: Client, lead: Person) -> None:
    assert len(TEN_QUESTIONS) == 10
    page = browser.get(reverse("obligations:profile")).content.decode()
    for name in TEN_QUESTIONS:
        assert law_book().vocabulary.question(name) in page.replace("&#x27;", "'")
    sent = {
        "answer:org.nexus": "US-CA, US-NY, US-IL",
        "answer:org.roles": ["ai_developer"],
        "answer:org.trained_or_initiated_training": "yes",
        "answer:model.training_ops": "2.1e+26",
        "answer:org.group_revenue_usd_prev_calendar_year": "2e9",
        "source:model.training_ops": "model card v3",
        "answer:org.eo14409_participating": "no",
    }
    answer = browser.post(reverse("obligations:profile"), sent)
    assert answer.status_code == 302
    facts = queries.current_facts(lead)
    assert facts["model.training_ops"].value == 2.1e26
    assert facts["model.training_ops"].source == "model card v3"
    assert facts["org.eo14409_participating"].value is False
    assert "system.monthly_users" not in facts
    shown = browser.get(reverse("obligations:list") + "?as_of=2027-01-05").content.decode()
    applying, unknown = shown.split('id="applies"')[1].split('id="unknown"')
    assert "Report a critical safety incident" in applying
    assert "model.training_ops = 2.1e+26" in applying
    assert "?ask=org.clearinghouse_member" in unknown


def test_the_same_answers_again_add_nothing(browser: Client) -> None:
    sent = {
        "answer:org.nexus": "US-CA, US-NY",
        "source:org.nexus": "register",
        "since:org.nexus": "2026-01-01",
    }
    for _ in range(2):
        assert browser.post(reverse("obligations:profile"), sent).status_code == 302
    assert models.ProfileFact.objects.count() == 1


def test_a_wrong_answer_is_said_on_the_page_and_not_kept(browser: Client) -> None:
    answer = browser.post(reverse("obligations:profile"), {"answer:org.nexus": "California"})
    assert answer.status_code == 422
    assert "ISO 3166-2" in answer.content.decode()
    assert not models.ProfileFact.objects.exists()


def test_an_incident_is_entered_once_and_its_board_shows_zone_anchor_and_explanation(
    browser: Client, answered: None
) -> None:
    sent = {
        "title": "Monitor off",
        "law_day": "2027-01-05",
        "zone": "America/New_York",
        "moment:discovered": "2027-01-05T15:00",
        "moment:reasonable_belief": "2027-01-05T15:00",
        "kind:safety_incident": "yes",
        "event.in_elicitation_evaluation": "no",
        "event.deceptive_subversion": "yes",
        "event.catastrophic_risk_increased": "yes",
        "narrative:description": "It switched off <b>its</b> monitor.",
    }
    answer = browser.post(reverse("obligations:incident-new"), sent, follow=True)
    text = answer.content.decode()
    assert "2027-01-08 20:00" in text
    assert "Fri 2027-01-08 14:00 CST" in text
    assert "reasonable belief" in text
    assert "Law time is set" in text
    assert text.index("72 hours") < text.index("California Office of Emergency Services")
    clock = clock_of(Incident.objects.get(), IL)
    page = browser.get(reverse("obligations:clock", args=[clock.id])).content.decode()
    assert "event.deceptive_subversion = yes" in page
    assert "short and plain description" in page


def test_a_filing_is_drafted_filed_and_amended_on_its_pages(browser: Client, incident: Incident) -> None:
    clock = clock_of(incident, IL)
    sent = {"recipient": "Illinois Attorney General", "redact:environment": "names a supplier"}
    page = browser.post(reverse("obligations:clock-filing", args=[clock.id]), sent, follow=True)
    assert "[redacted: names a supplier]" in page.content.decode()
    filing = Filing.objects.get()
    step = reverse("obligations:filing-step", args=[filing.id])
    browser.post(step, {"to": "filed", "reference": "IL-1"})
    browser.post(step, {"to": "amend"})
    filing.refresh_from_db()
    assert filing.state == "filed"
    assert filing.amendments.get().redactions == filing.redactions
    assert browser.post(step, {"to": "compliant"}).status_code == 404


def test_an_override_on_the_page_needs_another_person(
    browser: Client, developer: Person, incident: Incident
) -> None:
    clock = clock_of(incident, IL)
    address = reverse("obligations:clock-override", args=[clock.id])
    sent = {"due": "2027-01-07T12:00", "reason": "agreed"}
    asked = browser.post(address, sent)
    assert asked["Location"].startswith("/confirm/click/?next="), "who confirmed nothing is asked first"
    clock.refresh_from_db()
    assert clock.override_first is None, "before the confirmation nothing is done"
    assert browser.post(asked["Location"])["Location"] == reverse("obligations:clock", args=[clock.id])
    again = browser.post(address, sent)
    assert again.status_code == 422
    assert "a second person must say the same" in again.content.decode()
    second = Client()
    second.force_login(developer)
    assert second.post(address, sent)["Location"].startswith("/confirm/click/?next="), "the second person too"
    clock.refresh_from_db()
    assert not clock.overridden
    confirm(second)
    shown = second.post(address, sent, follow=True).content.decode()
    assert "computed: 2027-01-08 20:00" in shown


def test_evidence_is_stored_linked_and_given_back_as_a_download(browser: Client, answered: None) -> None:
    file = SimpleUploadedFile("card.html", b"<script>alert(1)</script>")
    browser.post(reverse("obligations:evidence"), {"title": "System card", "file": file})
    paper = Evidence.objects.get()
    sent = {"evidence": str(paper.id), "obligation": IL, "covers": "the facts, not the summary"}
    browser.post(reverse("obligations:link"), sent)
    assert EvidenceLink.objects.get().covers == "the facts, not the summary"
    answer = browser.get(reverse("obligations:evidence-file", args=[paper.id]))
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"].startswith("attachment")
    assert "System card" in browser.get(reverse("obligations:duty", args=[IL])).content.decode()


def test_the_digest_of_the_turn_of_the_year_names_the_new_law(browser: Client, answered: None) -> None:
    text = browser.get(reverse("obligations:changes") + "?from=2026-12-28&to=2027-01-04").content.decode()
    assert "not yet effective → in force" in text
    assert "not yet effective → appears to apply" in text
    assert "us-ny-raise-incident" in text
