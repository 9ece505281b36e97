# SPDX-License-Identifier: Apache-2.0
"""docs/spec/bundle.md suffices for the container: packed by hand from section 1, it is the same file."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger_bundle.small_house import contents_of
from proofhouse.ledger.bundle_container import pack

PART = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True)
NAME = st.lists(PART, min_size=1, max_size=4).map("/".join)


def packed_by_hand(files: dict[str, bytes]) -> bytes:
    """Section 1, byte for byte."""
    local, central = b"", b""
    for name in sorted(files):
        content = files[name]
        same = struct.pack(
            "<HHHHIIIHH", 0, 0, 0, 0x0021, zlib.crc32(content), len(content), len(content), len(name), 0
        )
        header = b"PK\x03\x04" + struct.pack("<H", 20) + same
        central += b"PK\x01\x02" + struct.pack("<BBH", 20, 3, 20) + same
        central += struct.pack("<HHHII", 0, 0, 0, 0o100644 << 16, len(local)) + name.encode()
        local += header + name.encode() + content
    end = struct.pack("<HHHHIIH", 0, 0, len(files), len(files), len(central), len(local), 0)
    return local + central + b"PK\x05\x06" + end


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(NAME, st.binary(max_size=100), max_size=8))
def test_the_container_is_what_the_specification_says(files: dict[str, bytes]) -> None:
    assert pack(files) == packed_by_hand(files)


def test_a_real_bundle_packed_by_hand_is_the_same_file(bundle: Path) -> None:
    assert packed_by_hand(contents_of(bundle)) == bundle.read_bytes()


def test_a_stranger_finds_every_digest_in_the_manifest(bundle: Path) -> None:
    files = contents_of(bundle)
    manifest = json.loads(files.pop("MANIFEST.json"))
    del files["MANIFEST.dsse.json"]
    listed = {each["path"]: (each["sha256"], each["size_bytes"]) for each in manifest["files"]}
    assert listed == {
        name: (hashlib.sha256(content).hexdigest(), len(content)) for name, content in files.items()
    }
