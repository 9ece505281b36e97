# SPDX-License-Identifier: Apache-2.0
"""What leaves the desk as a file: CSV, JSON, PDF, OSCAL, calendar; each with grade, horizon and disclaimer."""

from __future__ import annotations

import csv
import io
import json
import re
import zlib
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import Calendar
from trestle.oscal.assessment_results import AssessmentResults
from trestle.oscal.catalog import Catalog

from obligations.makers import FACTS, MOMENTS, clock_of, open_loss_of_control
from proofhouse.server.accounts.models import Person
from proofhouse.server.obligations import exports, filings, services
from proofhouse.server.obligations.answers import View
from proofhouse.server.obligations.models import Filing, Incident
from proofhouse.server.obligations.rules import redacted, spreadsheet_safe

IL, CA = "us-il-sb315-incident", "us-ca-sb53-incident"
VIEW = View(date(2027, 1, 5))
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")


def text_of(pdf: bytes) -> str:
    """The text of a PDF as typst writes it: glyphs of each font through its ToUnicode map (ISO 32000-2 §9.10.3)."""
    objects = {int(found[1]): found[2] for found in re.finditer(rb"(?s)(\d+) 0 obj\s(.*?)\sendobj", pdf)}
    streams = {}
    for number, body in objects.items():
        head, mark, rest = body.partition(b"stream")
        if mark:
            content = rest.lstrip(b"\r\n").rpartition(b"endstream")[0]
            streams[number] = zlib.decompressobj().decompress(content) if b"FlateDecode" in head else content
    said = []
    for body in objects.values():
        page = re.search(rb"/Resources (\d+) 0 R.*/Contents (\d+) 0 R", body)
        if page:
            fonts = {
                name: _unicode(objects[int(number)], streams)
                for name, number in re.findall(rb"/(f\d+) (\d+) 0 R", objects[int(page[1])])
            }
            said += _shown(streams[int(page[2])], fonts)
    return "".join(said)


def _shown(content: bytes, fonts: dict[bytes, dict[bytes, str]]) -> Iterator[str]:
    font: dict[bytes, str] = {}
    # Balanced parentheses may stand in a string without a backslash (ISO 32000-2 §7.3.4.2).
    inner = rb"(?:\\.|[^\\()])*"
    string = rb"\((?:%s(?:\(%s\))?)*\)" % (rb"(?:\\.|[^\\()])", inner)
    for token in re.finditer(rb"(?s)/(f\d+) [\d.]+ Tf|(\bET\b)|(%s)" % string, content):
        if token[1]:
            font = fonts[token[1]]
        elif token[3]:
            raw = _literal(token[3][1:-1])
            codes = [raw[at : at + 2].hex().upper().encode() for at in range(0, len(raw), 2)]
            yield "".join(font.get(code, "") for code in codes)
        else:
            yield " "


def _literal(raw: bytes) -> bytes:
    plain = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
    return re.sub(
        rb"(?s)\\([0-7]{1,3}|.)",
        lambda found: bytes([int(found[1], 8)]) if found[1].isdigit() else plain.get(found[1], found[1]),
        raw,
    )


def _unicode(font: bytes, streams: dict[int, bytes]) -> dict[bytes, str]:
    found = re.search(rb"/ToUnicode (\d+) 0 R", font)
    if not found:
        return {}
    table = streams[int(found[1])]
    pairs = re.findall(rb"<([0-9A-Fa-f]{4})>\s*<([0-9A-Fa-f]+)>", table)
    return {code.upper(): bytes.fromhex(text.decode()).decode("utf-16-be") for code, text in pairs}


@pytest.fixture
def filing(lead: Person, incident: Incident) -> Filing:
    """A 72-hour filing with one passage left out."""
    return services.draft_filing(
        actor=lead,
        clock=str(clock_of(incident, IL).id),
        recipient="Illinois Attorney General",
        redactions=[{"field": "reasons", "reason": "privileged"}],
    )


def test_a_filing_as_pdf_holds_its_facts_and_nothing_that_was_left_out(filing: Filing) -> None:
    pdf = filings.as_pdf(filing)
    assert pdf.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) >= 1
    text = text_of(pdf)
    flat = re.sub(r"\s+", "", text)
    for fact in (
        "Illinois Attorney General",
        "2027-01-08 20:00 UTC (2027-01-08 14:00 CST)",
        "switched off its monitor // and #said [nothing]",
        "430 ILCS 185",
        "[redacted: privileged]",
        "Not legal advice",
        "appears to apply",
        "2026-08-21",
    ):
        assert re.sub(r"\s+", "", fact) in flat, fact
    assert "Deceptionoutsideanevaluation" not in flat


def test_the_same_filing_gives_the_same_bytes(filing: Filing) -> None:
    assert filings.as_pdf(filing) == filings.as_pdf(filing)
    assert filings.as_json(filing) == filings.as_json(filing)


def test_text_that_looks_like_markup_is_only_text(lead: Person, answered: None) -> None:
    nasty = '#import "/etc/passwd": * \\ $x$ */ ``` #sys.inputs "}\' ${}'
    facts = {**FACTS, "narrative": {"description": nasty}}
    incident = open_loss_of_control(lead, title=nasty[:60], facts=facts)
    row = services.draft_filing(
        actor=lead, clock=str(clock_of(incident, IL).id), recipient="Illinois Attorney General"
    )
    flat = re.sub(r"[\s\u00ad\u2010-]+", "", text_of(filings.as_pdf(row)))
    assert re.sub(r"[\s-]+", "", nasty[:30]) in flat, flat


def test_the_whole_record_stays_beside_the_redacted_one(filing: Filing) -> None:
    assert filing.record["narrative"]["reasons"] == "Deception outside an evaluation."
    shown = json.loads(filings.as_json(filing))
    assert shown["narrative"]["reasons"] == "[redacted: privileged]"
    assert shown["redactions"] == [{"field": "reasons", "reason": "privileged"}]
    assert redacted(filing.record, []) == filing.record


def test_the_board_pack_is_a_pdf_and_the_same_each_time(lead: Person, answered: None) -> None:
    pdf = exports.as_pdf(lead, VIEW)
    flat = re.sub(r"\s+", "", text_of(pdf))
    assert "Appearstoapply(" in flat
    assert "Notlegaladvice" in flat
    assert pdf == exports.as_pdf(lead, VIEW)


def test_the_catalog_and_the_results_are_oscal(lead: Person, answered: None) -> None:
    paper = services.add_evidence(actor=lead, title="Card", content="dGV4dA==", file_name="card.pdf")
    services.link_evidence(actor=lead, evidence=str(paper.id), obligation=IL, covers="the facts")
    catalog = exports.oscal_catalog(lead, VIEW)["catalog"]
    results = exports.oscal_results(lead, VIEW)["assessment-results"]
    read = Catalog.model_validate(catalog)
    AssessmentResults.model_validate(results)
    assert read.groups
    assert sum(len(group["controls"]) for group in catalog["groups"]) >= 95
    with_evidence = [one for one in results["results"][0]["observations"] if "relevant-evidence" in one]
    assert [one["title"] for one in with_evidence] == ["Report a critical safety incident within 72 hours"]
    assert "findings" not in results["results"][0]


def test_oscal_of_an_empty_profile_is_oscal_too(lead: Person) -> None:
    AssessmentResults.model_validate(exports.oscal_results(lead, VIEW)["assessment-results"])


def test_a_wrong_oscal_document_would_be_noticed(lead: Person) -> None:
    wrong = exports.oscal_catalog(lead, VIEW)["catalog"]
    wrong["groups"][0]["controls"][0]["id"] = "has:colon"
    with pytest.raises(ValueError, match="id"):
        Catalog.model_validate(wrong)


def test_each_line_of_the_csv_has_grade_and_horizon(lead: Person, answered: None) -> None:
    rows = list(csv.DictReader(io.StringIO(exports.as_csv(lead, VIEW).decode())))
    assert len(rows) >= 95
    for row in rows:
        assert row["grade"]
        assert row["horizon"] == "2026-08-21"
        assert row["note"].startswith("Not legal advice")
        assert not any(value.startswith(FORMULAS) for value in row.values())


@given(st.text(max_size=40))
@settings(deadline=None, max_examples=200)
def test_no_cell_starts_a_formula(text: str) -> None:
    safe = spreadsheet_safe(text)
    assert not safe.startswith(FORMULAS)
    assert not safe.lstrip().startswith(("=", "+", "-", "@"))
    assert safe in (text, f"'{text}")


def test_the_words_that_would_promise_too_much_stand_nowhere(
    lead: Person, answered: None, browser: Client
) -> None:
    for name in exports.EXPORTS:
        answer = browser.get(reverse("obligations:export", args=[name]) + "?as_of=2027-01-05")
        assert answer.status_code == 200
        text = text_of(answer.content) if name.endswith(".pdf") else answer.content.decode()
        for word in ("compliant", "compliance status"):
            assert word not in text.lower(), f"{name} says {word!r}"
        for word in ("not legal advice", "appears to apply", "grade"):
            assert re.sub(r"\s", "", word) in re.sub(r"\s", "", text.lower()), f"{name} lacks {word!r}"


def feed_of(client: Client, token: str) -> Any:
    answer = client.get(reverse("obligations:feed-file", args=[token]))
    assert answer.status_code == 200
    return Calendar.from_ical(answer.content)


def events(calendar: Any) -> dict[str, Any]:
    return {str(event["uid"]): event for event in calendar.walk("VEVENT")}


@pytest.fixture
def token(lead: Person) -> str:
    """A private address of the lead."""
    made = services.new_token()
    services.make_feed(actor=lead, token=made)
    return made


def test_the_feed_keeps_its_titles_back_and_its_identities(
    lead: Person, incident: Incident, token: str
) -> None:
    stranger = Client()
    before = events(feed_of(stranger, token))
    assert before
    text = stranger.get(reverse("obligations:feed-file", args=[token])).content.decode()
    assert "Monitor off" not in text
    assert "California" not in text
    assert "legal advice" in text
    amended = {
        **MOMENTS,
        "discovered": "2027-01-05T09:00:00-05:00",
        "reasonable_belief": "2027-01-05T09:00:00-05:00",
    }
    services.amend_incident(
        actor=lead, incident=str(incident.id), moments=amended, facts=FACTS, reason="earlier"
    )
    after = events(feed_of(stranger, token))
    assert set(before) == set(after)
    moved = [uid for uid in before if before[uid]["dtstart"].dt != after[uid]["dtstart"].dt]
    assert moved
    for uid in before:
        assert int(after[uid]["sequence"]) == int(before[uid]["sequence"]) + (uid in moved)


def test_a_date_that_falls_away_is_cancelled_in_the_feed(
    lead: Person, incident: Incident, token: str
) -> None:
    facts = {**FACTS, "kinds": {"safety_incident": False}}
    before = events(feed_of(Client(), token))
    services.amend_incident(
        actor=lead, incident=str(incident.id), moments=MOMENTS, facts=facts, reason="exercise"
    )
    after = events(feed_of(Client(), token))
    assert set(before) == set(after)
    assert "CANCELLED" in {str(event["status"]) for event in after.values()}


def test_titles_are_shown_on_request_only(lead: Person, incident: Incident) -> None:
    made = services.new_token()
    services.make_feed(actor=lead, token=made, titles=True)
    summaries = {str(event["summary"]) for event in events(feed_of(Client(), made)).values()}
    assert "Monitor off: Report a critical safety incident within 72 hours" in summaries


def test_only_the_newest_address_of_a_person_opens(lead: Person, incident: Incident, token: str) -> None:
    services.make_feed(actor=lead, token=services.new_token())
    for wrong in (token, services.new_token(), "x"):
        assert Client().get(reverse("obligations:feed-file", args=[wrong])).status_code == 404


def test_an_address_ends_with_its_owners_role(lead: Person, incident: Incident, token: str) -> None:
    lead.memberships.all().delete()
    assert Client().get(reverse("obligations:feed-file", args=[token])).status_code == 404
