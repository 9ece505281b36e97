# SPDX-License-Identifier: Apache-2.0
"""A house waits to be rung for; what rings, and when it looks all the same."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from proofhouse.server.engine import acts, bell, clock, deadlines, delivery, work
from proofhouse.server.engine.models import Deadline, Letter, Peer, Thread
from proofhouse.server.house import House


@pytest.fixture
def rung(house: House) -> threading.Event:
    """Set at each ring; the house's directory is where the bell hangs."""
    heard = threading.Event()
    house.bell.parent.mkdir(exist_ok=True)
    bell.listen(heard.set)
    return heard


def test_who_rings_is_heard_by_the_process_that_listens(rung: threading.Event, house: House) -> None:
    assert not rung.is_set()
    bell.ring()
    assert rung.wait(10)
    assert house.bell.stat().st_mode & 0o777 == 0o600


def test_an_act_rings_once_it_has_committed(
    transactional_db: None, rung: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acts, "_after_commit", [bell.ring])
    with acts.one_transaction("test.act"):
        assert not rung.wait(0.05), "nothing is new before the commit"
    assert rung.wait(10)


def test_the_last_that_listens_hears_it_and_without_a_listener_a_ring_is_nothing(house: House) -> None:
    bell.ring()
    house.bell.parent.mkdir(exist_ok=True)
    first, second = threading.Event(), threading.Event()
    bell.listen(first.set)
    bell.listen(second.set)
    bell.ring()
    assert second.wait(10)
    assert not first.is_set()


def test_a_ring_never_waits_for_a_listener_that_is_busy(house: House) -> None:
    held = threading.Event()
    house.bell.parent.mkdir(exist_ok=True)

    def be_busy() -> None:
        held.wait(20)

    bell.listen(be_busy)
    for _ in range(600):  # more than the socket holds
        bell.ring()
    held.set()


def test_desk_work_rests_until_the_next_deadline_and_no_longer_than_five_seconds(
    db: None, house: House
) -> None:
    assert deadlines.until_next_s(5.0) == 5.0
    Deadline.objects.create(kind="test", case="review:1", due_at=clock.now() - timedelta(days=1))
    assert deadlines.until_next_s(5.0) == 5.0, "what failed when it was due is tried at the next look"
    Deadline.objects.create(kind="test", case="review:2", due_at=clock.now() + timedelta(seconds=2))
    assert 1.0 < deadlines.until_next_s(5.0) <= 2.01
    assert work._rest_s() <= 2.01


def test_delivery_rests_until_the_next_pause_is_over(db: None, house: House) -> None:
    assert delivery._rest_s() == delivery.IDLE_S
    peer = Peer.objects.create(name="lab", title="Lab", retry_at=clock.now() + timedelta(seconds=3))
    assert 2.0 < delivery._rest_s() <= 3.01
    thread = Thread.objects.create(peer=peer, subject="", case="", opened_at=clock.now())
    Letter.objects.create(
        digest="0" * 64,
        direction=Letter.Direction.SENT,
        thread=thread,
        type="checkpoint",
        sequence=1,
        body={},
        envelope=b"",
        state=Letter.State.QUEUED,
        retry_at=clock.now() + timedelta(seconds=1),
        written_at=clock.now(),
    )
    assert delivery._rest_s() <= 1.01
