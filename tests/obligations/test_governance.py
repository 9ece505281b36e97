# SPDX-License-Identifier: Apache-2.0
"""The page for the board: by model, one page, and every number is the length of the list that it leads to."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from obligations.makers import PROFILE, make_letter, make_office, make_review, open_loss_of_control
from obligations.test_exports import text_of
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine.clock import now
from proofhouse.server.engine.record import collect_receipts
from proofhouse.server.members.models import Notification
from proofhouse.server.obligations import bridge_services, services
from proofhouse.server.obligations.governance import COUNTED, ORGANISATION, UPDATES, Board, records_address
from proofhouse.server.releases.models import Acknowledgement
from proofhouse.server.reviews.models import Determination
from server.makers import make_determination, make_entry, make_person

IL = "us-il-sb315-incident"


def fill(lead: Person, models: int = 8) -> None:
    """A developer's year: models with facts, reviews, labels, incidents, evidence, patches, a finding."""
    for name, value in PROFILE.items():
        services.set_fact(actor=lead, name=name, value=value, source="FY2025 accounts")
    services.set_fact(actor=lead, name="org.eo14409_participating", value=True, source="agreement")
    bridge_services.consent_bridge(actor=lead)
    collect_receipts()
    for number in range(models):
        model = services.add_model(actor=lead, name=f"Meridian-{number}")
        review = make_review(model.name)
        made = make_determination(review.case, in_force=number % 2 == 0)
        Determination.objects.filter(id=made.id).update(model_name=model.name)
        if number % 3 == 0:
            open_loss_of_control(lead, title=f"Monitor off in {model.name}", model=str(model.id))
        make_letter(review)
    paper = services.add_evidence(actor=lead, title="Framework", content="dGV4dA==", file_name="f.pdf")
    for duty in ("us-ca-sb53-framework", "us-ca-sb53-transparency", IL):
        services.link_evidence(actor=lead, evidence=str(paper.id), obligation=duty, covers="all")
    for number in range(6):
        told = now() - timedelta(days=number, hours=5)
        Notification.objects.create(
            peer=make_office(), advisory=f"PH-2026-{number:06d}", title="A flaw", components=["libexample 1.0"],
            action="Update.", due_at=now(), entry=make_entry("notification.receive"), notified_at=told,
        )  # fmt: skip
        Acknowledgement.objects.create(
            item=f"item-{number}", member="lab", agent="lab-agent", stage="staged", envelope_sha256=f"{number}" * 64,
            entry=make_entry("acknowledgement.receive"), received_at=told + timedelta(hours=3),
        )  # fmt: skip


def numbers_of(page: str) -> list[tuple[str, str]]:
    """Every number in a table's cell with its address; without one the address is empty."""
    cells = re.findall(r"<td[^>]*>(.*?)</td>", page, re.DOTALL)
    found = []
    for cell in cells:
        text = html.unescape(re.sub(r"<[^>]+>", "", cell)).strip()
        link = re.search(r'href="([^"]+)"', cell)
        if re.fullmatch(r"\d+(\.\d+)?", text):
            found.append((text, html.unescape(link[1]) if link else ""))
    return found


def test_every_number_leads_to_exactly_so_many_records(lead: Person, browser: Client) -> None:
    fill(lead)
    page = browser.get(reverse("obligations:governance")).content.decode()
    numbers = numbers_of(page)
    assert len(numbers) > 8 * len(COUNTED)
    assert [text for text, address in numbers if not address] == [], "a number without its records"
    counted = 0
    for text, address in numbers:
        shown = browser.get(address)
        assert shown.status_code == 200, address
        if "." in text:
            continue
        rows = re.findall(r"<tr>(?!<th scope=.col)", shown.content.decode().partition("<tbody>")[2])
        assert len(rows) == int(text), address
        assert f"behind the number {text} " in shown.content.decode()
        counted += int(text)
    assert counted > 100


def test_every_record_behind_a_number_has_a_page_of_its_own(lead: Person, browser: Client) -> None:
    fill(lead, 3)
    board = Board(lead, now())
    seen = set()
    for name in board.names:
        for what in COUNTED:
            for one in board.records(what, name) or []:
                seen.add(one.address.partition("#")[0])
    assert len(seen) > 30
    for address in seen:
        assert browser.get(address).status_code == 200, address


def test_posture_is_told_by_model(lead: Person) -> None:
    fill(lead, 4)
    board = Board(lead, now())
    count = {(name, what): len(board.records(what, name) or []) for name in board.names for what in COUNTED}
    assert board.names == ["Meridian-0", "Meridian-1", "Meridian-2", "Meridian-3", ORGANISATION]
    assert count["Meridian-0", "reviews"] == 1
    assert count["Meridian-0", "determinations"] == 1
    assert count["Meridian-1", "determinations"] == 0, "not in force, so it may not be shown"
    assert count["Meridian-0", "findings"] == 2, "an incident, and a finding that nobody decided about"
    assert count["Meridian-1", "findings"] == 1
    assert count["Meridian-0", "clocks"] > 0
    assert count["Meridian-0", "evidence"] <= count["Meridian-0", "duties"]
    assert count["Meridian-0", "evidence"] > 0
    assert count[ORGANISATION, "reviews"] == 0
    assert [row.title for row in board.rows()][-1] == "The organisation"


def test_a_duty_is_counted_with_its_models_or_with_the_organisation_never_twice(lead: Person) -> None:
    fill(lead, 2)
    board = Board(lead, now())
    own = {one.title + one.detail for one in board.records("duties", ORGANISATION) or []}
    of_models = {one.title + one.detail for one in board.records("duties", "Meridian-0") or []}
    assert own
    assert of_models
    assert not own & of_models


def test_patch_latency_is_measured_from_the_notification(lead: Person) -> None:
    fill(lead, 1)
    board = Board(lead, now())
    hours = [one.hours for one in board.records(UPDATES, ORGANISATION) or []]
    assert hours == pytest.approx([3.0] * 6, abs=0.01)
    assert board.median_hours().text == "3.0"
    assert board.median_hours().address == records_address(UPDATES, ORGANISATION)


def test_who_may_not_see_records_sees_no_number_instead_of_a_zero(lead: Person) -> None:
    fill(lead, 2)
    board = Board(make_person(Role.OPERATOR), now())
    assert board.records("reviews", ORGANISATION) is None
    assert board.number("reviews", ORGANISATION).text == "–"
    assert Board(make_person(Role.DEVELOPER), now()).records(UPDATES, ORGANISATION) is None


def test_a_model_that_is_reviewed_but_has_no_facts_is_shown_without_duties(lead: Person) -> None:
    make_review("Unheard-of")
    board = Board(lead, now())
    assert "Unheard-of" in board.names
    assert board.number("duties", "Unheard-of").text == "–"
    assert board.number("reviews", "Unheard-of").text == "1"


def test_an_unknown_number_or_model_is_not_found(lead: Person, browser: Client) -> None:
    for what, of in (("release", ORGANISATION), ("reviews", "nobody's")):
        assert browser.get(records_address(what, of)).status_code == 404


def test_the_pdf_of_a_realistic_house_is_one_page_and_its_numbers_are_links(
    lead: Person, browser: Client
) -> None:
    fill(lead, 12)
    pdf = browser.get(reverse("obligations:governance-pdf")).content
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1
    text = re.sub(r"\s+", "", text_of(pdf))
    for word in ("Notlegaladvice", "2026-08-21", "appearstoapply", "grade", "2furthermodels", "Meridian-0"):
        assert word in text, word
    assert pdf.count(b"/URI") > 60
    assert b"http://localhost:8198/obligations/governance/findings/?of=Meridian-0" in pdf
