# SPDX-License-Identifier: Apache-2.0
"""What desks use: a job is a function that goes on after a crash where its last step ended.

    @job("oversight.export", queue=Queue.DESK)
    def export(*, request: str) -> None:
        digest = build(request=request)
        hand_over(request=request, digest=digest)

    @slow_step
    def build(*, request: str) -> str: ...       # outside a transaction; at least once

    @step
    def hand_over(*, request: str, digest: str) -> None: ...    # one transaction, as an act; exactly once

An act puts it in a queue with `enqueue(export, {"request": …})`; the job exists if and only if that act commits. What a
job does between its steps may happen again after a crash, so everything that counts belongs into a step. The steps of
a job must come in the same order each time it is run.
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from proofhouse.server.accounts.models import Person
from proofhouse.server.engine.acts import ACTS, one_transaction, plain, running
from proofhouse.server.engine.clock import now
from proofhouse.server.engine.jobs.rules import LIVE, Queue
from proofhouse.server.engine.jobs.turn import JobFailed, current
from proofhouse.server.engine.models import Job

F = TypeVar("F", bound=Callable[..., Any])


class Dispatcher(Protocol):
    """Something that brings queued jobs to workers."""

    def put(self, job: Job, delay_s: float = 0.0) -> None:
        """Order a job to be run, as part of the transaction under way.

        Args:
            job: Its row; the order is for its present `dispatch`.
            delay_s: Not before so many seconds.
        """
        ...


@dataclass(frozen=True)
class Work:
    """A registered job."""

    name: str
    queue: Queue
    ceiling: int
    retry_s: float
    function: Callable[..., Any]


WORKS: dict[str, Work] = {}
"""Every job by its name, `desk.verb`."""

_dispatchers: list[Dispatcher] = []


def use(dispatcher: Dispatcher) -> None:
    """Have this process dispatch through `dispatcher` from here on."""
    _dispatchers[:] = [dispatcher]


def dispatcher() -> Dispatcher:
    """Through what this process dispatches; DBOS, unless a test has put in the fake."""
    if not _dispatchers:
        from proofhouse.server.engine.jobs.durable import Durable

        use(Durable())
    return _dispatchers[0]


def job(
    name: str, *, queue: Queue, attempts: int = 5, retry_s: float = 5.0
) -> Callable[[Callable[..., Any]], Work]:
    """Make a function a job.

    Args:
        name: `desk.verb`; it stays the same for as long as such jobs may lie in a queue.
        queue: What a machine must be able to do.
        attempts: How often it is tried before it is poisoned; a worker that died under it counts.
        retry_s: Wait after the first failure; doubles with each further one.

    Raises:
        TypeError: At import, when the function takes positional arguments.
        ValueError: The name is taken.
    """

    def register(function: Callable[..., Any]) -> Work:
        if any(p.kind is not p.KEYWORD_ONLY for p in inspect.signature(function).parameters.values()):
            raise TypeError(f"{function.__qualname__}: a job takes keyword-only arguments")
        if name in WORKS:
            raise ValueError(f"there is a job {name} already")
        WORKS[name] = Work(name, queue, attempts, retry_s, function)
        return WORKS[name]

    return register


def enqueue(
    work: Work,
    arguments: Mapping[str, Any],
    *,
    case: str = "",
    asked_by: Person | None = None,
    key: str = "",
) -> Job:
    """Put a job in its queue as part of the act under way; both commit or neither does.

    Args:
        work: A registered job.
        arguments: What JSON can hold, and digests rather than documents.
        case: What it belongs to, `review:…`.
        asked_by: Who may follow it, besides the steward.
        key: While a job with this key is queued or running, it is given back instead of a second one.

    Raises:
        RuntimeError: Called outside an act.
        TypeError: The job takes no such arguments, or JSON cannot hold one.
    """
    running()
    inspect.signature(work.function).bind(**arguments)
    stored = in_json(dict(arguments), f"arguments of {work.name}")
    if key:
        there = Job.objects.filter(key=key, state__in=LIVE).first()
        if there is not None:
            return there
    row = Job.objects.create(
        name=work.name,
        queue=work.queue,
        arguments=stored,
        case=case,
        key=key,
        asked_by=asked_by,
        ceiling=work.ceiling,
        enqueued_at=now(),
    )
    dispatcher().put(row)
    return row


def step(function: F) -> F:
    """Make a function a step: one transaction, in which it may record and send as an act does; it happens once.

    Its result must be what JSON can hold. A step calls no act and no other step.
    """

    @functools.wraps(function)
    def run(**arguments: Any) -> Any:
        def work() -> Any:
            with one_transaction(f"{function.__module__}.{function.__name__}"):
                return in_json(function(**arguments), f"result of {function.__name__}")

        return current().once(function.__name__, work)

    return run  # type: ignore[return-value]  # same signature, JSON values


def slow_step(function: F) -> F:
    """Make a function a step that runs outside any transaction: at least once, and its result is kept once.

    For what takes long or touches files. What it writes must bear being written again.
    """

    @functools.wraps(function)
    def run(**arguments: Any) -> Any:
        return current().at_least_once(
            function.__name__, lambda: in_json(function(**arguments), f"result of {function.__name__}")
        )

    return run  # type: ignore[return-value]


def perform(name: str, *, actor: str, **arguments: Any) -> Any:
    """Do an act of a person as a step of this job; it happens once.

    Args:
        name: Public name of the act.
        actor: E-mail address of the person in whose name it is done; permission is checked now, not when asked for.
        arguments: The act's arguments.

    Raises:
        JobFailed: The person does not work here any more.
    """

    def work() -> Any:
        person = Person.objects.filter(email=actor, is_active=True).first()
        if person is None:
            raise JobFailed(f"{actor} does not work here any more")
        return in_json(plain(ACTS[name](actor=person, **arguments)), f"result of {name}")

    return current().once(name, work)


def report_progress(percent: int, text: str = "") -> None:
    """Say how far the job under way has come; also the place where a long loop learns that it was cancelled."""
    current().tell(percent, text)


def in_json(value: Any, what: str) -> Any:
    """A value as it will be read back.

    Raises:
        TypeError: JSON cannot hold it.
    """
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as wrong:
        raise TypeError(f"{what}: {wrong}") from None
