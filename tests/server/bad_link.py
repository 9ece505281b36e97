# SPDX-License-Identifier: Apache-2.0
"""A link between two houses that drops, doubles, delays and reorders: an HTTP proxy on loopback, as its seed says."""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from proofhouse.letters import MEDIA_TYPE


@dataclass(frozen=True)
class Weather:
    """Chances from 0 to 1; what is left over passes as it is.

    Attributes:
        drop: The letter is lost on its way there.
        drop_answer: The letter arrives, its acknowledgement is lost.
        double: The letter arrives twice.
        late: The sender hears nothing; the letter arrives later, after others that were sent after it.
        delay: The letter takes its time.
    """

    drop: float = 0.05
    drop_answer: float = 0.05
    double: float = 0.08
    late: float = 0.05
    delay: float = 0.08


class Link(ThreadingHTTPServer):
    """Takes letters on `address` and hands them to the house behind `port`, more or less."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int, seed: int, weather: Weather) -> None:
        self.port = port
        self.weather = weather
        self.seen: Counter[str] = Counter()
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Passage)

    @property
    def address(self) -> str:
        """What the sender takes for the other house's address."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def fate(self) -> tuple[str, float]:
        """What happens to the next letter, and a time in seconds for it."""
        with self._lock:
            drawn, pause_s = self._chance.random(), self._chance.uniform(0.02, 0.6)
            for name in ("drop", "drop_answer", "double", "late", "delay"):
                drawn -= getattr(self.weather, name)
                if drawn < 0:
                    break
            else:
                name = "passed"
            self.seen[name] += 1
            return name, pause_s

    def forward(self, data: bytes) -> tuple[int, bytes]:
        """Hand a letter to the house."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("POST", "/letters/", data, {"Content-Type": MEDIA_TYPE, "Host": "localhost"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


class _Passage(BaseHTTPRequestHandler):
    server: Link
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        fate, pause_s = self.server.fate()
        if fate == "late":
            threading.Timer(3 * pause_s, self._forward_late, [data]).start()
        if fate in ("drop", "late"):
            self._hang_up()
            return
        if fate == "delay":
            time.sleep(pause_s)
        status, answer = self.server.forward(data)
        if fate == "double":
            self.server.forward(data)
        if fate == "drop_answer":
            self._hang_up()
            return
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _forward_late(self, data: bytes) -> None:
        with suppress(OSError):
            self.server.forward(data)

    def _hang_up(self) -> None:
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Stay silent."""


@contextmanager
def link_to(port: int, seed: int, weather: Weather) -> Iterator[Link]:
    """Open a link to the house on a port."""
    link = Link(port, seed, weather)
    thread = threading.Thread(target=link.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield link
    finally:
        link.shutdown()
        link.server_close()
        thread.join()
