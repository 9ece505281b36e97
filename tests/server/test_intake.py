# SPDX-License-Identifier: Apache-2.0
"""Reports come in by every way, get their place at once, and none is counted twice, lost, or made to harm others."""

from __future__ import annotations

import base64
import io
import json
import re
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.cases import quota
from proofhouse.server.cases.intake_services import (
    QuotaUsed,
    finder_of,
    slip_of,
    submit_document,
    submit_report,
    take_report,
    track_record,
    unknown_finder,
)
from proofhouse.server.cases.models import Attachment, Refusal, Report
from proofhouse.server.cases.queries import intake
from proofhouse.server.cases.reading_services import open_read_case, read_report
from proofhouse.server.cases.rules import Channel, OutOfOrder, ReportState, agreed, step_report
from proofhouse.server.cases.submission import SubmissionRefused, submission
from proofhouse.server.engine.acts import ActError
from proofhouse.server.engine.blobs import get_blob
from proofhouse.server.engine.clock import SetClock, now, using
from proofhouse.server.engine.models import LedgerEntry
from proofhouse.server.house import House
from server.makers import make_organisation, make_person, make_token

pytestmark = pytest.mark.django_db
PROOF = b"\x09\x00length"
SAID: dict[str, Any] = {
    "title": "A length is believed",
    "product": "tally",
    "description": "It reads too far.",
}


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def given_to(actor: Person, proof: bytes | None = PROOF, **changed: Any) -> Report:
    files = [{"name": "proof.rec", "content": b64(proof)}] if proof is not None else []
    told = submit_report(actor=actor, files=files, **{**SAID, **changed})
    return Report.objects.get(id=told["report"])


def form(**changed: Any) -> dict[str, Any]:
    return {**SAID, "means": "fuzzer", "prompt_class": "none", **changed}


def upload(name: str = "proof.rec", content: bytes = PROOF) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


# --- ways in ----------------------------------------------------------------------------------------------------------


def test_somebody_without_a_name_reports_and_follows_it_by_the_slip_alone(house: House) -> None:
    client = Client()
    assert client.get("/report/").status_code == 200
    sent = client.post("/report/", form(proof=[upload()], claimed_crash="heap-buffer-overflow"))
    assert sent.status_code == 302
    report = Report.objects.get()
    assert (report.state, report.channel, report.finder, report.submitter) == (
        "queued",
        "form",
        "Anonymous",
        None,
    )
    assert get_blob(report.attachments.get().sha256) == PROOF
    page = client.get(sent["Location"])
    assert "waits" in page.content.decode()
    assert page["Referrer-Policy"] == "no-referrer"
    told = client.get(sent["Location"], headers={"Accept": "application/json"}).json()
    assert (told["report"], told["state"]) == (str(report.id), "waits")
    wrong = client.get(f"/report/{report.id}/{'0' * 40}/")
    assert wrong.status_code == 404


def test_somebody_signed_in_keeps_the_credit_and_says_which_ai_took_part(house: House) -> None:
    person = make_person(Role.OPERATOR)
    client = Client()
    client.force_login(person)
    said = form(means="ai-system", tool="An agent", model="example-2", prompt_class="work-alone")
    assert client.post("/report/", said).status_code == 302
    report = Report.objects.get()
    assert (report.finder, report.submitter) == (person.name, person)
    assert report.provenance == {
        "means": "ai-system", "tool": "An agent", "model": "example-2", "prompt_class": "work-alone",
    }  # fmt: skip


def test_a_form_with_a_mistake_says_which_and_keeps_what_was_written(house: House) -> None:
    answer = Client().post("/report/", form(product="", identifier="two words"))
    assert answer.status_code == 422
    assert "It reads too far." in answer.content.decode()
    answer = Client().post("/report/", form(identifier="two words"))
    assert "identifier:" in answer.content.decode()
    assert not Report.objects.exists()
    assert {row.code: row.count for row in Refusal.objects.all()} == {
        "fields_refused": 1,
        "record_refused": 1,
    }


def test_a_program_that_reports_to_vince_reports_here_without_a_change(house: House) -> None:
    hosted = make_organisation("scanners", title="Scanners Inc.")
    secret, _ = make_token(make_person(Role.COORDINATOR), organisation=hosted, scopes=["cases:report:submit"])
    fields = {
        "contact_name": "Ada", "contact_email": "ada@example.org", "vendor_name": "GNOME", "product_name": "libxml2",
        "product_version": "2.9.14", "vul_description": "It reads freed memory.\nOften.", "vul_exploit": "A document.",
        "vul_impact": "A crash.", "vul_discovery": "libFuzzer", "share_release": "True", "user_file": upload("a.xml"),
    }  # fmt: skip
    header = {"Authorization": f"Token {secret}"}
    answer = Client().post("/vince/comm/api/vulreport/", fields, headers=header)
    assert answer.status_code == 201
    report = Report.objects.get()
    assert answer.json()["vrf_id"] == str(report.id)
    assert (report.finder, report.product, report.version) == ("Scanners Inc.", "libxml2", "2.9.14")
    assert report.title == "libxml2: It reads freed memory."
    assert "What it lets somebody do\nA crash." in report.summary
    missing = Client().post("/vince/comm/api/vulreport/", {"product_name": "x"}, headers=header)
    assert (missing.status_code, missing.json()["errors"]) == (
        400, {"vul_description": ["This field is required."]},
    )  # fmt: skip
    for wrong in ({}, {"Authorization": "Token ph_" + "x" * 43}):
        assert Client().post("/vince/comm/api/vulreport/", fields, headers=wrong).status_code == 401


def test_a_token_for_something_else_does_not_report(house: House) -> None:
    secret, _ = make_token(make_person(Role.OPERATOR), scopes=["api:read"])
    answer = Client().post("/vince/comm/api/vulreport/", {}, headers={"Authorization": f"Token {secret}"})
    assert answer.status_code == 403


def csaf() -> dict[str, Any]:
    product = {"category": "product_name", "name": "libxml2"}
    return {
        "document": {"title": "A draft"},
        "product_tree": {"branches": [{"category": "vendor", "name": "GNOME", "branches": [product]}]},
        "vulnerabilities": [{"cve": "CVE-2025-49794", "notes": [{"text": "It reads freed memory."}]}],
    }


@pytest.mark.parametrize("way", ["field", "body"])
def test_the_same_door_takes_csaf_as_a_field_or_as_the_body(house: House, way: str) -> None:
    secret, _ = make_token(make_person(Role.OPERATOR), scopes=["cases:report:submit"])
    header = {"Authorization": f"Token {secret}"}
    text = json.dumps(csaf())
    sent = (
        Client().post("/vince/comm/api/vulreport/", {"csaf": text, "user_file": upload()}, headers=header)
        if way == "field"
        else Client().post(
            "/vince/comm/api/vulreport/", text, content_type="application/json", headers=header
        )
    )
    assert sent.status_code == 201
    report = Report.objects.get()
    assert (report.identifier, report.state) == (
        "CVE-2025-49794",
        "queued" if way == "field" else "needs-human",
    )
    broken = Client().post("/vince/comm/api/vulreport/", {"csaf": '{"document":'}, headers=header)
    assert broken.status_code == 400
    assert "csaf" in broken.json()["errors"] or broken.json()["code"] == "not_json"


def api(client: Client, path: str, body: dict[str, Any], key: str = "key-1") -> Any:
    return client.post(
        f"/api/v1/{path}", body, content_type="application/json", headers={"Idempotency-Key": key}
    )


def test_a_scan_comes_in_as_one_report_for_each_result_and_all_or_none(house: House) -> None:
    client = Client()
    client.force_login(make_person(Role.OPERATOR))
    results = [{"ruleId": "CWE-416", "message": {"text": f"Freed in line {line}"}} for line in range(30)]
    log = {"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "a scanner"}}, "results": results}]}
    body = {"format": "sarif", "content": b64(json.dumps(log).encode()), "product": "tally"}
    answer = api(client, "submissions/documents", body)
    assert (answer.status_code, len(answer.json()["value"]["reports"])) == (200, 30)
    assert (
        Report.objects.filter(channel="sarif", state="needs-human", provenance__tool="a scanner").count()
        == 30
    )
    results += [{"message": {"text": f"Another {line}"}} for line in range(30)]
    body["content"] = b64(json.dumps(log).encode())
    refused = api(client, "submissions/documents", body, "key-2")
    assert (refused.status_code, refused.json()["code"]) == (429, "quota_used")
    assert "30 reports came, 20 may come today" in refused.json()["detail"]
    assert Report.objects.count() == 30
    assert Refusal.objects.get().code == "quota_used"
    without = api(client, "submissions/documents", {**body, "product": ""}, "key-3")
    assert (without.status_code, without.json()["detail"]) == (422, "product: must not be empty")


# --- known at once ----------------------------------------------------------------------------------------------------


def test_a_report_that_is_sent_again_is_the_same_report(house: House) -> None:
    person = make_person(Role.OPERATOR)
    first = submit_report(actor=person, **SAID)
    entries = LedgerEntry.objects.count()
    assert submit_report(actor=person, **SAID) == first
    assert LedgerEntry.objects.count() == entries
    one, two = (
        Client().post("/report/", form(proof=[upload(name)], contact="a@example.org"))["Location"]
        for name in ("a.rec", "b.rec")
    )
    assert one == two, "whatever the files are called"


def test_the_same_words_or_the_same_proof_of_somebody_else_are_known_at_once(house: House) -> None:
    first = given_to(make_person(Role.OPERATOR))
    same_words = given_to(make_person(Role.DEVELOPER))
    same_proof = given_to(make_person(Role.DEVELOPER), title="Other words", description="About the same.")
    for later in (same_words, same_proof):
        assert (later.state, later.duplicate_of) == ("duplicate", first)
    assert given_to(make_person(Role.OPERATOR), PROOF + b"!").state == "queued"
    assert given_to(make_person(Role.OPERATOR), product="another").state == "queued"


def test_one_proof_for_two_flaws_that_have_names_repeats_nothing(house: House) -> None:
    person = make_person(Role.OPERATOR)
    given_to(person, identifier="CVE-2026-0001")
    assert given_to(person, identifier="CVE-2026-0002").state == "queued"


def test_nobody_is_told_that_somebody_else_had_found_it(house: House) -> None:
    """The words of a scanner can be guessed; an answer that differs would say what others have found."""
    given_to(make_person(Role.OPERATOR))
    known, new = (
        submit_report(actor=make_person(Role.OPERATOR), files=[{"name": "p", "content": b64(proof)}], **SAID)
        for proof in (PROOF, PROOF + b"!")
    )
    assert [len(value) for value in known.values()] == [len(value) for value in new.values()]
    shape = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{40}|\d\d:\d\d|\d{4}-\d\d-\d\d")
    pages = [
        Client().get(told["slip"].replace("http://localhost:8199", "")).content.decode()
        for told in (known, new)
    ]
    assert shape.sub("", pages[0]) == shape.sub("", pages[1])


def test_a_repetition_stands_as_the_first_stands(house: House) -> None:
    first = given_to(make_person(Role.OPERATOR))
    later = given_to(make_person(Role.OPERATOR))
    first.state = ReportState.REPRODUCED
    first.save()
    told = Client().get(f"/report/{later.id}/{slip_of(later.id)}/", headers={"Accept": "application/json"})
    assert told.json()["state"] == "reproduced"


# --- how much ---------------------------------------------------------------------------------------------------------

records = st.builds(quota.TrackRecord, reproduced=st.integers(0, 10_000), failed=st.integers(0, 10_000))


@given(records)
def test_what_reproduces_earns_and_what_fails_costs(record: quota.TrackRecord) -> None:
    now_may = quota.allowance(record)
    assert quota.LEAST <= now_may <= quota.MOST
    better = quota.allowance(quota.TrackRecord(record.reproduced + 1, record.failed))
    worse = quota.allowance(quota.TrackRecord(record.reproduced, record.failed + 1))
    assert better >= now_may >= worse
    if now_may < quota.MOST and record.failed - quota.FORGIVEN <= record.reproduced:
        assert better > now_may
    if quota.LEAST < now_may < quota.MOST and record.failed >= quota.FORGIVEN:
        assert worse < now_may


def test_two_failures_are_forgiven_and_nobody_falls_to_nothing() -> None:
    assert quota.allowance(quota.TrackRecord()) == quota.BASE
    assert quota.allowance(quota.TrackRecord(failed=2)) == quota.BASE
    assert quota.allowance(quota.TrackRecord(failed=3)) < quota.BASE
    assert quota.allowance(quota.TrackRecord(failed=999)) == quota.LEAST


def test_a_finder_whose_reports_fail_may_send_fewer_and_more_tomorrow(house: House) -> None:
    person = make_person(Role.OPERATOR)
    clock = SetClock(now())
    with using(clock):
        for number in range(9):
            given_to(person, None, title=f"Flaw {number}")
        Report.objects.update(state=ReportState.NOT_REPRODUCED)
        assert track_record(f"person:{person.id}") == quota.TrackRecord(0, 9)
        with pytest.raises(QuotaUsed):
            given_to(person, None, title="One more")
        assert given_to(make_person(Role.OPERATOR), None, title="Somebody else's").state == "needs-human"
        clock.move(timedelta(days=1, seconds=1))
        assert given_to(person, None, title="One more").state == "needs-human"
        with pytest.raises(QuotaUsed):
            given_to(person, None, title="And another")
        assert given_to(person, None, title="One more"), "what is there already costs nothing"


def test_all_without_a_name_share_one_allowance(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "ANONYMOUS", 2)
    for number in (1, 2):
        take_report(
            submission(**{**SAID, "title": f"{number}"}),
            Channel.FORM,
            unknown_finder(f"{number}@example.org"),
        )
    with pytest.raises(QuotaUsed):
        take_report(submission(**SAID), Channel.FORM, unknown_finder("3@example.org"))
    take_report(submission(**SAID), Channel.REST, finder_of(make_person(Role.OPERATOR)))


def test_many_forms_from_one_address_are_slowed_down(house: House) -> None:
    answers = [Client().post("/report/", form(title=f"Flaw {number}")).status_code for number in range(32)]
    assert answers == [302] * 30 + [429] * 2


# --- bad input --------------------------------------------------------------------------------------------------------


class Endless(io.RawIOBase):
    """A body of two gigabytes that nobody should read; it remembers how much somebody did."""

    taken = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        self.taken += max(size, 0)
        assert self.taken < 64 << 20, "the body is read to its end"
        return b"x" * max(size, 0)


@pytest.mark.parametrize(
    "address", ["/report/", "/vince/comm/api/vulreport/", "/api/v1/submissions", "/letters/", "/cases/"]
)
def test_two_gigabytes_are_refused_before_one_byte_is_read(house: House, address: str) -> None:
    body = Endless()
    answer = Client().generic(
        "POST", address, b"", content_type="multipart/form-data; boundary=x", CONTENT_LENGTH=str(2 << 30),
        **{"wsgi.input": body},
    )  # fmt: skip
    assert (answer.status_code, json.loads(answer.content)["code"]) == (413, "too_large")
    assert body.taken == 0


def test_a_file_that_is_too_large_is_named_and_others_are_not_troubled(house: House) -> None:
    answer = Client().post("/report/", form(proof=[upload(content=b"x" * ((8 << 20) + 1))]))
    assert answer.status_code == 422
    assert "At most 8 MiB each" in answer.content.decode()
    assert Client().post("/report/", form()).status_code == 302


def test_a_zip_bomb_is_as_large_as_its_own_bytes(house: House) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * (64 << 20))
    report = given_to(make_person(Role.OPERATOR), packed.getvalue())
    kept = report.attachments.get()
    assert kept.length_bytes == len(packed.getvalue()) < 100_000
    assert get_blob(kept.sha256) == packed.getvalue()


def test_hostile_names_are_kept_as_harmless_ones_and_collide_with_nothing(house: House) -> None:
    names = ["../../etc/passwd", "PASSWD", "passwd", "a\r\nX: y", "\u202ecod.exe", ""]
    files = [{"name": name or "?", "content": b64(name.encode() or b"-")} for name in names]
    submit_report(actor=make_person(Role.OPERATOR), files=files, **SAID)
    kept = list(Attachment.objects.values_list("name", flat=True))
    assert kept == ["passwd", "2-PASSWD", "3-passwd", "a-X-y", "cod.exe", "file"]


def test_a_file_is_handed_out_as_bytes_that_no_browser_shows(house: House) -> None:
    page = b"<script>alert(document.cookie)</script>"
    report = given_to(make_person(Role.OPERATOR), page, title="<script>alert(1)</script>")
    client = Client()
    client.force_login(make_person(Role.COORDINATOR))
    answer = client.get(f"/cases/reports/{report.id}/files/{report.attachments.get().id}/")
    assert (answer.content, answer["Content-Type"]) == (page, "application/octet-stream")
    assert answer["Content-Disposition"].startswith("attachment;")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]
    shown = client.get(f"/cases/reports/{report.id}/").content.decode()
    assert "<script>alert" not in shown


@pytest.mark.parametrize(
    "changed",
    [
        {"title": "\0\0"},
        {"title": "\u202e"},
        {"identifier": "CVE 2026"},
        {"weakness": "CWE-0"},
        {"claimed_crash": "; rm -rf"},
        {"provenance": {"means": "magic"}},
        {"files": [{"name": "a", "content": "no base64!"}]},
        {"files": [{"name": "a", "content": ""}] * 17},
    ],
)
def test_what_cannot_be_taken_is_refused_whole_and_named(house: House, changed: dict[str, Any]) -> None:
    with pytest.raises(SubmissionRefused):
        submit_report(actor=make_person(Role.OPERATOR), **{**SAID, **changed})
    assert not Report.objects.exists()


def test_words_in_any_script_are_kept_and_control_characters_are_not(house: House) -> None:
    report = given_to(
        make_person(Role.OPERATOR), None, description="Ünïcödé 证明 \x1b[31m\u202ered\0\r\nnext"
    )
    report.refresh_from_db()
    assert report.summary == "Ünïcödé 证明 [31mred\nnext"


def test_everything_that_came_is_accounted_for(house: House) -> None:
    person = make_person(Role.OPERATOR)
    given_to(person)
    given_to(make_person(Role.DEVELOPER))
    given_to(person, None, title="Cannot be run")
    Client().post("/report/", form(product=""))
    counted = intake(actor=make_person(Role.COORDINATOR))
    assert counted == {
        "reports": {"queued": 1, "duplicate": 1, "needs-human": 1}, "refused": {"fields_refused": 1},
    }  # fmt: skip
    assert intake(actor=person) == {"reports": {}, "refused": {}}


# --- what nothing can run ---------------------------------------------------------------------------------------------

READING = {"finding": "read-real", "standard": "demonstrated", "grounds": "I saw it."}


def test_it_takes_two_people_to_settle_what_nothing_can_run(house: House) -> None:
    report = given_to(make_person(Role.OPERATOR), None)
    one, other = make_person(Role.COORDINATOR), make_person(Role.COORDINATOR)
    assert read_report(actor=one, report=str(report.id), **READING).state == "needs-human"
    assert read_report(actor=one, report=str(report.id), **READING).state == "needs-human", (
        "one person, twice"
    )
    assert read_report(actor=other, report=str(report.id), **READING).state == "read-real"
    with pytest.raises(ActError):
        read_report(actor=one, report=str(report.id), **READING)
    assert track_record(report.finder_key).reproduced == 1


def test_who_sent_a_report_is_none_of_its_readers(house: House) -> None:
    coordinator = make_person(Role.COORDINATOR)
    report = given_to(coordinator, None)
    with pytest.raises(ActError):
        read_report(actor=coordinator, report=str(report.id), **READING)


def test_readers_who_differ_settle_nothing_until_a_third_agrees_with_one(house: House) -> None:
    report = given_to(make_person(Role.OPERATOR), None)
    unfounded = {**READING, "finding": "read-unfounded", "standard": "contradicted"}
    readers = [make_person(Role.COORDINATOR) for _ in range(3)]
    states = [
        read_report(actor=reader, report=str(report.id), **said).state
        for reader, said in zip(readers, (READING, unfounded, unfounded), strict=True)
    ]
    assert states == ["needs-human", "needs-human", "read-unfounded"]


def test_a_reading_stands_on_something_that_carries_it(house: House) -> None:
    report = given_to(make_person(Role.OPERATOR), None)
    for changed in (
        {"standard": "contradicted"},
        {"standard": "hunch"},
        {"finding": "reproduced"},
        {"grounds": " "},
    ):
        with pytest.raises(SubmissionRefused):
            read_report(actor=make_person(Role.COORDINATOR), report=str(report.id), **{**READING, **changed})


def test_the_page_of_a_report_takes_a_reading(house: House) -> None:
    report = given_to(make_person(Role.OPERATOR), None)
    for _ in range(2):
        client = Client()
        client.force_login(make_person(Role.COORDINATOR))
        assert "Read it" in client.get(f"/cases/reports/{report.id}/").content.decode()
        assert client.post(f"/cases/reports/{report.id}/", READING).status_code == 302
    report.refresh_from_db()
    assert report.state == "read-real"
    shown = client.get(f"/cases/reports/{report.id}/").content.decode()
    assert "Read it" not in shown
    assert "Open a case" in shown
    opened = client.post(f"/cases/reports/{report.id}/")
    assert "what two people read; nothing was run" in client.get(opened["Location"]).content.decode()
    with pytest.raises(ActError):
        open_read_case(actor=make_person(Role.COORDINATOR), report=str(report.id))


def test_a_case_by_reading_has_every_finder_and_needs_two_readers(house: House) -> None:
    first, second = (given_to(make_person(Role.OPERATOR), None) for _ in range(2))
    one, other = make_person(Role.COORDINATOR), make_person(Role.COORDINATOR)
    read_report(actor=one, report=str(first.id), **READING)
    with pytest.raises(ActError):
        open_read_case(actor=one, report=str(first.id))
    read_report(actor=other, report=str(first.id), **READING)
    case = open_read_case(actor=other, report=str(first.id))
    assert set(case.reports.all()) == {first, second}, "who came second keeps the credit as well"
    assert LedgerEntry.objects.get(case=f"case:{case.id}").record["stands_on"] == "reading"


def test_a_report_takes_only_the_steps_of_its_table() -> None:
    assert step_report(ReportState.QUEUED, ReportState.REPRODUCED) is ReportState.REPRODUCED
    for over in (ReportState.REPRODUCED, ReportState.DUPLICATE, ReportState.READ_REAL):
        with pytest.raises(OutOfOrder):
            step_report(over, ReportState.QUEUED)


@given(
    st.lists(st.tuples(st.integers(1, 3), st.sampled_from(["read-real", "read-unfounded", "out-of-model"])))
)
def test_a_finding_stands_only_if_two_different_people_hold_it(readings: list[tuple[int, str]]) -> None:
    settled = agreed((reader, ReportState(said)) for reader, said in readings)
    holds = dict(readings)
    most = {said for said in holds.values() if sum(each == said for each in holds.values()) >= 2}
    assert {settled} == most if settled else not most


def test_a_document_that_holds_nothing_brings_nothing(house: House) -> None:
    log = b'{"version": "2.1.0", "runs": []}'
    told = submit_document(actor=make_person(Role.OPERATOR), format="sarif", content=b64(log), product="x")
    assert told == {"reports": []}
