# SPDX-License-Identifier: Apache-2.0
"""A tiny HTTP server that stands for another house: it takes letters, counts them, and may be told to misbehave."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from proofhouse.letters import Letter, acknowledge, parse_letter
from proofhouse.server.engine.clock import now
from server.makers import Correspondent

Answer = tuple[int, bytes]


class PeerServer(ThreadingHTTPServer):
    """Answers each letter with its acknowledgement, unless `answer` was replaced."""

    daemon_threads = True

    def __init__(self, house: Correspondent) -> None:
        self.house = house
        self.taken: list[Letter] = []
        self.answer: Callable[[Letter], Answer] = self.acknowledgement
        super().__init__(("127.0.0.1", 0), _Door)

    def acknowledgement(self, letter: Letter) -> Answer:
        """What an honest house answers."""
        return 200, acknowledge(letter, self.house.signer, now()).data


class _Door(BaseHTTPRequestHandler):
    server: PeerServer

    def do_POST(self) -> None:
        letter = parse_letter(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.taken.append(letter)
        status, body = self.server.answer(letter)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Stay silent."""


@contextmanager
def listening(house: Correspondent) -> Iterator[PeerServer]:
    """Open the other house's door; its address is entered in the introduction."""
    server = PeerServer(house)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    house.peer.address = f"http://127.0.0.1:{server.server_address[1]}"
    house.peer.save(update_fields=["address"])
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
