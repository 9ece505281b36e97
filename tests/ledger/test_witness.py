# SPDX-License-Identifier: Apache-2.0
"""The witness, over real HTTP: what it cosigns, what it refuses, and what it remembers."""

from __future__ import annotations

import hashlib
import http.client
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ledger.makers import LOG_KEY, LOG_SIGNER, ORIGIN, make_leaf, make_leaves, open_log, serving, signer
from ledger.naive import Tree as Naive
from proofhouse.ledger import (
    Checkpoint,
    LogBusy,
    Malformed,
    Note,
    VerifierKey,
    Witness,
    WitnessClient,
    WitnessRefused,
    WitnessUnavailable,
    audit,
    verify_receipt,
    witness_key,
)
from proofhouse.ledger._note import sign_note
from proofhouse.ledger._witness_client import add_checkpoint_body

TREE = Naive([bytes(make_leaf(number)) for number in range(40)])
FORK = Naive([bytes(make_leaf(number, "fork")) for number in range(40)])


def vkey(number: int) -> str:
    return str(witness_key(f"witness.example/{number}", signer(number).public))


def note(size: int, tree: Naive = TREE, origin: str = ORIGIN, key: int = 1) -> Note:
    return sign_note(Checkpoint(origin, size, tree.mth(0, size)).text, origin, signer(key))


def post(client: WitnessClient, body: bytes, path: str = "/add-checkpoint") -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(client.url).port or 0, timeout=5)
    try:
        connection.request("POST", path, body)
        response = connection.getresponse()
        return response.status, response.headers["Content-Type"], response.read()
    finally:
        connection.close()


def get(client: WitnessClient, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(client.url).port or 0, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def submit(client: WitnessClient, old: int, new: Note, proof: Sequence[bytes] = ()) -> tuple[int, bytes]:
    status, _, answer = post(client, add_checkpoint_body(old, proof, new))
    return status, answer


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[WitnessClient]:
    with serving(tmp_path / "witness") as client:
        yield client


def test_a_log_that_grows_is_cosigned_again_and_again(witness: WitnessClient) -> None:
    for old, new in ((0, 0), (0, 1), (1, 7), (7, 7), (7, 8), (8, 40)):
        status, answer = submit(witness, old, note(new), TREE.proof(old, new) if old else [])
        assert status == 200
        cosigned = Note.parse(bytes(note(new)) + answer)
        assert witness.key in cosigned.opened([witness.key, LOG_KEY])


def test_a_fork_is_refused_and_kept_as_evidence(witness: WitnessClient, tmp_path: Path) -> None:
    assert submit(witness, 0, note(5))[0] == 200
    fork = note(9, FORK)
    for proof in (FORK.proof(5, 9), TREE.proof(5, 9), []):
        assert submit(witness, 5, fork, proof)[0] == 422
    same_size = note(5, FORK)
    assert submit(witness, 5, same_size)[0] == 422
    state = tmp_path / "witness/logs" / hashlib.sha256(ORIGIN.encode()).hexdigest()
    assert {path.read_bytes() for path in (state / "evidence").iterdir()} == {bytes(fork), bytes(same_size)}
    assert submit(witness, 5, note(9), TREE.proof(5, 9))[0] == 200


def test_a_rollback_or_a_stale_size_is_answered_with_the_size_it_knows(witness: WitnessClient) -> None:
    assert submit(witness, 0, note(9))[0] == 200
    for old, new in ((0, 9), (0, 4), (4, 12), (3, 3)):
        answer = post(witness, add_checkpoint_body(old, TREE.proof(old, new) if old else [], note(new)))
        assert answer == (409, "text/x.tlog.size", b"9\n")


def test_unknown_logs_and_keys_are_refused(witness: WitnessClient) -> None:
    assert submit(witness, 0, note(1, origin="other.example/log"))[0] == 404
    assert submit(witness, 0, note(1, key=2))[0] == 403
    signed = note(1)
    forged = Note(signed.text, (signed.signatures[0].__class__(ORIGIN, LOG_KEY.key_id, bytes(64)),))
    assert submit(witness, 0, forged)[0] == 403
    both = Note(signed.text, (*signed.signatures, *forged.signatures))
    assert submit(witness, 0, both)[0] == 403
    with_stranger = signed.with_signatures(note(1, key=2).signatures)
    assert submit(witness, 0, with_stranger)[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"old 0\n",
        b"new 0\n\n" + bytes(note(1)),
        b"old 00\n\n" + bytes(note(1)),
        b"old -1\n\n" + bytes(note(1)),
        b"old 0\nnot base64\n\n" + bytes(note(1)),
        b"old 2\n\n" + bytes(note(1)),
        b"old 0\n" + b"".join([b"A" * 43 + b"=\n"] * 64) + b"\n" + bytes(note(1)),
        b"old 0\n\n" + bytes(note(1))[:-1],
        b"old 0\n\n" + bytes(sign_note(f"{ORIGIN}\nmany\n", ORIGIN, LOG_SIGNER)),
    ],
)
def test_what_is_no_request_is_answered_400(body: bytes, witness: WitnessClient) -> None:
    assert post(witness, body)[0] == 400


def test_a_proof_that_should_be_empty_or_an_empty_tree_with_a_root_is_refused(witness: WitnessClient) -> None:
    assert submit(witness, 0, note(1), [bytes(32)])[0] == 422
    wrong = sign_note(Checkpoint(ORIGIN, 0, bytes(32)).text, ORIGIN, LOG_SIGNER)
    assert submit(witness, 0, wrong)[0] == 422


def test_other_addresses_and_oversized_requests_are_refused(witness: WitnessClient) -> None:
    assert post(witness, b"old 0\n", "/elsewhere")[0] == 404
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(witness.url).port or 0, timeout=5)
    for length in (str((1 << 20) + 1), "-1", "many"):
        connection.request("POST", "/add-checkpoint", headers={"Content-Length": length})
        assert connection.getresponse().read() == b"a Content-Length of at most 1 MiB is needed\n"
        connection.close()
    assert get(witness, "/")[0] == 404


def test_monitors_get_the_newest_checkpoint_with_both_signatures(witness: WitnessClient) -> None:
    path = f"/{hashlib.sha256(ORIGIN.encode()).hexdigest()}/checkpoint"
    assert get(witness, path)[0] == 404
    submit(witness, 0, note(3))
    status, content = get(witness, path)
    assert status == 200
    assert set(Note.parse(content).opened([LOG_KEY, witness.key])) == {LOG_KEY, witness.key}
    assert get(witness, "/../../keys/checkpoint")[0] == 404


def test_two_requests_at_once_cannot_roll_it_back(witness: WitnessClient) -> None:
    submit(witness, 0, note(2))
    gate = threading.Barrier(8)

    def race(new: int) -> tuple[int, bytes]:
        gate.wait()
        return submit(witness, 2, note(new), TREE.proof(2, new))

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(race, range(3, 11)))
    assert sorted(status for status, _ in answers) == [200] + [409] * 7
    won = next(new for new, (status, _) in zip(range(3, 11), answers, strict=True) if status == 200)
    assert {answer for status, answer in answers if status == 409} == {f"{won}\n".encode()}


def test_a_restart_keeps_what_it_has_seen(tmp_path: Path) -> None:
    with serving(tmp_path) as before:
        assert submit(before, 0, note(6))[0] == 200
    with serving(tmp_path) as after:
        assert submit(after, 0, note(4))[0] == 409
        assert submit(after, 6, note(8, FORK), FORK.proof(6, 8))[0] == 422
        assert submit(after, 6, note(8), TREE.proof(6, 8))[0] == 200


def test_two_witnesses_cannot_share_a_directory(tmp_path: Path) -> None:
    with serving(tmp_path), pytest.raises(LogBusy):
        Witness(tmp_path, "witness.example/10", signer(10), [LOG_KEY])
    with pytest.raises(Malformed):
        Witness(tmp_path / "b", "witness.example/10", signer(10), [VerifierKey.parse(vkey(11))])


def test_the_log_gets_its_receipts_cosigned(tmp_path: Path, witness: WitnessClient) -> None:
    with open_log(tmp_path / "log", witness) as log:
        for start, end in ((0, 1), (1, 4), (4, 300)):
            receipts = log.append(make_leaves(start, end))
            checkpoint = verify_receipt(receipts[-1], make_leaf(end - 1), log.policy)
            assert list(checkpoint.cosigned_s) == [witness.key.name]
        assert audit(tmp_path / "log", log.policy).pending == 0


def test_while_the_witness_is_away_entries_are_in_and_receipts_pending(tmp_path: Path) -> None:
    with serving(tmp_path / "w") as first, open_log(tmp_path / "log", first) as log:
        log.append(make_leaves(0, 3))
    with open_log(tmp_path / "log", first) as log:
        assert log.receipt(2).checkpoint.size == 3
        with pytest.raises(WitnessUnavailable) as caught:
            log.append(make_leaves(3, 5))
        assert caught.value.indices == [3, 4]
        assert (log.size, log.pending, log.checkpoint.size) == (5, 2, 3)
        verify_receipt(log.receipt(0), make_leaf(0), log.policy)
        assert audit(tmp_path / "log", log.policy).pending == 2
        with pytest.raises(WitnessUnavailable):
            log.receipts(caught.value.indices)
        with serving(tmp_path / "w") as back:
            first.url = back.url
            receipts = log.receipts(caught.value.indices)
        assert [receipt.index for receipt in receipts] == [3, 4]
        verify_receipt(receipts[1], make_leaf(4), log.policy)
        assert (log.size, log.pending) == (5, 0)


def test_pending_entries_are_cosigned_after_a_restart_of_the_log(tmp_path: Path) -> None:
    away = WitnessClient("http://127.0.0.1:9", vkey(10), timeout_s=0.5)
    with open_log(tmp_path / "log", away) as log, pytest.raises(WitnessUnavailable):
        log.append(make_leaves(0, 2))
    with serving(tmp_path / "w") as back, open_log(tmp_path / "log", back) as log:
        assert log.pending == 2
        verify_receipt(log.receipt(1), make_leaf(1), log.policy)


def test_two_copies_of_a_log_cannot_both_grow(tmp_path: Path, witness: WitnessClient) -> None:
    with open_log(tmp_path / "one", witness) as log:
        log.append(make_leaves(0, 4))
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    with open_log(tmp_path / "one", witness) as log:
        log.append(make_leaves(4, 6))
    with open_log(tmp_path / "two", witness) as forked:
        with pytest.raises(WitnessRefused, match="lost entries"):
            forked.append(make_leaves(4, 5, salt="fork"))
        with pytest.raises(WitnessRefused, match="422"):
            forked.append(make_leaves(5, 9, salt="fork"))
        with pytest.raises(WitnessRefused):
            forked.receipts([4])


def test_a_quorum_of_two_in_three_works_with_one_away_and_not_with_two(tmp_path: Path) -> None:
    with ExitStack() as stack:
        names = [stack.enter_context(serving(tmp_path / f"w{n}", n)) for n in (10, 11)]
        away = WitnessClient("http://127.0.0.1:9", vkey(12), timeout_s=0.5)
        with open_log(tmp_path / "log", *names, away, quorum=2) as log:
            receipt = log.append(make_leaves(0, 2))[0]
            assert len(verify_receipt(receipt, make_leaf(0), log.policy).cosigned_s) == 2
    with open_log(tmp_path / "log", *names, away, quorum=2) as log, pytest.raises(WitnessUnavailable):
        log.append(make_leaves(2, 3))


@contextmanager
def misbehaving(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Something that listens where a witness should, and does what it likes with each connection; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    threading.Thread(target=swallow, args=(connection,), daemon=True).start()

        def swallow(connection: socket.socket) -> None:
            with suppress(OSError), connection:
                answer(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def drip(connection: socket.socket) -> None:
    """Send an answer that never ends, a byte at a time, each well within any timeout."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        connection.sendall(b"x")
        time.sleep(0.05)


def wait(connection: socket.socket) -> None:
    """Take the request and say nothing."""
    while connection.recv(1 << 16):
        pass


@pytest.mark.parametrize("behaviour", [drip, wait, lambda connection: None])
def test_a_witness_that_drips_is_silent_or_hangs_up_is_unavailable_in_time(
    tmp_path: Path, behaviour: Callable[[socket.socket], None]
) -> None:
    with misbehaving(behaviour) as url:
        slow = WitnessClient(url, vkey(12), timeout_s=0.4)
        with open_log(tmp_path / "log", slow) as log:
            start_s = time.monotonic()
            with pytest.raises(WitnessUnavailable, match="does not answer"):
                log.append(make_leaves(0, 1))
            assert time.monotonic() - start_s < 5
            assert log.pending == 1


def test_a_slow_witness_holds_up_nobody_while_the_others_are_enough(tmp_path: Path) -> None:
    with ExitStack() as stack:
        names = [stack.enter_context(serving(tmp_path / f"w{n}", n)) for n in (10, 11)]
        slow = WitnessClient(stack.enter_context(misbehaving(wait)), vkey(12), timeout_s=30)
        log = stack.enter_context(open_log(tmp_path / "log", slow, *names, quorum=2))
        start_s = time.monotonic()
        log.append(make_leaves(0, 2))
        assert time.monotonic() - start_s < 15


def test_a_conflict_is_answered_with_a_proof_from_the_size_that_the_witness_knows(
    tmp_path: Path, witness: WitnessClient
) -> None:
    with open_log(tmp_path / "log", witness) as log:
        log.append(make_leaves(0, 5))
    fresh = WitnessClient(witness.url, witness.key)  # it begins at size 0 and is told 409 with the size 5
    with open_log(tmp_path / "log", fresh) as log:
        receipt = log.append(make_leaves(5, 9))[0]
        assert verify_receipt(receipt, make_leaf(5), log.policy).size == 9


@pytest.mark.parametrize("told", [b"", b"five\n", b"-1\n", b"05\n"])
def test_a_conflict_without_a_size_is_no_answer(tmp_path: Path, told: bytes) -> None:
    def conflict(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        head = f"HTTP/1.1 409 Conflict\r\nContent-Length: {len(told)}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode() + told)

    with ExitStack() as stack:
        url = stack.enter_context(misbehaving(conflict))
        log = stack.enter_context(open_log(tmp_path / "log", WitnessClient(url, vkey(12))))
        with pytest.raises(WitnessUnavailable):
            log.append(make_leaves(0, 1))


def test_a_witness_that_answers_with_another_key_is_refused(tmp_path: Path, witness: WitnessClient) -> None:
    impostor = WitnessClient(witness.url, vkey(12))
    with open_log(tmp_path / "log", impostor) as log, pytest.raises(WitnessRefused, match="no cosignature"):
        log.append(make_leaves(0, 1))


@pytest.mark.parametrize("url", ["", "ftp://w.example", "http://", "127.0.0.1:80"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(Malformed):
        WitnessClient(url, vkey(10))
    with pytest.raises(Malformed):
        WitnessClient("http://127.0.0.1:1", str(LOG_KEY))


def start_process(directory: Path, *more: str) -> tuple[subprocess.Popen[str], dict[str, object]]:
    code = "from proofhouse.ledger.cli import cli; cli()"
    argv = ["witness", "--dir", str(directory), "--log-key", str(LOG_KEY), "--port", "0", *more]
    process = subprocess.Popen([sys.executable, "-c", code, *argv], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


def test_the_witness_process_says_where_it_is_survives_a_kill_and_ends_on_a_signal(tmp_path: Path) -> None:
    process, ready = start_process(tmp_path / "w", "--name", "witness.example/own")
    try:
        client = WitnessClient(str(ready["url"]), str(ready["vkey"]))
        with open_log(tmp_path / "log", client) as log:
            log.append(make_leaves(0, 5))
        process.kill()
        process.wait()
        process, again = start_process(tmp_path / "w", "--name", "witness.example/own")
        assert again["vkey"] == ready["vkey"]
        client = WitnessClient(str(again["url"]), str(again["vkey"]))
        assert submit(client, 0, note(1))[0] == 409
        with open_log(tmp_path / "log", client) as log:
            log.append(make_leaves(5, 6))
            policy = log.policy
        assert audit(tmp_path / "log", policy).checkpoint.size == 6
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
        process.stdout.close()  # type: ignore[union-attr]  # it is a pipe


def test_a_cosignature_leaves_only_after_the_state_is_written(tmp_path: Path) -> None:
    witness = Witness(tmp_path, "witness.example/10", signer(10), [LOG_KEY])
    state = tmp_path / "logs" / hashlib.sha256(ORIGIN.encode()).hexdigest()
    state.parent.mkdir()
    state.write_bytes(b"in the way")
    answer = witness.add_checkpoint(add_checkpoint_body(0, [], note(1)))
    assert (answer.status, b"cannot keep its state" in answer.body) == (500, True)
    state.unlink()
    assert witness.add_checkpoint(add_checkpoint_body(0, [], note(1))).status == 200
    assert Checkpoint.of(Note.parse((state / "checkpoint").read_bytes())).size == 1
    witness.close()


def test_a_witness_with_spoilt_state_cosigns_nothing(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        submit(client, 0, note(3))
        state = tmp_path / "logs" / hashlib.sha256(ORIGIN.encode()).hexdigest() / "checkpoint"
        state.write_bytes(b"spoilt\n")
        assert submit(client, 0, note(3))[0] == 500
        assert submit(client, 3, note(4), TREE.proof(3, 4))[0] == 500
        with open_log(tmp_path / "log", client) as log, pytest.raises(WitnessUnavailable, match="500"):
            log.append(make_leaves(0, 4))
