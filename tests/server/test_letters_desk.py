# SPDX-License-Identifier: Apache-2.0
"""What this house takes from others: only what a known key sealed for it, once, in order, wholly or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from proofhouse.attest import Signer
from proofhouse.letters import (
    MEDIA_TYPE,
    BadSeal,
    ClockRefused,
    Conflict,
    LetterRefused,
    Malformed,
    UnknownKey,
    WrongPurpose,
    WrongRecipient,
    WrongSender,
    WrongThread,
    parse_letter,
)
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Permission, Role
from proofhouse.server.engine import post
from proofhouse.server.engine.acts import act
from proofhouse.server.engine.clock import now
from proofhouse.server.engine.keys import signer
from proofhouse.server.engine.models import LedgerEntry, Letter, Thread
from proofhouse.server.engine.post import Received, on_letter, receive, send, start_thread
from proofhouse.server.engine.record import record
from proofhouse.server.house import House
from proofhouse.server.reviews.models import Inquiry
from server.makers import Correspondent, make_person

pytestmark = pytest.mark.django_db

Handled = list[tuple[str, int]]


@pytest.fixture
def handled(desk: None) -> Handled:
    """What the handler of checkpoints has seen; it leaves one ledger entry for each."""
    seen: Handled = []

    @on_letter("checkpoint")
    def note(letter: Received) -> None:
        record("notice.receive", letter.thread.case, {"letter": letter.row.digest})
        seen.append((letter.row.digest, letter.row.sequence))

    return seen


def acknowledged(answer: bytes) -> dict[str, Any]:
    """The body of an acknowledgement, which this house signed."""
    letter = parse_letter(answer)
    assert (letter.type, letter.sender) == ("acknowledgement", "office")
    assert letter.key_id == signer("letters").key_id
    return dict(letter.body)


def stored() -> tuple[int, int, int]:
    return Letter.objects.count(), Thread.objects.count(), LedgerEntry.objects.count()


def test_a_letter_is_stored_handled_and_acknowledged(lab: Correspondent, handled: Handled) -> None:
    letter = lab.letter()
    body = acknowledged(receive(letter.data))
    assert body["letter_sha256"] == letter.id
    assert body["outcome"] == "new"
    row = Letter.objects.get()
    assert (row.digest, row.state, row.direction) == (letter.id, "received", "received")
    assert bytes(row.envelope) == letter.data
    assert handled == [(letter.id, 1)]


def test_an_unknown_key_is_refused(lab: Correspondent, handled: Handled) -> None:
    stranger = Signer.generate("letters", "lab", demo=True)
    with pytest.raises(UnknownKey):
        receive(lab.letter(signer=stranger).data)
    assert stored() == (0, 0, 0)


def test_a_key_is_taken_only_for_the_letter_types_it_was_introduced_for(
    house: House, db: None, handled: Handled
) -> None:
    lab = Correspondent.introduced("lab", frozenset({"inquiry"}))
    with pytest.raises(WrongPurpose):
        receive(lab.letter("checkpoint").data)
    assert stored() == (0, 0, 0)
    receive(lab.letter("inquiry").data)
    assert Inquiry.objects.count() == 1


def test_one_houses_key_does_not_speak_for_another(
    lab: Correspondent, vendor: Correspondent, handled: Handled
) -> None:
    with pytest.raises(WrongSender):
        receive(lab.letter(signer=vendor.signer).data)
    with pytest.raises(WrongRecipient):
        receive(lab.letter(recipient="clinic").data)
    with pytest.raises(ClockRefused):
        receive(lab.letter(at=now() + timedelta(days=2)).data)
    assert stored() == (0, 0, 0)


def test_a_letter_changed_on_its_way_is_refused_at_every_byte_tried(
    lab: Correspondent, handled: Handled
) -> None:
    data = lab.letter().data
    for position in range(0, len(data), 37):
        changed = bytearray(data)
        changed[position] ^= 1
        with pytest.raises(LetterRefused):
            receive(bytes(changed))
    for junk in (b"", b"{}", b"[]", b"\xff" * 100, data[:-1], data + b"\n"):
        with pytest.raises(Malformed):
            receive(junk)
    assert stored() == (0, 0, 0)


def test_a_duplicate_is_acknowledged_as_one_and_not_handled_again(
    lab: Correspondent, handled: Handled
) -> None:
    letter = lab.letter()
    receive(letter.data)
    before = stored()
    for _ in range(3):
        body = acknowledged(receive(letter.data))
        assert (body["letter_sha256"], body["outcome"]) == (letter.id, "duplicate")
    assert len(handled) == 1
    assert stored() == before


def test_a_letter_out_of_order_waits_and_is_handled_in_order(lab: Correspondent, handled: Handled) -> None:
    thread = uuid4()
    first, second, third = (lab.letter(thread=thread, sequence=number) for number in (1, 2, 3))
    assert acknowledged(receive(third.data))["outcome"] == "out-of-order"
    assert acknowledged(receive(second.data))["outcome"] == "out-of-order"
    assert handled == []
    assert set(Letter.objects.values_list("state", flat=True)) == {"held"}
    assert acknowledged(receive(second.data))["outcome"] == "out-of-order"
    assert acknowledged(receive(first.data))["outcome"] == "new"
    assert handled == [(first.id, 1), (second.id, 2), (third.id, 3)]
    assert set(Letter.objects.values_list("state", flat=True)) == {"received"}


def test_threads_do_not_wait_for_each_other(lab: Correspondent, handled: Handled) -> None:
    waits = lab.letter(sequence=2)
    receive(waits.data)
    ready = lab.letter()
    receive(ready.data)
    assert handled == [(ready.id, 1)]


def test_a_handler_that_raises_stores_nothing_and_the_sender_may_try_again(
    lab: Correspondent, desk: None
) -> None:
    tries: list[int] = []

    @on_letter("checkpoint")
    def fails_once(letter: Received) -> None:
        record("notice.receive", "review:1", {})
        tries.append(1)
        if len(tries) == 1:
            raise OSError("no space left")

    letter = lab.letter()
    with pytest.raises(OSError, match="no space left"):
        receive(letter.data)
    assert stored() == (0, 0, 0)
    assert acknowledged(receive(letter.data))["outcome"] == "new"
    assert stored() == (1, 1, 1)


def test_a_handler_that_raises_on_a_released_letter_undoes_the_one_that_released_it(
    lab: Correspondent, desk: None
) -> None:
    @on_letter("checkpoint")
    def refuses_the_second(letter: Received) -> None:
        if letter.row.sequence == 2 and Letter.objects.count() == 2:
            raise OSError("no space left")

    thread = uuid4()
    receive(lab.letter(thread=thread, sequence=2).data)
    with pytest.raises(OSError, match="no space left"):
        receive(lab.letter(thread=thread, sequence=1).data)
    assert [row.state for row in Letter.objects.all()] == ["held"]


def test_two_letters_with_one_number_are_a_conflict(lab: Correspondent, handled: Handled) -> None:
    thread = uuid4()
    receive(lab.letter(thread=thread).data)
    with pytest.raises(Conflict):
        receive(lab.letter(thread=thread, at=now() - timedelta(seconds=5)).data)
    assert len(handled) == 1
    assert Letter.objects.count() == 1


def test_a_house_cannot_write_into_the_thread_of_another(
    lab: Correspondent, vendor: Correspondent, handled: Handled
) -> None:
    thread = uuid4()
    receive(lab.letter(thread=thread).data)
    with pytest.raises(WrongThread):
        receive(vendor.letter(thread=thread).data)
    assert stored() == (1, 1, 1)


def test_a_letter_type_without_an_answer_here_is_kept(lab: Correspondent) -> None:
    assert "checkpoint" not in post._HANDLERS
    receive(lab.letter().data)
    assert Letter.objects.get().state == "received"


def test_an_acknowledgement_on_its_own_is_refused(lab: Correspondent, desk: None) -> None:
    @act(Permission.HOUSE_PEER_INTRODUCE)
    def write(*, actor: Person) -> Letter:
        return send("checkpoint", start_thread("lab", subject="A matter", case=""), lab.letter().body)

    row = write(actor=make_person(Role.STEWARD))
    body = {"letter_sha256": row.digest, "outcome": "new"}
    unasked = lab.letter("acknowledgement", body, thread=row.thread.id, in_reply_to=row.digest)
    with pytest.raises(LetterRefused, match="comes as the answer"):
        receive(unasked.data)
    assert Letter.objects.get().state == "queued"


# --- the same over HTTP -----------------------------------------------------------------------------------------------


@pytest.fixture
def hand_in() -> Callable[[bytes], Any]:
    """Post bytes to the door of this house, as nobody in particular."""
    client = Client(enforce_csrf_checks=True)
    return lambda data: client.post("/letters/", data, content_type=MEDIA_TYPE)


def test_the_door_answers_a_letter_with_its_acknowledgement(
    lab: Correspondent, handled: Handled, hand_in: Callable[[bytes], Any]
) -> None:
    letter = lab.letter()
    answer = hand_in(letter.data)
    assert answer.status_code == 200
    assert answer["Content-Type"] == MEDIA_TYPE
    assert acknowledged(answer.content)["letter_sha256"] == letter.id


def problem(answer: Any) -> dict[str, Any]:
    assert answer["Content-Type"] == "application/problem+json"
    read: dict[str, Any] = json.loads(answer.content)
    assert set(read) == {"type", "title", "status", "code", "detail"}
    assert read["status"] == answer.status_code
    return read


def test_the_door_answers_a_refusal_with_a_problem_that_has_a_code(
    lab: Correspondent, vendor: Correspondent, handled: Handled, hand_in: Callable[[bytes], Any]
) -> None:
    thread = uuid4()
    hand_in(lab.letter(thread=thread).data)
    stranger = Signer.generate("letters", "lab", demo=True)
    refusals = {
        b"junk": Malformed,
        lab.letter(signer=stranger).data: UnknownKey,
        lab.letter(recipient="clinic").data: WrongRecipient,
        vendor.letter(thread=thread).data: WrongThread,
        lab.letter().data.replace(b'"sig":"', b'"sig":"AAAA', 1)[:-6] + b'"}]}': LetterRefused,
    }
    for data, reason in refusals.items():
        answer = hand_in(data)
        told = problem(answer)
        assert answer.status_code == 422
        assert told["code"]
        if reason is not LetterRefused:
            assert told["code"] == reason.__name__
    assert len(handled) == 1


def test_the_door_asks_the_sender_to_come_again_when_this_house_could_not_follow(
    lab: Correspondent, desk: None, hand_in: Callable[[bytes], Any]
) -> None:
    @on_letter("checkpoint")
    def fails(letter: Received) -> None:
        raise OSError("secret path /keys")

    answer = hand_in(lab.letter().data)
    assert answer.status_code == 503
    assert problem(answer)["code"] == "could_not_follow"
    assert b"secret" not in answer.content
    assert stored() == (0, 0, 0)


def test_a_seal_by_another_key_under_a_known_id_is_refused(lab: Correspondent, handled: Handled) -> None:
    letter = lab.letter()
    other = lab.letter(thread=uuid4())
    theirs = json.loads(other.data)["signatures"]
    forged = json.loads(letter.data) | {"signatures": theirs}
    with pytest.raises(BadSeal):
        receive(json.dumps(forged, separators=(",", ":"), sort_keys=True).encode())
    assert stored() == (0, 0, 0)
