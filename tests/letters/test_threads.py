# SPDX-License-Identifier: Apache-2.0
"""Claims about threads: replay, order, and equality of both sides."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from letters.correspondents import NOW, THREAD, Correspondents
from letters.link import Weather, correspond
from proofhouse.attest import canonical
from proofhouse.letters import (
    Conflict,
    Letter,
    Outcome,
    Thread,
    TooManyWaiting,
    UnknownReply,
    WrongThread,
    acknowledge,
)

HOUSES = Correspondents()


def conversation(count: int) -> list[Letter]:
    """Letters of both houses; each answers the one before."""
    letters: list[Letter] = []
    for number in range(count):
        sender, recipient, signer = (
            ("lab", "office", HOUSES.lab) if number % 2 == 0 else ("office", "lab", HOUSES.office)
        )
        letters.append(
            HOUSES.letter(
                sender=sender,
                recipient=recipient,
                signer=signer,
                sequence=number // 2 + 1,
                in_reply_to=letters[-1].id if letters else None,
            )
        )
    return letters


TEN = conversation(10)


def fresh() -> Thread:
    return Thread(THREAD, ("lab", "office"))


def test_a_replayed_letter_is_a_duplicate_without_effect() -> None:
    thread = fresh()
    assert thread.apply(TEN[0]).outcome is Outcome.NEW
    digest = thread.digest
    again = thread.apply(TEN[0])
    assert (again.outcome, again.letters, thread.digest) == (Outcome.DUPLICATE, (), digest)


def test_a_letter_that_comes_early_waits_and_then_takes_effect_in_order() -> None:
    first, second, third = (HOUSES.letter(sequence=number) for number in (1, 2, 3))
    thread = fresh()
    assert thread.apply(third).outcome is Outcome.OUT_OF_ORDER
    assert thread.apply(second).outcome is Outcome.OUT_OF_ORDER
    assert thread.apply(second).outcome is Outcome.OUT_OF_ORDER
    assert thread.missing("lab") == (1,)
    applied = thread.apply(first)
    assert (applied.outcome, applied.letters) == (Outcome.NEW, (first, second, third))
    assert thread.missing("lab") == ()
    assert thread.next_sequence("lab") == 4


def test_an_answer_waits_for_what_it_answers() -> None:
    thread = fresh()
    assert thread.apply(TEN[1]).outcome is Outcome.OUT_OF_ORDER
    assert thread.apply(TEN[0]).letters == (TEN[0], TEN[1])


@settings(max_examples=60, deadline=None)
@given(st.permutations(TEN), st.lists(st.sampled_from(TEN), max_size=10))
def test_any_order_with_any_replays_gives_the_same_thread(order: list[Letter], replays: list[Letter]) -> None:
    straight = fresh()
    for letter in TEN:
        straight.apply(letter)
    shuffled = fresh()
    effects = [each for letter in [*replays, *order] for each in shuffled.apply(letter).letters]
    assert shuffled.digest == straight.digest
    assert effects == TEN


def test_two_letters_with_one_number_are_a_conflict() -> None:
    thread = fresh()
    thread.apply(HOUSES.letter("inquiry"))
    with pytest.raises(Conflict, match="two letters with number 1"):
        thread.apply(HOUSES.letter("report"))
    thread.apply(HOUSES.letter("inquiry", sequence=3))
    with pytest.raises(Conflict, match="two letters with number 3"):
        thread.apply(HOUSES.letter("report", sequence=3))


def test_a_letter_of_another_thread_or_house_is_refused() -> None:
    with pytest.raises(WrongThread):
        fresh().apply(HOUSES.letter(thread="0192f0c1-2a3b-7c4d-8e5f-ffffffffffff"))
    with pytest.raises(WrongThread):
        fresh().apply(HOUSES.letter(recipient="vendor"))
    with pytest.raises(WrongThread):
        Thread(THREAD, ("lab", "lab"))


def test_a_flood_of_early_letters_is_refused() -> None:
    thread = fresh()
    for number in range(2, 1002):
        thread.apply(HOUSES.letter(sequence=number))
    with pytest.raises(TooManyWaiting, match="wait for number 1"):
        thread.apply(HOUSES.letter(sequence=1002))


def test_an_acknowledgement_ends_the_wait_for_its_letter() -> None:
    lab, office = fresh(), fresh()
    letter = HOUSES.letter()
    lab.apply(letter)
    assert lab.outstanding("lab") == (letter.id,)
    office.apply(letter)
    answer = acknowledge(letter, HOUSES.office, NOW, thread=office)
    assert lab.apply(answer).outcome is Outcome.NEW
    assert lab.apply(answer).outcome is Outcome.DUPLICATE
    assert lab.outstanding("lab") == ()
    assert lab.digest == office.digest


def test_an_acknowledgement_of_a_letter_never_sent_is_refused() -> None:
    with pytest.raises(UnknownReply):
        fresh().apply(acknowledge(HOUSES.letter(), HOUSES.office, NOW))


def test_an_acknowledgement_reveals_that_the_other_side_holds_other_letters() -> None:
    ours, theirs = fresh(), fresh()
    for letter in (HOUSES.letter("inquiry"), HOUSES.letter("checkpoint", sequence=2)):
        ours.apply(letter)
    last = HOUSES.letter("checkpoint", sequence=2)
    theirs.apply(HOUSES.letter("report"))
    theirs.apply(last)
    with pytest.raises(Conflict, match="different letters of lab up to number 2"):
        ours.apply(acknowledge(last, HOUSES.office, NOW, thread=theirs))


def test_the_digest_is_what_the_specification_says() -> None:
    thread = fresh()
    for letter in TEN[:3]:
        thread.apply(letter)
    heads = []
    for house, letters in (("lab", (TEN[0], TEN[2])), ("office", (TEN[1],))):
        head = hashlib.sha256(f"proofhouse-thread/v1\n{THREAD}\n{house}\n".encode()).digest()
        for letter in letters:
            head = hashlib.sha256(head + bytes.fromhex(letter.id)).digest()
        heads.append({"house": house, "sequence": len(letters), "sha256": head.hex()})
    assert [head.to_record() for head in thread.heads] == heads
    assert thread.digest == hashlib.sha256(canonical({"heads": heads, "thread": THREAD})).hexdigest()
    assert json.loads(canonical(heads)) == heads


@pytest.mark.parametrize("seed", range(4))
def test_two_houses_end_equal_over_a_link_that_drops_doubles_delays_and_reorders(seed: int) -> None:
    weather = Weather(drop=0.3, double=0.2, most_delay=8)
    lab, office = correspond(HOUSES, 60, weather, seed, most_ticks=4000)
    assert lab.thread.digest == office.thread.digest
    assert lab.effects == list(office.letters)
    assert office.effects == list(lab.letters)


@pytest.mark.slow
def test_a_thousand_letters_each_end_equal_over_a_bad_link() -> None:
    weather = Weather(drop=0.2, double=0.2, most_delay=20)
    lab, office = correspond(HOUSES, 1000, weather, 14409, most_ticks=20_000)
    assert lab.thread.digest == office.thread.digest
    assert lab.effects == list(office.letters)
    assert office.effects == list(lab.letters)
