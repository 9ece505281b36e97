# SPDX-License-Identifier: Apache-2.0
"""Finders report from a shell, and the mailbox of a house is read, each message once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from proofhouse.cli import main
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.cases.mail_services import collect_mail, look_for_mail
from proofhouse.server.cases.models import Refusal, Report
from proofhouse.server.engine.blobs import get_blob
from proofhouse.server.engine.jobs import running
from proofhouse.server.engine.models import Job
from proofhouse.server.house import House
from server.makers import make_person, make_token

MAIL = b"From: ada@example.org\nSubject: A flaw\n\nProduct: tally\nClass: heap-buffer-overflow\n\nIt reads too far.\n"


@pytest.fixture
def address(house: House, live_server: Any) -> str:
    """The house, behind a real web server on the loopback."""
    url: str = live_server.url
    return url


def proofhouse(*words: str) -> Result:
    return CliRunner().invoke(main, ["report", *words])


@pytest.fixture
def token(tmp_path: Path, address: str) -> str:
    secret, _ = make_token(make_person(Role.OPERATOR), "cases:report:submit")
    (tmp_path / "token").write_text(f"{secret}\n")
    return str(tmp_path / "token")


def test_a_report_and_a_scan_go_in_from_a_shell_and_their_state_comes_back(
    address: str, token: str, tmp_path: Path
) -> None:
    (tmp_path / "a b.rec").write_bytes(b"\x09\x00")
    told = ("--to", address, "--token-file", token, "--json")
    said = ("--title", "A flaw", "--product", "tally", "--description", "It reads too far.")
    proof = ("--proof", str(tmp_path / "a b.rec"), "--means", "ai-system", "--prompt-class", "read-code")
    once, twice = (proofhouse("submit", *told, *said, *proof) for _ in range(2))
    assert once.exit_code == 0, once.output
    assert once.output == twice.output, "sent twice, it is one report"
    report = Report.objects.get()
    assert (report.state, report.proof_name) == ("queued", "a-b.rec")
    assert report.provenance == {"means": "ai-system", "prompt_class": "read-code"}
    slip = json.loads(once.output)["slip"].replace("http://localhost:8199", address)
    assert proofhouse("status", slip).output == f"{report.id}: waits\n"
    log = {"version": "2.1.0", "runs": [{"tool": {}, "results": [{"message": {"text": "Freed"}}]}]}
    (tmp_path / "scan.sarif").write_text(json.dumps(log))
    scan = proofhouse(
        "import", str(tmp_path / "scan.sarif"), *told, "--format", "sarif", "--product", "tally"
    )
    assert scan.exit_code == 0, scan.output
    assert Report.objects.filter(channel="sarif").count() == 1


def test_a_refusal_names_the_field_and_a_house_that_is_not_there_is_code_3(address: str, token: str) -> None:
    said = ("--title", "A flaw", "--product", "tally", "--description", "x", "--token-file", token)
    refused = proofhouse("submit", "--to", address, *said, "--weakness", "many")
    assert refused.exit_code == 1
    assert "weakness" in refused.output
    assert proofhouse("submit", "--to", "http://127.0.0.1:9", *said).exit_code == 3
    plain = proofhouse("submit", "--to", "http://house.example", *said)
    assert plain.exit_code == 2, "no token goes over a wire in the clear"


def run_jobs() -> dict[str, int]:
    job = Job.objects.latest("enqueued_at")
    if job.state != "done":
        running.run(job.id, job.dispatch, "a worker")
    job.refresh_from_db()
    assert job.state == "done", job.problem
    result: dict[str, int] = job.result
    return result


@pytest.mark.django_db
def test_what_a_mail_program_drops_is_read_once_and_put_away(house: House, tmp_path: Path) -> None:
    drop = house.mail_in
    drop.mkdir()
    (drop / "1.eml").write_bytes(MAIL)
    (drop / "2.eml").write_bytes(MAIL)
    (drop / "3.eml").write_bytes(b"nothing that is a message")
    (drop / "4.eml").symlink_to(tmp_path / "secret")
    (tmp_path / "secret").write_bytes(MAIL.replace(b"A flaw", b"A secret"))
    (drop / "5.eml").write_bytes(b"From: a@example.org\nSubject: x\n\n" + b"x" * (33 << 20))
    (drop / "unfinished.tmp").write_bytes(MAIL)
    collect_mail(actor=make_person(Role.COORDINATOR))
    assert run_jobs() == {"taken": 2, "refused": 3}
    report = Report.objects.get()
    assert (report.title, report.product, report.contact, report.channel) == (
        "A flaw", "tally", "ada@example.org", "email",
    )  # fmt: skip
    assert report.finder == "Anonymous", "an address in a From line proves nothing"
    assert get_blob(report.document_sha256) == MAIL
    assert {row.code: row.count for row in Refusal.objects.all()} == {"not_mail": 2, "too_large": 1}
    assert sorted(file.name for file in drop.glob("*.*")) == ["unfinished.tmp"]
    assert sorted(file.name for file in (drop / "refused").iterdir()) == ["3.eml", "4.eml", "5.eml"]


@pytest.mark.django_db
def test_the_house_looks_for_mail_by_itself_and_for_nothing_asks_no_job(house: House) -> None:
    look_for_mail()
    assert not Job.objects.exists()
    house.mail_in.mkdir()
    (house.mail_in / "1.eml").write_bytes(MAIL)
    look_for_mail()
    assert run_jobs() == {"taken": 1, "refused": 0}
