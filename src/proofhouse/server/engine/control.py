# SPDX-License-Identifier: Apache-2.0
"""The house's control socket: how the operator's own programs ask a running house for acts and answers.

A Unix socket that only the owner of the house directory can open (directory 0700, socket 0600). One JSON object a line:

    {"do": "reviews.inquire", "actor": "ada@lab.example", "with": {...}}
    {"ask": "reviews.inquiries", "actor": "ada@lab.example", "with": {...}}

A `key` beside `do` makes the act happen once, however often it is asked for. One JSON object comes back,
`{"ok": true, "value": …}` or `{"ok": false, "code": …, "message": …}`. The socket carries no more power than the person
who is named as the actor holds.
"""

from __future__ import annotations

import json
import logging
import queue
import socketserver
import threading
from pathlib import Path
from typing import Any

from django.db import close_old_connections

from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.standing import one_look
from proofhouse.server.engine.acts import ACTS, QUESTIONS, do_once, plain
from proofhouse.server.engine.wire import short_path

logger = logging.getLogger(__name__)

REQUEST_CEILING_BYTES = 32 << 20
AT_ONCE = 8
"""Requests that are answered at once; more wait their turn."""


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Carry out one request and say what came of it. Never raises for a refused act."""
    table, name = (ACTS, request["do"]) if "do" in request else (QUESTIONS, str(request.get("ask")))
    function = table.get(name)
    if function is None:
        return {"ok": False, "code": "unknown", "message": f"no such act or question: {name}"}
    actor = Person.objects.filter(email=request.get("actor"), is_active=True).first()
    if actor is None:
        return {"ok": False, "code": "unknown_actor", "message": f"nobody here is {request.get('actor')!r}"}
    arguments = {"actor": actor, **request.get("with", {})}
    try:
        with one_look():
            if "do" in request and "key" in request:
                return {"ok": True, "value": do_once(name, str(request["key"]), arguments, plain)}
            return {"ok": True, "value": plain(function(**arguments))}
    except Exception as refused:
        code = getattr(refused, "code", None)
        if not isinstance(code, str):
            logger.exception("%s failed", name)
            code = "failed"
        return {"ok": False, "code": code, "message": f"{type(refused).__name__}: {refused}"}


class _Line(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        line = self.rfile.readline(REQUEST_CEILING_BYTES)
        try:
            reply = answer(json.loads(line))
        except (ValueError, TypeError, KeyError) as wrong:
            reply = {"ok": False, "code": "bad_request", "message": str(wrong)}
        finally:
            close_old_connections()
        self.wfile.write(json.dumps(reply).encode() + b"\n")


class _Server(socketserver.ThreadingUnixStreamServer):
    """Answers in threads that stay, and keep their connections to the database."""

    request_queue_size = 64

    def __init__(self, address: str) -> None:
        super().__init__(address, _Line)
        self._waiting: queue.SimpleQueue[tuple[Any, Any]] = queue.SimpleQueue()
        for number in range(AT_ONCE):
            threading.Thread(target=self._answer, name=f"control-{number}", daemon=True).start()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._waiting.put((request, client_address))

    def _answer(self) -> None:
        while True:
            self.process_request_thread(*self._waiting.get())


def serve(path: Path) -> None:
    """Open the control socket in a thread of its own."""
    path.unlink(missing_ok=True)
    with short_path(path) as near:
        server = _Server(near)
    path.chmod(0o600)
    threading.Thread(target=server.serve_forever, name="control", daemon=True).start()
