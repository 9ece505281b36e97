# SPDX-License-Identifier: Apache-2.0
"""Durable writes and the one-writer lock, shared by repositories and agents."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def fsync_directory(directory: Path) -> None:
    """Make the names inside `directory` survive a loss of power."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomically(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Put `content` at `path` so that a reader or a crash sees the old file or the new one, nothing between.

    One writer at a time: the callers hold the lock of what they write in. What a killed writer leaves beside the
    file, its successor writes over.

    Args:
        path: where the file is to be; parent directories are made.
        content: the whole file.
        mode: permission bits of the new file.

    Raises:
        OSError: the file cannot be written (no space, no permission); `path` is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.new")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            part.unlink()
        raise
    fsync_directory(path.parent)


@contextmanager
def exclusive(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold an advisory lock on `path` while the block runs; the kernel frees it when the process dies.

    Args:
        path: the lock file; made if missing.
        wait: whether to wait for another holder.

    Raises:
        BlockingIOError: `wait` is false and another process holds the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
