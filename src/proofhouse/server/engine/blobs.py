# SPDX-License-Identifier: Apache-2.0
"""Content-addressed bytes of the house.

What an act stores is a row that commits with the act, where it is small: a report's proof then costs no flush of its
own. Everything else is a file, `blobs/sha256/ab/<digest>`, flushed before anything names it.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from pathlib import Path

from django.db import connection

from proofhouse.attest import sha256_hex
from proofhouse.server.engine.acts import under_way
from proofhouse.server.engine.models import Blob
from proofhouse.server.house import this_house

ROW_BYTES = 64 << 10
"""The largest blob that is a row: larger ones would make the database slow to copy."""

_DIGEST = re.compile(r"[0-9a-f]{64}")

_KEEP = f'INSERT INTO "{Blob._meta.db_table}" (sha256, content) VALUES (%s, %s) ON CONFLICT DO NOTHING'  # noqa: S608
"""Said once, because intake stores thousands: making this statement takes Django longer than running it."""


def _path(digest: str) -> Path:
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f"not a SHA-256 digest: {digest!r}")
    root: Path = this_house().blobs
    return root / "sha256" / digest[:2] / digest


def _unfinished() -> Path:
    root: Path = this_house().blobs
    return root / "unfinished"


def put_blob(content: bytes) -> str:
    """Store bytes durably; returns their SHA-256. Storing the same bytes again changes nothing.

    A row that names a blob is committed with it or after it, so that no row ever names bytes that a crash took: within
    an act few bytes commit and fail with the act; all others are safe on disk when this returns.
    """
    digest = sha256_hex(content)
    path = _path(digest)
    if path.exists():
        return digest
    if under_way() and len(content) <= ROW_BYTES:
        with connection.cursor() as cursor:
            cursor.execute(_KEEP, [digest, content])
        return digest
    path.parent.mkdir(parents=True, exist_ok=True)
    _unfinished().mkdir(exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=_unfinished(), delete=False) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(path)
    for directory in (path.parent, path.parent.parent):
        _flush(directory)
    return digest


def _flush(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def clear_unfinished(older_s: float = 3600) -> None:
    """Take away what a killed process had begun to write and nobody will finish.

    Args:
        older_s: Whatever was touched later is left: a worker beside the house may be writing it.
    """
    this_house().scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    before_s = time.time() - older_s
    for place in (_unfinished(), this_house().scratch):
        for left in place.iterdir() if place.exists() else ():
            if left.stat().st_mtime <= before_s:
                shutil.rmtree(left) if left.is_dir() else left.unlink()


def get_blob(digest: str) -> bytes:
    """Read bytes back.

    Raises:
        FileNotFoundError: Nothing is stored under this digest.
        ValueError: The stored bytes no longer have this digest.
    """
    try:
        content = _path(digest).read_bytes()
    except FileNotFoundError:
        row = Blob.objects.filter(sha256=digest).first()
        if row is None:
            raise
        content = bytes(row.content)
    if sha256_hex(content) != digest:
        raise ValueError(f"blob {digest} was altered")
    return content
