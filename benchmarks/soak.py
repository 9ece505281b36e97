# SPDX-License-Identifier: Apache-2.0
"""Kill workers at random while they work, and count what their jobs left: every row once, none missing, none twice.

    python benchmarks/soak.py                       # SQLite: 10,000 jobs, 1,000 kills -9; --quick: 200 and 20
    scripts/postgres python benchmarks/soak.py      # the same on PostgreSQL

Workers are forked from this process, which has loaded everything but opened nothing, so that a new one works within a
fraction of a second. Jobs come in as the kills go on. Each job writes a row in a step that gives a random number, and
in a second step a row that names the number; no constraint of the database would refuse a double.
"""

from __future__ import annotations

import logging
import os
import random
import select
import signal
import sys
import tempfile
import time
from pathlib import Path

from _told import asks, tell

EACH_S = 0.03
"""Longest pause of a job between its steps."""


def main() -> int:
    """Run the soak. Exit code 1 when anything was lost or doubled."""
    parser = asks(__doc__)
    parser.add_argument("--jobs", type=int, help="10,000, or 200 with --quick")
    parser.add_argument("--kills", type=int, help="1,000, or 20 with --quick")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--at-once", type=int, default=6, help="jobs of one worker at once")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    asked = parser.parse_args()
    jobs, kills = (
        asked.jobs or (200 if asked.quick else 10_000),
        asked.kills or (20 if asked.quick else 1_000),
    )
    logging.disable(logging.WARNING)  # each kill would say that a worker is dead
    with tempfile.TemporaryDirectory(prefix="proofhouse-soak.") as scratch:
        _open(Path(scratch) / "house")
        soak = Soak(jobs, kills, asked.workers, asked.at_once, random.Random(asked.seed))
        report = soak.run() | {"seed": asked.seed}
    tell(report, as_json=asked.as_json)
    return 0 if report["right"] else 1


def _open(directory: Path) -> None:
    """A house of its own, and its database with every table."""
    from proofhouse.server.house import Desk
    from proofhouse.server.opening import open_house, prepare_database

    house = open_house(
        directory,
        name="soak",
        title="Soak",
        desks=frozenset({Desk.REVIEW}),
        address="http://localhost:8190",
        people=[],
        demo=True,
    )
    os.environ["PROOFHOUSE_HOUSE"] = str(directory)
    os.environ["DJANGO_SETTINGS_MODULE"] = "proofhouse.server.settings"
    import django

    django.setup()
    prepare_database(house)
    _close()


def _close() -> None:
    from django.db import connections

    connections.close_all()


class Soak:
    """One soak: its jobs, its workers, its killer."""

    def __init__(self, jobs: int, kills: int, workers: int, at_once: int, dice: random.Random) -> None:
        from proofhouse.server.engine.acts import one_transaction
        from proofhouse.server.engine.jobs import workers as watch
        from proofhouse.server.engine.jobs.port import enqueue, job, step
        from proofhouse.server.engine.jobs.rules import Limits, Queue
        from proofhouse.server.engine.models import DoneAct

        watch.BEAT_S = 0.5  # a kill comes each second or so; the rest of the time would be waiting
        self.jobs, self.kills, self.dice = jobs, kills, dice
        self.limits, self.queue = {Queue.DESK: Limits(at_once)}, Queue.DESK
        self.wanted = workers
        self.workers: list[int] = []
        self.starting: dict[int, tuple[int, float]] = {}
        self.start_s: list[float] = []
        self.failed_starts = 0

        @step
        def write(*, text: str) -> int:
            DoneAct.objects.create(key=os.urandom(16).hex(), act=text)
            return int.from_bytes(os.urandom(4), "big")

        @job("soak.small", queue=Queue.DESK, attempts=1_000_000, retry_s=0.1)
        def small(*, number: int) -> int:
            drawn: int = write(text=f"first {number}")
            time.sleep(random.uniform(0, EACH_S))
            write(text=f"second {number} {drawn}")
            return drawn

        def ask(numbers: range) -> None:
            with one_transaction("soak.ask"):
                for number in numbers:
                    enqueue(small, {"number": number})

        self.ask = ask

    def run(self) -> dict[str, object]:
        """Kill until all is done; then count."""
        began = time.monotonic()
        for _ in range(self.wanted):
            self._start()
        asked = killed = 0
        while True:
            due = min(self.jobs, self.jobs * (killed + 5) // self.kills + 20)
            if due > asked and killed % 5 == 0:
                self._apart(lambda start=asked, end=due: self._ask(range(start, end)))
                asked = due
            time.sleep(self.dice.uniform(0.05, 0.7))
            if killed < self.kills:
                self._kill()
                killed += 1
                if killed % 25 == 0:
                    self._tell(began, killed, asked)
            elif not self._apart(self._rest):
                break
            else:
                self._started(0)
                self._tell(began, killed, asked)
                time.sleep(5)
        seconds = time.monotonic() - began
        for pid in [*self.workers, *(pid for pid, _ in self.starting.values())]:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        return self._count() | {
            "kills": killed,
            "seconds": round(seconds, 1),
            "failed_starts": self.failed_starts,
            "start_s": round(sum(self.start_s) / len(self.start_s), 3),
        }

    def _tell(self, began: float, killed: int, asked: int) -> None:
        """Say on standard error how far the soak has come; a child counts, this process opens no database."""

        def count() -> int:
            from proofhouse.server.engine.jobs.rules import LIVE
            from proofhouse.server.engine.models import Job

            live = Job.objects.filter(state__in=LIVE).count()
            print(
                f"{time.monotonic() - began:.0f} s: {killed} of {self.kills} kills, {asked} of {self.jobs} jobs asked, "
                f"{live} of them not done; {len(self.workers)} workers up, {len(self.starting)} starting",
                file=sys.stderr,
                flush=True,
            )
            return 0

        self._apart(count)

    def _ask(self, numbers: range) -> int:
        self.ask(numbers)
        return 0

    def _rest(self) -> int:
        from proofhouse.server.engine.jobs.rules import LIVE
        from proofhouse.server.engine.models import Job

        return int(Job.objects.filter(state__in=LIVE).exists())

    def _apart(self, work: object) -> int:
        """Do something with the database in a process of its own: this one must never hold a connection at a fork."""
        child = os.fork()
        if child == 0:
            code = 70
            try:
                code = work()  # type: ignore[operator]
            finally:
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code not in (0, 1):
            raise RuntimeError(f"a part of the soak ended with {code}")
        return code

    def _start(self) -> None:
        began = time.monotonic()
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                from proofhouse.server.engine.jobs.durable import DurableWorker

                os.close(reading)
                os.setsid()  # as a service of its own: schedulers share by session
                DurableWorker([self.queue], self.limits, poll_s=0.1).start()
                os.write(writing, b"+")
                os.close(writing)
                while True:
                    time.sleep(3600)
            finally:
                os._exit(70)
        os.close(writing)
        self.starting[reading] = child, began

    def _started(self, patience_s: float) -> None:
        """Note which workers say that they have started."""
        for reading in select.select(list(self.starting), [], [], patience_s)[0]:
            child, began = self.starting.pop(reading)
            said = os.read(reading, 1)
            os.close(reading)
            if said != b"+":  # SQLite's lock was not to be had; a supervisor would start another as well
                os.waitpid(child, 0)
                self.failed_starts += 1
                self._start()
                continue
            self.start_s.append(time.monotonic() - began)
            self.workers.append(child)

    def _kill(self) -> None:
        """Kill one that works; now and then one that is only starting."""
        self._started(0)
        if self.starting and self.dice.random() < 0.1:
            reading = self.dice.choice(sorted(self.starting))
            pid = self.starting.pop(reading)[0]
            os.close(reading)
        else:
            while not self.workers:
                self._started(60)
            pid = self.workers.pop(self.dice.randrange(len(self.workers)))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        self._start()

    def _count(self) -> dict[str, object]:
        from collections import Counter

        from django.db import connection
        from django.db.models import Max, Sum

        from proofhouse.server.engine.models import DoneAct, Job, JobStep

        texts = Counter(DoneAct.objects.values_list("act", flat=True))
        firsts = {int(text.split()[1]) for text in texts if text.startswith("first")}
        seconds = {int(text.split()[1]) for text in texts if text.startswith("second")}
        results = dict(Job.objects.values_list("arguments__number", "result"))
        told = {
            "database": connection.vendor,
            "jobs": Job.objects.count(),
            "states": dict(Counter(Job.objects.values_list("state", flat=True))),
            "rows": sum(texts.values()),
            "doubled": sum(count > 1 for count in texts.values()) + (len(texts) - len(firsts) - len(seconds)),
            "lost": 2 * self.jobs - len(firsts) - len(seconds),
            "results_that_differ": sum(
                f"second {number} {drawn}" not in texts for number, drawn in results.items()
            ),
            "markers": JobStep.objects.count(),
            "runs": Job.objects.aggregate(Sum("run"))["run__sum"],
            "most_runs_of_a_job": Job.objects.aggregate(Max("run"))["run__max"],
        }
        right = (
            told["states"] == {"done": self.jobs}
            and told["rows"] == 2 * self.jobs
            and told["markers"] == 2 * self.jobs
            and not told["doubled"]
            and not told["lost"]
            and not told["results_that_differ"]
        )
        return {"right": right, **told}


if __name__ == "__main__":
    sys.exit(main())
