# SPDX-License-Identifier: Apache-2.0
"""docs/spec/letter.md suffices: a reader written from it with the standard library agrees with ours."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from letters.correspondents import Correspondents
from proofhouse.letters import LETTER_TYPES


def jcs(value: Any) -> bytes:
    """RFC 8785 for what letters hold: no fractions, and keys within the Basic Multilingual Plane."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def stranger_reads(data: bytes, spki: bytes) -> tuple[str, dict[str, Any]]:
    """Sections 1 and 2 of the specification."""
    envelope = json.loads(data)
    assert jcs(envelope) == data
    assert set(envelope) == {"payload", "payloadType", "signatures"}
    [signature] = envelope["signatures"]
    assert signature["keyid"] == hashlib.sha256(spki).hexdigest()
    payload = base64.b64decode(envelope["payload"], validate=True)
    kind = envelope["payloadType"].encode()
    message = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    Ed25519PublicKey.from_public_bytes(spki[-32:]).verify(base64.b64decode(signature["sig"]), message)
    statement = json.loads(payload)
    assert jcs(statement) == payload
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    predicate = statement["predicate"]
    subject = []
    for enclosure in predicate["enclosures"]:
        content = base64.b64decode(enclosure["content"], validate=True)
        digest = hashlib.sha256(content).hexdigest()
        assert (enclosure["sha256"], enclosure["size_bytes"]) == (digest, len(content))
        subject.append({"name": enclosure["name"], "digest": {"sha256": digest}})
    body = {"name": "body", "digest": {"sha256": hashlib.sha256(jcs(predicate["body"])).hexdigest()}}
    assert statement["subject"] == (subject or [body])
    assert set(predicate) == {
        "thread",
        "sequence",
        "in_reply_to",
        "sender",
        "recipient",
        "sent_at",
        "ledger_checkpoint",
        "body",
        "enclosures",
    }
    return hashlib.sha256(payload).hexdigest(), statement


@pytest.mark.parametrize("name", sorted(spec.name for spec in LETTER_TYPES.values()))
def test_a_stranger_reads_each_letter_as_we_do(houses: Correspondents, name: str) -> None:
    letter = houses.letter(name)
    letter_id, statement = stranger_reads(letter.data, houses.lab.public.spki)
    assert letter_id == letter.id
    assert statement["predicateType"] == f"https://proofhouse.dev/letter/{name}/v{letter.spec.version}"
    assert statement["predicate"]["body"] == letter.body
