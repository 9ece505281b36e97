# SPDX-License-Identifier: Apache-2.0
"""Signed notes, verifier keys, checkpoints, cosignatures."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.makers import signer
from proofhouse.attest import Signer
from proofhouse.ledger import Checkpoint, Malformed, Note, NotProven, VerifierKey, log_key, witness_key
from proofhouse.ledger._note import cosign, sign_note

# Example of c2sp.org/signed-note.
C2SP_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
C2SP_NOTE = """This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
""".encode()

# Example of the documentation of Go's golang.org/x/mod/sumdb/note, whose private key is public.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
GO_NOTE = """If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
""".encode()

# Example of c2sp.org/tlog-cosignature; its keys are not published, so it only shows the form.
C2SP_CHECKPOINT = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
""".encode()  # noqa: E501 - the bytes are the test

LOG = signer(1)
KEY = log_key("log.example/a", LOG.public)
TEXT = Checkpoint("log.example/a", 7, bytes(range(32))).text


@pytest.mark.parametrize(("key", "note"), [(C2SP_KEY, C2SP_NOTE), (GO_KEY, GO_NOTE)])
def test_published_notes_verify(key: str, note: bytes) -> None:
    parsed = VerifierKey.parse(key)
    assert str(parsed) == key
    assert Note.parse(note).opened([parsed]) == {parsed: None}
    assert bytes(Note.parse(note)) == note


def test_signing_gives_the_published_bytes() -> None:
    go = Signer(Ed25519PrivateKey.from_private_bytes(GO_SEED), "log", "peter")
    text = Note.parse(GO_NOTE).text
    assert bytes(sign_note(text, "PeterNeumann", go)) == GO_NOTE


def test_the_published_checkpoint_parses() -> None:
    note = Note.parse(C2SP_CHECKPOINT)
    checkpoint = Checkpoint.of(note)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.text == note.text
    assert [line.name for line in note.signatures] == [
        "example.com/behind-the-sofa",
        "witness.example.com/w1",
    ]
    assert int.from_bytes(note.signatures[1].signature[:8]) == 1679315147
    assert bytes(note) == C2SP_CHECKPOINT


@pytest.mark.parametrize(("key", "note"), [(C2SP_KEY, C2SP_NOTE), (GO_KEY, GO_NOTE)])
def test_every_changed_bit_of_a_note_is_found(key: str, note: bytes) -> None:
    known = VerifierKey.parse(key)
    for place in range(len(note)):
        for bit in range(8):
            changed = bytearray(note)
            changed[place] ^= 1 << bit
            try:
                signed = Note.parse(bytes(changed)).opened([known])
            except NotProven:
                continue
            assert signed == {}, (place, bit)


@pytest.mark.parametrize("key", [C2SP_KEY, GO_KEY])
def test_every_shortened_verifier_key_is_refused(key: str) -> None:
    for start in range(len(key)):
        for end in range(start, len(key) + 1):
            if (start, end) != (0, len(key)):
                with pytest.raises(Malformed):
                    VerifierKey.parse(key[start:end])


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u2003b", "a\tb", "a\x00b"])
def test_a_name_that_would_break_a_note_is_refused(name: str) -> None:
    with pytest.raises(Malformed):
        log_key(name, LOG.public)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text\n",
        b"text\n\n",
        b"text\n\n- name AAAAAAAA\n",
        "text\n\n— name\n".encode(),
        "text\n\n— name AAAAAAA\n".encode(),
        "text\n\n— name AAAA\n".encode(),
        "text\n\n— name  AAAAAAAA\n".encode(),
        "text\n\n— name AAAAAAAA".encode(),
        "text\n\n— name AAAAAAB=\n".encode(),
        "te\rxt\n\n— name AAAAAAAA\n".encode(),
        "text\n\n— na+me AAAAAAAA\n".encode(),
        b"\xff\n\n" + "— name AAAAAAAA\n".encode(),
        b"text\n\n" + "— name AAAAAAAA\n".encode() * 101,
        b"a" * (1 << 20) + "\n\n— name AAAAAAAA\n".encode(),
    ],
)
def test_what_is_no_note_is_refused(content: bytes) -> None:
    with pytest.raises(Malformed):
        Note.parse(content)


def test_a_note_may_hold_empty_lines() -> None:
    note = sign_note("a\n\n— b c\n\n", "log.example/a", LOG)
    assert Note.parse(bytes(note)).opened([KEY]) == {KEY: None}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\n1\n",
        "a\n01\n" + "A" * 43 + "=\n",
        "a\n-1\n" + "A" * 43 + "=\n",
        "a\n1\nAAAA\n",
        "a\n\u0661\n" + "A" * 43 + "=\n",
        f"a\n{1 << 63}\n" + "A" * 43 + "=\n",
        "a\n1\n" + "A" * 43 + "=\n\nx\n",
        "a\n1\n" + "A" * 43 + "=",
        "\n1\n" + "A" * 43 + "=\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        Checkpoint.parse(text)


def test_a_cosignature_carries_its_time_and_binds_it() -> None:
    witness = signer(9)
    key = witness_key("witness.example/w", witness.public)
    line = cosign(TEXT, key.name, witness, 1_795_000_000)
    assert key.verify(TEXT, line.signature) == 1_795_000_000
    later = (1_795_000_001).to_bytes(8) + line.signature[8:]
    with pytest.raises(NotProven):
        key.verify(TEXT, later)
    witness.public.verify(b"cosignature/v1\ntime 1795000000\n" + TEXT.encode(), line.signature[8:])


def test_a_log_signature_is_no_cosignature_even_with_the_same_key() -> None:
    as_log, as_witness = log_key("one.example", LOG.public), witness_key("one.example", LOG.public)
    assert as_log.key_id != as_witness.key_id
    note = sign_note(TEXT, "one.example", LOG)
    assert note.opened([as_witness]) == {}
    with pytest.raises(NotProven):
        as_witness.verify(TEXT, note.signatures[0].signature)


def test_a_wrong_signature_by_a_known_key_refuses_the_note_but_unknown_ones_do_not() -> None:
    note = sign_note(TEXT, "log.example/a", LOG)
    stranger = sign_note(TEXT, "log.example/b", signer(2)).signatures[0]
    assert note.with_signatures([stranger]).opened([KEY]) == {KEY: None}
    forged = stranger.__class__("log.example/a", KEY.key_id, stranger.signature)
    doubled = Note(note.text, (*note.signatures, forged))
    with pytest.raises(NotProven):
        doubled.opened([KEY])


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_refused_by_type_and_never_otherwise(content: bytes) -> None:
    for read in (Note.parse, lambda raw: VerifierKey.parse(raw.decode("latin-1"))):
        try:
            read(content)
        except NotProven:
            continue
