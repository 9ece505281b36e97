# SPDX-License-Identifier: Apache-2.0
"""Leaves: what the tree holds of a record, and nothing that could be guessed back from it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from proofhouse.attest import JsonValue, canonical
from proofhouse.ledger._errors import Malformed
from proofhouse.ledger._tree import root_of

LEAF_BYTES = 50
LEAF_VERSION = 1
KEY_BYTES = 32
TAG_BYTES = 16
_DOMAIN = b"CHv1"


@dataclass(frozen=True)
class Leaf:
    """One entry of the log: version (1 byte), flags (1), inspection tag (16), record commitment (32).

    Attributes:
        tag: Lets the holder of the inspector key find all leaves of one kind and case.
        commitment: Root of the salted Merkle tree over the record's fields.
        flags: 0; kept for later versions.
    """

    tag: bytes
    commitment: bytes
    flags: int = 0

    def __post_init__(self) -> None:
        if len(self.tag) != TAG_BYTES or len(self.commitment) != 32 or self.flags != 0:
            raise Malformed("a leaf has a tag of 16 bytes, a commitment of 32 bytes and flags 0")

    @classmethod
    def from_bytes(cls, content: bytes) -> Leaf:
        """Read the 50 bytes of a leaf.

        Raises:
            Malformed: Another length, version or flag.
        """
        if len(content) != LEAF_BYTES or content[0] != LEAF_VERSION:
            raise Malformed(f"a leaf is {LEAF_BYTES} bytes and starts with version {LEAF_VERSION}")
        return cls(content[2:18], content[18:], content[1])

    def __bytes__(self) -> bytes:
        """The 50 bytes that the log holds."""
        return bytes([LEAF_VERSION, self.flags]) + self.tag + self.commitment


@dataclass(frozen=True)
class Commitment:
    """A record's commitment.

    Attributes:
        root: Root over the field hashes, 32 bytes.
        names: The fields in tree order: sorted by the UTF-8 bytes of their names.
        field_hashes: The leaves of that tree, in the same order.
    """

    root: bytes
    names: tuple[str, ...]
    field_hashes: tuple[bytes, ...]


def new_key() -> bytes:
    """A fresh record key or inspector key: 32 random bytes."""
    return secrets.token_bytes(KEY_BYTES)


def commit(record: Mapping[str, JsonValue], record_key: bytes) -> Commitment:
    """Commit to a record, so that single fields can be opened later.

    Args:
        record: At least one field; values as JSON has them.
        record_key: 32 random bytes, fresh for each record; whoever holds them can open every field.

    Raises:
        ValueError: No fields, a name that is no text, or a key of another length.
        NotCanonical: A value has no canonical JSON form.
    """
    if not record:
        raise ValueError("a record has at least one field")
    names = tuple(sorted(record, key=str.encode))
    hashes = tuple(field_hash(name, record[name], field_salt(record_key, name)) for name in names)
    return Commitment(root_of(hashes), names, hashes)


def field_salt(record_key: bytes, name: str) -> bytes:
    """Salt of one field: HMAC-SHA256(record key, name), 32 bytes."""
    return hmac.digest(_key(record_key, "record"), name.encode(), "sha256")


def field_hash(name: str, value: JsonValue, salt: bytes) -> bytes:
    """Leaf hash of one field: SHA-256 of 0x00, `CHv1`, the salt, and canonical JSON of `[name, value]`."""
    return hashlib.sha256(b"\x00" + _DOMAIN + salt + canonical([name, value])).digest()


def inspection_tag(inspector_key: bytes, kind: str, case: str) -> bytes:
    """First 16 bytes of HMAC-SHA256(inspector key, kind, NUL, case).

    Raises:
        ValueError: The kind or case holds a NUL, or the key is not 32 bytes.
    """
    if "\0" in kind or "\0" in case:
        raise ValueError("a kind or case holds no NUL")
    message = kind.encode() + b"\0" + case.encode()
    return hmac.digest(_key(inspector_key, "inspector"), message, "sha256")[:TAG_BYTES]


def leaf(
    kind: str, case: str, record: Mapping[str, JsonValue], record_key: bytes, inspector_key: bytes
) -> Leaf:
    """Make the leaf of a record.

    Args:
        kind: Type of the event, such as `criteria.commit`.
        case: Name of the case that it belongs to.
        record: The fields to commit to.
        record_key: 32 random bytes, fresh for each record.
        inspector_key: 32 bytes that the inspector of this case holds.
    """
    return Leaf(inspection_tag(inspector_key, kind, case), commit(record, record_key).root)


def _key(key: bytes, what: str) -> bytes:
    if len(key) != KEY_BYTES:
        raise ValueError(f"the {what} key has {len(key)} bytes, not {KEY_BYTES}")
    return key
