# SPDX-License-Identifier: Apache-2.0
"""Durable files: written whole or not at all, and one writer at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Mapping
from pathlib import Path

from proofhouse.ledger._errors import LogBusy


def write_durably(files: Mapping[Path, bytes]) -> None:
    """Replace files atomically, one by one in their order, and flush them and their directories to the disk.

    A crash leaves each file either old or new, never torn.
    """
    touched: dict[Path, None] = {}
    for path, content in files.items():
        touched |= dict.fromkeys(_make_directories(path.parent))
        part = path.with_name(f".{path.name}.new")
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        touched[path.parent] = None
    for directory in touched:
        _flush_directory(directory)


class Lock:
    """Exclusive hold on a directory by its `lock` file; the kernel lets go when the process ends.

    Args:
        directory: Made if missing.
        wait_s: How long to wait for another holder.

    Raises:
        LogBusy: Somebody else holds it.
    """

    def __init__(self, directory: Path, wait_s: float = 0.0) -> None:
        _make_directories(directory)
        self._descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        end = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= end:
                    os.close(self._descriptor)
                    raise LogBusy(f"another process writes in {directory}; end it, or wait") from None
                time.sleep(0.02)
            else:
                return

    def release(self) -> None:
        """Let go; once is enough."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _make_directories(directory: Path) -> list[Path]:
    """Make a directory and its parents; returns those whose content changed."""
    changed = []
    missing = directory
    while not missing.exists():
        changed.append(missing.parent)
        missing = missing.parent
    with contextlib.suppress(FileExistsError):
        directory.mkdir(parents=True)
    return changed


def _flush_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
