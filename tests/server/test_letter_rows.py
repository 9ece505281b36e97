# SPDX-License-Identifier: Apache-2.0
"""A thread over its rows says the same as a thread in the process, also for letters stored before rows had heads."""

from __future__ import annotations

from importlib import import_module
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps

from proofhouse.letters import Conflict, Outcome, parse_letter
from proofhouse.letters import Thread as Reference
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Permission, Role
from proofhouse.server.engine.acts import act
from proofhouse.server.engine.models import LedgerEntry, Letter, Thread
from proofhouse.server.engine.order import order_of
from proofhouse.server.engine.post import receive, send
from server.makers import Correspondent, make_person, make_thread

pytestmark = pytest.mark.django_db


@pytest.fixture
def thread(desk: None, lab: Correspondent) -> Thread:
    """Five letters of the lab, which came in a muddle, three of our own between them, and one that waits."""
    thread = make_thread(lab.peer)

    @act(Permission.HOUSE_PEER_INTRODUCE)
    def write(*, actor: Person) -> Letter:
        return send("checkpoint", thread, lab.letter().body)

    steward = make_person(Role.STEWARD)
    theirs = [lab.letter(thread=thread.id, sequence=number) for number in range(1, 6)]
    for number in (2, 0, 4, 1, 1, 3):
        receive(theirs[number].data)
        if number in (0, 4, 3):
            write(actor=steward)
    answer = lab.letter(
        thread=thread.id, sequence=7, in_reply_to=Letter.objects.filter(direction="sent")[0].digest
    )
    assert parse_letter(receive(answer.data)).body["outcome"] == Outcome.OUT_OF_ORDER
    return thread


def reference(thread: Thread) -> Reference:
    """The same letters, given to the rules in the process."""
    order = Reference(str(thread.id), ["office", "lab"])
    for envelope in thread.letters.order_by("?").values_list("envelope", flat=True):
        order.apply(parse_letter(bytes(envelope)))
    return order


def test_rows_and_process_agree_about_a_thread(thread: Thread) -> None:
    rows, process = order_of(thread), reference(thread)
    assert rows.digest == process.digest
    assert rows.heads == process.heads
    assert [head.sequence for head in rows.heads] == [5, 3]
    for house in ("lab", "office"):
        assert rows.next_sequence(house) == process.next_sequence(house)
        assert rows.missing(house) == process.missing(house)
        assert rows.outstanding(house) == process.outstanding(house)
    assert rows.missing("lab") == (6,)
    for head in process.heads:
        rows.compare([head.to_record()])
        with pytest.raises(Conflict):
            rows.compare([{**head.to_record(), "sha256": "0" * 64}])


def test_letters_stored_before_this_version_get_the_same_heads(thread: Thread) -> None:
    before = list(Letter.objects.values_list("digest", "head", "in_reply_to"))
    Letter.objects.update(head="", in_reply_to="", queued_at=None)
    import_module("proofhouse.server.engine.migrations.0008_letters_in_order").fill_in(apps, None)
    assert list(Letter.objects.values_list("digest", "head", "in_reply_to")) == before
    assert order_of(thread).digest == reference(thread).digest
    assert not Letter.objects.filter(direction="sent", queued_at=None).exists()


def test_two_letters_with_one_number_are_kept_as_evidence_once(
    house: Any, lab: Correspondent, thread: Thread
) -> None:
    other = lab.letter("inquiry", thread=thread.id, sequence=3)
    for _ in range(2):
        with pytest.raises(Conflict):
            receive(other.data)
    entry = LedgerEntry.objects.get(kind="letter.conflict")
    assert entry.record["letter"] == other.id
    kept = house.blobs / "sha256" / entry.record["envelope_sha256"][:2] / entry.record["envelope_sha256"]
    assert kept.read_bytes() == other.data
    assert Letter.objects.filter(digest=other.id).count() == 0


def test_a_letter_that_waits_is_kept_once_however_often_it_comes(lab: Correspondent) -> None:
    thread = uuid4()
    waits = lab.letter(thread=thread, sequence=2)
    for _ in range(3):
        assert parse_letter(receive(waits.data)).body["outcome"] == Outcome.OUT_OF_ORDER
    assert Letter.objects.get().head == ""
