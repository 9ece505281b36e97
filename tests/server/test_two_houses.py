# SPDX-License-Identifier: Apache-2.0
"""Two real house processes write to each other over a bad link and by file; both threads end equal and verify."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from proofhouse.server.letters_cli import cli
from server.bad_link import Weather, link_to
from server.two_houses import Audit, RunningHouse, audit, introduce, settled, two_houses, until

LETTERS = 1000


def tell(line: str) -> None:
    """Say what a run measured; shown with `pytest -s`."""
    sys.stderr.write(f"\n{line}\n")


@pytest.fixture
def houses(tmp_path: Path) -> Iterator[tuple[RunningHouse, RunningHouse]]:
    with two_houses(tmp_path) as pair:
        yield pair


def write(house: RunningHouse, other: RunningHouse, count: int) -> None:
    for _ in range(count):
        house.do("engine.tell_checkpoint", peer=other.name)


def both_audited(lab: RunningHouse, office: RunningHouse, letters_each: int) -> tuple[Audit, Audit]:
    theirs, ours = audit(lab, office), audit(office, lab)
    assert theirs.digest == ours.digest
    assert theirs.order == ours.order
    for name, found in (("lab", theirs), ("office", ours)):
        assert len(found.order[name]) == letters_each
        assert found.acknowledged == set(found.order[name])
    return theirs, ours


def exchange_over_a_bad_link(
    lab: RunningHouse, office: RunningHouse, letters_each: int, weather: Weather, patience_s: float
) -> str:
    started = time.monotonic()
    with (
        link_to(office.house.port, 1, weather) as there,
        link_to(lab.house.port, 2, weather) as back,
    ):
        introduce(lab, office, there.address)
        introduce(office, lab, back.address)
        write(lab, office, 1)
        # The first letter opens the thread on the other side, so that both write in one.
        until(lambda: office.rows("SELECT 1 FROM engine_letter"), "the first letter", 120)
        writing = [
            threading.Thread(target=write, args=(house, other, count))
            for house, other, count in ((lab, office, letters_each - 1), (office, lab, letters_each))
        ]
        for each in writing:
            each.start()
        for each in writing:
            each.join()
        written_s = time.monotonic() - started
        until(lambda: settled(lab) and settled(office), "all letters to arrive", patience_s)
        seen = there.seen + back.seen
    settled_s = time.monotonic() - started
    both_audited(lab, office, letters_each)
    assert all(seen[fate] for fate in ("drop", "drop_answer", "double", "late", "delay")), seen
    attempts = sum(
        count for house in (lab, office) for (count,) in house.rows("SELECT attempts FROM engine_letter")
    )
    return (
        f"{2 * letters_each} letters over the link: written after {written_s:.1f} s, all acknowledged after "
        f"{settled_s:.1f} s, {attempts} failed tries; the link: {dict(sorted(seen.items()))}"
    )


def command(*words: str, ok: int = 0) -> Any:
    done = CliRunner().invoke(cli, [*words, "--json"])
    assert done.exit_code == ok, done.output
    return json.loads(done.stdout) if ok != 3 else done.output


def carry(sender: RunningHouse, reader: RunningHouse, folder: Path, letters: int) -> None:
    """Out, across, in, and the acknowledgements back; each file twice, and once broken."""
    there, back = folder / f"to-{reader.name}.letters", folder / f"to-{sender.name}.answer.letters"
    out = ["export", str(sender.house.directory), str(there), "--to", reader.name, "--as", sender.steward]
    told = command(*out)
    assert (told["letters"], told["left"]) == (letters, 0)
    into = ["import", str(reader.house.directory), str(there), "--answer", str(back), "--as", reader.steward]
    whole = there.read_bytes()
    for broken, message in (
        (whole[: len(whole) * 2 // 3], "is cut short: line"),
        (whole.replace(b"eyJfdHlwZSI6", b"eyJfdHlwZSI7", 1), "was altered: line 2, letter"),
    ):
        there.write_bytes(broken)
        assert message in command(*into, ok=3)
        assert not back.exists()
    there.write_bytes(whole)
    assert command(*into)["taken"] == {"new": letters}
    assert command(*into)["taken"] == {"duplicate": letters}
    home = ["import", str(sender.house.directory), str(back), "--as", sender.steward]
    for _ in range(2):
        told = command(*home)
        assert (told["taken"], told["refused"], told["answer"]) == ({"acknowledged": letters}, [], None)
    assert command(*out)["letters"] == 0


def exchange_by_file(lab: RunningHouse, office: RunningHouse, letters_each: int, folder: Path) -> str:
    started = time.monotonic()
    introduce(lab, office, "https://office.invalid", "file")
    introduce(office, lab, "https://lab.invalid", "file")
    write(lab, office, letters_each)
    until(lambda: lab.ask("engine.standing")["pending"] == 0, "receipts", 240)
    written_s = time.monotonic() - started
    carry(lab, office, folder, letters_each)
    carried_s = time.monotonic() - started
    write(office, lab, letters_each)
    until(lambda: office.ask("engine.standing")["pending"] == 0, "receipts", 240)
    carry(office, lab, folder, letters_each)
    assert settled(lab)
    assert settled(office)
    both_audited(lab, office, letters_each)
    [(attempts,)] = lab.rows("SELECT sum(attempts) FROM engine_letter")
    assert attempts == 0, "no letter to a house behind an air gap tries the network"
    return (
        f"{2 * letters_each} letters by file: {letters_each} written in {written_s:.1f} s, carried there twice and "
        f"acknowledged by file twice in {carried_s - written_s:.1f} s; both ways {time.monotonic() - started:.1f} s"
    )


GENTLE = Weather(drop=0.04, drop_answer=0.04, double=0.12, late=0.04, delay=0.12)


@pytest.mark.timeout(600)
def test_two_houses_end_equal_over_a_link_that_drops_doubles_delays_and_reorders(
    houses: tuple[RunningHouse, RunningHouse],
) -> None:
    tell(exchange_over_a_bad_link(*houses, 30, GENTLE, 200))


@pytest.mark.timeout(600)
def test_two_houses_end_equal_by_file(houses: tuple[RunningHouse, RunningHouse], tmp_path: Path) -> None:
    tell(exchange_by_file(*houses, 25, tmp_path))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_thousand_letters_each_way_end_equal_over_a_bad_link(
    houses: tuple[RunningHouse, RunningHouse],
) -> None:
    tell(exchange_over_a_bad_link(*houses, LETTERS, Weather(), 600))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_thousand_letters_each_way_end_equal_by_file(
    houses: tuple[RunningHouse, RunningHouse], tmp_path: Path
) -> None:
    tell(exchange_by_file(*houses, LETTERS, tmp_path))
