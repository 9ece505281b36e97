# SPDX-License-Identifier: Apache-2.0
"""The boot check: a house whose rows and log differ says what differs, and does not start."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from proofhouse.ledger import Leaf
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Permission, Role
from proofhouse.server.engine import record
from proofhouse.server.engine.acts import act
from proofhouse.server.engine.check import Disagreement, check_house, require_agreement
from proofhouse.server.engine.models import LedgerEntry
from proofhouse.server.engine.record import collect_receipts, open_log
from proofhouse.server.house import Desk, House
from proofhouse.server.opening import NewPerson, open_house
from server.conftest import close_log
from server.makers import make_person


@pytest.fixture
def do(db: None, desk: None, house: House) -> Callable[[int], None]:
    """An act that records entries."""

    @act(Permission.HOUSE_PEER_INTRODUCE)
    def note(*, actor: Person, count: int) -> None:
        for number in range(count):
            record.record("inquiry.send", "review:1", {"number": number})

    steward = make_person(Role.STEWARD)
    return lambda count: note(actor=steward, count=count)


@pytest.fixture
def three(do: Callable[[int], None]) -> None:
    """Three entries with their receipts, in two commits."""
    do(2)
    collect_receipts()
    do(1)
    collect_receipts()


def codes() -> set[str]:
    return {difference.code for difference in check_house().differences}


def test_a_house_that_never_recorded_anything_agrees(db: None, house: House) -> None:
    checked = check_house()
    assert (checked.leaves, checked.rows, checked.differences) == (0, 0, ())


def test_rows_that_wait_for_leaf_or_receipt_are_pending_and_no_difference(
    house: House, do: Callable[[int], None]
) -> None:
    do(2)
    assert (check_house().pending, codes()) == (2, set())
    open_log().append([Leaf.from_bytes(bytes(entry.leaf)) for entry in LedgerEntry.objects.all()])
    assert (check_house().pending, codes()) == (2, set()), "a crash between log and rows heals by itself"
    collect_receipts()
    assert check_house().message == "rows and log agree: 2 entries, 2 leaves, 0 pending"


def _forget_a_row() -> None:
    LedgerEntry.objects.filter(log_index=1).delete()


def _alter_a_record() -> None:
    LedgerEntry.objects.filter(log_index=0).update(record={"kind": "inquiry.send", "number": 7})


def _alter_a_case() -> None:
    LedgerEntry.objects.filter(log_index=0).update(case="review:2")


def _swap_receipts() -> None:
    first, second = LedgerEntry.objects.filter(log_index__in=(0, 1)).order_by("log_index")
    LedgerEntry.objects.filter(id=first.id).update(receipt=second.receipt)


def _break_a_receipt() -> None:
    entry = LedgerEntry.objects.get(log_index=2)
    entry.receipt = entry.receipt.replace("custody\n3\n", "custody\n4\n")
    entry.save()


def _promise_a_leaf() -> None:
    entry = LedgerEntry.objects.get(log_index=2)
    LedgerEntry.objects.filter(id=entry.id).update(log_index=7)


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (_forget_a_row, "leaf_without_row"),
        (_alter_a_record, "record_altered"),
        (_alter_a_case, "record_altered"),
        (_swap_receipts, "receipt_altered"),
        (_break_a_receipt, "receipt_altered"),
        (_promise_a_leaf, "wrong_place"),
    ],
)
def test_each_damage_of_the_rows_is_named(three: None, damage: Callable[[], None], code: str) -> None:
    assert codes() == set()
    damage()
    assert codes() == {code}
    with pytest.raises(Disagreement, match=code):
        require_agreement()


def test_a_log_from_an_old_backup_is_named(house: House, do: Callable[[int], None], tmp_path: Path) -> None:
    do(2)
    collect_receipts()
    close_log()
    shutil.copytree(house.ledger, tmp_path / "backup")
    do(2)
    collect_receipts()
    close_log()
    shutil.rmtree(house.ledger)
    shutil.copytree(tmp_path / "backup", house.ledger)
    assert codes() == {"row_without_leaf"}


def test_a_broken_tile_is_named(three: None, house: House) -> None:
    close_log()
    tile = house.ledger / "tile" / "0" / "000.p" / "3"
    tile.write_bytes(bytes(96))
    assert codes() == {"log_broken"}
    assert "tile/0/000.p/3" in check_house().message


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_house_with_an_altered_row_does_not_start_and_says_why(tmp_path: Path) -> None:
    directory = tmp_path / "lab"
    open_house(
        directory,
        name="lab",
        title="A lab",
        desks=frozenset({Desk.LAB}),
        address="http://localhost:8197",
        people=[NewPerson("ada@lab.example", "Ada", ["steward"])],
        demo=True,
    )
    environment = {name: value for name, value in os.environ.items() if "DATABASE_URL" not in name}

    def house(*words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "proofhouse.cli", "house", *words]
        return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=280)

    fill = (
        "import sys; from pathlib import Path; from proofhouse.server.process import enter\n"
        "house = enter(Path(sys.argv[1]))\n"
        "from proofhouse.server.opening import prepare_database; prepare_database(house)\n"
        "from proofhouse.server.engine import acts, record\n"
        "with acts.one_transaction('test'): record.record('inquiry.send', 'review:1', {'number': 1})\n"
        "record.collect_receipts()\n"
    )
    subprocess.run([sys.executable, "-c", fill, str(directory)], env=environment, check=True, timeout=280)
    whole = house("check", str(directory), "--json")
    said: dict[str, Any] = json.loads(whole.stdout)
    assert (whole.returncode, said["ok"], said["leaves"], said["rows"]) == (0, True, 1, 1)

    with sqlite3.connect(directory / "db.sqlite3") as rows:
        rows.execute('UPDATE engine_ledgerentry SET record = \'{"kind": "inquiry.send", "number": 2}\'')
    rows.close()
    checked = house("check", str(directory), "--json")
    assert checked.returncode == 1
    assert [each["code"] for each in json.loads(checked.stdout)["differences"]] == ["record_altered"]
    started = house("run", str(directory))
    assert started.returncode == 3
    assert "does not start" in started.stderr
    assert "inquiry.send of review:1 is not the record to which its leaf commits" in started.stderr
    assert "Traceback" not in started.stderr
