# SPDX-License-Identifier: Apache-2.0
"""Claims about the ways a letter travels."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType

import pytest

from letters.correspondents import NOW, THREAD, Correspondents
from proofhouse.letters import (
    MEDIA_TYPE,
    DeliveryFailed,
    HttpDelivery,
    Thread,
    acknowledge,
    open_letter,
)

Answer = Callable[[bytes], tuple[int, bytes]]


def deliver(url: str, letter: bytes, total_s: float = 5.0) -> bytes:
    delivery = HttpDelivery(total_s=total_s)
    try:
        return delivery.deliver(url, letter)
    finally:
        delivery.close()


@contextmanager
def desk(answer: Answer, headers: Mapping[str, str] = MappingProxyType({})) -> Iterator[str]:
    """A house's letter box on loopback."""

    class Box(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Content-Type"] == MEDIA_TYPE
            status, content = answer(data)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            for name, value in headers.items():
                self.send_header(name, value)
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
            returned = open_letter(deliver(url, letter.data), houses.introductions, "lab", now=NOW)
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
        deliver(url, houses.letter().data)
    assert (failed.value.retryable, failed.value.status) == (retryable, status)


def test_an_endless_answer_is_cut_off(houses: Correspondents) -> None:
    with desk(lambda data: (200, b"x" * (2 << 20))) as url, pytest.raises(DeliveryFailed, match="more than"):
        deliver(url, houses.letter().data)


def test_a_house_that_is_not_there_or_does_not_answer_may_be_tried_again(houses: Correspondents) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        with pytest.raises(DeliveryFailed) as refused:
            deliver(f"http://127.0.0.1:{port}/", houses.letter().data)
        silent.listen()
        started = time.monotonic()
        with pytest.raises(DeliveryFailed) as late:
            deliver(f"http://127.0.0.1:{port}/", houses.letter().data, 0.2)
        assert time.monotonic() - started < 5
    assert (refused.value.retryable, refused.value.reached) == (True, False)
    assert (late.value.retryable, late.value.reached) == (True, False)


def test_an_answer_that_drips_is_cut_off_when_its_time_is_over(houses: Correspondents) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                taken = connection.recv(65536)
                while not taken.endswith(b"}"):
                    taken += connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                for _ in range(100):
                    connection.sendall(b"x")
                    time.sleep(0.05)

        threading.Thread(target=drip, daemon=True).start()
        started = time.monotonic()
        with pytest.raises(DeliveryFailed, match="in time") as failed:
            deliver(f"http://127.0.0.1:{server.getsockname()[1]}/", houses.letter().data, 0.5)
        assert time.monotonic() - started < 3
    assert failed.value.retryable


def test_a_compressed_answer_is_not_unpacked(houses: Correspondents) -> None:
    bomb = gzip.compress(bytes(8 << 20))
    with desk(lambda data: (200, bomb), {"Content-Encoding": "gzip"}) as url:
        assert deliver(url, houses.letter().data) == bomb


def test_letters_to_one_house_share_a_connection(houses: Correspondents) -> None:
    callers = set()

    class Box(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            callers.add(self.client_address)
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Box)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    delivery = HttpDelivery()
    for _ in range(20):
        delivery.deliver(f"http://127.0.0.1:{server.server_address[1]}/", b"{}")
    delivery.close()
    server.shutdown()
    server.server_close()
    assert len(callers) == 1


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
        deliver(url, b"{}")
    assert not failed.value.retryable
