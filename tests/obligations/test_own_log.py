# SPDX-License-Identifier: Apache-2.0
"""What the desk records lies in a log of its own: the custody log, which others see, does not grow by it."""

from __future__ import annotations

from pathlib import Path

from obligations.makers import open_loss_of_control
from proofhouse.ledger import Leaf, Receipt, audit, verify_receipt
from proofhouse.server.accounts.models import Person
from proofhouse.server.engine.acts import one_transaction
from proofhouse.server.engine.models import LedgerEntry
from proofhouse.server.engine.record import collect_receipts, heal, open_own_log, record
from proofhouse.server.house import House
from server.conftest import close_log


def files(directory: Path) -> dict[str, bytes]:
    """Every file below a directory."""
    return {
        str(file.relative_to(directory)): file.read_bytes() for file in directory.rglob("*") if file.is_file()
    }


def test_own_affairs_come_into_force_without_a_trace_in_the_custody_log(
    house: House, lead: Person, answered: None
) -> None:
    with one_transaction("a review"):
        record("inquiry.send", "review:1", {})
    collect_receipts()
    before = files(house.ledger)
    open_loss_of_control(lead)
    collect_receipts()
    own = LedgerEntry.objects.filter(case__startswith="obligations:")
    assert own.count() == 6
    assert all(entry.in_force and entry.log == "own" for entry in own)
    assert files(house.ledger) == before, "byte for byte"
    entry = own.latest("log_index")
    leaf = Leaf.from_bytes(bytes(entry.leaf))
    verify_receipt(Receipt.from_bytes(entry.receipt.encode()), leaf, open_own_log().policy)
    assert audit(house.own_ledger, open_own_log().policy).checkpoint.size == 6


def test_after_a_crash_a_leaf_of_the_own_log_is_found_and_not_doubled(
    house: House, lead: Person, answered: None
) -> None:
    fresh = LedgerEntry.objects.filter(log="own")
    open_own_log().append([Leaf.from_bytes(bytes(entry.leaf)) for entry in fresh])
    close_log()
    heal()
    collect_receipts()
    assert [entry.log_index for entry in LedgerEntry.objects.filter(log="own")] == [0, 1, 2, 3, 4]
    assert open_own_log().size == 5
