# SPDX-License-Identifier: Apache-2.0
"""Ed25519 keys and the files that hold them (RFC 8032, RFC 8410)."""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from proofhouse.attest._canonical import sha256_hex

_DEMO_LINE = "# proofhouse demo key: worth nothing\n"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


class KeyProblem(Exception):
    """A key cannot be read, written or used; the message says why."""


class BadSignature(Exception):
    """A signature is wrong, or an envelope does not carry enough of them by the keys asked for."""


class SignatureMismatch(BadSignature):
    """A signature does not belong to the message and key."""


@dataclass(frozen=True)
class PublicKey:
    """The public half of an Ed25519 key.

    Attributes:
        spki: SubjectPublicKeyInfo, DER.
    """

    spki: bytes
    _key: Ed25519PublicKey = field(repr=False, compare=False)

    algorithm = "ed25519"

    @classmethod
    def from_spki(cls, spki: bytes) -> PublicKey:
        """Read a SubjectPublicKeyInfo.

        Raises:
            KeyProblem: Not one, or not Ed25519.
        """
        try:
            key = serialization.load_der_public_key(spki)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise KeyProblem(f"not a public key: {error}") from None
        if not isinstance(key, Ed25519PublicKey):
            raise KeyProblem("not an Ed25519 public key")
        exact = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        if exact != spki:
            raise KeyProblem("the public key is not in its one DER form")
        return cls(spki, key)

    @classmethod
    def from_record(cls, record: Any) -> PublicKey:
        """Read `{"algorithm": "ed25519", "public": base64 of the SPKI}`.

        Raises:
            KeyProblem: Another shape, algorithm, or broken base64.
        """
        if not isinstance(record, dict) or record.get("algorithm") != cls.algorithm:
            raise KeyProblem('a public key is {"algorithm": "ed25519", "public": …}')
        try:
            spki = decode_base64(record.get("public"))
        except ValueError as error:
            raise KeyProblem(f"the public key {error}") from None
        return cls.from_spki(spki)

    @property
    def key_id(self) -> str:
        """SHA-256 of the SPKI, hexadecimal."""
        return sha256_hex(self.spki)

    @property
    def raw(self) -> bytes:
        """The 32 bytes of the key (RFC 8032), as signed notes use them."""
        return self._key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)

    def to_record(self) -> dict[str, str]:
        """The JSON form that `from_record` reads."""
        return {"algorithm": self.algorithm, "public": base64.b64encode(self.spki).decode("ascii")}

    def verify(self, message: bytes, signature: bytes) -> None:
        """Check a signature.

        Raises:
            SignatureMismatch: It does not belong to this message and key.
        """
        try:
            self._key.verify(signature, message)
        except InvalidSignature:
            raise SignatureMismatch(f"not a signature by key {self.key_id[:16]}…") from None


class Signer:
    """A private Ed25519 key with the role and name under which its house uses it."""

    def __init__(self, key: Ed25519PrivateKey, role: str, name: str, *, demo: bool = False) -> None:
        for word in (role, name):
            if not _NAME.fullmatch(word):
                raise KeyProblem(
                    f"{word!r} cannot name a key file: lower-case letters, digits, dot, dash, underscore"
                )
        self._key = key
        self.role = role
        self.name = name
        self.demo = demo
        self.public = PublicKey.from_spki(
            key.public_key().public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )

    @classmethod
    def generate(cls, role: str, name: str, *, demo: bool = False) -> Signer:
        """Make a new key. Demo keys are marked in their file; a real house refuses them."""
        return cls(Ed25519PrivateKey.generate(), role, name, demo=demo)

    @classmethod
    def load(cls, path: Path) -> Signer:
        """Read `…/ROLE/NAME.pem`.

        Raises:
            KeyProblem: Missing, readable by others than its owner, or not an Ed25519 key.
        """
        try:
            with path.open(encoding="ascii") as file:
                mode = os.fstat(file.fileno()).st_mode
                text = file.read()
        except (OSError, UnicodeDecodeError) as error:
            raise KeyProblem(f"key file {path} cannot be read: {error}") from None
        if stat.S_IMODE(mode) & 0o077:
            raise KeyProblem(f"key file {path} is open to others; run: chmod 600 {path}")
        demo = text.startswith(_DEMO_LINE)
        try:
            key = serialization.load_pem_private_key(text.removeprefix(_DEMO_LINE).encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise KeyProblem(f"key file {path} holds no private key: {error}") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise KeyProblem(f"key file {path} holds no Ed25519 key")
        return cls(key, path.parent.name, path.stem, demo=demo)

    @property
    def key_id(self) -> str:
        """The public half's key id."""
        return self.public.key_id

    def sign(self, message: bytes) -> bytes:
        """Sign bytes (Ed25519, 64 bytes)."""
        return self._key.sign(message)

    def save(self, directory: Path) -> Path:
        """Write `directory/ROLE/NAME.pem`, mode 0600; returns the path. The file is whole or not there at all.

        Raises:
            KeyProblem: There is such a file already: keys are never overwritten.
        """
        path = directory / self.role / f"{self.name}.pem"
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        pem = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        partial = path.with_name(f".{path.name}.partial")
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write((_DEMO_LINE if self.demo else "").encode() + pem)
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(partial)  # unlike a rename, it never takes the place of another key
        except FileExistsError:
            raise KeyProblem(f"{path} exists; a key is never overwritten") from None
        finally:
            partial.unlink()
        return path


def decode_base64(value: Any) -> bytes:
    """Decode standard base64 (RFC 4648 §4) in its one canonical spelling.

    Raises:
        ValueError: Not text, not base64, or another spelling of the same bytes.
    """
    if not isinstance(value, str):
        raise ValueError("is not base64 text")
    try:
        content = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is not valid base64") from None
    if base64.b64encode(content).decode("ascii") != value:
        raise ValueError("is not canonical base64")
    return content
