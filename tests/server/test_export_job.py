# SPDX-License-Identifier: Apache-2.0
"""An inspector's request is answered by a job: the bundle verifies before it leaves, and it leaves once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from proofhouse.ledger.bundle import verify_bundle
from proofhouse.server.accounts.permissions import Permission, Role
from proofhouse.server.engine import post
from proofhouse.server.engine.acts import ActError, act
from proofhouse.server.engine.blobs import get_blob
from proofhouse.server.engine.jobs import port
from proofhouse.server.engine.jobs.eager import Eager
from proofhouse.server.engine.jobs.rules import JobState
from proofhouse.server.engine.models import Job, LedgerEntry, Letter
from proofhouse.server.engine.record import collect_receipts, record
from proofhouse.server.house import House
from proofhouse.server.oversight import tasks
from proofhouse.server.oversight.models import Export
from proofhouse.server.oversight.services import make_export
from server.makers import Correspondent, make_person

pytestmark = pytest.mark.django_db


@pytest.fixture
def asked(lab: Correspondent, house: House, desk: None) -> None:
    """A case with an entry in force, and an inspector's request about it."""

    @act(Permission.HOUSE_PEER_INTRODUCE)
    def happen(*, actor: Any) -> None:
        record("inquiry.receive", "review:1", {"model": "Example-1"})

    happen(actor=make_person(Role.STEWARD))
    collect_receipts()
    body = {
        "request": "0190a000-0000-7000-8000-000000000000",
        "ledgers": [house.log_origin],
        "cases": ["review:1"],
    }
    post.receive(lab.letter("export-request", body).data)


def run_all() -> None:
    fake = port.dispatcher()
    assert isinstance(fake, Eager)
    fake.run_all()


def test_the_act_queues_the_job_builds_and_sends(asked: None, tmp_path: Path) -> None:
    reviewer = make_person(Role.REVIEWER)
    job = make_export(actor=reviewer)
    assert (job.state, job.asked_by, Export.objects.count()) == (JobState.QUEUED, reviewer, 0)
    with pytest.raises(ActError, match="no inspector waits"):
        make_export(actor=reviewer)
    run_all()
    made = Export.objects.get()
    assert Job.objects.get().state == JobState.DONE, Job.objects.get().problem
    bundle = tmp_path / "bundle.zip"
    bundle.write_bytes(get_blob(made.sha256))
    assert all(line.ok for line in verify_bundle(bundle))
    letter = Letter.objects.get(type="export")
    assert letter.waits_for == LedgerEntry.objects.get(kind="export.make")
    with pytest.raises(ActError, match="no inspector waits"):
        make_export(actor=reviewer)


def test_a_bundle_that_does_not_verify_is_made_again_and_never_sent(
    asked: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[int] = []
    honest = tasks.write_export

    def meddle(path: Path, cases: list[str]) -> None:
        honest(path, cases)
        writes.append(1)
        if len(writes) == 1:
            path.write_bytes(path.read_bytes()[:-300])

    def line(path: Path) -> list[Any]:
        try:
            return list(verify_bundle(path))
        except Exception as broken:
            raise tasks.NotWhole(str(broken)) from None

    monkeypatch.setattr(tasks, "write_export", meddle)
    monkeypatch.setattr(tasks, "verify_bundle", line)
    make_export(actor=make_person(Role.REVIEWER))
    run_all()
    assert (len(writes), Export.objects.count(), Letter.objects.filter(type="export").count()) == (2, 1, 1)


def test_a_crash_between_building_and_sending_builds_no_second_bundle(
    asked: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    builds: list[int] = []
    honest = tasks.write_export
    monkeypatch.setattr(tasks, "write_export", lambda *all_: (builds.append(1), honest(*all_)))
    tells = iter([None, OSError("the machine stops")])

    def stop(*_: Any) -> None:
        told = next(tells, None)
        if told is not None:
            raise told

    monkeypatch.setattr(tasks, "report_progress", stop)
    make_export(actor=make_person(Role.REVIEWER))
    run_all()
    row = Job.objects.get()
    assert (row.state, row.attempts, len(builds), Export.objects.count()) == (JobState.DONE, 2, 1, 1)


def test_who_left_the_house_hands_nothing_over(asked: None) -> None:
    reviewer = make_person(Role.REVIEWER)
    make_export(actor=reviewer)
    reviewer.is_active = False
    reviewer.save()
    run_all()
    assert Job.objects.get().state == JobState.FAILED
    assert not Letter.objects.filter(type="export").exists()
