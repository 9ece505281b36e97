# SPDX-License-Identifier: Apache-2.0
"""The witness on HTTP, loopback only; a reverse proxy takes it further."""

from __future__ import annotations

from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from proofhouse.ledger._witness import MAX_REQUEST_BYTES, Answer, Witness


class WitnessServer(ThreadingHTTPServer):
    """Serves one witness on 127.0.0.1.

    Args:
        witness: The witness.
        port: 0 takes a free one; see `url`.
    """

    daemon_threads = True

    def __init__(self, witness: Witness, port: int = 0) -> None:
        self.witness = witness
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def url(self) -> str:
        """Submission and monitoring prefix."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: WitnessServer
    protocol_version = "HTTP/1.1"
    server_version = "proofhouse-witness"
    sys_version = ""
    timeout: ClassVar[float] = 30.0

    def do_POST(self) -> None:
        """Answer `add-checkpoint`."""
        length = self.headers.get("Content-Length", "")
        if self.path != "/add-checkpoint":
            self.close_connection = True
            self._answer(Answer(HTTPStatus.NOT_FOUND, b"POST /add-checkpoint\n"))
        elif not length.isascii() or not length.isdigit() or int(length) > MAX_REQUEST_BYTES:
            self.close_connection = True
            self._answer(Answer(HTTPStatus.BAD_REQUEST, b"a Content-Length of at most 1 MiB is needed\n"))
        else:
            self._answer(self.server.witness.add_checkpoint(self.rfile.read(int(length))))

    def do_GET(self) -> None:
        """Answer `HASH/checkpoint`, for monitors."""
        prefix, _, name = self.path.lstrip("/").partition("/")
        if name == "checkpoint":
            self._answer(self.server.witness.latest(prefix))
        else:
            self._answer(Answer(HTTPStatus.NOT_FOUND, b"GET /ORIGIN-HASH/checkpoint\n"))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Stay silent: standard output carries one line for the starter."""

    def _answer(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)
