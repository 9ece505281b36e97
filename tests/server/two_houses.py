# SPDX-License-Identifier: Apache-2.0
"""Two real houses, each a process of its own with a directory, a database and a web server on loopback."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from proofhouse.letters import Introduction, Introductions, Letter, Outcome, Thread, open_letter, parse_letter
from proofhouse.server.engine.wire import ControlError, request
from proofhouse.server.house import Desk, House, load_house
from proofhouse.server.opening import NewPerson, open_house

_ENVIRONMENT = ("PROOFHOUSE_HOUSE", "PROOFHOUSE_DATABASE_URL", "DJANGO_SETTINGS_MODULE")


@dataclass
class RunningHouse:
    """A house and its process."""

    house: House
    process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        return self.house.name

    @property
    def steward(self) -> str:
        return f"steward@{self.name}.example"

    def start(self) -> None:
        environment = {name: value for name, value in os.environ.items() if name not in _ENVIRONMENT}
        with (self.house.directory / "logs" / "process.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "proofhouse.cli", "house", "run", str(self.house.directory)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
            )

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def do(self, act: str, **arguments: Any) -> Any:
        message = {"do": act, "actor": self.steward, "with": arguments}
        return request(self.house.control_socket, message, timeout_s=600)

    def ask(self, question: str) -> Any:
        return request(self.house.control_socket, {"ask": question, "actor": self.steward, "with": {}})

    def answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.house.directory / "logs" / "process.log").read_text()[
            -2000:
        ]
        try:
            return bool(self.ask("engine.standing"))
        except ControlError as refused:
            if refused.code != "not_running":
                raise
            return False

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Read the house's database from outside, as no program of another house could."""
        connection = sqlite3.connect(f"file:{self.house.database}?mode=ro", uri=True)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(ready: Callable[[], Any], what: str, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while not ready():
        assert time.monotonic() < deadline, f"waited {patience_s:.0f} s for {what}"
        time.sleep(0.1)


@contextmanager
def two_houses(folder: Path) -> Iterator[tuple[RunningHouse, RunningHouse]]:
    """Open and start a lab and an office that do not know each other yet."""
    houses = []
    for name in ("lab", "office"):
        open_house(
            folder / name,
            name=name,
            title=name.title(),
            desks=frozenset({Desk.LAB if name == "lab" else Desk.REVIEW}),
            address=f"http://localhost:{free_port()}",
            people=[NewPerson(f"steward@{name}.example", "A steward", ["steward"])],
            demo=True,
        )
        houses.append(RunningHouse(load_house(folder / name)))
    lab, office = houses
    try:
        for each in houses:
            each.start()
        for each in houses:
            until(each.answers, f"the house {each.name} to answer", 240)
        yield lab, office
    finally:
        for each in houses:
            each.stop()


def introduce(reader: RunningHouse, writer: RunningHouse, address: str, transport: str = "https") -> None:
    """Have one house believe the other's key for checkpoints, and write to it at an address."""
    told = writer.ask("engine.introduction")
    reader.do(
        "engine.introduce",
        introduction={**told, "address": address},
        purposes=["checkpoint"],
        transport=transport,
    )


def settled(house: RunningHouse) -> bool:
    """Nothing waits for a receipt and no letter is on its way."""
    standing = house.ask("engine.standing")
    assert standing["dead"] == 0, house.rows("SELECT problem FROM engine_letter WHERE state = 'dead' LIMIT 3")
    return bool(standing["pending"] == 0 and standing["queued"] == 0)


@dataclass(frozen=True)
class Audit:
    """What an outsider finds in a house's rows with the library alone.

    Attributes:
        digest: The thread's digest.
        order: Ids of each house's letters, in their order.
        acknowledged: Ids of the house's own letters whose stored acknowledgement verified.
    """

    digest: str
    order: dict[str, list[str]]
    acknowledged: set[str]


def audit(house: RunningHouse, other: RunningHouse) -> Audit:
    """Verify the one thread of a house again from its envelopes: every seal, every number, every acknowledgement."""
    introductions = _introductions(house, other)
    rows = house.rows(
        "SELECT direction, sequence, envelope, acknowledgement, acknowledged_at, written_at, state, head, thread_id"
        " FROM engine_letter ORDER BY direction, sequence"
    )
    assert len({row[8] for row in rows}) == 1
    opened: dict[str, list[Letter]] = {house.name: [], other.name: []}
    acknowledgements = []
    for direction, sequence, envelope, acknowledgement, _, _, state, _, _ in rows:
        claimed = parse_letter(envelope)
        recipient = other.name if direction == "sent" else house.name
        letter = open_letter(envelope, introductions, recipient, now=claimed.sent_at)
        assert letter.sequence == sequence == len(opened[letter.sender]) + 1, "a gap"
        opened[letter.sender].append(letter)
        if direction == "sent":
            assert state == "acknowledged"
            at = parse_letter(acknowledgement).sent_at
            acknowledgements.append(open_letter(acknowledgement, introductions, house.name, now=at))
        else:
            assert state == "received"
    thread = Thread(opened[house.name][0].thread, [house.name, other.name])
    for letter in sorted(
        (*opened[house.name], *opened[other.name]), key=lambda each: (each.sequence, each.sender)
    ):
        thread.apply(letter)
    for acknowledgement in acknowledgements:
        assert thread.apply(acknowledgement).outcome is Outcome.NEW
    assert thread.outstanding(house.name) == ()
    heads = {head.house: head for head in thread.heads}
    for name, direction in ((house.name, "sent"), (other.name, "received")):
        [(last,)] = house.rows(
            f"SELECT head FROM engine_letter WHERE direction = '{direction}' ORDER BY sequence DESC LIMIT 1"
        )
        assert heads[name].sha256 == last, "the rows hold the head that the letters give"
        assert heads[name].sequence == len(opened[name])
    return Audit(
        thread.digest,
        {name: [letter.id for letter in letters] for name, letters in opened.items()},
        {each.body["letter_sha256"] for each in acknowledgements},
    )


def _introductions(house: RunningHouse, other: RunningHouse) -> Introductions:
    """Both houses' keys as the two stewards exchanged them, in force since ever."""
    since = datetime(2000, 1, 1, tzinfo=UTC)
    found = []
    for reader, writer in ((house, other), (other, house)):
        [(records,)] = reader.rows(f"SELECT introductions FROM engine_peer WHERE name = '{writer.name}'")
        for record in json.loads(records):
            known = Introduction.from_record(record)
            found.append(Introduction(known.house, known.key, known.purposes, since))
    return Introductions(found)
