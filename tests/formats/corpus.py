# SPDX-License-Identifier: Apache-2.0
"""Large public sets, read where `PROOFHOUSE_DATA` names their folder."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_FOLDER = os.environ.get("PROOFHOUSE_DATA", "")

needs_corpus = pytest.mark.skipif(
    not _FOLDER or shutil.which("zstd") is None, reason="PROOFHOUSE_DATA names no folder, or zstd is missing"
)


def unpacked(name: str) -> bytes:
    """Content of a ``.zst`` file of the corpus."""
    return subprocess.run(
        ["zstd", "-dc", "--", str(Path(_FOLDER) / name)], capture_output=True, check=True
    ).stdout


def tar_files(name: str) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the JSON files in a ``.tar.zst`` of the corpus."""
    with tarfile.open(fileobj=io.BytesIO(unpacked(name))) as archive:
        for member in archive:
            opened = archive.extractfile(member)
            if opened is not None and member.name.endswith(".json"):
                yield member.name, opened.read()
