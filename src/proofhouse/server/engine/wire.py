# SPDX-License-Identifier: Apache-2.0
"""Asking a running house through its control socket; the other end is `control`."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class ControlError(Exception):
    """The house refused; `code` is for programs, the message for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """A short name for a socket: addresses of Unix sockets hold 107 bytes, directories may be deeper."""
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


def request(path: Path, message: dict[str, Any], *, timeout_s: float = 120) -> Any:
    """Ask a running house.

    Args:
        path: Its control socket.
        message: `do` or `ask`, `actor`, `with`.
        timeout_s: How long to wait for the answer.

    Raises:
        ControlError: The house refused, or it is not running (`code` is `not_running`).
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            with short_path(path) as near:
                connection.connect(near)
            connection.sendall(json.dumps(message).encode() + b"\n")
            with connection.makefile("rb") as answers:
                line = answers.readline()
    except OSError as broken:
        raise ControlError("not_running", f"no running house answers at {path}: {broken}") from None
    reply = json.loads(line or b'{"ok": false, "code": "not_running", "message": "the house hung up"}')
    if not reply["ok"]:
        raise ControlError(reply["code"], reply["message"])
    return reply["value"]
