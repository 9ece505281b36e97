# SPDX-License-Identifier: Apache-2.0
"""Two processes of one house answer; the one that does the desk work is killed, and the other goes on from the rows."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from proofhouse.attest import Signer
from proofhouse.server.engine.wire import ControlError
from proofhouse.server.house import Desk, load_house
from proofhouse.server.opening import NewPerson, open_house
from server.two_houses import RunningHouse, free_port, until

PATIENCE_S = 240


@pytest.fixture
def office(tmp_path: Path) -> Iterator[RunningHouse]:
    """A house with two processes that answer."""
    open_house(
        tmp_path / "office",
        name="office",
        title="Office",
        desks=frozenset({Desk.REVIEW}),
        address=f"http://localhost:{free_port()}",
        people=[NewPerson("steward@office.example", "A steward", ["steward"])],
        demo=True,
    )
    with (tmp_path / "office" / "house.toml").open("a") as file:
        file.write("\n[web]\nworkers = 2\n")
    house = RunningHouse(load_house(tmp_path / "office"))
    house.start()
    try:
        until(house.answers, "the house to answer", PATIENCE_S)
        yield house
    finally:
        house.stop()


def at_the_desk(house: RunningHouse) -> int | None:
    """The process that holds the lock of the desk work, as the kernel knows it."""
    inode = str((house.house.directory / "run" / "desk.lock").stat().st_ino)
    for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
        fields = line.split()
        if "->" not in fields and fields[1] == "FLOCK" and fields[5].rsplit(":", 1)[1] == inode:
            return int(fields[4])
    return None


def workers(house: RunningHouse) -> set[int]:
    assert house.process is not None
    pid = house.process.pid
    return {int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def introduce(house: RunningHouse, name: str) -> None:
    told = {
        "house": name,
        "title": name,
        "address": "https://lab.invalid",
        "key": Signer.generate("letters", name, demo=True).public.to_record(),
        "demo": True,
        "since": "2020-01-01T00:00:00.000000Z",
        "until": None,
    }
    house.do("engine.introduce", introduction=told, purposes=["checkpoint"])


def in_force(house: RunningHouse, entries: int) -> bool:
    """Whether the house has so many entries, each with its receipt; False while nobody is at the desk."""
    try:
        standing = house.ask("engine.standing")
    except ControlError:
        return False
    return bool(standing["entries"] == entries and standing["pending"] == 0)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_desk_work_goes_on_in_the_other_process(office: RunningHouse) -> None:
    until(lambda: len(workers(office)) == 2, "both processes", PATIENCE_S)
    before = office.ask("engine.standing")["entries"]
    killed = at_the_desk(office)
    assert killed is not None
    assert killed in workers(office)
    introduce(office, "lab-one")
    os.kill(killed, signal.SIGKILL)
    killed_at = time.monotonic()
    until(lambda: in_force(office, before + 1), "the entry to be in force", PATIENCE_S)
    took_s = time.monotonic() - killed_at
    assert at_the_desk(office) not in (None, killed)
    introduce(office, "lab-two")
    until(lambda: in_force(office, before + 2), "the next act to be in force", PATIENCE_S)
    until(lambda: len(workers(office)) == 2, "a new process beside it", PATIENCE_S)
    assert took_s < 60, f"{took_s:.1f} s"
