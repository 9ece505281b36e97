# SPDX-License-Identifier: Apache-2.0
"""Letters leave after their receipts, and come to the other house once."""

from __future__ import annotations

import dataclasses
import threading
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from proofhouse.attest import Signer
from proofhouse.letters import LETTER_TYPES, acknowledge
from proofhouse.server.accounts.gate import NotAllowed
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Permission, Role
from proofhouse.server.engine.acts import ActError, act
from proofhouse.server.engine.clock import now
from proofhouse.server.engine.delivery import (
    BATCH_LETTERS,
    GIVE_UP_AFTER,
    Couriers,
    _after_a_pause,
    _send_out,
    _settle,
    deliver_queued,
)
from proofhouse.server.engine.models import LedgerEntry, Letter, Peer, Thread
from proofhouse.server.engine.post import receive, send, start_thread
from proofhouse.server.engine.record import collect_receipts, record
from proofhouse.server.engine.services import abandon_letter, requeue_letter
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
    Peer.objects.update(retry_at=None)


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
    first = Peer.objects.get(name="lab").retry_at
    assert first is not None
    assert first > now()
    deliver_queued()
    assert Letter.objects.get().attempts == 1, "the pause is not over"
    end_pauses()
    deliver_queued()
    second = Peer.objects.get(name="lab").retry_at
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


def test_a_letter_that_failed_for_three_days_is_dead(lab: Correspondent, write: Any) -> None:
    write(count=2)
    collect_receipts()
    first = Letter.objects.earliest("sequence")
    Letter.objects.update(queued_at=now() - GIVE_UP_AFTER + timedelta(minutes=1))
    deliver_queued()
    assert states() == ["queued", "queued"]
    end_pauses()
    Letter.objects.filter(digest=first.digest).update(queued_at=now() - GIVE_UP_AFTER)
    deliver_queued()
    assert states() == ["dead", "queued"]


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


def test_a_slow_house_delays_no_letter_to_another(
    lab: Correspondent, vendor: Correspondent, write: Any
) -> None:
    release = threading.Event()
    carriers = Couriers()
    with listening(lab) as slow, listening(vendor) as quick:
        slow.answer = lambda letter: (release.wait(20) and slow.acknowledgement(letter)) or (503, b"")
        write("lab", count=2)
        write("vendor", count=3)
        collect_receipts()
        _send_out(carriers)
        while "vendor" in carriers.away:
            _settle(carriers.returned(1))
        assert len(quick.taken) == 3
        assert carriers.away == {"lab"}
        assert sorted(states()) == ["acknowledged"] * 3 + ["queued"] * 2
        release.set()
        while carriers.away:
            _settle(carriers.returned(1))
    assert states() == ["acknowledged"] * 5


def test_a_house_that_cannot_be_reached_is_tried_with_one_letter_and_then_left_alone(
    lab: Correspondent, write: Any
) -> None:
    write(count=5)
    round_of_work()
    assert sorted(Letter.objects.values_list("attempts", flat=True)) == [0, 0, 0, 0, 1]
    assert Peer.objects.get(name="lab").unreached == 1
    write(count=1)
    round_of_work()
    assert sum(Letter.objects.values_list("attempts", flat=True)) == 1
    with listening(lab) as door:
        end_pauses()
        round_of_work()
        assert [letter.sequence for letter in door.taken] == [1, 2, 3, 4, 5, 1]
    peer = Peer.objects.get(name="lab")
    assert (peer.unreached, peer.retry_at, peer.problem) == (0, None, "")


def test_a_round_carries_a_bounded_batch_and_the_next_round_the_rest(lab: Correspondent, write: Any) -> None:
    write(count=BATCH_LETTERS + 5)
    collect_receipts()
    with listening(lab) as door:
        deliver_queued()
        assert len(door.taken) == BATCH_LETTERS
        deliver_queued()
        assert len(door.taken) == BATCH_LETTERS + 5
    assert set(states()) == {"acknowledged"}


def test_the_pause_grows_to_an_hour_and_no_two_houses_come_back_at_once() -> None:
    pauses = [
        [(_after_a_pause(failures) - now()).total_seconds() for _ in range(20)] for failures in (1, 5, 60)
    ]
    for least, drawn in zip((1, 16, 3600), pauses, strict=True):
        assert all(least * 0.99 <= pause <= least * 1.5 for pause in drawn)
        assert len(set(drawn)) == 20


def test_a_dead_letter_is_tried_again_when_a_steward_says_why(lab: Correspondent, write: Any) -> None:
    write()
    collect_receipts()
    with listening(lab) as door:
        door.answer = lambda letter: (422, b"no")
        deliver_queued()
        assert states() == ["dead"]
        door.answer = door.acknowledgement
        digest = Letter.objects.get().digest
        steward = make_person(Role.STEWARD)
        with pytest.raises(NotAllowed):
            requeue_letter(actor=make_person(Role.REVIEWER), letter=digest, reason="They mended it.")
        with pytest.raises(ActError, match="say why"):
            requeue_letter(actor=steward, letter=digest, reason=" ")
        requeue_letter(actor=steward, letter=digest, reason="They mended it.")
        assert LedgerEntry.objects.filter(kind="letter.requeue").count() == 1
        round_of_work()
        assert states() == ["acknowledged"]
        with pytest.raises(ActError, match="acknowledged; only a dead or abandoned one"):
            requeue_letter(actor=steward, letter=digest, reason="Once more.")


def test_an_abandoned_letter_takes_what_was_written_after_it_along_and_ends_its_thread(
    lab: Correspondent, write: Any, desk: None
) -> None:
    thread = write(count=3)
    collect_receipts()
    steward = make_person(Role.STEWARD)
    with listening(lab) as door:
        door.answer = lambda letter: door.acknowledgement(letter) if letter.sequence == 1 else (503, b"later")
        deliver_queued()
    second = Letter.objects.get(sequence=2)
    abandon_letter(actor=steward, letter=second.digest, reason="The lab has closed.")
    assert states() == ["acknowledged", "abandoned", "abandoned"]

    @act(Permission.HOUSE_PEER_INTRODUCE)
    def go_on(*, actor: Person) -> Letter:
        return send("checkpoint", thread, CHECKPOINT)

    with pytest.raises(ActError, match="write in a new thread"):
        go_on(actor=steward)
    requeue_letter(actor=steward, letter=second.digest, reason="It has opened again.")
    with listening(lab):
        round_of_work()
    assert states() == ["acknowledged"] * 3
    with pytest.raises(ActError, match="acknowledged; only one that has not arrived"):
        abandon_letter(actor=steward, letter=second.digest, reason="No.")
    go_on(actor=steward)


def test_a_letter_costs_the_same_number_of_queries_in_a_long_thread(lab: Correspondent, write: Any) -> None:
    """The order of a thread is found by index; nothing of it is read again."""
    counts = []
    thread = uuid4()
    for sequence in range(1, 61):
        letter = lab.letter(thread=thread, sequence=sequence)
        with CaptureQueriesContext(connection) as queries:
            receive(letter.data)
        counts.append(len(queries))
    assert counts[1] == counts[-1] <= 30
    read = [
        query["sql"] for query in queries if "envelope" in query["sql"] and query["sql"].startswith("SELECT")
    ]
    assert len(read) <= 1
