# SPDX-License-Identifier: Apache-2.0
"""The database of a house: which one it is, and that acts at the same time do not read each other's past."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections

from proofhouse.letters import LETTER_TYPES
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Permission, Role
from proofhouse.server.database import default_database, postgresql
from proofhouse.server.engine.acts import act, do_once
from proofhouse.server.engine.models import DoneAct, LedgerEntry, Letter, Thread
from proofhouse.server.engine.post import send, start_thread
from proofhouse.server.engine.record import record
from proofhouse.server.house import Desk, HouseError, create_house, load_house
from server.makers import Correspondent, make_person

CHECKPOINT = next(spec.example for spec in LETTER_TYPES.values() if spec.name == "checkpoint")

on_postgresql = pytest.mark.skipif(
    "PROOFHOUSE_TEST_POSTGRES" not in os.environ, reason="needs a PostgreSQL server: run `make test-pg`"
)


def at_once(*functions: Callable[[], Any]) -> list[Any]:
    """Call functions in threads that start together; returns what each gave or raised."""
    start = threading.Barrier(len(functions))
    came: list[Any] = [None] * len(functions)

    def run(place: int, function: Callable[[], Any]) -> None:
        start.wait()
        try:
            came[place] = function()
        except Exception as raised:
            came[place] = raised
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(functions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return came


def test_a_house_without_a_url_keeps_its_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROOFHOUSE_DATABASE_URL", raising=False)
    house = create_house(
        tmp_path,
        name="lab",
        title="A lab",
        desks=frozenset({Desk.LAB}),
        address="http://localhost:1",
        demo=True,
    )
    assert default_database(house)["NAME"] == str(tmp_path / "db.sqlite3")
    with (tmp_path / "house.toml").open("a") as file:
        file.write('database = "postgresql://ada@db.example:5433/lab?sslmode=require"\n')
    described = default_database(load_house(tmp_path))
    assert described == {
        "ENGINE": "django.db.backends.postgresql",
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "NAME": "lab",
        "USER": "ada",
        "HOST": "db.example",
        "PORT": "5433",
        "OPTIONS": {"sslmode": "require"},
    }
    monkeypatch.setenv("PROOFHOUSE_DATABASE_URL", "postgresql:///other?host=/run/db")
    assert (default_database(load_house(tmp_path))["NAME"], default_database(None)["HOST"]) == (
        "other",
        "/run/db",
    )


@pytest.mark.parametrize(
    "url", ["mysql://a@b/c", "postgresql://host/", "postgresql://h:port/x?nonsense=1", "sqlite:///x"]
)
def test_a_url_that_is_none_is_refused_without_showing_its_password(url: str) -> None:
    with pytest.raises(HouseError, match="database"):
        postgresql(url)
    with pytest.raises(HouseError) as refused:
        postgresql("mysql://ada:secret@host/name")
    assert "secret" not in str(refused.value)


@on_postgresql
@pytest.mark.django_db
def test_make_test_pg_runs_on_postgresql() -> None:
    assert connection.vendor == "postgresql"


@on_postgresql
@pytest.mark.django_db(transaction=True)
class TestActsAtTheSameTime:
    """Races that SQLite cannot have: it gives the write lock to a transaction as it begins."""

    @pytest.fixture
    def write(self, desk: None, lab: Correspondent) -> Callable[..., Any]:
        @act(Permission.HOUSE_PEER_INTRODUCE)
        def write_on(*, actor: Person, thread: str = "") -> Thread:
            there = (
                Thread.objects.get(id=thread)
                if thread
                else start_thread("lab", subject="A matter", case="review:1")
            )
            record("inquiry.send", there.case, {"by": actor.email})
            time.sleep(0.02)
            send("checkpoint", there, CHECKPOINT)
            return there

        return write_on

    def test_letters_of_one_thread_take_different_places(self, write: Callable[..., Any]) -> None:
        steward = make_person(Role.STEWARD)
        thread = write(actor=steward)
        came = at_once(*[lambda: write(actor=steward, thread=str(thread.id))] * 6)
        assert [each for each in came if isinstance(each, Exception)] == []
        assert sorted(Letter.objects.values_list("sequence", flat=True)) == list(range(1, 8))

    def test_one_key_does_an_act_once(self, write: Callable[..., Any]) -> None:
        arguments = {"actor": make_person(Role.STEWARD)}
        came = at_once(*[lambda: do_once("server.write_on", "key", arguments, lambda t: str(t.id))] * 6)
        assert len(set(map(str, came))) == 1
        assert (Thread.objects.count(), LedgerEntry.objects.count(), DoneAct.objects.count()) == (1, 1, 1)
