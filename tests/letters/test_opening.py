# SPDX-License-Identifier: Apache-2.0
"""Claims about sealing and opening."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from letters.correspondents import NOW, THREAD, Correspondents
from proofhouse.attest import Signer, canonical, sha256_hex, sign_statement, statement
from proofhouse.letters import (
    BadSeal,
    ClockRefused,
    Enclosure,
    EnclosureMismatch,
    Introduction,
    Introductions,
    Letter,
    LetterRefused,
    Limits,
    Malformed,
    OutsideIntroduction,
    SchemaMismatch,
    TooLarge,
    UnknownKey,
    UnknownType,
    WrongPurpose,
    WrongRecipient,
    WrongSender,
    acknowledge,
    open_letter,
    read_introduction,
)

HOUSES = Correspondents()
SEALED = HOUSES.letter("report")


def opened(data: bytes, **changes: Any) -> Letter:
    introductions = changes.pop("introductions", HOUSES.introductions)
    return open_letter(data, introductions, changes.pop("recipient", "office"), now=NOW, **changes)


def forged(change: Callable[[dict[str, Any]], object], signer: Signer = HOUSES.lab) -> bytes:
    """A changed statement that its rightful sender signed, so that only the rules can refuse it."""
    content = payload_of(SEALED.data)
    change(content)
    return canonical(json.loads(sign_statement(content, [signer]).to_json()))


def payload_of(data: bytes) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(base64.b64decode(json.loads(data)["payload"]))
    return content


@settings(max_examples=300, deadline=None)
@given(place=st.integers(0, len(SEALED.data) - 1), mask=st.integers(1, 255))
def test_any_changed_byte_is_refused(place: int, mask: int) -> None:
    data = bytearray(SEALED.data)
    data[place] ^= mask
    with pytest.raises(LetterRefused):
        opened(bytes(data))


@pytest.mark.parametrize("place", range(len(SEALED.data) - 260, len(SEALED.data)))
def test_each_byte_of_the_signature_part_is_protected(place: int) -> None:
    for mask in (0x01, 0x02, 0x20, 0x80):
        data = bytearray(SEALED.data)
        data[place] ^= mask
        with pytest.raises(LetterRefused):
            opened(bytes(data))


@settings(max_examples=100, deadline=None)
@given(cut=st.integers(0, len(SEALED.data) - 1), tail=st.binary(min_size=1, max_size=8))
def test_a_shortened_or_lengthened_letter_is_refused(cut: int, tail: bytes) -> None:
    for data in (SEALED.data[:cut], SEALED.data + tail, tail + SEALED.data):
        with pytest.raises(LetterRefused):
            opened(data)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400) | st.text(max_size=200).map(lambda text: json.dumps([text]).encode()))
def test_foreign_bytes_are_refused_by_type(data: bytes) -> None:
    with pytest.raises(LetterRefused):
        opened(data)


@pytest.mark.parametrize(
    "data",
    [b"[" * 100_000, b'{"payload":' + b"9" * 5000 + b"}", b'{"a":1,"a":1}', b'"\\ud800"', b"NaN", b"1e999"],
    ids=["deep", "long-number", "key-twice", "lone-surrogate", "nan", "infinite"],
)
def test_hostile_json_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        opened(data)


def test_another_spelling_of_the_same_envelope_is_refused() -> None:
    spelled = json.dumps(json.loads(SEALED.data), indent=1).encode()
    with pytest.raises(Malformed, match="canonical"):
        opened(spelled)


def test_a_second_signature_is_refused() -> None:
    envelope = json.loads(SEALED.data)
    envelope["signatures"] *= 2
    with pytest.raises(Malformed, match="exactly one signature"):
        opened(canonical(envelope))


def test_the_signature_of_another_letter_does_not_serve() -> None:
    envelope = json.loads(SEALED.data)
    envelope["signatures"] = json.loads(HOUSES.letter("inquiry").data)["signatures"]
    with pytest.raises(BadSeal):
        opened(canonical(envelope))


def test_a_key_that_nobody_introduced_is_refused() -> None:
    with pytest.raises(UnknownKey):
        opened(SEALED.data, introductions=Introductions())


def test_a_house_cannot_write_in_anothers_name() -> None:
    with pytest.raises(WrongSender, match="its key belongs to office"):
        opened(forged(lambda content: None, HOUSES.office))


def test_a_letter_for_another_house_is_refused() -> None:
    with pytest.raises(WrongRecipient, match="for office, not for vendor"):
        opened(SEALED.data, recipient="vendor")


def test_a_key_signs_only_what_it_was_introduced_for() -> None:
    narrow = Introductions([Introduction("lab", HOUSES.lab.public, frozenset({"inquiry"}), NOW)])
    assert opened(HOUSES.letter("inquiry").data, introductions=narrow)
    with pytest.raises(WrongPurpose, match="type report"):
        opened(SEALED.data, introductions=narrow)


@pytest.mark.parametrize(
    ("since_s", "until_s"), [(1, None), (-60, 0), (-60, -1)], ids=["not-yet", "ends-now", "ended"]
)
def test_an_introduction_holds_only_in_its_time(since_s: int, until_s: int | None) -> None:
    until = None if until_s is None else NOW + timedelta(seconds=until_s)
    known = Introductions(
        [
            Introduction(
                "lab", HOUSES.lab.public, frozenset({"report"}), NOW + timedelta(seconds=since_s), until
            )
        ]
    )
    with pytest.raises(OutsideIntroduction):
        opened(SEALED.data, introductions=known)


def test_a_stolen_key_cannot_sign_into_the_past_after_its_introduction_ended() -> None:
    known = Introductions(
        [
            Introduction(
                "lab",
                HOUSES.lab.public,
                frozenset({"report"}),
                NOW - timedelta(days=2),
                NOW - timedelta(days=1),
            )
        ]
    )
    backdated = HOUSES.letter("report", now=NOW - timedelta(days=1, seconds=1))
    with pytest.raises(OutsideIntroduction):
        opened(backdated.data, introductions=known)


def test_a_letter_from_the_future_or_from_long_ago_is_refused() -> None:
    opened(HOUSES.letter("report", now=NOW + timedelta(seconds=300)).data)
    with pytest.raises(ClockRefused):
        opened(HOUSES.letter("report", now=NOW + timedelta(seconds=301)).data)
    with pytest.raises(ClockRefused, match="too old"):
        opened(HOUSES.letter("report", now=NOW - timedelta(days=91)).data)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (
            lambda it: it.update(predicateType="https://proofhouse.dev/letter/ultimatum/v1"),
            UnknownType,
        ),
        (lambda it: it.update(predicateType="https://proofhouse.dev/letter/report/v2"), UnknownType),
        (lambda it: it.update(predicateType="https://slsa.dev/provenance/v1"), UnknownType),
        (lambda it: it.update(predicateType=7), UnknownType),
        (lambda it: it.update(_type="https://in-toto.io/Statement/v0.1"), Malformed),
        (lambda it: it.update(more=1), Malformed),
        (lambda it: it["predicate"].update(more=1), SchemaMismatch),
        (lambda it: it["predicate"].pop("sent_at"), SchemaMismatch),
        (lambda it: it["predicate"].update(sent_at="2026-11-24T09:30:00Z"), SchemaMismatch),
        (lambda it: it["predicate"].update(sent_at="2026-13-24T09:30:00.000000Z"), SchemaMismatch),
        (lambda it: it["predicate"].update(thread="THREAD"), SchemaMismatch),
        (lambda it: it["predicate"].update(sequence=True), SchemaMismatch),
        (lambda it: it["predicate"].update(sequence=0), Malformed),
        (lambda it: it["predicate"].update(recipient="lab"), Malformed),
        (lambda it: it["predicate"]["body"].update(more=1), SchemaMismatch),
        (lambda it: it["predicate"]["body"].update(proofs=["elsewhere.xml"]), SchemaMismatch),
        (lambda it: it["predicate"]["body"].update(description="x" * 70_000), TooLarge),
        (lambda it: it["predicate"]["enclosures"][0].update(name="../up"), SchemaMismatch),
        (lambda it: it["predicate"]["enclosures"][0].update(content="AAAA"), EnclosureMismatch),
        (lambda it: it["predicate"]["enclosures"][0].update(content="AAA"), Malformed),
        (lambda it: it["predicate"]["enclosures"][0].update(content="AB=="), Malformed),
        (lambda it: it["predicate"]["enclosures"][0].update(size_bytes=1), EnclosureMismatch),
        (lambda it: it["predicate"]["enclosures"].append(it["predicate"]["enclosures"][0]), Malformed),
        (lambda it: it["subject"].pop(), EnclosureMismatch),
        (lambda it: it["subject"][0]["digest"].update(sha256="0" * 64), EnclosureMismatch),
    ],
)
def test_the_rightful_sender_cannot_break_the_form(
    change: Callable[[dict[str, Any]], object], error: type[LetterRefused]
) -> None:
    with pytest.raises(error):
        opened(forged(change))


def test_a_letter_over_the_size_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(TooLarge, match="this house takes 100"):
        opened(b"{" * 101, limits=Limits(letter_bytes=100))


def test_too_many_enclosures_are_refused() -> None:
    files = [Enclosure.of(f"{number}.txt", b"x") for number in range(33)]
    with pytest.raises(TooLarge, match="33 enclosures"):
        HOUSES.letter("inquiry", enclosures=files)


def test_an_enclosure_by_reference_is_checked_when_it_arrives() -> None:
    files = [Enclosure.reference(name, b"a proof") for name in ("proof.sct", "proof.xml")]
    letter = opened(HOUSES.letter("report", enclosures=files).data)
    enclosure = letter.enclosure("proof.xml")
    assert enclosure.content is None
    enclosure.check_content(b"a proof")
    with pytest.raises(EnclosureMismatch):
        enclosure.check_content(b"another proof")


def test_the_id_is_the_digest_of_the_payload_and_the_subject_that_of_the_body() -> None:
    letter = HOUSES.letter("inquiry")
    assert letter.id == sha256_hex(base64.b64decode(json.loads(letter.data)["payload"]))
    content = payload_of(letter.data)
    assert content["subject"] == [{"name": "body", "digest": {"sha256": sha256_hex(canonical(letter.body))}}]
    assert statement(content["subject"], content["predicateType"], content["predicate"]) == content


def test_an_acknowledgement_is_a_letter_too() -> None:
    answer = acknowledge(HOUSES.letter(), HOUSES.office, NOW)
    read = open_letter(answer.data, HOUSES.introductions, "lab", now=NOW)
    assert (read.type, read.sender, read.sequence, read.thread) == ("acknowledgement", "office", 0, THREAD)
    assert read.body == {"letter_sha256": HOUSES.letter().id, "outcome": "new"}


class TestFirstIntroduction:
    """A house that nobody knows yet, whose fingerprint came by telephone."""

    signer = Signer.generate("letters", "vendor", demo=True)

    def first_letter(self, **changes: Any) -> Letter:
        body = {
            "house": "vendor",
            "title": "Example Vendor",
            "key": self.signer.public.to_record(),
            "purposes": ["case-message", "release-request"],
            "since": "2026-11-24T00:00:00.000000Z",
            "until": None,
            **changes,
        }
        return HOUSES.letter("introduction", body, sender="vendor", signer=self.signer)

    def test_it_is_believed_under_the_right_fingerprint(self) -> None:
        letter = read_introduction(self.first_letter().data, self.signer.key_id, "office", now=NOW)
        believed = HOUSES.introductions.plus(Introduction.from_record(letter.body))
        assert believed.may(self.signer.key_id, "case-message", NOW)
        assert not believed.may(self.signer.key_id, "advisory", NOW)

    def test_it_is_refused_under_another_fingerprint(self) -> None:
        with pytest.raises(BadSeal, match="fingerprint"):
            read_introduction(self.first_letter().data, HOUSES.lab.key_id, "office", now=NOW)

    def test_it_cannot_introduce_a_key_that_did_not_sign_it(self) -> None:
        letter = self.first_letter(key=HOUSES.lab.public.to_record())
        with pytest.raises(UnknownKey):
            read_introduction(letter.data, HOUSES.lab.key_id, "office", now=NOW)

    def test_it_cannot_introduce_another_house(self) -> None:
        with pytest.raises(WrongSender):
            read_introduction(self.first_letter(house="lab").data, self.signer.key_id, "office", now=NOW)

    def test_a_broken_key_is_malformed(self) -> None:
        letter = self.first_letter(key={"algorithm": "ed25519", "public": "AAAA"})
        with pytest.raises(Malformed, match=r"body\.key"):
            read_introduction(letter.data, self.signer.key_id, "office", now=NOW)


def test_introductions_survive_the_file() -> None:
    content = HOUSES.introductions.to_json()
    assert list(Introductions.from_json(content)) == list(HOUSES.introductions)
    assert Introductions.from_json(content).to_json() == content


@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"format":"proofhouse-introductions/v1","introductions":[{}]}', b"[" * 9999]
)
def test_a_broken_introductions_file_is_refused_by_type(content: bytes) -> None:
    with pytest.raises(SchemaMismatch):
        Introductions.from_json(content)


def test_one_key_cannot_belong_to_two_houses() -> None:
    known = Introduction("vendor", HOUSES.lab.public, frozenset({"report"}), NOW)
    with pytest.raises(ValueError, match="both lab and vendor"):
        HOUSES.introductions.plus(known)
