# SPDX-License-Identifier: Apache-2.0
"""No receipt, no effect: entries are pending until the log and its witness have them (design rule 3)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError
from django.db.models import QuerySet

from proofhouse.attest import Signer
from proofhouse.ledger import (
    FileLog,
    Leaf,
    LedgerError,
    Policy,
    Receipt,
    Witness,
    WitnessServer,
    audit,
    log_key,
    verify_receipt,
    witness_key,
)
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Permission, Role
from proofhouse.server.engine import effects, record
from proofhouse.server.engine.acts import act
from proofhouse.server.engine.effects import bring_about, when_in_force
from proofhouse.server.engine.keys import signer
from proofhouse.server.engine.models import LedgerEntry
from proofhouse.server.engine.record import collect_receipts, heal, open_log
from proofhouse.server.engine.registry import LEDGER_KINDS
from proofhouse.server.engine.work import round_of_work
from proofhouse.server.house import House
from server.conftest import close_log
from server.makers import make_person

pytestmark = pytest.mark.django_db

WITNESS = "witness.example/one"


@pytest.fixture
def do(desk: None, house: House) -> Any:
    """An act that records entries of a kind."""

    @act(Permission.HOUSE_PEER_INTRODUCE)
    def note(*, actor: Person, kind: str, count: int) -> list[LedgerEntry]:
        return [record.record(kind, "review:1", {"number": number}) for number in range(count)]

    steward = make_person(Role.STEWARD)
    return lambda count=1, kind="inquiry.send": note(actor=steward, kind=kind, count=count)


@contextmanager
def witnessing(house: House, directory: Path, port: int = 0) -> Iterator[int]:
    """A real witness on HTTP that knows the house's log, and the policy that asks for it."""
    key = log_key(house.log_origin, signer("log").public)
    kept = list(directory.glob("witness/*.pem"))
    own = Signer.load(kept[0]) if kept else Signer.generate("witness", "one", demo=True)
    if not kept:
        own.save(directory)
    server = WitnessServer(Witness(directory / "state", WITNESS, own, [key]), port)
    policy = Policy.require(key, [witness_key(WITNESS, own.public)])
    house.ledger_policy.parent.mkdir(exist_ok=True)
    house.ledger_policy.write_bytes(bytes(replace(policy, urls={WITNESS: server.url})))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        server.witness.close()


def leaves(house: House) -> int:
    """How many leaves the log's published tree holds, recomputed from its files."""
    return audit(house.ledger, open_log().policy).checkpoint.size


def test_an_entry_is_pending_until_its_receipt_is_collected(house: House, do: Any) -> None:
    do(3)
    assert {entry.in_force for entry in LedgerEntry.objects.all()} == {False}
    collect_receipts()
    assert [entry.log_index for entry in LedgerEntry.objects.all()] == [0, 1, 2]
    for entry in LedgerEntry.objects.all():
        assert entry.in_force
        verify_receipt(
            Receipt.from_bytes(entry.receipt.encode()), Leaf.from_bytes(bytes(entry.leaf)), open_log().policy
        )
    assert leaves(house) == 3


def test_collecting_again_appends_nothing(house: House, do: Any) -> None:
    do()
    collect_receipts()
    receipt = LedgerEntry.objects.get().receipt
    collect_receipts()
    assert LedgerEntry.objects.get().receipt == receipt
    assert leaves(house) == 1


def test_the_log_keeps_the_order_of_the_acts(house: House, do: Any) -> None:
    made = [entry.id for _ in range(5) for entry in do(4)]
    collect_receipts()
    assert [entry.id for entry in LedgerEntry.objects.order_by("log_index")] == made


def test_the_log_holds_leaves_only_and_nothing_of_the_record(house: House, do: Any) -> None:
    do()
    collect_receipts()
    kept = b"".join(file.read_bytes() for file in house.ledger.rglob("*") if file.is_file())
    for secret in (b"inquiry.send", b"review:1", b"number"):
        assert secret not in kept


def test_without_the_witness_an_entry_stays_pending_and_comes_into_force_when_it_is_back(
    house: House, do: Any, tmp_path: Path
) -> None:
    with witnessing(house, tmp_path / "witness") as port:
        do()
        round_of_work()
        assert LedgerEntry.objects.get().in_force
    do(2)
    round_of_work()
    waiting = list(LedgerEntry.objects.filter(receipt=""))
    assert [entry.log_index for entry in waiting] == [1, 2], (
        "the leaves are in the log, their receipts are not"
    )
    with witnessing(house, tmp_path / "witness", port):
        round_of_work()
    assert not LedgerEntry.objects.filter(receipt="").exists()
    assert leaves(house) == 3
    for entry in LedgerEntry.objects.all():
        assert WITNESS in entry.receipt


def test_no_receipt_is_stored_that_the_policy_does_not_take(
    house: House, do: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    do()
    collect_receipts()
    with witnessing(house, tmp_path / "witness"):
        strict = record.trust_policy()
    monkeypatch.setattr(open_log(), "policy", strict)
    do()
    round_of_work()
    assert LedgerEntry.objects.filter(receipt="").count() == 1


def test_after_a_crash_between_log_and_row_the_leaf_is_found_and_not_doubled(house: House, do: Any) -> None:
    do(3)
    fresh = LedgerEntry.objects.filter(log_index=None)
    open_log().append([Leaf.from_bytes(bytes(entry.leaf)) for entry in fresh])
    close_log()
    do()
    heal()
    assert [entry.log_index for entry in LedgerEntry.objects.all()] == [0, 1, 2, None]
    collect_receipts()
    assert leaves(house) == 4
    assert all(entry.in_force for entry in LedgerEntry.objects.all())


def test_a_failure_between_log_and_row_doubles_nothing_in_the_same_process(
    house: House, do: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    do(2)

    def fail(*_: Any, **__: Any) -> None:
        raise DatabaseError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(QuerySet, "bulk_update", fail)
        with pytest.raises(DatabaseError):
            collect_receipts()
    assert LedgerEntry.objects.filter(log_index=None).count() == 2
    do()
    collect_receipts()
    assert all(entry.in_force for entry in LedgerEntry.objects.all())
    assert leaves(house) == 3


def test_acts_that_wait_share_one_commit_and_one_checkpoint(
    house: House, do: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    appends: list[int] = []
    append = FileLog.append

    def counted(log: FileLog, entries: Any) -> Any:
        appends.append(len(entries))
        return append(log, entries)

    monkeypatch.setattr(FileLog, "append", counted)
    for _ in range(20):
        do(2)
    assert collect_receipts() == 40
    assert appends == [40]
    receipts = [Receipt.from_bytes(entry.receipt.encode()) for entry in LedgerEntry.objects.all()]
    assert {receipt.checkpoint.size for receipt in receipts} == {40}


def test_after_a_disk_error_the_house_goes_on_by_itself_once_the_disk_works(house: House, do: Any) -> None:
    do()
    collect_receipts()
    (house.ledger / "tile/0/000.p/2").mkdir()
    do()
    with pytest.raises(LedgerError, match="could not be written"):
        collect_receipts()
    assert LedgerEntry.objects.filter(receipt="").count() == 1
    (house.ledger / "tile/0/000.p/2").rmdir()
    do()
    collect_receipts()
    assert all(entry.in_force for entry in LedgerEntry.objects.all())
    assert leaves(house) == 3


def test_the_policys_quorum_is_enough(house: House, do: Any, tmp_path: Path) -> None:
    with witnessing(house, tmp_path / "witness"):
        away = Signer.generate("witness", "two", demo=True)
        policy = record.trust_policy()
        both = Policy.require(
            policy.logs[0], [*policy.witnesses.values(), witness_key("away", away.public)], 1
        )
        urls = {WITNESS: policy.urls[WITNESS], "away": "http://127.0.0.1:9"}
        house.ledger_policy.write_bytes(bytes(replace(both, urls=urls)))
        do()
        assert collect_receipts() == 1


def test_who_waits_for_a_receipt_gets_it_or_hears_that_it_is_pending(house: House, do: Any) -> None:
    [entry] = do()
    with pytest.raises(record.StillPending, match=r"inquiry\.send is recorded") as pending:
        record.receipt_for(entry, timeout_s=0.05)
    assert pending.value.code == "pending"
    collect_receipts()
    receipt = record.receipt_for(entry, timeout_s=0)
    assert verify_receipt(receipt, Leaf.from_bytes(bytes(entry.leaf)), open_log().policy).size == 1


def test_an_act_cannot_wait_for_its_own_receipt(house: House, desk: None) -> None:
    @act(Permission.HOUSE_PEER_INTRODUCE)
    def wait(*, actor: Person) -> None:
        record.receipt_for(record.record("inquiry.send", "review:1", {}))

    with pytest.raises(RuntimeError, match="own receipt"):
        wait(actor=make_person(Role.STEWARD))


def test_an_effect_runs_once_the_entry_is_in_force_and_not_before(house: House, do: Any) -> None:
    seen: list[str] = []
    when_in_force("inquiry.send")(lambda entry: seen.append(str(entry.id)))
    [entry] = do()
    bring_about()
    assert seen == []
    collect_receipts()
    assert seen == []
    bring_about()
    bring_about()
    assert seen == [str(entry.id)]
    assert LedgerEntry.objects.get().effected


def test_an_effect_that_fails_is_tried_again_and_stops_no_letter(house: House, do: Any) -> None:
    tries: list[int] = []

    def fails_once(entry: LedgerEntry) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("no space left")

    when_in_force("inquiry.send")(fails_once)
    do()
    round_of_work()
    assert not LedgerEntry.objects.get().effected
    round_of_work()
    assert LedgerEntry.objects.get().effected
    assert len(tries) == 2


def test_an_effect_that_keeps_failing_is_named_on_its_entry_and_keeps_no_other_back(
    house: House, do: Any
) -> None:
    seen: list[str] = []

    def only_the_second(entry: LedgerEntry) -> None:
        if entry.id == first.id:
            raise OSError("no space left")
        seen.append(str(entry.id))

    when_in_force("inquiry.send")(only_the_second)
    first, second = do(2)
    collect_receipts()
    bring_about()
    bring_about()
    assert seen == [str(second.id)]
    first.refresh_from_db()
    assert (first.effected, first.problem) == (False, "OSError: no space left")


def test_an_effect_whose_mark_was_lost_in_a_crash_runs_again(house: House, do: Any) -> None:
    seen: list[int] = []
    when_in_force("inquiry.send")(lambda entry: seen.append(1))
    do()
    round_of_work()
    LedgerEntry.objects.update(effected=False)
    round_of_work()
    assert len(seen) == 2, "effects run at least once, so they must be idempotent"


def test_a_kind_has_at_most_one_effect(desk: None) -> None:
    taken = next(iter(effects._EFFECTS))
    with pytest.raises(ValueError, match="has an effect already"):
        when_in_force(taken)(lambda entry: None)


def test_every_effect_belongs_to_a_registered_kind() -> None:
    assert set(effects._EFFECTS) <= LEDGER_KINDS
