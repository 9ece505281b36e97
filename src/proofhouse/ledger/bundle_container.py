# SPDX-License-Identifier: Apache-2.0
"""The bundle's outside: a ZIP file that has exactly one spelling for its content.

Entries are stored, not compressed, sorted by name, with fixed times and attributes. A reader packs what it
read again and compares, so nothing can hide between entries, in headers, comments or a second directory, and
nothing can inflate.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_NAME = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}/){0,12}[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_TIME = (1980, 1, 1, 0, 0, 0)
_MODE = 0o100644 << 16
_UNIX = 3


class BundleUnreadable(Exception):
    """The file cannot be read as a bundle at all; the message says why."""


class BundleRefused(Exception):
    """The file is a ZIP, but not one that a bundle may be.

    Attributes:
        file: Name of the entry at fault, or empty for the container itself.
    """

    def __init__(self, message: str, file: str = "") -> None:
        super().__init__(message)
        self.file = file


@dataclass(frozen=True)
class BundleLimits:
    """What a verifier takes, at most.

    Attributes:
        bundle_bytes: Size of the whole file.
        files: Number of entries.
    """

    bundle_bytes: int = 512 << 20
    files: int = 50_000


def check_name(name: str) -> None:
    """Refuse a name that a bundle may not hold: absolute, hidden, climbing, or not plain ASCII.

    Raises:
        BundleRefused: It is one.
    """
    if not _NAME.fullmatch(name):
        raise BundleRefused(f"{name!r} is not a plain relative path", name)


def pack(files: Mapping[str, bytes]) -> bytes:
    """Pack files into the one container that they have.

    Raises:
        BundleRefused: A name is not a plain relative path.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED, allowZip64=False) as archive:
        for name in sorted(files):
            check_name(name)
            entry = zipfile.ZipInfo(name, _TIME)
            entry.create_system = _UNIX
            entry.external_attr = _MODE
            archive.writestr(entry, files[name])
    return packed.getvalue()


def unpack(path: Path, limits: BundleLimits) -> dict[str, bytes]:
    """Read the files of a bundle into memory.

    Raises:
        BundleUnreadable: No such file, not a ZIP, cut off, or over a limit.
        BundleRefused: A ZIP that no bundle may be; `file` names the entry at fault.
    """
    try:
        with path.open("rb") as file:
            content = file.read(limits.bundle_bytes + 1)
    except OSError as error:
        raise BundleUnreadable(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > limits.bundle_bytes:
        raise BundleUnreadable(f"{path} has more than {limits.bundle_bytes} bytes")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            files = _read_entries(archive, len(content), limits)
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        UnicodeDecodeError,
        EOFError,
        OSError,
        ValueError,
    ) as error:
        raise BundleUnreadable(f"{path} is not a whole ZIP file: {error}") from None
    if pack(files) != content:
        raise BundleRefused(
            "the container is not the one that its files have: something lies beside or around them"
        )
    return files


def _read_entries(archive: zipfile.ZipFile, packed_bytes: int, limits: BundleLimits) -> dict[str, bytes]:
    entries = archive.infolist()
    if len(entries) > limits.files:
        raise BundleRefused(f"{len(entries)} files; a bundle has at most {limits.files}")
    names: set[str] = set()
    for entry in entries:
        _check_entry(entry)
        if entry.filename in names:
            raise BundleRefused(f"{entry.filename} is there twice", entry.filename)
        names.add(entry.filename)
    if sum(entry.file_size for entry in entries) > packed_bytes:
        raise BundleRefused("the files are said to be larger than the container that holds them")
    return {entry.filename: _read_entry(archive, entry) for entry in entries}


def _check_entry(entry: zipfile.ZipInfo) -> None:
    check_name(entry.filename)
    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
        raise BundleRefused(f"{entry.filename} is compressed; a bundle stores its files", entry.filename)
    if entry.flag_bits & 1:
        raise BundleRefused(f"{entry.filename} is encrypted", entry.filename)


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    try:
        return archive.read(entry)
    except zipfile.BadZipFile as error:
        raise BundleRefused(f"{entry.filename}: {error}", entry.filename) from None
