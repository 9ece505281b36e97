# SPDX-License-Identifier: Apache-2.0
"""Jobs: the acts that ask for one, stop one and try one again, and each job itself under a worker that dies.

An act's order to run a job is written by DBOS in the act's own transaction; after each kill the orders are compared
with the jobs. A job is run here as a worker runs it that has the order in its hand, in the thread that is killed. That
a worker gets each order, also after others have died, is shown by `test_jobs_contract.py` and `test_jobs_takeover.py`.
"""

from __future__ import annotations

import math
import os
import shutil
from typing import Any

from crash.case_scenarios import EXAMPLES, FACTS, IDENTIFIERS, PRODUCT, b64, mailed, report
from crash.own_scenarios import recorded
from crash.scenarios import act, example, letter, of_act, of_other, receive
from crash.stage import Stage
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine.jobs import programs, running, turn
from proofhouse.server.engine.jobs.rules import LIVE, JobState
from proofhouse.server.engine.models import Job
from proofhouse.server.house import this_house


def work(_: Any) -> None:
    """What a worker does with each job that is queued, or that another has died under."""
    turn.TELL_EVERY_S = programs.SIGN_EVERY_S = (
        math.inf
    )  # the same places each time, however slow the machine
    for job in Job.objects.filter(state__in=LIVE):
        running.run(job.id, job.dispatch, "a worker")
    unfinished = Job.objects.exclude(state=JobState.DONE).values_list("state", "problem")
    assert not unfinished, list(unfinished)


def asked(stage: Stage) -> None:
    """An inspector has asked for a case."""
    case = recorded(stage)
    receive(letter(stage, "inspector", "export-request", example("export-request", cases=[case])))


def exporting(stage: Stage) -> Job:
    """An export that waits for a worker."""
    asked(stage)
    return act("oversight.make_export", Role.REVIEWER)  # type: ignore[no-any-return]


@of_act("oversight.make_export", Role.REVIEWER)
def _make_export(stage: Stage) -> dict[str, Any]:
    asked(stage)
    return {}


@of_act("engine.cancel_job", Role.STEWARD)
def _cancel(stage: Stage) -> dict[str, Any]:
    return {"job": str(exporting(stage).id)}


@of_act("engine.requeue_job", Role.STEWARD)
def _requeue(stage: Stage) -> dict[str, Any]:
    job = str(exporting(stage).id)
    act("engine.cancel_job", Role.STEWARD, job=job)
    return {"job": job}


@of_other("job oversight.export", work, counts=True, whole=False)
def _export(stage: Stage) -> None:
    exporting(stage)


def _proofs(stage: Stage) -> dict[str, Any]:
    """The proofs of two reports, as a recipe of the house."""
    for identifier in IDENTIFIERS:
        receive(report(stage, identifier))
    _recipe()
    return {"recipe": "example", "title": FACTS["title"], "product": PRODUCT["name"]}


def _recipe() -> None:
    """A recipe of the house."""
    place = this_house().recipes / "example"
    shutil.copytree(EXAMPLES / "recipes" / "example", place / "recipes" / "example")
    shutil.copytree(EXAMPLES / "examples" / "tally", place / "examples" / "tally")
    shutil.copy(EXAMPLES / "recipes" / "example.toml", place / "recipes" / "example.toml")


@of_other("job cases.read_mail", work, counts=True, whole=False)
def _mail(stage: Stage) -> None:
    mailed(stage)
    act("cases.collect_mail", Role.COORDINATOR)


@of_act("cases.validate", Role.COORDINATOR)
def _validate(stage: Stage) -> dict[str, Any]:
    return _proofs(stage)


def benched(stage: Stage) -> None:
    """A bench for a product, and an operator whom it trusts."""
    os.environ["PROOFHOUSE_CACHE"] = str(stage.directory / "builds")
    _recipe()
    trusted = [f"{Role.OPERATOR}@office.example"]
    act("cases.set_bench", Role.COORDINATOR, product="tally", recipe="example", trusted=trusted)


@of_act("cases.set_bench", Role.COORDINATOR)
def _set_bench(_: Stage) -> dict[str, Any]:
    _recipe()
    return {"product": "tally", "recipe": "example", "trusted": []}


@of_other("job cases.prove", work, counts=True, whole=False)
def _prove(stage: Stage) -> None:
    benched(stage)
    proof = (EXAMPLES / "recipes" / "example" / "long-value.rec").read_bytes()
    act(
        "cases.submit_report",
        Role.OPERATOR,
        title="A length is believed",
        product="tally",
        description="It reads past the end.",
        claimed_crash="heap-buffer-overflow",
        files=[{"name": "long.rec", "content": b64(proof)}],
    )


@of_other("job cases.validate", work, counts=True, whole=False)
def _validation(stage: Stage) -> None:
    os.environ["PROOFHOUSE_CACHE"] = str(stage.directory / "builds")  # built once, proved each time
    act("cases.validate", Role.COORDINATOR, **_proofs(stage))
