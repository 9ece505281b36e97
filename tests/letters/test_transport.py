# SPDX-License-Identifier: Apache-2.0
"""Claims about the ways a letter travels."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from letters.correspondents import NOW, THREAD, Correspondents
from proofhouse.letters import (
    MEDIA_TYPE,
    DeliveryFailed,
    Limits,
    Malformed,
    Thread,
    TooLarge,
    acknowledge,
    deliver_http,
    open_letter,
    read_letters,
    write_letters,
)

Answer = Callable[[bytes], tuple[int, bytes]]


@contextmanager
def desk(answer: Answer) -> Iterator[str]:
    """A house's letter box on loopback."""

    class Box(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Content-Type"] == MEDIA_TYPE
            status, content = answer(data)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            if status == 302:
                self.send_header("Location", "http://127.0.0.1:1/")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Box)
    server.daemon_threads = True
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/letters"
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


def test_a_letter_posted_to_a_house_brings_back_its_acknowledgement(houses: Correspondents) -> None:
    theirs, ours = Thread(THREAD, ("lab", "office")), Thread(THREAD, ("lab", "office"))

    def answer(data: bytes) -> tuple[int, bytes]:
        letter = open_letter(data, houses.introductions, "office", now=NOW)
        outcome = theirs.apply(letter).outcome
        return 200, acknowledge(letter, houses.office, NOW, thread=theirs, outcome=outcome).data

    letter = houses.letter()
    ours.apply(letter)
    with desk(answer) as url:
        for outcome in ("new", "duplicate"):
            returned = open_letter(deliver_http(url, letter.data, 5), houses.introductions, "lab", now=NOW)
            assert returned.body["outcome"] == outcome
            ours.apply(returned)
    assert ours.outstanding("lab") == ()
    assert ours.digest == theirs.digest


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(302, False), (400, False), (403, False), (404, False), (429, True), (503, True)],
)
def test_a_refusal_says_whether_to_try_again(houses: Correspondents, status: int, retryable: bool) -> None:
    with desk(lambda data: (status, b"no")) as url, pytest.raises(DeliveryFailed) as failed:
        deliver_http(url, houses.letter().data, 5)
    assert (failed.value.retryable, failed.value.status) == (retryable, status)


def test_an_endless_answer_is_cut_off(houses: Correspondents) -> None:
    with desk(lambda data: (200, b"x" * (2 << 20))) as url, pytest.raises(DeliveryFailed, match="more than"):
        deliver_http(url, houses.letter().data, 5)


def test_a_house_that_is_not_there_or_does_not_answer_may_be_tried_again(houses: Correspondents) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        with pytest.raises(DeliveryFailed) as refused:
            deliver_http(f"http://127.0.0.1:{port}/", houses.letter().data, 5)
        silent.listen()
        started = time.monotonic()
        with pytest.raises(DeliveryFailed) as late:
            deliver_http(f"http://127.0.0.1:{port}/", houses.letter().data, 0.2)
        assert time.monotonic() - started < 5
    assert refused.value.retryable
    assert late.value.retryable


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/letters",
        "file:///etc/passwd",
        "letters",
        "http://",
        "https://",
        "http://10.0.0.1/",
    ],
)
def test_an_address_that_is_no_safe_way_is_refused(url: str) -> None:
    with pytest.raises(DeliveryFailed, match="letters go over https") as failed:
        deliver_http(url, b"{}")
    assert not failed.value.retryable


def test_letters_survive_the_air_gap(houses: Correspondents, tmp_path: Path) -> None:
    letters = [houses.letter(), houses.letter("report", sequence=2)]
    paths = write_letters(tmp_path / "out", letters)
    assert [path.name for path in paths] == [f"{letter.id}.letter.json" for letter in letters]
    assert write_letters(tmp_path / "out", letters) == paths
    carried = read_letters(tmp_path / "out")
    assert set(carried.letters) == {letter.data for letter in letters}
    assert carried.refused == ()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(path.name for path in paths)


def test_one_broken_file_is_named_and_keeps_no_other_out(houses: Correspondents, tmp_path: Path) -> None:
    good, renamed, large = (houses.letter(sequence=number) for number in (1, 2, 3))
    write_letters(tmp_path, [good])
    (tmp_path / f"{'0' * 64}.letter.json").write_bytes(renamed.data)
    (tmp_path / f"{large.id}.letter.json").write_bytes(large.data + b" " * 5000)
    (tmp_path / "link.letter.json").symlink_to(tmp_path / f"{good.id}.letter.json")
    (tmp_path / "notes.txt").write_text("not a letter")
    carried = read_letters(tmp_path, Limits(letter_bytes=len(large.data) + 100))
    assert carried.letters == (good.data,)
    assert {path.name: type(error) for path, error in carried.refused} == {
        f"{'0' * 64}.letter.json": Malformed,
        f"{large.id}.letter.json": TooLarge,
        "link.letter.json": Malformed,
    }
