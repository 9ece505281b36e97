# SPDX-License-Identifier: Apache-2.0
"""A witness: cosigns each log's growth and nothing else (C2SP tlog-witness, tlog-cosignature v1)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from proofhouse.attest import sha256_hex
from proofhouse.ledger._checkpoint import Checkpoint
from proofhouse.ledger._errors import BrokenLog, Malformed, NotProven
from proofhouse.ledger._files import Lock, write_durably
from proofhouse.ledger._note import (
    LOG_KEY,
    Note,
    NoteSigner,
    VerifierKey,
    cosign,
    decode_base64,
    decode_decimal,
    witness_key,
)
from proofhouse.ledger._tiles import read_checkpoint
from proofhouse.ledger._tree import EMPTY_ROOT, check_consistency

MAX_REQUEST_BYTES = 1 << 20
_MAX_PROOF = 63
_MAX_EVIDENCE = 100


@dataclass(frozen=True)
class Answer:
    """What the witness answers: HTTP status, body, content type."""

    status: HTTPStatus
    body: bytes
    content_type: str = "text/plain; charset=utf-8"


class _Refusal(Exception):
    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Witness:
    """Remembers the newest checkpoint of each log and cosigns only what extends it.

    State lies in `directory/logs/HASH/checkpoint` (HASH: SHA-256 of the origin, hexadecimal) and is durable
    before a cosignature leaves. Signed checkpoints that contradict it are kept beside it in `evidence/`.
    A witness whose directory was restored from a backup must be retired with its key: it may have forgotten.

    Args:
        directory: Made if missing; locked while the witness lives.
        name: Key name of the witness.
        signer: Its Ed25519 key, used for nothing else.
        logs: Keys of the logs that it serves; a key's name is the log's origin.
        now_s: Clock, POSIX seconds.

    Raises:
        LogBusy: Another witness holds the directory.
        Malformed: A key is not a log's, or the name cannot be one.
    """

    def __init__(
        self,
        directory: Path,
        name: str,
        signer: NoteSigner,
        logs: Sequence[VerifierKey],
        *,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        for log in logs:
            if log.algorithm != LOG_KEY:
                raise Malformed(f"{log} is not a log key (type 0x01)")
        self.key = witness_key(name, signer.public)
        self._directory = directory
        self._signer = signer
        self._logs = tuple(logs)
        self._now_s = now_s
        self._guard = threading.Lock()
        self._lock = Lock(directory)

    def close(self) -> None:
        """Let go of the directory."""
        self._lock.release()

    def add_checkpoint(self, body: bytes) -> Answer:
        """Answer one `add-checkpoint` request."""
        try:
            old, proof, note, checkpoint = _parse_request(body)
            self._check_signature(note, checkpoint)
            if old > checkpoint.size:
                raise _Refusal(HTTPStatus.BAD_REQUEST, "the old size is larger than the checkpoint's")
            with self._guard:
                return self._extend(old, proof, note, checkpoint)
        except _Refusal as refusal:
            return Answer(refusal.status, f"{refusal}\n".encode())
        except Malformed as error:
            return Answer(HTTPStatus.BAD_REQUEST, f"{error}\n".encode())
        except (OSError, BrokenLog) as error:
            return Answer(
                HTTPStatus.INTERNAL_SERVER_ERROR, f"the witness cannot keep its state: {error}\n".encode()
            )

    def latest(self, origin_hash: str) -> Answer:
        """The newest cosigned checkpoint of a log, for monitors.

        Args:
            origin_hash: SHA-256 of the log's origin, hexadecimal.
        """
        if origin_hash in {_origin_hash(log.name) for log in self._logs}:
            path = self._directory / "logs" / origin_hash / "checkpoint"
            if path.exists():
                return Answer(HTTPStatus.OK, path.read_bytes())
        return Answer(HTTPStatus.NOT_FOUND, b"no checkpoint of such a log\n")

    def _check_signature(self, note: Note, checkpoint: Checkpoint) -> None:
        keys = [log for log in self._logs if log.name == checkpoint.origin]
        if not keys:
            raise _Refusal(HTTPStatus.NOT_FOUND, "unknown log")
        try:
            signed = bool(note.opened(keys))
        except NotProven as error:
            raise _Refusal(HTTPStatus.FORBIDDEN, str(error)) from None
        if not signed:
            raise _Refusal(HTTPStatus.FORBIDDEN, "not signed by a known key of this log")

    def _extend(self, old: int, proof: Sequence[bytes], note: Note, checkpoint: Checkpoint) -> Answer:
        state = self._directory / "logs" / _origin_hash(checkpoint.origin)
        known = Checkpoint(checkpoint.origin, 0, EMPTY_ROOT)
        if (state / "checkpoint").exists():
            known = read_checkpoint(state, "checkpoint")[1]
        if old != known.size:
            return Answer(HTTPStatus.CONFLICT, f"{known.size}\n".encode(), "text/x.tlog.size")
        try:
            check_consistency(known.size, checkpoint.size, known.root, checkpoint.root, proof)
        except NotProven as error:
            self._keep_evidence(state, note)
            raise _Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None
        line = cosign(checkpoint.text, self.key.name, self._signer, int(self._now_s()))
        write_durably({state / "checkpoint": bytes(self._log_signed(note).with_signatures([line]))})
        return Answer(HTTPStatus.OK, str(line).encode())

    def _log_signed(self, note: Note) -> Note:
        """The note without signatures that this witness did not verify."""
        known = {(log.name, log.key_id) for log in self._logs}
        return Note(note.text, tuple(line for line in note.signatures if (line.name, line.key_id) in known))

    def _keep_evidence(self, state: Path, note: Note) -> None:
        content = bytes(self._log_signed(note))
        path = state / "evidence" / f"{sha256_hex(content)}.txt"
        if not path.parent.exists() or len(list(path.parent.iterdir())) < _MAX_EVIDENCE:
            write_durably({path: content})


def _parse_request(body: bytes) -> tuple[int, list[bytes], Note, Checkpoint]:
    if len(body) > MAX_REQUEST_BYTES:
        raise Malformed("the request is too long")
    head, separator, rest = body.partition(b"\n\n")
    lines = head.decode("ascii", "replace").split("\n")
    if not separator or not lines[0].startswith("old ") or len(lines) > 1 + _MAX_PROOF:
        raise Malformed("expected an old size line, up to 63 proof lines, an empty line, and a checkpoint")
    old = decode_decimal(lines[0].removeprefix("old "), "the old size")
    proof = [decode_base64(line, "a proof line", 32) for line in lines[1:]]
    note = Note.parse(rest)
    return old, proof, note, Checkpoint.of(note)


def _origin_hash(origin: str) -> str:
    return sha256_hex(origin.encode())
