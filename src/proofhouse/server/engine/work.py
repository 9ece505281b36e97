# SPDX-License-Identifier: Apache-2.0
"""The house's standing work: fire what is due, give ledger entries their receipts, let the letters that waited go out.

One thread of the house process does it, woken by each act, of another process too (`bell`), and when a deadline falls
due; another delivers letters, so that a slow house elsewhere delays no receipt here. A house in which nothing happens
looks around every five seconds. Everything starts from rows, so a killed house goes on where it stood. What takes
longer than a moment is a job (`engine.jobs`), and the house process is a worker too.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from django.db import close_old_connections

from proofhouse.server.engine import acts, bell, deadlines, delivery, effects, mark, record, search
from proofhouse.server.engine.jobs import programs
from proofhouse.server.engine.jobs.rules import Queue, limits_from
from proofhouse.server.house import this_house

if TYPE_CHECKING:
    from proofhouse.server.engine.jobs.durable import DurableWorker

logger = logging.getLogger(__name__)

IDLE_S = 5.0
AFTER_TROUBLE_S = 0.5
MINUTE_S = 60.0
HOUR_S = 3600.0

_wake = threading.Event()
_recorded = threading.Event()
_hourly: list[Callable[[], None]] = []


def each_hour(duty: Callable[[], None]) -> Callable[[], None]:
    """Register what the house does when it starts and every hour after; it must be idempotent."""
    _hourly.append(duty)
    return duty


def round_of_work() -> None:
    """One round with letters: what is due, receipts, what they bring into force, then one batch to each house."""
    _duties()
    _try_each([delivery.deliver_queued])


def _duties() -> None:
    """What is due, receipts, what they bring into force. Trouble in one part stops no other."""
    _try_each([deadlines.sweep, record.collect_receipts, effects.bring_about])


def tick() -> None:
    """Persist the time of a house in which nobody does anything, so that its mark is never much behind."""
    with acts.one_transaction("engine.tick"):
        pass


def _try_each(parts: Sequence[Callable[[], object]]) -> None:
    for part in parts:
        try:
            part()
        except Exception:
            logger.exception("%s failed; it is tried again", part.__name__)


def resume() -> None:
    """Take up what an earlier process of this house left, before anything else is done in this one."""
    mark.take_up()
    record.heal()
    programs.clear_left()


def _keep_receipts() -> None:
    """Commit to the log beside everything else, so that no slow letter holds up a receipt."""
    while True:
        _recorded.wait(IDLE_S)
        _recorded.clear()
        try:
            if record.collect_receipts():
                _wake.set()
        except Exception:
            logger.exception("receipts could not be collected; it is tried again")
            time.sleep(AFTER_TROUBLE_S)
        close_old_connections()


def _work() -> None:
    resume()
    threading.Thread(target=_keep_receipts, name="ledger", daemon=True).start()
    search.keep_all()
    due_s = minute_s = time.monotonic()
    while True:
        if time.monotonic() >= due_s:
            _try_each(_hourly)
            due_s = time.monotonic() + HOUR_S
        if time.monotonic() >= minute_s:
            _try_each([tick])
            minute_s = time.monotonic() + MINUTE_S
        _wake.wait(_rest_s())
        _wake.clear()
        _try_each([deadlines.sweep, effects.bring_about])
        delivery.wake()
        close_old_connections()


def _rest_s() -> float:
    """How long nothing is to be done unless somebody rings."""
    try:
        return deadlines.until_next_s(IDLE_S)
    except Exception:
        logger.exception("the next deadline is not known; it is looked up again")
        return AFTER_TROUBLE_S


def _look() -> None:
    """Something is new: there may be receipts to collect, effects to bring about, letters to send."""
    _recorded.set()
    _wake.set()


_workers: list[DurableWorker] = []


def start() -> None:
    """Start the standing work of this process, and its worker for jobs."""
    acts.after_commit(_look)
    bell.listen(_look)
    threading.Thread(target=_work, name="desk-work", daemon=True).start()
    threading.Thread(target=delivery.keep_delivering, name="post", daemon=True).start()
    start_worker(queues_here())


def queues_here() -> list[Queue]:
    """The queues that the house process itself takes: what `house.toml` says, else what this machine can do."""
    said = this_house().worker_queues
    if said is not None:
        return [Queue(name) for name in said]
    able = [Queue.DESK, Queue.EXAM_CPU, Queue.PROOF]
    able += [Queue.PROOF_KVM] * os.access("/dev/kvm", os.R_OK | os.W_OK)
    able += [Queue.EXAM_GPU] * Path("/dev/nvidia0").exists()
    return able


def start_worker(queues: Sequence[Queue]) -> None:
    """Have this process take jobs of some queues.

    Raises:
        ValueError: The limits that `house.toml` gives a queue are none.
    """
    from proofhouse.server.engine.jobs.durable import DurableWorker

    worker = DurableWorker(queues, limits_from(this_house().queue_limits))
    worker.start()
    _workers.append(worker)


def drain(patience_s: float) -> None:
    """Take no more jobs, let those that run end, hand back what takes longer."""
    while _workers:
        _workers.pop().drain(patience_s)
