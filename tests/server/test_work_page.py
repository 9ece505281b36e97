# SPDX-License-Identifier: Apache-2.0
"""Background work as people see it: the page, its two buttons, the questions and the commands."""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner
from django.test import Client

from proofhouse.cli import main
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine import control
from proofhouse.server.engine.jobs.rules import (
    TRANSITIONS,
    JobState,
    JobStepError,
    Queue,
    limits_from,
    step_job,
)
from proofhouse.server.engine.models import Job, LedgerEntry
from proofhouse.server.engine.services import cancel_job, requeue_job
from proofhouse.server.engine.work import queues_here
from proofhouse.server.house import House
from server.makers import make_job, make_person

pytestmark = pytest.mark.django_db


def signed_in(person: Person) -> Client:
    client = Client()
    client.force_login(person)
    return client


def page(person: Person) -> str:
    return signed_in(person).get("/work/").content.decode()


def test_the_steward_sees_all_work_and_its_buttons(house: House) -> None:
    make_job(JobState.RUNNING, percent=40, text="run 2 of 3", attempts=1)
    make_job(JobState.POISONED, problem="OSError: no space left", attempts=5)
    make_job(JobState.DONE)
    shown = page(make_person(Role.STEWARD))
    assert "40 %, run 2 of 3" in shown
    assert "OSError: no space left" in shown
    assert (shown.count("/cancel/"), shown.count("/requeue/")) == (1, 1)


def test_whoever_asked_for_work_follows_it_and_sees_no_other_and_no_button(house: House) -> None:
    reviewer = make_person(Role.REVIEWER)
    make_job(asked_by=reviewer, case="export:mine")
    make_job(asked_by=make_person(Role.COORDINATOR), case="export:other")
    shown = page(reviewer)
    assert "export:mine" in shown
    assert "export:other" not in shown
    assert "<button>Sign out</button>" in shown
    assert "/cancel/" not in shown


def test_a_page_with_live_work_asks_again_and_one_without_stays_still(house: House) -> None:
    steward = make_person(Role.STEWARD)
    job = make_job()
    assert 'hx-trigger="every 2s"' in page(steward)
    fragment = signed_in(steward).get("/work/?live").content.decode()
    assert "<html" not in fragment
    assert 'id="jobs"' in fragment
    Job.objects.filter(id=job.id).update(state=JobState.DONE)
    assert "hx-trigger" not in page(steward)
    assert "<script" not in page(steward)


def test_the_buttons_cancel_and_try_again(house: House) -> None:
    steward = make_person(Role.STEWARD)
    job = make_job()
    client = signed_in(steward)
    assert client.post(f"/work/{job.id}/cancel/").status_code == 302
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
    assert "The job is cancelled." in client.get("/work/").content.decode()
    client.post(f"/work/{job.id}/requeue/")
    job.refresh_from_db()
    assert (job.state, job.dispatch, job.attempts) == (JobState.QUEUED, 2, 0)
    assert list(LedgerEntry.objects.values_list("kind", flat=True)) == ["job.cancel", "job.requeue"]
    Job.objects.update(state=JobState.DONE)
    client.post(f"/work/{job.id}/cancel/")
    assert "a job that is done cannot become cancelled." in client.get("/work/").content.decode()


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.STEWARD])
def test_nobody_else_reaches_the_buttons_even_of_their_own_work(house: House, role: Role) -> None:
    person = make_person(role)
    job = make_job(asked_by=person)
    client = signed_in(person)
    for address in (f"/work/{job.id}/cancel/", f"/work/{uuid4()}/cancel/", f"/work/{job.id}/requeue/"):
        assert client.post(address).status_code == 404
    job.refresh_from_db()
    assert job.state == JobState.QUEUED


def test_what_a_job_says_is_shown_as_text(house: House) -> None:
    make_job(JobState.FAILED, problem="<script>alert(1)</script>")
    assert "<script>alert" not in page(make_person(Role.STEWARD))


@pytest.mark.parametrize("state", JobState)
def test_acts_follow_the_table_of_states(house: House, state: JobState) -> None:
    steward = make_person(Role.STEWARD)
    for act, wanted in ((cancel_job, JobState.CANCELLED), (requeue_job, JobState.QUEUED)):
        job = make_job(state)
        allowed = wanted in TRANSITIONS[state] and not (act is requeue_job and state is JobState.RUNNING)
        if allowed:
            act(actor=steward, job=str(job.id))
        else:
            with pytest.raises(JobStepError):
                act(actor=steward, job=str(job.id))
        job.refresh_from_db()
        assert job.state == (wanted if allowed else state)


def test_every_state_is_left_or_final_and_only_done_is_final() -> None:
    assert {state for state in JobState if not TRANSITIONS[state]} == {JobState.DONE}
    with pytest.raises(JobStepError, match="a job that is done cannot become queued"):
        step_job(JobState.DONE, JobState.QUEUED)


def test_limits_come_from_the_house_and_wrong_ones_are_refused() -> None:
    made = limits_from({"exam-cpu": {"per_worker": 2, "overall": 8}})
    assert (made[Queue.EXAM_CPU].per_worker, made[Queue.EXAM_CPU].overall) == (2, 8)
    assert made[Queue.DESK].overall is None
    for wrong in ({"tape": {"per_worker": 1}}, {"desk": {"speed": 1}}, {"desk": {"per_worker": 0}},
                  {"desk": {"per_worker": 4, "overall": 2}}):  # fmt: skip
        with pytest.raises(ValueError, match=r"."):
            limits_from(wrong)


def test_a_house_says_which_queues_its_own_process_takes(house: House, settings: Any) -> None:
    from dataclasses import replace

    assert {Queue.DESK, Queue.PROOF, Queue.EXAM_CPU} <= set(queues_here())
    settings.HOUSE = replace(house, worker_queues=("desk",))
    assert queues_here() == [Queue.DESK]
    settings.HOUSE = replace(house, worker_queues=())
    assert queues_here() == []


@pytest.fixture
def answering(house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """The house's control socket, answered without a socket: the commands' other end."""
    monkeypatch.setattr(
        "proofhouse.server.cli.request", lambda _path, message: _value(control.answer(message))
    )
    return house


def _value(reply: dict[str, Any]) -> Any:
    from proofhouse.server.engine.wire import ControlError

    if not reply["ok"]:
        raise ControlError(reply["code"], reply["message"])
    return reply["value"]


def run(*words: str) -> tuple[int, str]:
    came = CliRunner().invoke(main, ["house", *words])
    return came.exit_code, came.output


def test_the_commands_list_cancel_and_requeue(answering: House) -> None:
    steward = make_person(Role.STEWARD)
    job = make_job(JobState.POISONED, problem="OSError: x", attempts=5)
    where, who = str(answering.directory), ("--as", steward.email)
    code, said = run("jobs", where, *who)
    assert code == 0
    assert re.fullmatch(rf"{job.id}  poisoned     0 %  5/5  oversight.export  export:1  OSError: x\n", said)
    code, said = run("jobs", where, *who, "--json", "--state", "poisoned")
    assert [row["id"] for row in json.loads(said)] == [str(job.id)]
    assert json.loads(run("jobs", where, *who, "--json", "--state", "done")[1]) == []
    standing = json.loads(run("standing", where, *who, "--json")[1])
    assert (standing["jobs_poisoned"], standing["jobs_queued"]) == (1, 0)
    assert "jobs_poisoned    1" in run("standing", where, *who)[1]
    assert run("requeue-job", where, str(job.id), *who) == (0, f"{job.id} is queued again\n")
    assert run("cancel-job", where, str(job.id), *who) == (0, f"{job.id} is cancelled\n")
    code, said = run("cancel-job", where, str(job.id), *who)
    assert code == 1
    assert "a job that is cancelled cannot become cancelled" in said


def test_the_commands_say_what_is_missing(house: House) -> None:
    code, said = run("jobs", str(house.directory), "--as", "nobody@office.example")
    assert code == 3
    assert "no running house answers" in said
    code, said = run("work", str(house.directory), "--queues", "tape")
    assert code == 3
    assert "'tape' is not a valid Queue; there are desk, exam-cpu, exam-gpu, proof, proof-kvm" in said
