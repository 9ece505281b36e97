# SPDX-License-Identifier: Apache-2.0
"""DSSE v1 envelopes (github.com/secure-systems-lab/dsse, protocol.md and envelope.md)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from proofhouse.attest._canonical import BadJson, parse_json
from proofhouse.attest._keys import BadSignature, PublicKey, Signer, decode_base64


class MalformedEnvelope(ValueError):
    """Bytes that are no DSSE envelope; the message names the field."""


@dataclass(frozen=True)
class Signature:
    """One signature of an envelope."""

    key_id: str
    signature: bytes


@dataclass(frozen=True)
class Envelope:
    """A payload, its type, and signatures over both."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]

    @classmethod
    def from_json(cls, content: bytes) -> Envelope:
        """Read the JSON form. Stricter than DSSE asks: every signature names its key, nothing else is inside.

        Raises:
            MalformedEnvelope: Not JSON, or a field is missing, extra or wrong.
        """
        try:
            fields = parse_json(content)
        except BadJson as error:
            raise MalformedEnvelope(f"an envelope is a JSON object: {error}") from None
        if not isinstance(fields, dict) or set(fields) != {"payloadType", "payload", "signatures"}:
            raise MalformedEnvelope("an envelope has exactly payloadType, payload and signatures")
        if not isinstance(fields["payloadType"], str) or not isinstance(fields["signatures"], list):
            raise MalformedEnvelope("payloadType is a string and signatures a list")
        return cls(
            fields["payloadType"],
            _base64(fields["payload"], "payload"),
            tuple(_signature(entry) for entry in fields["signatures"]),
        )

    def to_json(self) -> bytes:
        """The JSON form, one line."""
        return json.dumps(
            {
                "payloadType": self.payload_type,
                "payload": base64.b64encode(self.payload).decode("ascii"),
                "signatures": [
                    {"keyid": entry.key_id, "sig": base64.b64encode(entry.signature).decode("ascii")}
                    for entry in self.signatures
                ],
            },
            separators=(",", ":"),
        ).encode()

    def verify(self, keys: Iterable[PublicKey], threshold: int = 1) -> bytes:
        """Return the payload if at least `threshold` different keys of `keys` signed it.

        A key that signs twice counts once; signatures by other keys do not count.

        Raises:
            BadSignature: Too few, or a signature that names one of `keys` is wrong.
            ValueError: The threshold is below 1.
        """
        if threshold < 1:
            raise ValueError("a threshold is at least 1")
        message = _pae(self.payload_type, self.payload)
        known = {key.key_id: key for key in keys}
        valid: set[str] = set()
        for entry in self.signatures:
            if entry.key_id in known:
                known[entry.key_id].verify(message, entry.signature)
                valid.add(entry.key_id)
        if len(valid) < threshold:
            raise BadSignature(f"{len(valid)} valid signature(s) by the expected keys; {threshold} needed")
        return self.payload


def sign_envelope(payload_type: str, payload: bytes, signers: Sequence[Signer]) -> Envelope:
    """Wrap and sign a payload.

    Args:
        payload_type: Media type that says how to read the payload.
        payload: Any bytes.
        signers: At least one.

    Raises:
        ValueError: Nobody signs.
    """
    if not signers:
        raise ValueError("an envelope needs at least one signer")
    message = _pae(payload_type, payload)
    return Envelope(
        payload_type, payload, tuple(Signature(signer.key_id, signer.sign(message)) for signer in signers)
    )


def _pae(payload_type: str, payload: bytes) -> bytes:
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _base64(value: Any, name: str) -> bytes:
    try:
        return decode_base64(value)
    except ValueError as error:
        raise MalformedEnvelope(f"{name} {error}") from None


def _signature(entry: Any) -> Signature:
    if not isinstance(entry, dict) or set(entry) != {"keyid", "sig"} or not isinstance(entry["keyid"], str):
        raise MalformedEnvelope("a signature has exactly keyid and sig")
    return Signature(entry["keyid"], _base64(entry["sig"], "sig"))
