# SPDX-License-Identifier: Apache-2.0
"""How fast the spine is: acts with their receipts, letters between two houses, and the standard list behind the gate.

    python benchmarks/spine.py            # every figure, several minutes
    python benchmarks/spine.py --quick    # smaller, within a minute on a quiet machine
    python benchmarks/spine.py --json     # one JSON object

Real house processes on loopback, each with its SQLite file at `synchronous=FULL`. `acts_per_s`: one ledger entry and
one letter an act, asked for over the control socket by several threads, until every entry has its verified receipt.
`letters_per_s`: letters from one house to another until every one is acknowledged. `list_rps`, `list_p99_ms`: GET of
the newest 50 of 20,000 cases (140,000 grants, four marks) through session, gate and API, `[web] workers = 2`, by a
client process of its own that shares the two cores; medians of the rounds. The peer `plain_*` is the same 50 rows by a
Django view with ORM objects and Django's own JSON, without session and without gate, served by the same gunicorn.
Goal on 2 cores: 250 requests/s, P99 under 140 ms.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from _told import asks, tell
from proofhouse.server.engine.wire import ControlError, request
from proofhouse.server.house import Desk, House, load_house
from proofhouse.server.opening import NewPerson, open_house

OPERATOR, STEWARD, COORDINATOR = "olga@bench.example", "sten@bench.example", "cora@bench.example"
GOALS = {"list_rps": 250.0, "list_p99_ms": 140.0}
CLIENTS = 16


def free_port() -> int:
    """Find a loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def make_house(directory: Path, name: str, workers: int) -> House:
    """Lay out a house with people for every part of the benchmark."""
    people = [
        NewPerson(OPERATOR, "Olga", ["operator"]),
        NewPerson(STEWARD, "Sten", ["steward"]),
        NewPerson(COORDINATOR, "Cora", ["coordinator"]),
    ]
    open_house(
        directory / name,
        name=name,
        title=name.title(),
        desks=frozenset(Desk),
        address=f"http://localhost:{free_port()}",
        people=people,
        demo=True,
    )
    with (directory / name / "house.toml").open("a") as file:
        file.write(f"worker_queues = []\n[web]\nworkers = {workers}\n")
    return load_house(directory / name)


@contextmanager
def running(house: House, app: str = "") -> Iterator[None]:
    """Serve a house for the length of the block; `app` names another WSGI application for the peer."""
    argv = [sys.executable, "-m", "proofhouse.cli", "house", "run", str(house.directory)]
    if app:
        argv = [sys.executable, "-m", "gunicorn", app, "-b", f"127.0.0.1:{house.port}"]
        argv += ["-w", str(house.web_workers), "-k", "gthread", "--threads", "8", "--no-control-socket"]
    environment = os.environ | {"PROOFHOUSE_HOUSE": str(house.directory)}
    environment["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    with (house.directory / "logs" / "bench.log").open("ab") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log, env=environment, start_new_session=True)
    try:
        wait_for(lambda: answers(house), "the house to answer")
        yield
    finally:
        process.terminate()
        process.wait(30)
        wait_for(lambda: not answers(house), "the house to be gone")


def answers(house: House) -> bool:
    """Tell whether the house's web server answers: it listens before its workers have loaded anything."""
    try:
        with socket.create_connection(("127.0.0.1", house.port), 5) as asked:
            asked.sendall(b"HEAD / HTTP/1.0\r\n\r\n")
            return bool(asked.recv(1))
    except OSError:
        return False


def wait_for(ready: Any, what: str, patience_s: float = 300) -> None:
    """Wait until something holds."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        try:
            if ready():
                return
        except ControlError as refused:
            if refused.code != "not_running":
                raise
        time.sleep(0.02)
    sys.exit(f"waited {patience_s:.0f} s for {what}")


def do(house: House, actor: str, act: str, **arguments: Any) -> Any:
    """Have an act done over the control socket."""
    return request(house.control_socket, {"do": act, "actor": actor, "with": arguments}, timeout_s=300)


def standing(house: House) -> Any:
    """Ask how many entries are pending and letters queued."""
    return request(house.control_socket, {"ask": "engine.standing", "actor": OPERATOR}, timeout_s=300)


def exchange(here: House, there: House, acts: int, threads: int) -> dict[str, float]:
    """Measure acts with receipts, then letters until every one is acknowledged; one run gives both."""
    wait_for(lambda: bool(standing(here)) and bool(standing(there)), "both control sockets")
    for one, other in ((here, there), (there, here)):
        told = request(other.control_socket, {"ask": "engine.introduction", "actor": STEWARD})
        do(one, STEWARD, "engine.introduce", introduction=told, purposes=["sbom", "export-request", "export"])
    sbom = (Path(__file__).parents[1] / "examples" / "sboms" / "gateway.cdx.json").read_bytes()
    content = base64.b64encode(sbom).decode()

    def send(number: int) -> None:
        do(
            here,
            OPERATOR,
            "members.send_sbom",
            clearinghouse=there.name,
            name=f"system {number}",
            content=content,
        )

    began = time.monotonic()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(send, range(acts)))
    wait_for(lambda: standing(here)["pending"] == 0, "every receipt")
    receipts_s = time.monotonic() - began
    wait_for(lambda: standing(here)["queued"] == 0, "every acknowledgement")
    letters_s = time.monotonic() - began
    if standing(here)["dead"]:
        sys.exit("letters died")
    return {"acts_per_s": acts / receipts_s, "letters_per_s": acts / letters_s}


FILL = """
import django, sys, uuid
django.setup()
from datetime import timedelta
from django.conf import settings
from django.contrib.auth import SESSION_KEY, BACKEND_SESSION_KEY, HASH_SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.db import transaction
from proofhouse.server.accounts.files import CaseFile, Grant
from proofhouse.server.accounts.models import Person
from proofhouse.server.cases.models import Case
from proofhouse.server.engine.clock import now
from proofhouse.server.engine.ids import uuid7
from proofhouse.server.engine.models import LedgerEntry
cases, grants = int(sys.argv[1]), int(sys.argv[2])
cora = Person.objects.get(email="cora@bench.example")
at = now() - timedelta(days=300)
with transaction.atomic():
    entries, rows = [], []
    for number in range(cases):
        identity = uuid7()
        entry = LedgerEntry(kind="case.open", case=f"case:{identity}", record={}, record_key=b"k" * 32,
            leaf=number.to_bytes(50, "big"), created_at=at, log_index=10**9 + number,
            receipt="a receipt" * 60, effected=True)
        entries.append(entry)
        rows.append(Case(id=identity, title=f"Heap overflow number {number} in a parser", product=f"lib{number % 97}",
            identifiers=[f"CVE-2026-{number:05d}"], entry=entry, opened_at=at))
    LedgerEntry.objects.bulk_create(entries, 1000)
    Case.objects.bulk_create(rows, 1000)
    marks = {3: "TLP:GREEN", 7: "TLP:AMBER+STRICT", 9: "TLP:RED"}
    CaseFile.objects.bulk_create(
        [CaseFile(key=one.case, mark=marks[place % 10]) for place, one in enumerate(entries) if place % 10 in marks],
        1000,
    )
    people = Person.objects.bulk_create(
        [Person(email=f"q{number}@bench.example", name=f"Q {number}") for number in range(max(grants // 400, 7))]
    )
    people[0] = cora
    for first in range(0, grants, 5000):
        signed = [LedgerEntry(kind="grant.give", case=entries[number % cases].case, record={}, record_key=b"k" * 32,
            leaf=(cases + number).to_bytes(50, "big"), created_at=at, log_index=10**10 + number,
            receipt="a receipt", effected=True)
            for number in range(first, min(first + 5000, grants))]
        LedgerEntry.objects.bulk_create(signed, 1000)
        Grant.objects.bulk_create([Grant(person=people[(number * 7919) % len(people)], case=entry.case,
            reason="x", granted_by=people[0], granted_at=at, until=at + timedelta(days=900), entry=entry)
            for number, entry in enumerate(signed, first)], 1000)
session = SessionStore()
session[SESSION_KEY] = str(cora.pk)
session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
session[HASH_SESSION_KEY] = cora.get_session_auth_hash()
session.create()
print(f"{settings.SESSION_COOKIE_NAME}={session.session_key}")
"""


LOADER = """
import socket, sys, threading, time, json
port, clients, seconds, cookie, path = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4], sys.argv[5]
ask = f"GET {path} HTTP/1.1\\r\\nHost: localhost\\r\\nCookie: {cookie}\\r\\n\\r\\n".encode()
took, wrong, end = [], [], time.monotonic() + seconds
def run():
    with socket.create_connection(("127.0.0.1", port)) as line:
        while time.monotonic() < end:
            began = time.monotonic()
            line.sendall(ask)
            got = b""
            while b"\\r\\n\\r\\n" not in got:
                got += line.recv(65536)
            head, _, body = got.partition(b"\\r\\n\\r\\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\\r\\n")[0])
            while len(body) < length:
                body += line.recv(65536)
            took.append(time.monotonic() - began)
            if not head.startswith(b"HTTP/1.1 200"):
                wrong.append(head[:80])
threads = [threading.Thread(target=run) for _ in range(clients)]
[each.start() for each in threads]
[each.join() for each in threads]
took.sort()
print(json.dumps({"rps": len(took) / seconds, "p99_ms": took[int(len(took) * 0.99)] * 1000, "wrong": len(wrong)}))
"""


def load(house: House, path: str, cookie: str, seconds: float) -> dict[str, float]:
    """Ask for an address as fast as it is answered, from a process of its own: wrk where it is installed."""
    wrk = shutil.which("wrk")
    if wrk is None:
        argv = [sys.executable, "-c", LOADER, str(house.port), str(CLIENTS), str(seconds), cookie, path]
        said: dict[str, float] = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)
    else:
        argv = [wrk, "-t1", f"-c{CLIENTS}", f"-d{seconds:.0f}s", "--latency", "-H", f"Cookie: {cookie}"]
        argv.append(f"http://127.0.0.1:{house.port}{path}")
        words = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split()
        late = words[words.index("99%") + 1]
        unit = 0.001 if late.endswith("us") else 1.0 if late.endswith("ms") else 1000.0
        said = {
            "rps": float(words[words.index("Requests/sec:") + 1]),
            "p99_ms": float(late.rstrip("mus")) * unit,
            "wrong": float("Non-2xx" in words),
        }
    if said["wrong"] or not said["rps"]:
        sys.exit(f"{path} did not answer with 200")
    return said


def rounds(house: House, path: str, cookie: str, count: int, seconds: float) -> dict[str, float]:
    """Take medians over some rounds after one that warms up."""
    load(house, path, cookie, min(seconds, 2))
    measured = [load(house, path, cookie, seconds) for _ in range(count)]
    return {name: statistics.median(each[name] for each in measured) for name in ("rps", "p99_ms")}


def fill(house: House, cases: int, grants: int) -> str:
    """Enter cases, marks and grants; returns the cookie of a coordinator's session."""
    environment = os.environ | {
        "PROOFHOUSE_HOUSE": str(house.directory),
        "DJANGO_SETTINGS_MODULE": "proofhouse.server.settings",
    }
    argv = [sys.executable, "-c", FILL, str(cases), str(grants)]
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, env=environment, text=True).stdout.strip()


def measure(quick: bool) -> dict[str, Any]:
    """Measure everything; the houses lie in a temporary directory."""
    acts, cases, grants = (60, 4_000, 28_000) if quick else (600, 20_000, 140_000)
    count, seconds = (3, 3.0) if quick else (5, 6.0)
    with tempfile.TemporaryDirectory() as scratch:
        here, there = make_house(Path(scratch), "clinic", 1), make_house(Path(scratch), "centre", 1)
        with running(here), running(there):
            figures: dict[str, Any] = exchange(here, there, acts, 4)
        grown = make_house(Path(scratch), "grown", 2)
        with running(grown):
            wait_for(lambda: bool(standing(grown)), "the control socket")
            cookie = fill(grown, cases, grants)
            seen = rounds(grown, "/api/v1/cases", cookie, count, seconds)
        environment = {"DJANGO_SETTINGS_MODULE": "proofhouse.server.settings"}
        os.environ.update(environment)
        with running(grown, "_plain_list:application"):
            plain = rounds(grown, "/cases", cookie, count, seconds)
    figures |= {f"list_{name}": value for name, value in seen.items()}
    figures |= {f"plain_{name}": value for name, value in plain.items()}
    figures["list_to_plain"] = seen["rps"] / plain["rps"]
    return {name: round(value, 2) for name, value in figures.items()} | {
        "acts": acts, "cases": cases, "grants": grants, "clients": CLIENTS,
        "client": "wrk" if shutil.which("wrk") else "own",
    }  # fmt: skip


def main() -> int:
    """Print the figures; exit 1 when a goal is missed."""
    options = asks(__doc__).parse_args()
    figures = measure(options.quick)
    tell(figures, as_json=options.as_json)
    missed = figures["list_rps"] < GOALS["list_rps"] or figures["list_p99_ms"] > GOALS["list_p99_ms"]
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
