# SPDX-License-Identifier: Apache-2.0
"""The log's writer: appends, receipts, crashes, locks, broken files."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.makers import LOG_KEY, LOG_SIGNER, ORIGIN, make_leaf, make_leaves, open_log, signer
from ledger.naive import Tree as Naive
from proofhouse.ledger import (
    BrokenLog,
    FileLog,
    LedgerError,
    LogBusy,
    Malformed,
    NotCosigned,
    NotProven,
    Policy,
    Receipt,
    audit,
    read_receipt,
    verify_receipt,
)
from proofhouse.ledger._tree import check_consistency

POLICY = Policy.require(LOG_KEY)


def files(directory: Path) -> dict[Path, bytes]:
    return {
        path.relative_to(directory): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and path.name != "lock"
    }


def test_a_new_log_is_empty_and_signed(tmp_path: Path) -> None:
    with open_log(tmp_path / "log") as log:
        assert (log.size, log.pending, log.append([])) == (0, 0, [])
    assert audit(tmp_path / "log", POLICY).checkpoint.root == Naive([]).mth(0, 0)


@given(batches=st.lists(st.integers(1, 300), min_size=1, max_size=6))
@settings(max_examples=25, deadline=None)
def test_any_batches_give_the_standards_root_and_receipts_that_verify(
    batches: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("log")
    leaves = make_leaves(0, sum(batches))
    naive = Naive([bytes(leaf) for leaf in leaves])
    start = 0
    for number, count in enumerate(batches):
        with open_log(directory) as log:
            before = log.checkpoint
            receipts = log.append(leaves[start : start + count])
            check_consistency(
                before.size, log.size, before.root, log.checkpoint.root, log.consistency(before.size)
            )
        assert [receipt.index for receipt in receipts] == list(range(start, start + count))
        start += count
        for receipt in (receipts[0], receipts[-1]):
            read = Receipt.from_bytes(bytes(receipt))
            assert read == receipt
            checkpoint = verify_receipt(read, leaves[receipt.index], POLICY)
            assert checkpoint.root == naive.mth(0, start), number
    assert audit(directory, POLICY).checkpoint.size == start
    assert verify_receipt(read_receipt(directory, 0), leaves[0], POLICY).size == start


def test_a_large_batch_equals_many_small_ones(tmp_path: Path) -> None:
    with open_log(tmp_path / "one") as one, open_log(tmp_path / "many") as many:
        one.append(make_leaves(0, 600))
        for start in range(0, 600, 100):
            many.append(make_leaves(start, start + 100))
        assert one.checkpoint == many.checkpoint
    assert files(tmp_path / "one") == {
        path: content for path, content in files(tmp_path / "many").items() if path in files(tmp_path / "one")
    }


def test_partial_tiles_of_published_checkpoints_stay_until_the_tile_is_full(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.append(make_leaves(0, 3))
        log.append(make_leaves(3, 10))
        assert (tmp_path / "tile/0/000.p/3").exists()
        assert (tmp_path / "tile/entries/000.p/3").exists()
        log.append(make_leaves(10, 256))
        assert not (tmp_path / "tile/0/000.p").exists()
        assert (tmp_path / "tile/0/000").stat().st_size == 8192
        assert (tmp_path / "tile/entries/000").stat().st_size == 256 * 52
        assert (tmp_path / "tile/1/000.p/1").exists()


def test_a_leaf_can_be_found_again(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.append(make_leaves(0, 300))
        assert log.find(make_leaf(299)) == 299
        assert log.find(make_leaf(300)) is None
        with pytest.raises(IndexError):
            log.receipt(300)
        with pytest.raises(IndexError):
            log.receipt(-1)


def test_a_second_writer_is_refused_in_this_process_and_in_another(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        with pytest.raises(LogBusy):
            open_log(tmp_path)
        code = (
            "import sys; from pathlib import Path; from proofhouse.ledger._files import Lock\n"
            "from proofhouse.ledger import LogBusy\n"
            "try:\n  Lock(Path(sys.argv[1]))\nexcept LogBusy:\n  sys.exit(7)"
        )
        assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == 7
        log.append(make_leaves(0, 1))
    with FileLog(tmp_path, ORIGIN, LOG_SIGNER, wait_s=1) as log:
        assert log.size == 1


def test_a_closed_log_says_so(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    log.close()
    log.close()
    with pytest.raises(LedgerError, match="closed"):
        log.append(make_leaves(0, 1))


def test_another_name_or_key_does_not_open_the_log(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.append(make_leaves(0, 2))
    with pytest.raises(BrokenLog, match="not 'other"):
        FileLog(tmp_path, "other.example/log", LOG_SIGNER)
    with pytest.raises(BrokenLog, match="not signed by this log's key"):
        FileLog(tmp_path, ORIGIN, signer(2))
    with pytest.raises(Malformed):
        FileLog(tmp_path / "new", "no spaces allowed", LOG_SIGNER)
    assert open_log(tmp_path).size == 2


def test_a_log_that_lost_its_head_is_refused(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.append(make_leaves(0, 2))
    (tmp_path / "head").unlink()
    with pytest.raises(BrokenLog, match="restore"):
        open_log(tmp_path)


def test_every_changed_bit_of_a_log_is_found(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.append(make_leaves(0, 20))
    for name in files(tmp_path):
        original = (tmp_path / name).read_bytes()
        for place in range(len(original)):
            changed = bytearray(original)
            changed[place] ^= 1 << (place % 8)
            (tmp_path / name).write_bytes(changed)
            with pytest.raises((BrokenLog, NotProven)):
                audit(tmp_path, POLICY)
        (tmp_path / name).write_bytes(original)
    audit(tmp_path, POLICY)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_change_anywhere_in_a_larger_log_is_found_and_stops_the_writer(
    data: st.DataObject, larger: Path
) -> None:
    name = data.draw(st.sampled_from(sorted(path for path in files(larger) if ".p" not in str(path))))
    original = (larger / name).read_bytes()
    place = data.draw(st.integers(0, len(original) - 1))
    bit = data.draw(st.integers(0, 7))
    changed = bytearray(original)
    changed[place] ^= 1 << bit
    (larger / name).write_bytes(changed)
    try:
        with pytest.raises((BrokenLog, NotProven)):
            audit(larger, POLICY)
        with pytest.raises(BrokenLog):
            open_log(larger)
    finally:
        (larger / name).write_bytes(original)


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("larger")
    with open_log(directory) as log:
        log.append(make_leaves(0, 700))
    return directory


@pytest.mark.parametrize("name", ["tile/0/000", "tile/0/002.p/188", "tile/1/000.p/2", "tile/entries/001"])
def test_a_missing_or_shortened_tile_is_named(name: str, larger: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(larger, copy)
    original = (copy / name).read_bytes()
    (copy / name).write_bytes(original[:-1])
    with pytest.raises(BrokenLog, match=name):
        audit(copy, POLICY)
    (copy / name).unlink()
    with pytest.raises(BrokenLog, match=name):
        open_log(copy)


@pytest.mark.parametrize(("before", "count"), [(0, 1), (5, 3), (5, 300), (250, 6), (250, 7), (600, 400)])
def test_a_crash_after_any_written_file_leaves_the_old_log_or_the_new(
    before: int, count: int, tmp_path: Path
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    with open_log(old) as log:
        log.append(make_leaves(0, before))
    shutil.copytree(old, new)
    with open_log(new) as log:
        log.append(make_leaves(before, before + count))
    written = [path for path, content in files(new).items() if files(old).get(path) != content]
    tiles = sorted(path for path in written if path.parts[0] == "tile")
    for cut in range(len(tiles) + 1):
        crashed = tmp_path / f"crashed{cut}"
        shutil.copytree(old, crashed)
        for path in tiles[:cut]:
            (crashed / path).parent.mkdir(parents=True, exist_ok=True)
            (crashed / path).write_bytes((new / path).read_bytes())
        (crashed / ".head.new").write_bytes(b"torn")
        assert audit(crashed, POLICY).checkpoint.size == before
        with open_log(crashed) as log:
            assert log.size == before
            others = make_leaves(0, count + 2, salt="other")
            receipts = log.append(others)
            verify_receipt(receipts[-1], others[-1], POLICY)
        assert audit(crashed, POLICY).checkpoint.size == before + count + 2
    # All tiles and the new head, but not the published checkpoint: the entries are in, and pending.
    for path in tiles:
        (old / path).parent.mkdir(parents=True, exist_ok=True)
        (old / path).write_bytes((new / path).read_bytes())
    (old / "head").write_bytes((new / "head").read_bytes())
    assert audit(old, POLICY).pending == count
    with open_log(old) as log:
        assert (log.size, log.pending) == (before + count, count)
        verify_receipt(log.receipt(before), make_leaf(before), POLICY)
        assert log.pending == 0


WRITER = """
import random, sys
from pathlib import Path
from ledger.makers import make_leaves, open_log
dice = random.Random(int(sys.argv[2]))
with open_log(Path(sys.argv[1])) as log:
    print(log.size, flush=True)
    while True:
        log.append(make_leaves(log.size, log.size + dice.choice([1, 2, 7, 255, 256, 300])))
        print(log.size, flush=True)
"""


def test_a_writer_killed_at_random_moments_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    dice = random.Random(2026)
    acknowledged = 0
    for run in range(10):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(run)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
        )
        assert writer.stdout is not None
        assert int(writer.stdout.readline()) >= acknowledged
        try:
            writer.wait(dice.uniform(0.0, 0.25))
        except subprocess.TimeoutExpired:
            writer.send_signal(signal.SIGKILL)
        lines = writer.stdout.read().split("\n")[:-1]
        assert writer.wait() == -signal.SIGKILL
        acknowledged = int(lines[-1]) if lines else acknowledged
        with open_log(tmp_path) as log:
            assert log.size >= acknowledged
            if log.size:
                last = log.size - 1
                verify_receipt(log.receipt(last), make_leaf(last), POLICY)
        assert audit(tmp_path, POLICY).pending == 0
    assert acknowledged > 0


def test_a_disk_that_cannot_be_written_closes_the_log_and_keeps_its_state(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.append(make_leaves(0, 2))
        (tmp_path / "tile/0/000.p/3").mkdir()
        with pytest.raises(LedgerError, match="could not be written"):
            log.append(make_leaves(2, 3))
        with pytest.raises(LedgerError, match="closed"):
            log.append(make_leaves(2, 3))
    (tmp_path / "tile/0/000.p/3").rmdir()
    with open_log(tmp_path) as log:
        assert log.size == 2
        log.append(make_leaves(2, 3))


FULL_DISK = """
import resource, sys
from pathlib import Path
from ledger.makers import *
from proofhouse.ledger import LedgerError, audit

directory, before, room = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
fresh = make_leaves(before, before + 1)
log = open_log(directory)
log.append(make_leaves(0, before))
resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
for said in ("could not be written", "recover it"):
    try:
        log.append(fresh)
    except LedgerError as refused:
        assert said in str(refused), refused
    else:
        sys.exit("the append did not fail")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert log.recover() and not log.recover()
assert log.leaves(before) == []
log.append(fresh)
assert log.leaves() == make_leaves(0, before + 1)
assert audit(directory, log.policy).checkpoint.size == before + 1
"""


@pytest.mark.parametrize(("before", "room_bytes"), [(2, 0), (2, 64), (256, 40), (256, 100)])
def test_a_log_on_a_full_disk_goes_on_after_it_was_verified_once_there_is_room(
    tmp_path: Path, before: int, room_bytes: int
) -> None:
    """With 256 leaves the next begins small tiles, so that 100 bytes stop the head alone, the commit point."""
    run = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path), str(before), str(room_bytes)],
        check=False,
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr


def test_a_log_that_a_failing_disk_has_changed_does_not_go_on(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.append(make_leaves(0, 2))
        (tmp_path / "tile/0/000.p/3").mkdir()
        with pytest.raises(LedgerError, match="could not be written"):
            log.append(make_leaves(2, 3))
        (tmp_path / "tile/0/000.p/3").rmdir()
        spoilt = tmp_path / "tile/0/000.p/2"
        kept = spoilt.read_bytes()
        spoilt.write_bytes(bytes(64))
        for _ in range(2):
            with pytest.raises(BrokenLog):
                log.recover()
        spoilt.write_bytes(kept)
        assert log.recover()
        assert log.append(make_leaves(2, 3))[0].index == 2


def test_leaves_are_read_from_any_index_on(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.append(make_leaves(0, 600))
        for start in (0, 1, 255, 256, 257, 599, 600):
            assert log.leaves(start) == make_leaves(start, 600)


def test_a_checkpoint_that_cannot_be_published_leaves_the_entries_pending(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.append(make_leaves(0, 2))
        (tmp_path / ".checkpoint.new").mkdir()
        with pytest.raises(NotCosigned, match="cannot be written") as caught:
            log.append(make_leaves(2, 4))
        assert (caught.value.indices, log.size, log.pending) == ([2, 3], 4, 2)
        (tmp_path / ".checkpoint.new").rmdir()
        assert [receipt.index for receipt in log.receipts([2, 3])] == [2, 3]


def test_a_place_that_cannot_hold_a_log_is_refused_plainly(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LedgerError, match="cannot hold a log"):
        open_log(tmp_path / "file")


def test_a_forked_process_cannot_use_its_parents_log(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from ledger.makers import *; from proofhouse.ledger import *\n"
        "log = open_log(Path(sys.argv[1])); log.append(make_leaves(0, 1))\n"
        "child = os.fork()\n"
        "if child: sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        "try: log.append(make_leaves(1, 2))\n"
        "except LedgerError: os._exit(7)\n"
        "os._exit(0)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], check=False, cwd=Path(__file__).parents[1]
    )
    assert run.returncode == 7
    assert open_log(tmp_path).size == 1


def test_threads_share_one_log(tmp_path: Path) -> None:
    with open_log(tmp_path) as log, ThreadPoolExecutor(8) as pool:
        batches = [make_leaves(0, 3, salt=str(number)) for number in range(40)]
        answers = list(pool.map(log.append, batches))
        assert log.size == 120
    for batch, receipts in zip(batches, answers, strict=True):
        for leaf, receipt in zip(batch, receipts, strict=True):
            verify_receipt(receipt, leaf, POLICY)
    audit(tmp_path, POLICY)
