# SPDX-License-Identifier: Apache-2.0
"""Letters leave after their receipts, and come to the other house once."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from proofhouse.attest import Signer
from proofhouse.letters import LETTER_TYPES, acknowledge
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Permission, Role
from proofhouse.server.engine.acts import act
from proofhouse.server.engine.clock import now
from proofhouse.server.engine.models import LedgerEntry, Letter, Thread
from proofhouse.server.engine.post import LAST_ATTEMPT, deliver_queued, send, start_thread
from proofhouse.server.engine.record import collect_receipts, record
from proofhouse.server.engine.work import round_of_work
from server.makers import Correspondent, make_person
from server.peer_house import listening

pytestmark = pytest.mark.django_db

CHECKPOINT = next(spec.example for spec in LETTER_TYPES.values() if spec.name == "checkpoint")


@pytest.fixture
def write(desk: None, lab: Correspondent) -> Any:
    """An act that writes letters to a house, in a new thread unless told otherwise."""

    @act(Permission.HOUSE_PEER_INTRODUCE)
    def write(*, actor: Person, to: str, count: int, recorded: bool) -> Thread:
        thread = start_thread(to, subject="A matter", case="review:1")
        if recorded:
            record("inquiry.send", thread.case, {})
        for _ in range(count):
            send("checkpoint", thread, CHECKPOINT)
        return thread

    steward = make_person(Role.STEWARD)
    return lambda to="lab", count=1, recorded=True: write(
        actor=steward, to=to, count=count, recorded=recorded
    )


def states() -> list[str]:
    return list(Letter.objects.values_list("state", flat=True))


def end_pauses() -> None:
    Letter.objects.update(retry_at=None)


def test_a_letter_is_not_delivered_before_the_receipt_of_its_act(lab: Correspondent, write: Any) -> None:
    with listening(lab) as door:
        write()
        deliver_queued()
        assert door.taken == []
        collect_receipts()
        deliver_queued()
        deliver_queued()
        assert len(door.taken) == 1
    [letter] = Letter.objects.all()
    assert letter.state == Letter.State.ACKNOWLEDGED
    assert letter.acknowledged_at is not None
    assert door.taken[0].data == bytes(letter.envelope)


def test_a_letter_of_an_act_that_records_nothing_leaves_at_once(lab: Correspondent, write: Any) -> None:
    with listening(lab) as door:
        write(recorded=False)
        deliver_queued()
        assert len(door.taken) == 1
    assert not LedgerEntry.objects.exists()


def test_letters_of_a_thread_are_numbered_and_leave_in_order(lab: Correspondent, write: Any) -> None:
    with listening(lab) as door:
        write(count=3)
        round_of_work()
    assert [letter.sequence for letter in door.taken] == [1, 2, 3]
    assert len({letter.thread for letter in door.taken}) == 1
    assert states() == ["acknowledged"] * 3


def test_a_house_that_does_not_answer_gets_the_same_letter_again_after_a_growing_pause(
    lab: Correspondent, write: Any
) -> None:
    write()
    round_of_work()
    [letter] = Letter.objects.all()
    assert (letter.state, letter.attempts) == ("queued", 1)
    assert letter.problem
    first = letter.retry_at
    assert first is not None
    assert first > now()
    deliver_queued()
    assert Letter.objects.get().attempts == 1, "the pause is not over"
    end_pauses()
    deliver_queued()
    second = Letter.objects.get().retry_at
    assert second is not None
    assert second - now() > timedelta(seconds=1)
    with listening(lab) as door:
        end_pauses()
        deliver_queued()
        assert len(door.taken) == 1
        assert door.taken[0].id == letter.digest
    assert states() == ["acknowledged"]


def test_a_busy_house_is_asked_again_and_a_refusal_is_final(lab: Correspondent, write: Any) -> None:
    with listening(lab) as door:
        door.answer = lambda letter: (503, b"later")
        write()
        round_of_work()
        assert states() == ["queued"]
        door.answer = lambda letter: (422, b"no")
        end_pauses()
        round_of_work()
        assert states() == ["dead"]
        end_pauses()
        round_of_work()
        assert len(door.taken) == 2
    assert "422" in Letter.objects.get().problem


def test_a_letter_that_failed_often_enough_is_dead(lab: Correspondent, write: Any) -> None:
    write()
    collect_receipts()
    Letter.objects.update(attempts=LAST_ATTEMPT - 1)
    deliver_queued()
    assert states() == ["dead"]


def test_an_answer_that_is_not_this_letters_acknowledgement_acknowledges_nothing(
    lab: Correspondent, vendor: Correspondent, write: Any
) -> None:
    stranger = Signer.generate("letters", "stranger", demo=True)
    write(count=2)
    collect_receipts()
    first, second = Letter.objects.all()
    with listening(lab) as door:
        for wrong in (
            lambda letter: (200, b"thank you"),
            lambda letter: (200, letter.data),
            lambda letter: (200, acknowledge(letter, stranger, now()).data),
            lambda letter: (200, acknowledge(letter, vendor.signer, now()).data),
            lambda letter: (
                200,
                acknowledge(dataclasses.replace(letter, id="0" * 64), lab.signer, now()).data,
            ),
            lambda letter: (
                200,
                acknowledge(
                    dataclasses.replace(
                        letter, id=second.digest if letter.id == first.digest else first.digest
                    ),
                    lab.signer,
                    now(),
                ).data,
            ),
            lambda letter: (200, lab.letter("checkpoint", thread=first.thread.id).data),
        ):
            end_pauses()
            door.answer = wrong
            before = len(door.taken)
            round_of_work()
            assert len(door.taken) == before + 2, "one bad answer must not keep the next letter back"
            assert states() == ["queued", "queued"]
        end_pauses()
        door.answer = door.acknowledgement
        round_of_work()
    assert states() == ["acknowledged", "acknowledged"]


def test_one_house_that_misbehaves_keeps_no_letter_to_another_back(
    lab: Correspondent, vendor: Correspondent, write: Any
) -> None:
    with listening(lab) as bad, listening(vendor) as good:
        bad.answer = lambda letter: (200, b"thank you")
        write("lab")
        write("vendor")
        round_of_work()
        assert len(good.taken) == 1
    assert sorted(states()) == ["acknowledged", "queued"]
