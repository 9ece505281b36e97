# SPDX-License-Identifier: Apache-2.0
"""A flood leaves every report accounted for, and workers that are killed validate none twice and lose none."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from proofhouse.attest import Signer
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.cases.models import Refusal, Report, ValidationRun
from proofhouse.server.cases.queries import intake
from proofhouse.server.engine.models import Job, LedgerEntry, Worker
from proofhouse.server.house import Desk, House
from proofhouse.server.opening import open_house
from server.floors import fresh_database
from server.makers import make_organisation, make_person, make_token

ROOT = Path(__file__).resolve().parents[2]
OF_EACH = 45
"""So many a finder; a day's allowance is fifty."""


class Finder:
    """A program that reports over the door for VINCE."""

    def __init__(self, number: int) -> None:
        organisation = make_organisation(f"scanner-{number}")
        fields = {"organisation": organisation, "scopes": ["cases:report:submit"]}
        self.secret = make_token(make_person(Role.COORDINATOR), **fields)[0]

    def send(self, fields: dict[str, Any], proof: bytes | None) -> tuple[int, dict[str, Any]]:
        files = {"user_file": SimpleUploadedFile("proof.bin", proof)} if proof is not None else {}
        answer = Client().post(
            "/vince/comm/api/vulreport/",
            {**fields, **files},
            headers={"Authorization": f"Token {self.secret}"},
        )
        return answer.status_code, answer.json()


def broken(number: int) -> tuple[dict[str, Any], bytes | None]:
    """A report that cannot be taken, one of several sorts."""
    whole = {"product_name": "tally", "vul_description": f"Broken {number}"}
    sorts: list[tuple[dict[str, Any], bytes | None]] = [
        ({"product_name": "tally"}, None),
        ({**whole, "vul_description": "\0\u202e"}, None),
        ({"csaf": '{"document":'}, None),
        ({"csaf": json.dumps({"document": {}, "vulnerabilities": []})}, b"proof"),
        (whole, b"x" * ((8 << 20) + 1) if number % 500 == 0 else b""),
    ]
    fields, proof = sorts[number % len(sorts)]
    return (fields, proof) if proof != b"" else ({**whole, "product_name": " "}, None)


def flood(count: int, dice: random.Random) -> list[tuple[str, dict[str, Any], bytes | None]]:
    """Reports: a fifth new, a fifth broken, three fifths repetitions of new ones."""
    new = [
        (
            {"product_name": "tally", "vul_description": f"Flaw {number}"},
            f"proof {number}".encode() if number % 4 else None,
        )
        for number in range(count // 5)
    ]
    sent = [("new", *each) for each in new]
    sent += [("repeated", *dice.choice(new)) for _ in range(count * 3 // 5)]
    sent += [("broken", *broken(number)) for number in range(count - len(sent))]
    dice.shuffle(sent)
    return sent


def pour(count: int) -> None:
    """Send a flood from enough finders, and account for all of it."""
    dice = random.Random(20261128)
    finders = [Finder(number) for number in range(-(-count // OF_EACH))]
    answers: Counter[str] = Counter()
    ids: set[str] = set()
    for number, (_, fields, proof) in enumerate(flood(count, dice)):
        status, told = finders[number % len(finders)].send(fields, proof)
        assert status in (201, 400, 413), told
        if status != 201:
            answers["refused"] += 1
        elif told["vrf_id"] in ids:
            answers["sent again"] += 1
        else:
            answers["taken"] += 1
            ids.add(told["vrf_id"])
    counted = intake(actor=make_person(Role.COORDINATOR))
    assert sum(answers.values()) == count
    assert answers["refused"] == sum(counted["refused"].values()) == count // 5
    assert answers["taken"] == sum(counted["reports"].values()) == Report.objects.count()
    assert LedgerEntry.objects.filter(kind="report.receive").count() == answers["taken"]
    firsts = counted["reports"]["queued"] + counted["reports"]["needs-human"]
    assert firsts == count // 5, "each flaw once, whoever was first"
    assert counted["reports"]["duplicate"] + answers["sent again"] == count * 3 // 5
    assert not Report.objects.filter(state="duplicate", duplicate_of__duplicate_of__isnull=False).exists()
    assert Refusal.objects.count() < 10, "a count is one row"


@pytest.mark.django_db
def test_a_small_flood_leaves_every_report_accounted_for(house: House) -> None:
    pour(100)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.django_db
def test_a_flood_leaves_every_report_accounted_for(house: House) -> None:
    pour(5000)


# --- workers that die -------------------------------------------------------------------------------------------------

REPORTS = 12
KILLS = 6


@pytest.fixture
def clearing(tmp_path: Path, django_db_setup: None, django_db_blocker: Any) -> Iterator[House]:
    """A house on disk whose database has every table; this process reads it too."""
    made = open_house(
        tmp_path / "house",
        name="clearing",
        title="Clearing",
        desks=frozenset({Desk.CLEARINGHOUSE}),
        address="http://localhost:8196",
        people=[],
        demo=True,
    )
    if not list((made.keys / "validation").glob("*.pem")):
        Signer.generate("validation", "clearing", demo=True).save(made.keys)
    with django_db_blocker.unblock(), fresh_database("sqlite", made.database):
        yield made


def environment(house: House) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "PROOFHOUSE_DATABASE_URL"}
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")]),
        "PROOFHOUSE_CACHE": str(house.directory / "builds"),
    }


def worker(house: House) -> subprocess.Popen[bytes]:
    with (house.directory / "logs" / "worker.log").open("ab") as log:
        words = ["house", "work", str(house.directory), "--queues", "proof"]
        return subprocess.Popen(
            [sys.executable, "-m", "proofhouse.cli", *words], env=environment(house), stderr=log, stdout=log
        )


@pytest.mark.slow
@pytest.mark.sandbox
@pytest.mark.timeout(3000)
def test_workers_that_are_killed_at_any_time_validate_no_report_twice_and_lose_none(clearing: House) -> None:
    dice = random.Random(20261128)
    words = [sys.executable, "-m", "server.flood", str(clearing.directory), str(REPORTS)]
    subprocess.run(words, env=environment(clearing), check=True, timeout=600)
    assert Job.objects.filter(name="cases.prove").count() == REPORTS
    working = [worker(clearing) for _ in range(2)]
    killed, end_s = 0, time.monotonic() + 2400
    try:
        while Job.objects.exclude(state="done").exists():
            assert time.monotonic() < end_s, list(Job.objects.values_list("state", "attempts", "problem"))
            time.sleep(dice.uniform(0.5, 8))
            busy = list(Worker.objects.values_list("pid", flat=True))
            if killed < KILLS and busy and ValidationRun.objects.count() >= killed:
                with suppress(ProcessLookupError):
                    os.kill(dice.choice(busy), signal.SIGKILL)
                    killed += 1
            working += [worker(clearing) for each in working[-2:] if each.poll() is not None]
    finally:
        for each in working:
            each.kill()
            each.wait()
    verdicts = Counter(ValidationRun.objects.values_list("verdict", flat=True))
    print(f"{killed} kills, {REPORTS} reports, runs kept: {dict(verdicts)}")  # noqa: T201 - asked for by -s
    assert killed == KILLS
    assert verdicts == {"reproduced": REPORTS}
    assert ValidationRun.objects.values("report").distinct().count() == REPORTS
    assert Report.objects.filter(state="reproduced").count() == REPORTS
    assert LedgerEntry.objects.filter(kind="validation.accept").count() == REPORTS
