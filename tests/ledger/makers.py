# SPDX-License-Identifier: Apache-2.0
"""Keys, leaves and logs for the tests of this room."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from proofhouse.attest import Signer
from proofhouse.ledger import FileLog, Leaf, VerifierKey, Witness, WitnessClient, WitnessServer, log_key

ORIGIN = "office.example/custody"


def signer(number: int) -> Signer:
    """Always the same key for a number."""
    return Signer(
        Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32), "log", f"key{number}", demo=True
    )


LOG_SIGNER = signer(1)
LOG_KEY = log_key(ORIGIN, LOG_SIGNER.public)


def make_leaf(number: int, salt: str = "") -> Leaf:
    digest = hashlib.sha512(f"{salt}{number}".encode()).digest()
    return Leaf(digest[:16], digest[16:48])


def make_leaves(start: int, end: int, salt: str = "") -> list[Leaf]:
    return [make_leaf(number, salt) for number in range(start, end)]


def open_log(directory: Path, *witnesses: WitnessClient, quorum: int | None = None) -> FileLog:
    return FileLog(directory, ORIGIN, LOG_SIGNER, witnesses, quorum=quorum)


@contextmanager
def serving(
    directory: Path,
    number: int = 10,
    logs: tuple[VerifierKey, ...] = (LOG_KEY,),
    now_s: Callable[[], float] = time.time,
) -> Iterator[WitnessClient]:
    """A real witness on loopback HTTP."""
    witness = Witness(directory, f"witness.example/{number}", signer(number), logs, now_s=now_s)
    server = WitnessServer(witness)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield WitnessClient(server.url, witness.key)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        witness.close()
