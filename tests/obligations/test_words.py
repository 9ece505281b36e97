# SPDX-License-Identifier: Apache-2.0
"""The wording, walked: every page and every export says grade, horizon and "appears to apply", none promises more."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse
from icalendar import Calendar

from obligations.makers import clock_of, make_letter, make_review
from obligations.test_exports import text_of
from proofhouse.server.accounts.models import Person
from proofhouse.server.engine.record import collect_receipts
from proofhouse.server.obligations import bridge_services, digest_services, exports, services, urls
from proofhouse.server.obligations.models import Incident, WeeklyDigest

IL = "us-il-sb315-incident"
WORDS = ("grade", "2026-08-21", "not legal advice", "appears to apply")
TOO_MUCH = re.compile(r"\bcompliant\b|compliance status|\bin compliance\b|\bcomplies\b", re.IGNORECASE)
FORMS_ONLY = {
    "link", "model-add", "bridge-consent", "bridge-decide", "clock-override", "clock-filing", "filing-step",
}  # fmt: skip
"""Addresses that only take; what they show after a refusal is a page of the list."""
BYTES_OF_OTHERS = {"evidence-file"}
"""Documents that people stored; they are given back as they came."""


@pytest.fixture
def addresses(lead: Person, incident: Incident) -> dict[str, list[str]]:
    """Every address of the desk by the name of its route, with something behind each."""
    model = services.add_model(actor=lead, name="Example-1")
    clock = clock_of(incident, IL)
    filing = services.draft_filing(actor=lead, clock=str(clock.id), recipient="Illinois Attorney General")
    paper = services.add_evidence(actor=lead, title="Card", content="dGV4dA==", file_name="card.txt")
    services.link_evidence(actor=lead, evidence=str(paper.id), obligation=IL, covers="the facts")
    token = services.new_token()
    services.make_feed(actor=lead, token=token)
    bridge_services.consent_bridge(actor=lead)
    collect_receipts()
    make_letter(make_review())
    digest_services.make_digests()
    week = WeeklyDigest.objects.get().week
    return {
        **{
            name: [reverse(f"obligations:{name}")]
            for name in (
                "profile", "calendar", "changes", "bridge", "digests", "governance", "governance-pdf", "evidence",
                "feed", "incidents", "incident-new",
            )
        },
        "list": [f"/obligations/?as_of=2027-01-05{x}" for x in ("", f"&model={model.id}", "&known_at=2026-11-23")],
        "duty": [f"{reverse('obligations:duty', args=[IL])}?as_of=2027-01-05"],
        "digest": [reverse("obligations:digest", args=[week])],
        "digest-file": [reverse("obligations:digest-file", args=[week, form]) for form in ("txt", "json", "ics")],
        "governance-records": [reverse("obligations:governance-records", args=["duties"])],
        "evidence-file": [reverse("obligations:evidence-file", args=[paper.id])],
        "export": [f"{reverse('obligations:export', args=[name])}?as_of=2027-01-05" for name in exports.EXPORTS],
        "feed-file": [reverse("obligations:feed-file", args=[token])],
        "incident": [reverse("obligations:incident", args=[incident.id])],
        "incident-amend": [reverse("obligations:incident-amend", args=[incident.id])],
        "clock": [reverse("obligations:clock", args=[clock.id])],
        "filing": [reverse("obligations:filing", args=[filing.id])],
        "filing-file": [reverse("obligations:filing-file", args=[filing.id, form]) for form in ("pdf", "json")],
    }  # fmt: skip


def test_every_address_of_the_desk_is_walked(addresses: dict[str, list[str]]) -> None:
    assert {pattern.name for pattern in urls.urlpatterns} == set(addresses) | FORMS_ONLY


def plain(address: str, content: bytes) -> str:
    """What a reader of the page or file reads."""
    path = address.partition("?")[0]
    if path.endswith(".pdf"):
        return text_of(content)
    if path.endswith(".ics"):
        return " ".join(
            str(event.get("description", "")) for event in Calendar.from_ical(content).walk("VEVENT")
        )
    return content.decode()


def test_grade_horizon_and_the_words_stand_on_every_page_and_export(
    addresses: dict[str, list[str]], browser: Client
) -> None:
    walked = 0
    for name in set(addresses) - BYTES_OF_OTHERS:
        for address in addresses[name]:
            answer = browser.get(address)
            assert answer.status_code == 200, address
            text = plain(address, answer.content)
            flat = re.sub(r"\s+", "", text.lower())
            for word in WORDS:
                assert word.replace(" ", "") in flat, f"{address} lacks {word!r}"
            assert not TOO_MUCH.search(text), f"{address}: {TOO_MUCH.search(text)}"
            walked += 1
    assert walked >= 30


def test_a_page_that_refuses_says_them_too(addresses: dict[str, list[str]], browser: Client) -> None:
    for name, sent in (("model-add", {"name": ""}), ("bridge-consent", {"to": "consent"}), ("link", {})):
        answer = browser.post(reverse(f"obligations:{name}"), sent)
        assert answer.status_code == 422
        text = answer.content.decode().lower()
        assert all(word in text for word in WORDS), name


@pytest.mark.parametrize(
    "text", ["You are compliant.", "Compliance status: green", "it complies with the act"]
)
def test_the_search_for_too_much_finds_it(text: str) -> None:
    assert TOO_MUCH.search(text)
