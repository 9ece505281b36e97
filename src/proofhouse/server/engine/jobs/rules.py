# SPDX-License-Identifier: Apache-2.0
"""States and queues of background work. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    """It gave its answer, and the answer is no: a refused act, a recipe that is wrong. Trying again changes nothing."""
    POISONED = "poisoned"
    """Every attempt that it may have has failed, or has killed its worker."""
    CANCELLED = "cancelled"


TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.POISONED, JobState.CANCELLED}),
    JobState.RUNNING: frozenset(
        {
            JobState.RUNNING,  # taken over from a worker that died
            JobState.QUEUED,
            JobState.DONE,
            JobState.FAILED,
            JobState.POISONED,
            JobState.CANCELLED,
        }
    ),
    JobState.DONE: frozenset(),
    JobState.FAILED: frozenset({JobState.QUEUED}),
    JobState.POISONED: frozenset({JobState.QUEUED}),
    JobState.CANCELLED: frozenset({JobState.QUEUED}),
}

LIVE = frozenset({JobState.QUEUED, JobState.RUNNING})
"""Somebody will work on it without being asked again."""


class JobStepError(Exception):
    """A job cannot go from where it stands to where it was told to; the message names both."""

    code = "wrong_job_state"


def step_job(now: JobState, wanted: JobState) -> JobState:
    """Where a job stands after a change.

    Raises:
        JobStepError: The table does not allow it.
    """
    if wanted not in TRANSITIONS[now]:
        raise JobStepError(f"a job that is {now} cannot become {wanted}")
    return wanted


class Queue(StrEnum):
    """Queues are named by what a machine must be able to do, not by desk."""

    DESK = "desk"
    """Nothing but the house itself: exports, matching."""
    EXAM_CPU = "exam-cpu"
    EXAM_GPU = "exam-gpu"
    PROOF = "proof"
    """A compiler and the process sandbox."""
    PROOF_KVM = "proof-kvm"
    """A machine that can start virtual machines."""


@dataclass(frozen=True)
class Limits:
    """How many jobs of a queue run at once."""

    per_worker: int
    overall: int | None = None
    """Over all workers of the house; None for no limit."""

    def __post_init__(self) -> None:
        if self.per_worker < 1 or (self.overall is not None and self.overall < self.per_worker):
            raise ValueError("per_worker is at least 1, and overall is at least per_worker")


DEFAULT_LIMITS: dict[Queue, Limits] = {
    Queue.DESK: Limits(4),
    Queue.EXAM_CPU: Limits(1),
    Queue.EXAM_GPU: Limits(1),
    Queue.PROOF: Limits(1),
    Queue.PROOF_KVM: Limits(1),
}
"""Programs of exams and proofs use every core that they get; a second one on the same machine only slows both."""


def limits_from(fields: Mapping[str, Mapping[str, int]]) -> dict[Queue, Limits]:
    """The limits of all queues, with what a house says about some (`[queues.exam-cpu]` in `house.toml`).

    Raises:
        ValueError: No such queue, no such limit, or a limit that is none.
    """
    made = dict(DEFAULT_LIMITS)
    for name, said in fields.items():
        if set(said) - {"per_worker", "overall"}:
            raise ValueError(f"queues.{name}: only per_worker and overall can be set")
        queue = Queue(name)
        made[queue] = Limits(**{"per_worker": made[queue].per_worker, **said})
    return made


RETRY_CEILING_S = 3600.0


def backoff_s(first_s: float, attempts: int) -> float:
    """How long a job waits after its attempts so far: doubling from `first_s`, an hour at most."""
    return min(first_s * 2.0 ** (max(attempts, 1) - 1), RETRY_CEILING_S)
