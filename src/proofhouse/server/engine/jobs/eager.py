# SPDX-License-Identifier: Apache-2.0
"""The fake of the tests: no process, no thread, no waiting. It keeps the port's contract (`test_jobs_contract.py`)."""

from __future__ import annotations

from proofhouse.server.engine.jobs.rules import JobState
from proofhouse.server.engine.jobs.running import run
from proofhouse.server.engine.models import Job


class Eager:
    """Runs what is queued when it is told to, in the caller's thread, oldest first; delays pass at once."""

    def put(self, job: Job, delay_s: float = 0.0) -> None:
        """Nothing to do: the row is the order, and goes when its transaction is rolled back."""

    def run_all(self) -> int:
        """Run until nothing is queued; returns how many runs that were."""
        runs = 0
        while (
            job := Job.objects.filter(state=JobState.QUEUED).order_by("enqueued_at", "id").first()
        ) is not None:
            run(job.id, job.dispatch, "eager")
            runs += 1
        return runs
