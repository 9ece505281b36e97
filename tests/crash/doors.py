# SPDX-License-Identifier: Apache-2.0
"""The other houses of a crash test: one process that takes their letters, and notes each before it answers."""

from __future__ import annotations

import ctypes
import json
import os
import signal
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from proofhouse.attest import Signer
from proofhouse.letters import acknowledge, parse_letter
from proofhouse.server.engine.clock import now


class Doors:
    """An HTTP server in a fork of this process that stands for all other houses.

    Args:
        notes: File in which it notes what arrived, a line for each letter.
        signers: The letter keys of the houses, by name.
    """

    def __init__(self, notes: Path, signers: dict[str, Signer]) -> None:
        notes.touch()
        self._notes = notes
        server = _Server(("127.0.0.1", 0), _Door)
        server.signers, server.notes = signers, notes
        self.address = f"http://127.0.0.1:{server.server_address[1]}"
        self._child = os.fork()
        if self._child == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            for descriptor in (0, 1, 2):
                os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: it ends with its parent
            try:
                server.serve_forever(poll_interval=60)
            finally:
                os._exit(0)
        server.socket.close()

    def close(self) -> None:
        """End the process."""
        os.kill(self._child, signal.SIGKILL)
        os.waitpid(self._child, 0)

    def mark(self) -> int:
        """Where the notes end now."""
        return self._notes.stat().st_size

    def arrived(self, since: int) -> list[dict[str, Any]]:
        """What arrived after a mark."""
        with self._notes.open("rb") as file:
            file.seek(since)
            return [json.loads(line) for line in file]


class _Server(HTTPServer):
    signers: dict[str, Signer]
    notes: Path


class _Door(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        letter = parse_letter(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.notes.open("a") as file:
            file.write(json.dumps({"digest": letter.id, "type": letter.type}) + "\n")
        body = acknowledge(letter, self.server.signers[letter.recipient], now()).data
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Stay silent."""
