# SPDX-License-Identifier: Apache-2.0
"""The floors on which the contract of background work is tested: the fake, DBOS on SQLite, DBOS on PostgreSQL."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import connections

from proofhouse.server.database import postgresql, sqlite
from proofhouse.server.engine.jobs import port
from proofhouse.server.engine.jobs.eager import Eager
from proofhouse.server.engine.jobs.rules import LIVE, Limits, Queue
from proofhouse.server.engine.models import Job

FLOORS = (
    "eager",
    "sqlite",
    pytest.param(
        "postgresql",
        marks=pytest.mark.skipif(
            "PROOFHOUSE_TEST_POSTGRES" not in os.environ,
            reason="needs a PostgreSQL server: run `make test-pg`",
        ),
    ),
)

LIMITS = {queue: Limits(4) for queue in Queue} | {Queue.EXAM_CPU: Limits(2, 2)}


@contextmanager
def using_database(described: dict[str, Any]) -> Iterator[None]:
    """Give this process another database in place of the tests' own.

    DBOS works in threads of its own, and the tests' own database may be one in memory.
    """
    kept = connections["default"], connections.settings["default"]
    connections.settings["default"] = {**kept[1], **described}
    del connections["default"]
    try:
        yield
    finally:
        connections["default"].close()
        connections.settings["default"] = kept[1]
        connections["default"] = kept[0]


@contextmanager
def fresh_database(kind: str, file: Path) -> Iterator[str]:
    """Work on a new database with every table, an SQLite file or one on the server of the tests; gives its URL."""
    from proofhouse.server.engine.jobs.durable import prepare

    name = f"jobs_{secrets.token_hex(6)}"
    described, url = sqlite(str(file)), ""
    if kind == "postgresql":
        _on_server(f"CREATE DATABASE {name}")
        url = os.environ["PROOFHOUSE_TEST_POSTGRES"].rsplit("/", 1)[0] + f"/{name}"
        described = postgresql(url)
    try:
        with using_database(described):
            call_command("migrate", interactive=False, verbosity=0)
            prepare()
            yield url
    finally:
        if kind == "postgresql":
            _on_server(f"DROP DATABASE {name} WITH (FORCE)")


def _on_server(statement: str) -> None:
    with psycopg.connect(os.environ["PROOFHOUSE_TEST_POSTGRES"], autocommit=True) as server:
        server.execute(statement.encode())


@dataclass
class Floor:
    """Where queued jobs are run."""

    name: str
    worker: Any = None

    _dispatcher: port.Dispatcher | None = None

    def use(self) -> None:
        """Dispatch here."""
        if self._dispatcher is None:
            if self.name == "eager":
                self._dispatcher = Eager()
            else:
                from proofhouse.server.engine.jobs.durable import Durable

                self._dispatcher = Durable()
        port.use(self._dispatcher)

    def settle(self, patience_s: float = 30.0) -> None:
        """Run what is queued until nothing is queued or running."""
        fake = port.dispatcher()
        if isinstance(fake, Eager):
            fake.run_all()
            return
        until = time.monotonic() + patience_s
        while Job.objects.filter(state__in=LIVE).exists():
            if time.monotonic() > until:
                raise TimeoutError(list(Job.objects.filter(state__in=LIVE).values()))
            time.sleep(0.02)

    def restart(self, queues: tuple[Queue, ...] = tuple(Queue)) -> None:
        """Drain the worker, if there is one, and start another."""
        self.stop()
        if self.name != "eager":
            from proofhouse.server.engine.jobs.durable import DurableWorker

            self.worker = DurableWorker(queues, LIMITS, poll_s=0.03)
            self.worker.start()

    def stop(self, patience_s: float = 5.0) -> None:
        """Drain the worker."""
        if self.worker is not None:
            self.worker.drain(patience_s)
            self.worker = None
