# SPDX-License-Identifier: Apache-2.0
"""A bank key in custody: k of n holders can open a bank together, and fewer learn nothing.

The key is split by SLIP-0039 (Shamir's scheme over GF(256), with checksums), and each share is sealed to its holder's
own X25519 key by HPKE (RFC 9180, base mode). A share file can therefore travel by any way. Shares and keys belong in
`PROOFHOUSE_CUSTODY`, outside every house and backup.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from shamir_mnemonic import MnemonicError, combine_mnemonics, generate_mnemonics

from proofhouse.attest import JsonValue
from proofhouse.exam._records import BadRecord, require_int, require_keys, require_text

SHARE_FORMAT = "proofhouse.bank-key-share/1"
HOLDER_FORMAT = "proofhouse.custody-holder/1"
SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
MOST_HOLDERS = 16
"""SLIP-0039 numbers the shares of a group with four bits."""


class CustodyProblem(Exception):
    """Shares or holder keys do not do what was asked; the message says which and why."""


@dataclass(frozen=True)
class Holder:
    """Somebody who keeps a share."""

    name: str
    key: bytes
    """Raw X25519 public key, 32 bytes."""

    def to_record(self) -> dict[str, JsonValue]:
        """What a holder hands over so that a share can be sealed to it."""
        return {
            "format": HOLDER_FORMAT,
            "holder": self.name,
            "x25519": base64.b64encode(self.key).decode("ascii"),
        }

    @classmethod
    def from_record(cls, record: JsonValue) -> Holder:
        """Read the JSON form.

        Raises:
            BadRecord: it is none; the message names the field.
        """
        fields = require_keys(record, "holder", {"format", "holder", "x25519"})
        if fields["format"] != HOLDER_FORMAT:
            raise BadRecord(f"holder.format: expected {HOLDER_FORMAT}")
        key = _bytes(fields["x25519"], "holder.x25519")
        if len(key) != 32:
            raise BadRecord("holder.x25519: expected 32 bytes")
        return cls(require_text(fields["holder"], "holder.holder"), key)


def make_holder(name: str, path: Path) -> Holder:
    """Make a holder's private key file, for its owner only.

    Raises:
        CustodyProblem: the file is there already, or cannot be written.
    """
    private = X25519PrivateKey.generate()
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CustodyProblem(f"{path}: {error.strerror}") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
    return Holder(name, private.public_key().public_bytes_raw())


def key_commitment(key: bytes) -> str:
    """Binds shares to a bank key without revealing it; its 256 bits of entropy hide it."""
    return hashlib.sha256(b"proofhouse/bank-key-commitment\0" + key).hexdigest()


def split_key(key: bytes, holders: Sequence[Holder], threshold: int) -> list[dict[str, JsonValue]]:
    """Split a bank key into sealed shares, one for each holder.

    Args:
        key: 32 secret bytes.
        holders: 2 to 16 of them, with different names.
        threshold: how many must come together, at least 2.

    Raises:
        CustodyProblem: the numbers do not make sense.
    """
    count = len(holders)
    if not 2 <= threshold <= count <= MOST_HOLDERS:
        raise CustodyProblem(
            f"{threshold} of {count}: a threshold of at least 2, at most {MOST_HOLDERS} holders"
        )
    if len({holder.name for holder in holders}) != count:
        raise CustodyProblem("two holders have the same name")
    [shares] = generate_mnemonics(1, [(threshold, count)], key)
    commitment = key_commitment(key)
    return [
        {
            "format": SHARE_FORMAT,
            "holder": holder.name,
            "threshold": threshold,
            "holders": count,
            "key_commitment_sha256": commitment,
            "sealed": base64.b64encode(
                SUITE.encrypt(
                    share.encode("ascii"),
                    X25519PublicKey.from_public_bytes(holder.key),
                    info=_info(holder.name, commitment),
                )
            ).decode("ascii"),
        }
        for holder, share in zip(holders, shares, strict=True)
    ]


def open_share(record: JsonValue, private_key: Path) -> str:
    """A holder's share in words, for `join_key`.

    Args:
        record: the sealed share.
        private_key: the holder's key file.

    Raises:
        BadRecord: it is no share.
        CustodyProblem: the key file cannot be read, or the share is not sealed to it.
    """
    fields = _share_fields(record)
    try:
        private = serialization.load_pem_private_key(private_key.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise CustodyProblem(f"{private_key}: not a holder's key file: {error}") from None
    if not isinstance(private, X25519PrivateKey):
        raise CustodyProblem(f"{private_key}: not an X25519 key")
    info = _info(fields["holder"], fields["key_commitment_sha256"])
    try:
        return SUITE.decrypt(_bytes(fields["sealed"], "share.sealed"), private, info=info).decode("ascii")
    except Exception as error:  # cryptography raises its own kinds, all of which mean this
        raise CustodyProblem(f"the share of {fields['holder']} is not sealed to {private_key}") from error


def join_key(shares: Sequence[str], commitment: str) -> bytes:
    """The bank key from enough shares.

    Args:
        shares: opened shares, at least as many as the threshold.
        commitment: `key_commitment_sha256` of the share records.

    Raises:
        CustodyProblem: too few shares, shares of different splits, a damaged share, or another key.
    """
    try:
        key: bytes = combine_mnemonics(shares)
    except (MnemonicError, ValueError) as error:
        raise CustodyProblem(f"these shares do not make a key: {error}") from None
    if key_commitment(key) != commitment:
        raise CustodyProblem("these shares make another key than the one that was split")
    return key


def _info(holder: str, commitment: str) -> bytes:
    """What a sealed share is bound to, so that it cannot be passed off as another's (RFC 9180 §5.1)."""
    return f"proofhouse/bank-key-share\0{holder}\0{commitment}".encode()


def _share_fields(record: JsonValue) -> Mapping[str, str]:
    names = {"format", "holder", "threshold", "holders", "key_commitment_sha256", "sealed"}
    fields = require_keys(record, "share", names)
    if fields["format"] != SHARE_FORMAT:
        raise BadRecord(f"share.format: expected {SHARE_FORMAT}")
    require_int(fields["threshold"], "share.threshold", 2, MOST_HOLDERS)
    require_int(fields["holders"], "share.holders", 2, MOST_HOLDERS)
    return {name: require_text(fields[name], f"share.{name}") for name in names - {"threshold", "holders"}}


def _bytes(value: JsonValue, name: str) -> bytes:
    try:
        return base64.b64decode(require_text(value, name), validate=True)
    except ValueError:
        raise BadRecord(f"{name}: not base64") from None
