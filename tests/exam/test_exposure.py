# SPDX-License-Identifier: Apache-2.0
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from proofhouse.exam import reveal_check
from proofhouse.exam._records import BadRecord
from proofhouse.exam.bank import Bank, SealBroken, check_shard
from proofhouse.exam.cli import cli
from proofhouse.exam.exposure import BankSpent, ExposureBook, shard_plan
from proofhouse.exam.plan import Plan, PlannedItem, make_plan

KEY = bytes(range(32))
PLAN = make_plan(24)  # four items on each of six levels
BANK = Bank(KEY, PLAN)
BOOK = ExposureBook(BANK.root, most_uses=2)
AT = "2026-11-28T10:00:00.000000Z"


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.integers(0, 5), st.integers(1, 4), min_size=1), max_size=12))
def test_no_item_is_shown_more_often_than_allowed_and_the_least_shown_go_first(reviews):
    book = BOOK
    for number, wanted in enumerate(reviews):
        counts = {("mem.poc", level): count for level, count in wanted.items()}
        before = {place: book.uses(place) for place in PLAN.items}
        try:
            book = book.draw(PLAN, f"review:{number}", counts, AT)
        except BankSpent:
            continue
        drawn = book.shown[-1].places
        assert len(set(drawn)) == len(drawn) == sum(wanted.values())
        for level in wanted:
            own = [place for place in PLAN.items if place.level == level]
            most = max(before[place] for place in own if place in drawn)
            assert all(before[place] >= most for place in own if place not in drawn and before[place] < 2)
    assert all(book.uses(place) <= 2 for place in PLAN.items)
    assert ExposureBook.from_record(json.loads(json.dumps(book.to_record()))) == book


def test_two_reviews_share_no_item_while_fresh_ones_are_left():
    book = BOOK.draw(PLAN, "review:1", {("mem.poc", 0): 2}, AT).draw(
        PLAN, "review:2", {("mem.poc", 0): 2}, AT
    )
    assert not set(book.shown[0].places) & set(book.shown[1].places)


def test_a_review_has_one_shard_and_cannot_draw_until_it_suits():
    book = BOOK.draw(PLAN, "review:1", {("mem.poc", 0): 1}, AT)
    with pytest.raises(ValueError, match="shard already"):
        book.draw(PLAN, "review:1", {("mem.poc", 0): 1}, AT)


def test_a_leaked_item_is_not_shown_again_and_a_spent_bank_says_so():
    place = PlannedItem("mem.poc", 0, 0)
    book = BOOK.leak([place], "posted on a forum")
    assert place not in book.draw(PLAN, "review:1", {("mem.poc", 0): 3}, AT).shown[-1].places
    with pytest.raises(BankSpent, match="3 items may still be shown, 4 are asked for"):
        book.draw(PLAN, "review:1", {("mem.poc", 0): 4}, AT)
    assert not book.spent(PLAN)
    assert BOOK.leak(PLAN.items, "key lost").spent(PLAN)


@pytest.mark.parametrize("record", [{}, {"format": "x"}, BOOK.to_record() | {"most_uses": 0}])
def test_what_is_no_book_is_refused(record):
    with pytest.raises(BadRecord):
        ExposureBook.from_record(record)


def shard_of(review, counts, book=BOOK):
    return shard_plan(PLAN, book.draw(PLAN, review, counts, AT).shown[-1].places)


def test_a_shard_is_part_of_its_bank_by_the_seals_alone():
    part = shard_of("review:1", {("mem.poc", 1): 2, ("mem.poc", 3): 1})
    sealed = Bank(KEY, part).seal_record()
    check_shard(BANK.seal_record(), PLAN, sealed, part)
    other = Bank(bytes(32), part).seal_record()
    with pytest.raises(SealBroken, match="not the bank's item"):
        check_shard(BANK.seal_record(), PLAN, other, part)
    outside = replace(part, blocks=(replace(part.blocks[0], first=99),))
    with pytest.raises(SealBroken, match="not the bank's item"):
        check_shard(BANK.seal_record(), PLAN, Bank(KEY, outside).seal_record(), outside)


def test_overlapping_blocks_are_no_plan():
    record = shard_of("review:1", {("mem.poc", 1): 2}).to_record()
    record["blocks"] *= 2
    with pytest.raises(BadRecord, match="overlap"):
        Plan.from_record(record)


def call(*arguments):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture
def kept(tmp_path):
    (tmp_path / "plan.json").write_text(json.dumps(make_plan(6).to_record()))
    (tmp_path / "bank.key").write_text(KEY.hex())
    (tmp_path / "bank.key").chmod(0o600)
    common = ("--plan", tmp_path / "plan.json", "--bank-key", tmp_path / "bank.key")
    assert call("seal", *common, "--out", tmp_path / "seal.json").exit_code == 0
    return tmp_path, (*common, "--seal", tmp_path / "seal.json")


def test_a_bank_is_sealed_sharded_spent_revealed_and_checked_without_its_generator(kept):
    place, common = kept
    book = ("--book", place / "book.json")
    drawn = call(
        *("bank", "shard", *common, *book, "--review", "review:1", "--most-uses", 1),
        *("--items", "mem.poc:0=1", "--items", "mem.poc:5=1", "--out", place / "shard"),
    )
    assert drawn.exit_code == 0, drawn.output
    again = call(
        "bank", "shard", *common, *book, "--review", "r2", "--items", "mem.poc:0=1", "--out", place / "x"
    )
    assert again.exit_code == 1
    assert "0 items may still be shown" in again.output
    seals = ("--plan", place / "plan.json", "--seal", place / "seal.json")
    assert call("bank", "check-shard", *seals, "--shard", place / "shard").exit_code == 0
    early = call("bank", "reveal", *common, *book, "--out", place / "reveal")
    assert early.exit_code == 1
    leaked = [part for level in range(1, 5) for part in ("--leaked", f"mem.poc:{level}:0")]
    plan = ("--plan", place / "plan.json")
    counted = call("bank", "exposure", *book, *plan, *leaked, "--reason", "retired", "--json")
    assert json.loads(counted.output) == {"items": 6, "shown": 2, "retired": 6, "reviews": 1, "spent": True}
    assert call("bank", "reveal", *common, *book, "--out", place / "reveal").exit_code == 0
    assert (
        call("check-reveal", place / "reveal" / "reveal.json", "--seal", place / "seal.json").exit_code == 0
    )

    # The same by the one file alone, in a process that cannot see the program.
    script = Path(reveal_check.__file__)
    arguments = [place / "reveal" / "reveal.json", place / "seal.json", place / "reveal" / "items"]

    def alone():
        return subprocess.run(
            [sys.executable, "-I", "-S", str(script), *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            cwd=place,
        )

    done = alone()
    assert (done.returncode, done.stdout.split(",")[0]) == (0, "6 items are the sealed ones")
    [changed] = sorted((place / "reveal" / "items").glob("mem.poc-L0-*/hidden/parser.c"))
    changed.write_text("another file")
    done = alone()
    assert done.returncode == 1
    assert "hidden/parser.c is another file" in done.stderr


REVEAL = Bank(KEY, make_plan(2)).reveal_record()
SEAL = Bank(KEY, make_plan(2)).seal_record()


def test_the_one_file_holds_for_what_was_sealed():
    assert reveal_check.check(REVEAL, SEAL) == 2


@pytest.mark.parametrize(
    ("where", "change", "says"),
    [
        ("reveal", lambda r: r["plan"]["budget"].update(tokens=1), "plan"),
        ("seal", lambda r: r["rule"].update(threshold=9.0), "rule"),
        ("reveal", lambda r: r["items"].pop(), "count"),
        ("reveal", lambda r: r["items"].reverse(), "does not follow"),
        ("reveal", lambda r: r["items"][0].update(prompts=["easy"] * 4), "not the one that was sealed"),
        ("reveal", lambda r: r["items"][1].update(seed_commitment_sha256="00" * 32), "seed_commitment"),
        ("reveal", lambda r: r.update(bank_key="A" * 43 + "="), "does not follow"),
        ("seal", lambda r: r["commitments_sha256"].reverse(), "not the one that was sealed"),
        ("seal", lambda r: r.update(bank_root_sha256="00" * 32), "root"),
    ],
)
def test_the_one_file_finds_every_change(where, change, says):
    records = {"reveal": json.loads(json.dumps(REVEAL)), "seal": json.loads(json.dumps(SEAL))}
    change(records[where])
    with pytest.raises(reveal_check.Broken, match=says):
        reveal_check.check(records["reveal"], records["seal"])
