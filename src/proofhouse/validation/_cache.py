# SPDX-License-Identifier: Apache-2.0
"""A directory of finished builds: one directory for each key, a record in it and blobs named by digest."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from proofhouse.attest import JsonValue, canonical, sha256_hex
from proofhouse.validation._errors import StorageFull

_RECORD = "record.json"


@contextmanager
def storage_errors(directory: Path) -> Iterator[None]:
    """Turn a full, read-only or missing disk into one message.

    Raises:
        StorageFull: the directory cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise StorageFull(
            f"{directory} cannot be written: {error.strerror}; free space or name another directory"
        ) from error


class BuildCache:
    """What was built, by key.

    Args:
        directory: made when first written.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def load(self, key: str) -> tuple[dict[str, JsonValue], dict[str, bytes]] | None:
        """The record and the blobs stored under a key; None when absent or damaged."""
        place = self._directory / key
        try:
            stored = json.loads((place / _RECORD).read_bytes())
            blobs = {name: (place / digest).read_bytes() for name, digest in stored["blobs"].items()}
            intact = all(sha256_hex(blobs[name]) == digest for name, digest in stored["blobs"].items())
            return (stored["record"], blobs) if intact else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def store(self, key: str, record: Mapping[str, JsonValue], blobs: Mapping[str, bytes]) -> None:
        """Keep a build; it appears whole or not at all.

        Raises:
            StorageFull: the directory cannot be written.
        """
        with storage_errors(self._directory):
            self._directory.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._directory, prefix="new-") as scratch:
                new = Path(scratch) / "build"
                new.mkdir()
                digests = {name: sha256_hex(content) for name, content in blobs.items()}
                for name, digest in digests.items():
                    (new / digest).write_bytes(blobs[name])
                (new / _RECORD).write_bytes(canonical({"record": dict(record), "blobs": dict(digests)}))
                place = self._directory / key
                if self.load(key) is None:
                    shutil.rmtree(place, ignore_errors=True)
                    new.rename(place)
