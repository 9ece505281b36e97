# SPDX-License-Identifier: Apache-2.0
"""Canonical JSON, keys, envelopes, statements."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope as OtherEnvelope
from securesystemslib.signer._key import SSlibKey

from proofhouse.attest import (
    STATEMENT_PAYLOAD_TYPE,
    BadJson,
    BadSignature,
    Envelope,
    KeyProblem,
    MalformedEnvelope,
    MalformedStatement,
    NotCanonical,
    PublicKey,
    Signature,
    Signer,
    canonical,
    parse_json,
    sign_envelope,
    sign_statement,
    statement,
    verify_statement,
)

ALICE, BOB, EVE = (Signer.generate("lab", name) for name in ("alice", "bob", "eve"))
SUBJECT = [{"name": "a", "digest": {"sha256": "0" * 64}}]

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: not 2**53 <= abs(x) < 1e21)
    | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


def changed(envelope: Envelope, **changes: Any) -> Envelope:
    fields = {"payload_type": envelope.payload_type, "payload": envelope.payload}
    return Envelope(**{**fields, "signatures": envelope.signatures, **changes})


# --- canonical JSON


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        # RFC 8785 §3.2.2 to §3.2.4.
        (
            {"numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 1e-27], "literals": [None, True, False]},
            b'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27]}',
        ),
        (
            {"€": 1, "\r": 2, "\ufb33": 3, "1": 4, "😀": 5, "\x80": 6, "ö": 7},
            '{"\\r":2,"1":4,"\x80":6,"ö":7,"€":1,"😀":5,"\ufb33":3}'.encode(),
        ),
        ('€$\u000f\nA\'B"\\\\"/', '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'.encode()),
    ],
)
def test_the_standards_examples_come_out(value: Any, expected: bytes) -> None:
    assert canonical(value) == expected


@given(json_values)
@settings(max_examples=150, deadline=None)
def test_canonical_json_reads_back_and_is_stable(value: Any) -> None:
    once = canonical(value)
    assert canonical(parse_json(once)) == once


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        2**53,
        [2.0**53],
        {"a": -1e20},
        {1: 2},
        b"x",
        {"a": {1}},
        "\ud800",
        {"\ud800": 1},
    ],
)
def test_what_json_cannot_hold_has_no_canonical_form(value: Any) -> None:
    with pytest.raises(NotCanonical):
        canonical(value)


def test_a_bottomless_value_has_no_canonical_form() -> None:
    bottomless: list[Any] = []
    bottomless.append(bottomless)
    with pytest.raises(NotCanonical):
        canonical(bottomless)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"a":1,"a":2}',
        b'[{"b":{"a":1,"a":1}}]',
        b"NaN",
        b"[-Infinity]",
        b"1e999",
        b"\xff",
        '"a"'.encode("utf-16"),
        b"[" * 100_000,
        b"9" * 5000,
    ],
)
def test_json_that_two_readers_could_understand_differently_is_refused(content: bytes) -> None:
    with pytest.raises(BadJson):
        parse_json(content)


# --- keys


def test_a_key_survives_its_file(tmp_path: Path) -> None:
    for demo in (True, False):
        signer = Signer.generate("office", f"log-{demo}".lower(), demo=demo)
        path = signer.save(tmp_path)
        assert path.stat().st_mode & 0o777 == 0o600
        assert path == tmp_path / "office" / f"{signer.name}.pem"
        loaded = Signer.load(path)
        assert (loaded.key_id, loaded.role, loaded.name, loaded.demo) == (
            signer.key_id,
            "office",
            signer.name,
            demo,
        )
        loaded.public.verify(b"m", signer.sign(b"m"))
        assert (b"demo" in path.read_bytes()) is demo
        with pytest.raises(KeyProblem, match="never overwritten"):
            signer.save(tmp_path)


def test_a_key_file_is_whole_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "office").mkdir()
    (tmp_path / "office" / ".log.pem.partial").write_bytes(
        b"-----BEGIN PRIV"
    )  # a power cut while it was written
    assert Signer.load(Signer.generate("office", "log", demo=True).save(tmp_path)).name == "log"
    assert [file.name for file in (tmp_path / "office").iterdir()] == ["log.pem"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o610])
def test_a_key_file_that_others_may_touch_is_refused(mode: int, tmp_path: Path) -> None:
    path = Signer.generate("office", "log").save(tmp_path)
    path.chmod(mode)
    with pytest.raises(KeyProblem, match="chmod 600"):
        Signer.load(path)


def test_what_is_no_key_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pem"
    with pytest.raises(KeyProblem, match="cannot be read"):
        Signer.load(path)
    for content in (b"", b"\xff", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"):
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(KeyProblem):
            Signer.load(path)
    for word in ("", "..", "a/b", "A", "-a"):
        with pytest.raises(KeyProblem):
            Signer.generate("lab", word)


def test_a_public_key_survives_its_record_and_has_one_spelling() -> None:
    record = ALICE.public.to_record()
    assert PublicKey.from_record(record) == ALICE.public
    assert PublicKey.from_record(record).key_id == ALICE.key_id
    spki = ALICE.public.spki
    wrong: list[Any] = [
        None,
        {},
        {**record, "algorithm": "rsa"},
        {**record, "public": 7},
        {**record, "public": record["public"][:-4]},
        {**record, "public": record["public"] + "\n"},
        {**record, "public": base64.b64encode(spki + b"\0").decode()},
        {**record, "public": base64.b64encode(spki[:-1]).decode()},
    ]
    for entry in wrong:
        with pytest.raises(KeyProblem):
            PublicKey.from_record(entry)


@pytest.mark.parametrize("signature", [b"", bytes(63), bytes(64), bytes(65)])
def test_a_signature_of_any_wrong_shape_is_refused(signature: bytes) -> None:
    with pytest.raises(BadSignature):
        ALICE.public.verify(b"m", signature)


# --- envelopes


def test_an_envelope_survives_its_json_and_verifies() -> None:
    envelope = sign_envelope("text/plain", b"hello", [ALICE, BOB])
    read = Envelope.from_json(envelope.to_json())
    assert read == envelope
    assert read.verify([ALICE.public, BOB.public], threshold=2) == b"hello"


def test_another_implementation_of_dsse_accepts_our_envelopes() -> None:
    envelope = sign_envelope("application/x", "ünï\0".encode(), [ALICE])
    other = OtherEnvelope.from_dict(json.loads(envelope.to_json()))
    raw = ALICE.public.raw.hex()
    key = SSlibKey(ALICE.key_id, "ed25519", "ed25519", {"public": raw})
    assert set(other.verify([key], 1)) == {ALICE.key_id}


def test_the_signed_bytes_are_the_standards() -> None:
    # github.com/secure-systems-lab/dsse, protocol.md: the example of the encoding.
    envelope = sign_envelope("http://example.com/HelloWorld", b"hello world", [ALICE])
    encoded = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    ALICE.public.verify(encoded, envelope.signatures[0].signature)


def test_unknown_keys_never_count_and_one_key_counts_once() -> None:
    envelope = sign_envelope("t", b"p", [ALICE, ALICE, EVE])
    with pytest.raises(BadSignature, match="1 valid"):
        envelope.verify([ALICE.public, BOB.public], threshold=2)
    with pytest.raises(BadSignature, match="0 valid"):
        envelope.verify([BOB.public])
    with pytest.raises(BadSignature):
        envelope.verify([])
    stolen_name = (Signature(ALICE.key_id, envelope.signatures[2].signature),)
    with pytest.raises(BadSignature):
        changed(envelope, signatures=stolen_name).verify([ALICE.public])


def test_a_wrong_signature_by_a_known_key_refuses_the_envelope() -> None:
    envelope = sign_envelope("t", b"p", [ALICE])
    more = (*envelope.signatures, Signature(BOB.key_id, bytes(64)))
    assert changed(envelope, signatures=more).verify([ALICE.public]) == b"p"
    with pytest.raises(BadSignature):
        changed(envelope, signatures=more).verify([ALICE.public, BOB.public])


def test_a_threshold_below_one_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        sign_envelope("t", b"p", [ALICE]).verify([ALICE.public], threshold=0)
    with pytest.raises(ValueError, match="at least one signer"):
        sign_envelope("t", b"p", [])


def test_type_and_payload_are_bound() -> None:
    envelope = sign_envelope("t", b"p", [ALICE])
    for change in ({"payload": b"q"}, {"payload_type": "u"}, {"payload_type": "t 1 p", "payload": b""}):
        with pytest.raises(BadSignature):
            changed(envelope, **change).verify([ALICE.public])


def test_every_changed_byte_of_an_envelope_is_found() -> None:
    content = sign_envelope("application/x", b"some payload", [ALICE]).to_json()
    for place in range(len(content)):
        for bit in range(8):
            wrong = bytearray(content)
            wrong[place] ^= 1 << bit
            with pytest.raises((MalformedEnvelope, BadSignature)):
                Envelope.from_json(bytes(wrong)).verify([ALICE.public])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"payload": "a"}, "payload is not valid base64"),
        ({"payload": "QR=="}, "payload is not canonical base64"),
        ({"payload": "_-=="}, "payload is not valid base64"),
        ({"payload": None}, "payload is not base64 text"),
        ({"payloadType": 1}, "payloadType is a string"),
        ({"signatures": {}}, "signatures a list"),
        ({"signatures": [{"sig": ""}]}, "exactly keyid and sig"),
        ({"signatures": [{"keyid": "a", "sig": "!"}]}, "sig is not valid base64"),
        ({"more": 1}, "exactly payloadType"),
    ],
)
def test_a_malformed_envelope_is_refused_by_its_field(change: dict[str, Any], reason: str) -> None:
    fields = {"payloadType": "t", "payload": "", "signatures": [], **change}
    with pytest.raises(MalformedEnvelope, match=reason):
        Envelope.from_json(json.dumps(fields).encode())


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_refused_by_type(content: bytes) -> None:
    with pytest.raises(MalformedEnvelope):
        Envelope.from_json(content)


# --- statements


def test_a_statement_is_signed_in_its_canonical_form_and_read_back() -> None:
    content = statement(SUBJECT, "https://example.com/t/v1", {"b": 1, "a": 2})
    envelope = sign_statement(content, [ALICE])
    assert envelope.payload == canonical(content)
    assert envelope.payload_type == STATEMENT_PAYLOAD_TYPE
    assert verify_statement(envelope, [ALICE.public], predicate_type="https://example.com/t/v1") == content
    with pytest.raises(MalformedStatement, match="predicate type"):
        verify_statement(envelope, [ALICE.public], predicate_type="https://example.com/t/v2")
    with pytest.raises(BadSignature):
        verify_statement(envelope, [BOB.public])


@pytest.mark.parametrize(
    "subject",
    [
        [],
        [{}],
        [{"name": "a", "digest": {}}],
        [{"digest": {"sha256": "AB" * 32}}],
        [{"digest": {"sha256": 1}}],
        ["a"],
    ],
)
def test_a_subject_without_a_proper_digest_is_refused(subject: Any) -> None:
    with pytest.raises(MalformedStatement):
        statement(subject, "t", {})
    forged = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subject,
        "predicateType": "t",
        "predicate": {},
    }
    with pytest.raises(MalformedStatement):
        verify_statement(sign_statement(forged, [ALICE]), [ALICE.public])


@pytest.mark.parametrize(
    ("payload_type", "payload"),
    [
        ("text/plain", b"{}"),
        (STATEMENT_PAYLOAD_TYPE, b"[]"),
        (STATEMENT_PAYLOAD_TYPE, b"no"),
        (STATEMENT_PAYLOAD_TYPE, b'{"_type":"https://in-toto.io/Statement/v0.1"}'),
        (STATEMENT_PAYLOAD_TYPE, b'{"_type":"https://in-toto.io/Statement/v1","subject":[],"predicate":[]}'),
        (STATEMENT_PAYLOAD_TYPE, b'{"_type":1,"_type":"https://in-toto.io/Statement/v1"}'),
    ],
)
def test_a_signed_payload_that_is_no_statement_is_refused(payload_type: str, payload: bytes) -> None:
    with pytest.raises(MalformedStatement):
        verify_statement(sign_envelope(payload_type, payload, [ALICE]), [ALICE.public])
