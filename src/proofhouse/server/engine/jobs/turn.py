# SPDX-License-Identifier: Apache-2.0
"""One run of one job: its fence, its markers, its progress.

Every start of a job takes a new number. A run whose number is no longer the row's was taken over (its worker was slow,
not dead); a run whose job is no longer running was cancelled. Both find out at their next step and write nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import transaction

from proofhouse.server.engine.acts import take_turn
from proofhouse.server.engine.clock import now
from proofhouse.server.engine.jobs.rules import JobState
from proofhouse.server.engine.models import Job, JobStep

TELL_EVERY_S = 0.5
SIGN_EVERY_S = 5.0

handing_back = threading.Event()
"""Set while this process drains and can wait no longer: runs stop at their next step and go back to their queue."""


class JobFailed(Exception):
    """The job has its answer, and it is no; it is not tried again."""

    code = "job_failed"


class JobChanged(Exception):
    """The steps of a job no longer come in the order in which it did them before; the message names both."""


class JobStopped(BaseException):
    """This run must end without writing anything more: cancelled, taken over or handed back.

    Not an `Exception`, so that no handler in a job swallows it.
    """


@dataclass
class Turn:
    """One run of a job in this thread."""

    job: UUID
    run: int
    place: int = 0
    percent: int = 0
    _told_at: float = field(default=0.0, repr=False)

    def stand(self, *, lock: bool = False) -> None:
        """Go on only while this run is the valid one.

        Args:
            lock: Keep it so until the transaction under way ends.

        Raises:
            JobStopped: It is not.
        """
        if handing_back.is_set():
            raise JobStopped("handed back")
        rows = Job.objects.filter(id=self.job)
        row = (rows.select_for_update() if lock else rows).values_list("state", "run").first()
        if row != (JobState.RUNNING, self.run):
            raise JobStopped(f"the job is {row[0] if row else 'gone'} and this run is over")

    def once(self, name: str, work: Callable[[], Any]) -> Any:
        """Do something and its marker in one transaction, or give the result of when it was done."""
        place = self._next()
        with transaction.atomic():
            take_turn()
            self.stand(lock=True)
            marker = self._marker(place, name)
            if marker is None:
                marker = self._mark(place, name, work())
        return marker.result

    def at_least_once(self, name: str, work: Callable[[], Any]) -> Any:
        """Do something, then write its marker, or give the result of when it was done."""
        place = self._next()
        self.stand()
        marker = self._marker(place, name)
        if marker is None:
            result = work()
            with transaction.atomic():
                self.stand(lock=True)
                marker = self._mark(place, name, result)
        return marker.result

    def tell(self, percent: int, text: str) -> None:
        """Report progress, which never goes back; a report within half a second of the last is dropped."""
        self.percent = max(self.percent, min(100, percent))
        if time.monotonic() - self._told_at < TELL_EVERY_S:
            return
        self._told_at = time.monotonic()
        self._sign({"percent": self.percent, "text": text[:200]})

    def sign(self) -> None:
        """Give a sign of life."""
        self._sign({})

    def _sign(self, told: dict[str, Any]) -> None:
        rows = Job.objects.filter(id=self.job, run=self.run, state=JobState.RUNNING)
        if handing_back.is_set() or not rows.update(seen_at=now(), **told):
            self.stand()

    def _next(self) -> int:
        self.place += 1
        return self.place

    def _marker(self, place: int, name: str) -> JobStep | None:
        marker = JobStep.objects.filter(job_id=self.job, place=place).first()
        if marker is not None and marker.name != name:
            raise JobChanged(f"step {place} was {marker.name} when it was done, and is {name} now")
        return marker

    def _mark(self, place: int, name: str, result: Any) -> JobStep:
        return JobStep.objects.create(job_id=self.job, place=place, name=name, result=result, done_at=now())


_turns: ContextVar[Turn | None] = ContextVar("turn_of_a_job", default=None)


def current() -> Turn:
    """The run under way in this thread.

    Raises:
        RuntimeError: Called outside a job.
    """
    turn = _turns.get()
    if turn is None:
        raise RuntimeError("steps and progress belong to a job")
    return turn
