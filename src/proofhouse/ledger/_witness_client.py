# SPDX-License-Identifier: Apache-2.0
"""The log's side of the witness protocol (C2SP tlog-witness, `add-checkpoint`)."""

from __future__ import annotations

import base64
import http.client
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from urllib.parse import urlsplit

from proofhouse.ledger._checkpoint import Checkpoint
from proofhouse.ledger._errors import Malformed, NotProven, WitnessRefused, WitnessUnavailable
from proofhouse.ledger._note import (
    WITNESS_KEY,
    Note,
    NoteSignature,
    VerifierKey,
    decode_decimal,
    parse_signatures,
)

_MAX_ANSWER_BYTES = 1 << 16


def add_checkpoint_body(old_size: int, proof: Sequence[bytes], note: Note) -> bytes:
    """The request that asks a witness to cosign."""
    lines = [f"old {old_size}", *(base64.b64encode(step).decode("ascii") for step in proof)]
    return "".join(f"{line}\n" for line in lines).encode() + b"\n" + bytes(note)


class WitnessClient:
    """One witness, as a log sees it.

    Args:
        url: Its submission prefix, `http://…` or `https://…`.
        key: Its verifier key (type 0x04), as text or parsed.
        timeout_s: For connecting, and for each answer as a whole.

    Raises:
        Malformed: The URL or key is none.
    """

    def __init__(self, url: str, key: VerifierKey | str, *, timeout_s: float = 5.0) -> None:
        self.key = key if isinstance(key, VerifierKey) else VerifierKey.parse(key)
        if self.key.algorithm != WITNESS_KEY:
            raise Malformed(f"{self.key} is not a witness key (type 0x04)")
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Malformed(f"{url!r} is no http or https address of a witness")
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._known_size = 0

    def cosign(self, note: Note, prove: Callable[[int], Sequence[bytes]]) -> NoteSignature:
        """Have a checkpoint cosigned.

        Args:
            note: The checkpoint, signed by the log.
            prove: Gives the consistency proof from an older size.

        Returns:
            The witness's signature line, verified.

        Raises:
            WitnessUnavailable: No answer, or one that a later try may mend.
            WitnessRefused: It does not cosign this history, or does not know the log.
        """
        size = Checkpoint.of(note).size
        old = min(self._known_size, size)
        status, answer = self._post(add_checkpoint_body(old, prove(old), note))
        if status == http.HTTPStatus.CONFLICT:
            old = self._stale_size(answer, size)
            status, answer = self._post(add_checkpoint_body(old, prove(old), note))
        if status != http.HTTPStatus.OK:
            text = answer[:200].decode("utf-8", "replace").strip()
            reason = f"witness {self.key.name} answered {status}: {text}"
            if status >= 500 or status in (http.HTTPStatus.CONFLICT, http.HTTPStatus.TOO_MANY_REQUESTS):
                raise WitnessUnavailable(reason)
            raise WitnessRefused(reason)
        line = self._own_line(answer, note)
        self._known_size = size
        return line

    def _stale_size(self, answer: bytes, size: int) -> int:
        try:
            known = decode_decimal(answer.decode("ascii", "replace").removesuffix("\n"), "the witness's size")
        except Malformed as error:
            raise WitnessUnavailable(f"witness {self.key.name} answered 409: {error}") from None
        if known > size:
            raise WitnessRefused(
                f"witness {self.key.name} has seen {known} entries of this log, which now has {size}: "
                "the log lost entries, perhaps by an old backup"
            )
        return known

    def _own_line(self, answer: bytes, note: Note) -> NoteSignature:
        try:
            for line in parse_signatures(answer.decode()):
                if (line.name, line.key_id) == (self.key.name, self.key.key_id):
                    if not self.key.verify(note.text, line.signature):
                        raise NotProven("its cosignature has no time")
                    return line
            raise NotProven("its answer holds no cosignature by its key")
        except (NotProven, UnicodeDecodeError) as error:
            raise WitnessRefused(f"witness {self.key.name}: {error}") from None

    def _post(self, body: bytes) -> tuple[int, bytes]:
        parts = urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=self._timeout_s)
        late = threading.Event()
        cut = threading.Timer(
            self._timeout_s, _hang_up, [connection, late]
        )  # an answer that drips in never times out
        cut.daemon = True
        try:
            cut.start()
            connection.request("POST", f"{parts.path}/add-checkpoint", body)
            response = connection.getresponse()
            status, answer = response.status, response.read(_MAX_ANSWER_BYTES)
            if late.is_set():
                raise TimeoutError("the answer took too long")
        except (OSError, http.client.HTTPException) as error:
            reason = f"witness {self.key.name} at {self.url} does not answer: {error}"
            raise WitnessUnavailable(reason) from None
        finally:
            cut.cancel()
            connection.close()
        return status, answer


def _hang_up(connection: http.client.HTTPConnection, late: threading.Event) -> None:
    """End a connection whose time is over, whatever another thread is doing with it."""
    late.set()
    with suppress(OSError, AttributeError):
        connection.sock.shutdown(socket.SHUT_RDWR)
