# SPDX-License-Identifier: Apache-2.0
"""Where verified files lie: `<item id>/<file name>` beside `item.json`, complete or not there at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from proofhouse.agent.config import FILE_PLACEHOLDER, ApplyHook
from proofhouse.distribution.errors import BytesRefused
from proofhouse.distribution.files import fsync_directory, write_atomically
from proofhouse.distribution.manifest import Item, moment_text
from proofhouse.distribution.paths import PatchPath

HOOK_LOG_BYTES: Final = 65_536
_HOOK_PATH: Final = "/usr/sbin:/usr/bin:/sbin:/bin"


class Staging:
    """The staging area of one agent.

    A file is fetched into `.incoming/`, verified there, and appears under its item's id by one rename. What
    was revoked is moved to `.revoked/`, out of reach of whoever installs from here.

    Args:
        directory: the area; made if missing.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._incoming = directory / ".incoming"
        self._revoked = directory / ".revoked"
        for made in (directory, self._incoming, self._revoked):
            made.mkdir(parents=True, exist_ok=True)

    def file(self, item: Item) -> Path:
        """Where the item's file lies once it is staged."""
        return self.directory / item.id / PatchPath.parse(item.image.path).name

    def holds(self, item: Item) -> bool:
        """Whether the item's file is staged with the right bytes."""
        path = self.file(item)
        if not path.is_file() or path.stat().st_size != item.image.length_bytes:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == item.image.sha256

    def incoming(self, item: Item) -> Path:
        """A clean place to download the item's file to."""
        place = self._incoming / item.id
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        return place / self.file(item).name

    def promote(self, item: Item) -> None:
        """Make a downloaded, verified file appear as staged.

        Raises:
            OSError: it cannot be written.
        """
        place = self._incoming / item.id
        note = {
            "item": item.id,
            "item_version": item.version,
            "advisory": item.advisory,
            "tlp": item.tlp,
            "file": self.file(item).name,
            "sha256": item.image.sha256,
            "deadline": None if item.deadline is None else moment_text(item.deadline),
            "mitigation": item.mitigation,
        }
        write_atomically(place / "item.json", json.dumps(note, indent=1).encode())
        with (place / self.file(item).name).open("rb") as file:
            os.fsync(file.fileno())
        final = self.directory / item.id
        shutil.rmtree(final, ignore_errors=True)
        place.replace(final)
        fsync_directory(self.directory)

    def withdraw(self, item_id: str) -> bool:
        """Move a revoked item's files out of the way; whether there were any."""
        place = self.directory / item_id
        if not place.is_dir():
            return False
        target = self._revoked / item_id
        shutil.rmtree(target, ignore_errors=True)
        place.replace(target)
        fsync_directory(self.directory)
        return True


def run_hook(hook: ApplyHook, staging: Staging, item: Item, log: Path) -> str | None:
    """Run the member's own command on a staged file, whose bytes are checked once more just before.

    The command may run twice for one item if the machine stops in between; package managers take that well.

    Args:
        hook: the command.
        staging: where the file lies.
        item: the item.
        log: receives the last 64 KiB of the command's output.

    Returns:
        None on success, otherwise one sentence on how it failed.

    Raises:
        BytesRefused: the staged file has changed since it was verified.
        OSError: the log cannot be written.
    """
    if not staging.holds(item):
        raise BytesRefused(f"the staged file of item {item.id} has changed since it was verified")
    path = staging.file(item)
    argv = [str(path) if part == FILE_PLACEHOLDER else part for part in hook.argv]
    log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile() as output:
        try:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=path.parent,
                env={"PATH": _HOOK_PATH, "LC_ALL": "C.UTF-8"},
                timeout=hook.timeout_s,
                check=False,
            )
            problem = None if done.returncode == 0 else f"the apply hook ended with status {done.returncode}"
        except subprocess.TimeoutExpired:
            problem = f"the apply hook was killed after {hook.timeout_s} s"
        except OSError as error:
            problem = f"the apply hook cannot be started: {error}"
        output.seek(max(0, output.seek(0, os.SEEK_END) - HOOK_LOG_BYTES))
        write_atomically(log, output.read())
    return problem
