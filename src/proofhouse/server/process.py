# SPDX-License-Identifier: Apache-2.0
"""The processes of a house: web server, control socket and desk work in one (DESIGN §5), and workers beside it.

`[web] workers` gives a house more processes that answer requests. One of them, whichever holds the lock, does the desk
work and opens the control socket; the kernel frees the lock of a process that dies, and the next one goes on from rows.
"""

from __future__ import annotations

import fcntl
import gc
import os
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from gunicorn.app.base import BaseApplication

from proofhouse.server.house import House, HouseError, load_house, this_house
from proofhouse.server.turns import taking_turns

READING_AT_ONCE = {"sqlite": 1, "postgresql": 4}
"""Requests that a process answers at once, of those that only read: who asks a server waits for it now and then."""

DRAIN_S = 2
"""A house that is told to stop lets its jobs run on for so long, then hands them back; within `graceful_timeout`."""


WORKER_DRAIN_S = 30
"""The same for a worker beside it, whom nobody waits for."""


class _HouseServer(BaseApplication):  # type: ignore[misc]  # gunicorn publishes no types
    def __init__(self, house: House) -> None:
        self.house = house
        super().__init__()

    def load_config(self) -> None:
        for name, value in {
            "bind": f"127.0.0.1:{self.house.port}",
            "workers": self.house.web_workers,
            "worker_class": "gthread",
            "threads": 8,
            "timeout": 120,
            "graceful_timeout": 5,
            "errorlog": str(self.house.directory / "logs" / "web.log"),
            "loglevel": "warning",
            "proc_name": f"proofhouse-{self.house.name}",
            "post_worker_init": _start_desk_work,
            "worker_exit": _end_desk_work,
            "control_socket_disable": True,
        }.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Callable[..., Any]:
        from django.db import connection
        from django.urls import get_resolver

        from proofhouse.server.wsgi import application

        _ = get_resolver().url_patterns  # which loads every desk
        gc.collect()
        gc.freeze()  # what is loaded stays, so that no request waits while all of it is looked through
        return taking_turns(application, READING_AT_ONCE[connection.vendor])


_desk: list[IO[str]] = []
"""The lock that this process holds while it does the desk work."""


def _start_desk_work(_worker: object) -> None:
    threading.Thread(target=_wait_for_the_desk, name="desk-turn", daemon=True).start()


def _wait_for_the_desk() -> None:
    from proofhouse.server.engine import acts, bell, control, work

    lock = (this_house().directory / "run" / "desk.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        acts.after_commit(bell.ring)
        fcntl.flock(lock, fcntl.LOCK_EX)
    _desk.append(lock)
    work.start()
    control.serve(this_house().control_socket)


def _end_desk_work(_server: object, _worker: object) -> None:
    from proofhouse.server.engine import work

    work.drain(DRAIN_S)


def enter(directory: Path) -> House:
    """Make this process one of a house: its settings, its models, its keys.

    Raises:
        HouseError: The directory is no house.
    """
    house = load_house(directory)
    os.environ["PROOFHOUSE_HOUSE"] = str(house.directory)
    os.environ["DJANGO_SETTINGS_MODULE"] = "proofhouse.server.settings"
    import django

    django.setup()
    return house


def run(directory: Path) -> None:
    """Serve a house until it is told to stop; it starts only where its rows and its log agree.

    Raises:
        HouseError: The directory is no house, or rows and log differ; the message names what does.
    """
    house = enter(directory)
    from django.db import connections

    from proofhouse.server.engine.blobs import clear_unfinished
    from proofhouse.server.engine.check import Disagreement, require_agreement
    from proofhouse.server.opening import prepare_database

    prepare_database(house)
    clear_unfinished()
    try:
        require_agreement()
    except Disagreement as differs:
        raise HouseError(
            f"the house {house.name} does not start, its rows and its log differ: {differs}; "
            f"all differences: proofhouse house check {directory}"
        ) from None
    connections.close_all()  # the workers open their own
    _HouseServer(house).run()


def work(directory: Path, queues: Sequence[str]) -> None:
    """Take jobs of some queues of a house until told to stop; then let what runs end, and hand back the rest.

    Args:
        directory: The house's directory.
        queues: Names of queues; empty for all that this machine can do.

    Raises:
        HouseError: `house.toml` or the queues are wrong.
    """
    from proofhouse.server.engine.jobs.rules import Queue

    try:
        named = [Queue(name) for name in queues]
    except ValueError as wrong:
        raise HouseError(f"{wrong}; there are {', '.join(Queue)}") from None
    house = enter(directory)
    from proofhouse.server.engine import acts, bell
    from proofhouse.server.engine import work as desk_work

    acts.after_commit(bell.ring)
    told = threading.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: told.set())
    try:
        desk_work.start_worker(named or desk_work.queues_here())
    except ValueError as wrong:
        raise HouseError(f"{house.directory / 'house.toml'}: {wrong}") from None
    told.wait()
    desk_work.drain(WORKER_DRAIN_S)
