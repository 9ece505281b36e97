# SPDX-License-Identifier: Apache-2.0
"""Talking HTTP to a server in its box: raw requests, then one question whose answer is what the run shows."""

import socket
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace

from proofhouse.sandbox import Box, ExecResult

MAX_ANSWER_BYTES = 1 << 20
_ADDRESS = "127.0.0.1"


@dataclass(frozen=True)
class HttpTalk:
    """What is said to a server.

    Attributes:
        port: of the box's loopback.
        requests: sent as they are, each on a connection of its own; malformed ones are the point.
        ask: path of the last question, a GET.
    """

    port: int
    requests: tuple[bytes, ...]
    ask: str


def converse(
    box: Box, argv: Sequence[str], talk: HttpTalk, cwd: str, env: Mapping[str, str], timeout_s: int
) -> tuple[ExecResult, int | None]:
    """Start a server in a box, talk to it, end it.

    Returns:
        How it ended, with the body of the last answer as standard output; and that answer's status, None when it gave
        none. A server that was still up is said to have ended with 0: it is we who end it.
    """
    end = time.monotonic() + timeout_s
    with ThreadPoolExecutor(1, "proofhouse-server") as pool:
        running = pool.submit(
            box.exec, argv, cwd=cwd, env=env, wall_s=timeout_s, output_bytes=MAX_ANSWER_BYTES
        )
        for request in talk.requests:
            _exchange(box, talk.port, request, end)
        question = f"GET {talk.ask} HTTP/1.0\r\nHost: {_ADDRESS}\r\n\r\n".encode()
        head, _, body = _exchange(box, talk.port, question, end).partition(b"\r\n\r\n")
        words = head.split(b" ", 2)
        status = int(words[1]) if len(words) > 1 and words[1].isdigit() and len(words[1]) == 3 else None
        if not running.done():
            with suppress(OSError):
                box.exec(["kill", "-KILL", "-1"], wall_s=5)
        result = running.result()
    if status is not None and result.signal == 9 and not result.out_of_memory:
        result = replace(result, exit_code=0, signal=None, timed_out=False)
    return replace(result, stdout=body), status


def _exchange(box: Box, port: int, request: bytes, end: float) -> bytes:
    """Send bytes and read until the server closes, a bound is reached or time is over; empty when nobody listens."""
    while time.monotonic() < end:
        with suppress(OSError), box.connect(_ADDRESS, port) as connection:
            connection.settimeout(max(0.1, end - time.monotonic()))
            _await_connection(connection)
            connection.sendall(request)
            with suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
            answer = bytearray()
            while len(answer) < MAX_ANSWER_BYTES and (part := connection.recv(65536)):
                answer += part
            return bytes(answer)
        time.sleep(0.02)
    return b""


def _await_connection(connection: socket.socket) -> None:
    """Return when connected; raise when refused."""
    with suppress(BlockingIOError):
        connection.getpeername()
        return
