# SPDX-License-Identifier: Apache-2.0
"""Signed notes and their keys (C2SP signed-note v1, tlog-cosignature v1), Ed25519 kinds only."""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from proofhouse.attest import PublicKey
from proofhouse.ledger._errors import Malformed, NotProven

LOG_KEY = 0x01
"""Signature type of a log: plain Ed25519 over the note's text."""

WITNESS_KEY = 0x04
"""Signature type of a witness: Ed25519 over `cosignature/v1`, a time, and the note's text."""

MAX_NOTE_BYTES = 1 << 20
_MAX_SIGNATURES = 100
_DASH = "\u2014 "


class NoteSigner(Protocol):
    """What signs notes: `proofhouse.attest.Signer`, or a key in a module that offers the same."""

    @property
    def public(self) -> PublicKey:
        """The public half."""

    def sign(self, message: bytes) -> bytes:
        """Ed25519 signature, 64 bytes."""


@dataclass(frozen=True)
class VerifierKey:
    """A named public key as signed notes use it (vkey).

    Attributes:
        name: Key name; for a log, its origin.
        algorithm: `LOG_KEY` or `WITNESS_KEY`.
        public: Ed25519 public key, 32 bytes.
    """

    name: str
    algorithm: int
    public: bytes

    def __post_init__(self) -> None:
        check_key_name(self.name)
        if self.algorithm not in (LOG_KEY, WITNESS_KEY):
            raise Malformed(
                f"signature type {self.algorithm:#04x} of {self.name!r} is not supported: 0x01, 0x04 are"
            )
        if len(self.public) != 32:
            raise Malformed(f"the key of {self.name!r} is not 32 bytes")

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read `NAME+HEXID+BASE64`.

        Raises:
            Malformed: Another shape, an unsupported type, or an id that is not the key's.
        """
        parts = text.split("+", 2)
        if len(parts) != 3:
            raise Malformed(f"{text!r} is no verifier key (NAME+ID+KEY)")
        material = decode_base64(parts[2], "the verifier key")
        if not material:
            raise Malformed(f"{text!r} holds no key")
        key = cls(parts[0], material[0], material[1:])
        if key.key_id.hex() != parts[1]:
            raise Malformed(f"the id of verifier key {text!r} should be {key.key_id.hex()}")
        return key

    @property
    def key_id(self) -> bytes:
        """First four bytes of SHA-256 over name, newline, type, key."""
        material = self.name.encode() + b"\n" + bytes([self.algorithm]) + self.public
        return hashlib.sha256(material).digest()[:4]

    def __str__(self) -> str:
        """The vkey text that `parse` reads."""
        key = base64.b64encode(bytes([self.algorithm]) + self.public).decode("ascii")
        return f"{self.name}+{self.key_id.hex()}+{key}"

    def verify(self, text: str, signature: bytes) -> int | None:
        """Check one signature over a note's text.

        Returns:
            POSIX seconds at which a witness cosigned; None for a log's signature.

        Raises:
            NotProven: The signature is not by this key over this text.
        """
        when: int | None = None
        message = text.encode()
        if self.algorithm == WITNESS_KEY:
            if len(signature) != 72:
                raise NotProven(f"the cosignature of {self.name} is not 72 bytes")
            when = struct.unpack(">Q", signature[:8])[0]
            if when >= 1 << 63:
                raise NotProven(f"the cosignature of {self.name} has an impossible time")
            message, signature = _cosigned_message(text, when), signature[8:]
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            raise NotProven(f"the signature of {self.name} is wrong") from None
        return when


def log_key(origin: str, public: PublicKey) -> VerifierKey:
    """Verifier key of a log."""
    return VerifierKey(origin, LOG_KEY, public.raw)


def witness_key(name: str, public: PublicKey) -> VerifierKey:
    """Verifier key of a witness."""
    return VerifierKey(name, WITNESS_KEY, public.raw)


@dataclass(frozen=True)
class NoteSignature:
    """One signature line."""

    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        """The line, with its newline."""
        return f"{_DASH}{self.name} {base64.b64encode(self.key_id + self.signature).decode('ascii')}\n"


@dataclass(frozen=True)
class Note:
    """A text with signatures.

    Attributes:
        text: Ends in a newline.
        signatures: In the order of their lines.
    """

    text: str
    signatures: tuple[NoteSignature, ...]

    @classmethod
    def parse(cls, content: bytes) -> Note:
        """Read a signed note.

        Raises:
            Malformed: It is none.
        """
        if len(content) > MAX_NOTE_BYTES:
            raise Malformed(f"a signed note has at most {MAX_NOTE_BYTES} bytes")
        try:
            whole = content.decode()
        except UnicodeDecodeError:
            raise Malformed("a signed note is UTF-8") from None
        if any(char < " " and char != "\n" for char in whole):
            raise Malformed("a signed note has no control characters but newline")
        body, separator, tail = whole.rpartition("\n\n")
        if not separator or not tail.endswith("\n"):
            raise Malformed("a signed note is a text, an empty line, and signature lines")
        return cls(body + "\n", parse_signatures(tail))

    def __bytes__(self) -> bytes:
        """The note as it is stored and sent."""
        return (self.text + "\n" + "".join(map(str, self.signatures))).encode()

    def opened(self, keys: Iterable[VerifierKey]) -> dict[VerifierKey, int | None]:
        """Verify the signatures of known keys; others are ignored.

        Returns:
            The keys that signed, each with the time of its cosignature (None for logs).

        Raises:
            NotProven: A signature that names a known key is wrong.
        """
        known = {(key.name, key.key_id): key for key in keys}
        signed: dict[VerifierKey, int | None] = {}
        for line in self.signatures:
            key = known.get((line.name, line.key_id))
            if key is not None:
                signed[key] = key.verify(self.text, line.signature)
        return signed

    def with_signatures(self, more: Iterable[NoteSignature]) -> Note:
        """The same note with further signature lines; a newer line of a key replaces its older one."""
        lines = {(line.name, line.key_id): line for line in (*self.signatures, *more)}
        return Note(self.text, tuple(lines.values()))


def sign_note(text: str, name: str, signer: NoteSigner) -> Note:
    """Sign a text as a log (type 0x01)."""
    return Note(text, (NoteSignature(name, log_key(name, signer.public).key_id, signer.sign(text.encode())),))


def cosign(text: str, name: str, signer: NoteSigner, time_s: int) -> NoteSignature:
    """Cosign a checkpoint's text as a witness (type 0x04) at a POSIX time in seconds."""
    signature = signer.sign(_cosigned_message(text, time_s))
    return NoteSignature(name, witness_key(name, signer.public).key_id, struct.pack(">Q", time_s) + signature)


def parse_signatures(block: str) -> tuple[NoteSignature, ...]:
    """Read signature lines, each ended by a newline.

    Raises:
        Malformed: A line is none, or there are no lines, or too many.
    """
    lines = block.split("\n")
    if lines.pop() or not lines or len(lines) > _MAX_SIGNATURES:
        raise Malformed(
            f"between 1 and {_MAX_SIGNATURES} signature lines, each ended by a newline, are needed"
        )
    return tuple(_parse_signature(line) for line in lines)


def check_key_name(name: str) -> None:
    """Refuse what cannot name a key.

    Raises:
        Malformed: Empty, or with white space, a plus, or a control character.
    """
    if not name or any(char.isspace() or char == "+" or char < " " for char in name):
        raise Malformed(f"{name!r} cannot name a key: no white space, no plus, not empty")


def decode_base64(text: str, what: str, length: int | None = None) -> bytes:
    """Decode standard base64 in its one canonical spelling.

    Raises:
        Malformed: Not that, or not `length` bytes.
    """
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed(f"{what} is not valid base64") from None
    if base64.b64encode(content).decode("ascii") != text:
        raise Malformed(f"{what} is not canonical base64")
    if length is not None and len(content) != length:
        raise Malformed(f"{what} is not {length} bytes")
    return content


def decode_decimal(text: str, what: str) -> int:
    """Read a non-negative decimal below 2**63 without leading zeroes.

    Raises:
        Malformed: It is none.
    """
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or (text[0] == "0" and text != "0"):
        raise Malformed(f"{what} {text!r} is not a decimal number")
    number = int(text)
    if number >= 1 << 63:
        raise Malformed(f"{what} is too large")
    return number


def _parse_signature(line: str) -> NoteSignature:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] + " " != _DASH:
        raise Malformed("a signature line is an em dash, a key name and base64, with single spaces")
    check_key_name(parts[1])
    content = decode_base64(parts[2], "a note signature")
    if len(content) < 5:
        raise Malformed("a note signature is too short")
    return NoteSignature(parts[1], content[:4], content[4:])


def _cosigned_message(text: str, time_s: int) -> bytes:
    return f"cosignature/v1\ntime {time_s}\n{text}".encode()
