# SPDX-License-Identifier: Apache-2.0
"""Running a job: from the order to run it to what came of it. The same for DBOS and for the fake."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

from django.db import transaction

from proofhouse.server.engine.clock import now
from proofhouse.server.engine.jobs.port import WORKS, dispatcher, in_json
from proofhouse.server.engine.jobs.rules import LIVE, JobState, JobStepError, backoff_s, step_job
from proofhouse.server.engine.jobs.turn import JobStopped, Turn, _turns, handing_back
from proofhouse.server.engine.models import Job

logger = logging.getLogger(__name__)


def run(identity: UUID, dispatch: int, worker: str) -> None:
    """Run a job as ordered. What it raises becomes its state; nothing of it comes out of here.

    Args:
        identity: Id of its row.
        dispatch: The order's number; an order that is no longer valid does nothing.
        worker: Who runs it.
    """
    begun = _begin(identity, dispatch, worker)
    if begun is None:
        return
    turn, row = begun
    token = _turns.set(turn)
    try:
        work = WORKS.get(row.name)
        if work is None:
            raise LookupError(f"this worker knows no job {row.name}")
        result = in_json(work.function(**row.arguments), f"result of {row.name}")
        _settle(turn, JobState.DONE, result=result, percent=100, problem="")
    except JobStopped as stopped:
        logger.info("%s %s: %s", row.name, identity, stopped)
        if handing_back.is_set():
            _hand_back(turn)
    except Exception as failed:
        _fail(turn, failed)
    finally:
        _turns.reset(token)


def _begin(identity: UUID, dispatch: int, worker: str) -> tuple[Turn, Job] | None:
    with transaction.atomic():
        row = Job.objects.select_for_update().filter(id=identity, dispatch=dispatch, state__in=LIVE).first()
        if row is None:
            return None
        if row.attempts >= row.ceiling:
            row.problem = row.problem or "each worker that tried it has died"
            _end(row, JobState.POISONED)
            row.save()
            logger.error("%s %s is poisoned: %s", row.name, row.id, row.problem)
            return None
        row.state = step_job(JobState(row.state), JobState.RUNNING)
        row.run += 1
        row.attempts += 1
        row.worker = worker
        row.started_at = row.seen_at = now()
        row.save()
    return Turn(row.id, row.run), row


def _locked(turn: Turn) -> Job | None:
    """The row, if this run is still the valid one; locked until the transaction ends."""
    return Job.objects.select_for_update().filter(id=turn.job, run=turn.run, state=JobState.RUNNING).first()


def _end(row: Job, state: JobState) -> None:
    row.state = step_job(JobState(row.state), state)
    row.finished_at = now()


def _settle(turn: Turn, state: JobState, **fields: Any) -> None:
    with transaction.atomic():
        row = _locked(turn)
        if row is None:
            return
        _end(row, state)
        for name, value in fields.items():
            setattr(row, name, value)
        row.save()


def _fail(turn: Turn, failed: Exception) -> None:
    said = f"{type(failed).__name__}: {failed}"[:500]
    if isinstance(getattr(failed, "code", None), str):
        _settle(turn, JobState.FAILED, problem=said)
        return
    with transaction.atomic():
        row = _locked(turn)
        if row is None:
            return
        row.problem = said
        if row.attempts >= row.ceiling:
            _end(row, JobState.POISONED)
        else:
            _order_again(row, backoff_s(WORKS[row.name].retry_s if row.name in WORKS else 5.0, row.attempts))
        row.save()
    logger.warning(
        "%s %s: attempt %d of %d failed", row.name, row.id, row.attempts, row.ceiling, exc_info=failed
    )


def _hand_back(turn: Turn) -> None:
    with transaction.atomic():
        row = _locked(turn)
        if row is not None:
            row.attempts -= 1  # it was not its fault
            _order_again(row, 0.0)
            row.save()


def _order_again(row: Job, delay_s: float) -> None:
    row.state = step_job(JobState(row.state), JobState.QUEUED)
    row.dispatch += 1
    dispatcher().put(row, delay_s)


def cancel(row: Job) -> None:
    """Cancel a job as part of the act under way; a run of it stops within a second and its programs with it."""
    _end(row, JobState.CANCELLED)
    row.save()


def requeue(row: Job) -> None:
    """Give a job that ended without being done a fresh set of attempts, as part of the act under way.

    Its steps that were done stay done.

    Raises:
        JobStepError: It is done, or it needs nobody to ask for it: it waits or runs.
    """
    if row.state in LIVE:
        raise JobStepError(f"a job that is {row.state} needs not be queued again")
    row.attempts = 0
    row.finished_at = None
    row.percent = 0
    _order_again(row, 0.0)
    row.save()
