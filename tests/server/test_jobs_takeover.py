# SPDX-License-Identifier: Apache-2.0
"""Real workers, killed: another takes over within a minute, and a thousand kills lose and double nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from proofhouse.server.engine.jobs.rules import JobState
from proofhouse.server.engine.models import DoneAct, Job, Worker
from proofhouse.server.house import Desk, House
from proofhouse.server.opening import open_house
from server.floors import FLOORS, fresh_database

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
STORES = FLOORS[1:]
MINUTE_S = 60.0
START_S = 180.0
"""For a worker to load and begin; long only where many share the machine."""


@pytest.fixture(params=STORES)
def house_with_tables(
    request: pytest.FixtureRequest, tmp_path: Path, django_db_setup: None, django_db_blocker: Any
) -> Iterator[House]:
    """A house on disk whose database has every table; this process reads it too."""
    made = open_house(
        tmp_path / "house",
        name="office",
        title="Office",
        desks=frozenset({Desk.REVIEW}),
        address="http://localhost:8198",
        people=[],
        demo=True,
    )
    with django_db_blocker.unblock(), fresh_database(request.param, made.database) as url:
        if url:
            with (made.directory / "house.toml").open("a") as file:
                file.write(f"database = {json.dumps(url)}\n")
        yield made


def environment() -> dict[str, str]:
    paths = [str(ROOT / "src"), str(ROOT / "tests")]
    kept = {name: value for name, value in os.environ.items() if name != "PROOFHOUSE_DATABASE_URL"}
    return {**kept, "PYTHONPATH": os.pathsep.join(paths)}


@contextmanager
def working(house: House) -> Iterator[subprocess.Popen[bytes]]:
    with (house.directory / "logs" / "worker.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "server.takeover", "work", str(house.directory)],
            env=environment(),
            stderr=log,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def until(ready: Callable[[], Any], patience_s: float, what: str) -> Any:
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        value = ready()
        if value:
            return value
        time.sleep(0.05)
    raise TimeoutError(what)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("elsewhere", [True, False], ids=["another machine", "this machine"])
def test_a_killed_workers_job_is_taken_over_within_a_minute(
    house_with_tables: House, elsewhere: bool
) -> None:
    house = house_with_tables
    (house.directory / "wait").touch()
    subprocess.run(
        [sys.executable, "-m", "server.takeover", "ask", str(house.directory)], env=environment(), check=True
    )
    with working(house), working(house):
        until(lambda: DoneAct.objects.filter(act="before").exists(), START_S, "the first step")
        until(lambda: Worker.objects.count() == 2, START_S, "both workers")
        holder = Job.objects.get().worker
        pid = Worker.objects.get(id=holder).pid
        if elsewhere:  # nobody here can see its process; only its silence tells
            Worker.objects.filter(id=holder).update(machine="another machine")
        killed_at = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        (house.directory / "wait").unlink()
        row = until(
            lambda: Job.objects.filter(state=JobState.DONE).first(), MINUTE_S + 30, "the job to be taken over"
        )
        took_s = time.monotonic() - killed_at
        assert not Worker.objects.filter(id=holder).exists()
    assert row.worker != holder
    assert (row.run, row.attempts) == (2, 2)
    assert sorted(DoneAct.objects.values_list("act", flat=True)) == ["after", "before"]
    assert took_s < MINUTE_S, f"{took_s:.1f} s"


@pytest.mark.timeout(900)
def test_a_worker_told_to_stop_hands_over_at_once(house_with_tables: House) -> None:
    house = house_with_tables
    subprocess.run(
        [sys.executable, "-m", "server.takeover", "ask", str(house.directory)], env=environment(), check=True
    )
    with working(house) as worker:
        until(lambda: Job.objects.get().state == JobState.DONE, START_S, "the job")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0
    assert not Worker.objects.exists()


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("store", STORES)
def test_random_kills_lose_and_double_nothing(store: str, tmp_path: Path) -> None:
    env = {**environment(), "TMPDIR": str(tmp_path)}
    if store == "postgresql":
        env["PROOFHOUSE_DATABASE_URL"] = os.environ["PROOFHOUSE_TEST_POSTGRES"]
    came = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "soak.py"), "--jobs", "200", "--kills", "20"],
        env=env,
        stdout=subprocess.PIPE,
        check=False,
    )
    report = json.loads(came.stdout)
    assert came.returncode == 0, report
    assert (report["database"], report["kills"], report["rows"]) == (store, 20, 400)
