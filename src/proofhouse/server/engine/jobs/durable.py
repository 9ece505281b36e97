# SPDX-License-Identifier: Apache-2.0
"""Durable work on DBOS: the only module that imports it.

DBOS keeps its tables in the house's own database (SQLite: the same file; PostgreSQL: schema `dbos`), so that an order
to run a job is written in the transaction of the act that asks for it. One DBOS workflow is one order; it holds the
job's id and nothing else. What a job did lies in our rows (`Job`, `JobStep`), never only in DBOS.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import sqlalchemy
from dbos import DBOS, DBOSClient, DBOSPortableJSONSerializer
from django.db import close_old_connections, connection, connections, transaction
from sqlalchemy.pool import NullPool

from proofhouse.server.engine import mark
from proofhouse.server.engine.jobs import turn, workers
from proofhouse.server.engine.jobs.port import dispatcher
from proofhouse.server.engine.jobs.rules import LIVE, JobState, Limits, Queue
from proofhouse.server.engine.jobs.running import run
from proofhouse.server.engine.models import Job, Worker

logger = logging.getLogger(__name__)

APPLICATION = "proofhouse"
VERSION = "proofhouse-1"
"""DBOS recovers a workflow only under the version that began it. Ours never changes: an order names a row, and `turn`
notices when the steps of a job have changed."""

ORDER = "proofhouse.job"
POLL_S = 2.0
"""Between two looks into a queue; every queue of every house costs one, idle or not."""
THREADS = 16
ORPHAN_LOOK_S = 30.0
LOST_AFTER_S = 60.0
KEEP_ORDERS = timedelta(days=1)
_ENDED = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")


class _Lent:
    """Django's own connection, lent to SQLAlchemy for one statement inside the transaction under way.

    SQLAlchemy must not end that transaction, nor change how the connection commits.
    """

    def __init__(self, raw: Any) -> None:
        self.__dict__["_raw"] = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Keep what Django has set."""

    def commit(self) -> None:
        """Django commits."""

    def rollback(self) -> None:
        """Django rolls back."""

    def close(self) -> None:
        """Django closes."""


def _lend() -> _Lent:
    connection.ensure_connection()
    return _Lent(connection.connection)


@lru_cache(maxsize=2)
def _borrowing(vendor: str) -> sqlalchemy.Engine:
    if vendor == "sqlite":
        return sqlalchemy.create_engine("sqlite://", creator=_lend, poolclass=NullPool)
    return sqlalchemy.create_engine(
        "postgresql+psycopg://", creator=_lend, poolclass=NullPool, use_native_hstore=False
    )


def _own_engine() -> sqlalchemy.Engine:
    """An engine of DBOS's own on the database that Django uses now."""
    there = connection.settings_dict
    if connection.vendor == "sqlite":
        engine = sqlalchemy.create_engine(sqlalchemy.URL.create("sqlite", database=str(there["NAME"])))
        sqlalchemy.event.listen(engine, "connect", _as_django_does)
        return engine
    url = sqlalchemy.URL.create(
        "postgresql+psycopg",
        username=there["USER"] or None,
        password=there["PASSWORD"] or None,
        host=there["HOST"] or None,
        port=int(there["PORT"]) if there["PORT"] else None,
        database=there["NAME"],
    )
    options = {k: v for k, v in there["OPTIONS"].items() if isinstance(v, str | int)}
    return sqlalchemy.create_engine(
        url, connect_args=options, pool_size=5, max_overflow=5, pool_pre_ping=True
    )


def _as_django_does(raw: Any, _record: Any) -> None:
    raw.isolation_level = "IMMEDIATE"
    for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        raw.execute(f"PRAGMA {pragma}")


def prepare() -> None:
    """Bring DBOS's tables in the house's database up to date; processes that do it at once wait for each other."""
    connection.ensure_connection()  # Django's own settings (WAL) come first
    engine = _own_engine()
    try:
        DBOS.migrate(engine.url.render_as_string(hide_password=False))
    finally:
        engine.dispose()


def _client() -> DBOSClient:
    return DBOSClient(
        system_database_engine=_own_engine(),
        serializer=DBOSPortableJSONSerializer(),
        application_name=APPLICATION,
        lazy=True,
    )


class Durable:
    """Dispatches through DBOS."""

    def __init__(self) -> None:
        self.client = _client()

    def put(self, job: Job, delay_s: float = 0.0) -> None:
        """Write the order into DBOS's tables over Django's own connection."""
        options: dict[str, Any] = {
            "workflow_name": ORDER,
            "queue_name": str(job.queue),
            "workflow_id": _order_id(job),
            "workflow_id_reuse_policy": "reject",
            "app_version": VERSION,
        }
        if delay_s > 0:
            options["delay_seconds"] = delay_s
        with _borrowing(connection.vendor).connect() as lent:
            self.client.enqueue_in_transaction(lent, options, str(job.id), job.dispatch)  # type: ignore[arg-type]

    def resume(self, worker: str) -> int:
        """Have others run what a worker held that is no more; returns how many orders that were."""
        held = self.client.list_workflows(status="PENDING", executor_id=worker, name=ORDER, load_input=False)
        self._resume(held)
        return len(held)

    def resume_orphans(self) -> int:
        """The same for orders whose worker has no row at all: whoever buried it died before it resumed them."""
        there = set(Worker.objects.values_list("id", flat=True))
        pending = self.client.list_workflows(status="PENDING", name=ORDER, load_input=False)
        orphans = [order for order in pending if order.executor_id not in there]
        self._resume(orphans)
        return len(orphans)

    def _resume(self, orders: Sequence[Any]) -> None:
        for queue in {order.queue_name for order in orders}:
            self.client.resume_workflows(
                [order.workflow_id for order in orders if order.queue_name == queue], queue_name=queue
            )

    def find_lost(self) -> int:
        """Order jobs again that are live while their order has ended, as after a failure to write what came of one."""
        before = datetime.now(UTC) - timedelta(seconds=LOST_AFTER_S)
        rows = {
            _order_id(row): row
            for row in Job.objects.filter(state__in=LIVE, enqueued_at__lt=before).exclude(seen_at__gt=before)[
                :500
            ]
        }
        known = (
            {
                order.workflow_id: order.status
                for order in self.client.list_workflows(
                    workflow_ids=list(rows), load_input=False, load_output=False
                )
            }
            if rows
            else {}
        )
        lost = [row for name, row in rows.items() if known.get(name, "SUCCESS") in _ENDED]
        for row in lost:
            with transaction.atomic():
                again = (
                    Job.objects.select_for_update()
                    .filter(id=row.id, dispatch=row.dispatch, state=row.state)
                    .first()
                )
                if again is not None:
                    again.state = JobState.QUEUED
                    again.dispatch += 1
                    self.put(again)
                    again.save()
        return len(lost)

    def forget(self) -> int:
        """Delete orders that ended a day ago; what came of them stands in our rows."""
        before = (datetime.now(UTC) - KEEP_ORDERS).isoformat()
        old = self.client.list_workflows(
            status=list(_ENDED),
            name=ORDER,
            completed_before=before,
            limit=1000,
            load_input=False,
            load_output=False,
        )
        if old:
            self.client.delete_workflows([order.workflow_id for order in old])
        return len(old)


def _order_id(job: Job) -> str:
    return f"{job.id}/{job.dispatch}"


_under_way: set[str] = set()


@DBOS.workflow(name=ORDER, max_recovery_attempts=None)  # attempts are counted on our row
def _follow(job: str, dispatch: int) -> None:
    _under_way.add(job)
    try:
        run(UUID(job), dispatch, DBOS.executor_id)
    finally:
        _under_way.discard(job)
        connections.close_all()


class DurableWorker:
    """The worker of this process: it takes jobs of some queues until it is drained. A process has one at most."""

    def __init__(
        self, queues: Sequence[Queue], limits: dict[Queue, Limits], *, poll_s: float = POLL_S
    ) -> None:
        self.name = workers.new_name()
        self.queues = list(queues)
        self.limits = limits
        self.poll_s = poll_s
        self._stop = threading.Event()
        self._draining = False
        self._watch = threading.Thread(target=self._watching, name="jobs-watch", daemon=True)

    def start(self) -> None:
        """Begin to take jobs."""
        mark.take_up()
        durable = self._durable()
        for queue in self.queues:
            durable.client.register_queue(
                queue.value,
                worker_concurrency=self.limits[queue].per_worker,
                global_concurrency=self.limits[queue].overall,
                polling_interval_sec=self.poll_s,
                on_conflict="always_update",
            )
        workers.beat(self.name, self.queues)
        self._engine = _own_engine()
        DBOS(
            config={
                "name": APPLICATION,
                "system_database_engine": self._engine,
                "serializer": DBOSPortableJSONSerializer(),
                "application_version": VERSION,
                "executor_id": self.name,
                "use_listen_notify": False,
                "log_level": "WARNING",
                "max_executor_threads": max(
                    THREADS, sum(self.limits[queue].per_worker for queue in self.queues) + 2
                ),
            }
        )
        DBOS.listen_queues([queue.value for queue in self.queues])
        DBOS.launch()
        self._watch.start()

    def drain(self, patience_s: float) -> None:
        """Take no more jobs, let those that run end within `patience_s`, hand the rest back, and leave."""
        self._draining = True
        workers.beat(self.name, self.queues, draining=True)
        hurry = threading.Timer(patience_s, turn.handing_back.set)
        hurry.start()
        DBOS.destroy(workflow_completion_timeout_sec=int(patience_s) + 5 if _under_way else 0)
        hurry.cancel()
        self._stop.set()
        self._watch.join(10)
        turn.handing_back.clear()
        self._engine.dispose()
        workers.leave(self.name)
        self._durable().resume(self.name)

    def _durable(self) -> Durable:
        durable = dispatcher()
        if not isinstance(durable, Durable):
            raise TypeError("a DBOS worker needs orders that come through DBOS")
        return durable

    def _watching(self) -> None:
        durable, look_at = self._durable(), time.monotonic() + ORPHAN_LOOK_S
        forget_at = time.monotonic() + 3600
        while not self._stop.wait(workers.BEAT_S):
            try:
                workers.beat(self.name, self.queues, draining=self._draining)
                for dead in workers.bury():
                    logger.warning("worker %s is dead; %d jobs are taken over", dead, durable.resume(dead))
                if time.monotonic() >= look_at:
                    look_at = time.monotonic() + ORPHAN_LOOK_S
                    durable.resume_orphans()
                    durable.find_lost()
                if time.monotonic() >= forget_at:
                    forget_at = time.monotonic() + (0 if durable.forget() else 3600)
            except Exception:
                logger.exception("the watch over workers failed; it is tried again")
            finally:
                close_old_connections()
        with contextlib.suppress(Exception):
            connections.close_all()
