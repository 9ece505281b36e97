# SPDX-License-Identifier: Apache-2.0
"""Nothing of the desk reaches a review side: letters, answers, pages and ledger are the same bytes with and without it.

One review is played twice in the same lab's house with the same time and the same dice: once with an empty desk, once
with a profile, models, a consented bridge, incidents, filings and digests made between its steps.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from django.test import Client

from obligations.makers import PROFILE, clock_of, open_loss_of_control
from proofhouse.letters import LETTER_TYPES
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine import ids, keys, post, record
from proofhouse.server.engine.clock import SetClock, using, wire
from proofhouse.server.engine.effects import bring_about
from proofhouse.server.engine.models import Letter
from proofhouse.server.engine.record import collect_receipts
from proofhouse.server.house import House, this_house
from proofhouse.server.obligations import bridge, bridge_services, digest_services, queries, services
from proofhouse.server.oversight.export import write_export
from proofhouse.server.reviews import services as reviews
from proofhouse.server.reviews.models import Inquiry
from server.conftest import close_log
from server.makers import Correspondent, make_person

BEGIN = datetime(2026, 12, 1, 9, tzinfo=UTC)
PLACES = ("/", "/reviews/", "/reviews/register/", "/cases/", "/members/", "/releases/", "/oversight/ledger/")
EXAMPLES = {spec.name: spec.example for spec in LETTER_TYPES.values()}


@dataclass
class Seen:
    """What a review side got of one play."""

    letters: list[bytes]
    acknowledgements: list[bytes]
    pages: dict[str, bytes]
    ledger: dict[str, bytes]
    bundle: bytes


class Dice:
    """Randomness that is the same at the same instant, whatever was thrown at others."""

    def __init__(self, clock: SetClock) -> None:
        self.clock, self.at, self.thrown = clock, clock.instant, 0

    def throw(self, count: int) -> bytes:
        if self.clock.instant != self.at:
            self.at, self.thrown = self.clock.instant, 0
        self.thrown += 1
        return sha256(f"{self.at} {self.thrown}".encode()).digest()[:count]

    def time_ns(self) -> int:
        return int(self.clock.instant.timestamp() * 1e9)


@contextmanager
def same_dice(clock: SetClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    dice = Dice(clock)
    with monkeypatch.context() as put:
        put.setattr(ids, "os", SimpleNamespace(urandom=dice.throw))
        put.setattr(ids, "time", SimpleNamespace(time_ns=dice.time_ns))
        put.setattr(record, "secrets", SimpleNamespace(token_bytes=dice.throw))
        yield


class _Undo(Exception):
    """Ends a play without leaving rows."""


@pytest.fixture
def people(house: House) -> dict[Role, Person]:
    """Everybody who is in the lab's house."""
    return {role: make_person(role) for role in Role}


def play(
    people: dict[Role, Person], office: Correspondent, clock: SetClock, between: Callable[[int, str], None]
) -> Seen:
    """A review from inquiry to notice; between its steps something may happen at the desk, at times of its own."""
    acknowledgements: list[bytes] = []
    step = 0

    def at(case: str) -> None:
        nonlocal step
        step += 1
        clock.instant = BEGIN + timedelta(days=step, hours=1)
        between(step, case)
        collect_receipts()
        clock.instant = BEGIN + timedelta(days=step, hours=2)

    def take(kind: str, body: dict[str, Any]) -> None:
        sequence = inquiry.thread.letters.filter(direction="received").count() + 1
        letter = office.letter(
            kind,
            body,
            thread=UUID(str(inquiry.thread_id)),
            sequence=sequence,
            recipient="lab",
            at=clock.instant,
        )
        acknowledgements.append(post.receive(letter.data))

    developer = people[Role.DEVELOPER]
    at("")
    inquiry: Inquiry = reviews.inquire(
        actor=developer, office="office", model_name="Example-1", model_sha256="a" * 64,
        planned_partner_release="2027-01-20", capabilities="Finds memory errors.",
    )  # fmt: skip
    agreement = {**EXAMPLES["agreement"], "agreement": str(inquiry.id), "model": reviews._model(inquiry)}
    at(inquiry.case)
    take("agreement", agreement)
    at(inquiry.case)
    reviews.accept_agreement(actor=developer, inquiry=str(inquiry.id), signatory="counsel")
    at(inquiry.case)
    reviews.offer_access(actor=developer, inquiry=str(inquiry.id), days=14)
    at(inquiry.case)
    model = reviews._model(inquiry)
    opened = {**EXAMPLES["window-opened"], "agreement": str(inquiry.id), "model": model}
    take(
        "window-opened",
        {**opened, "opens_at": wire(clock.instant), "closes_at": wire(clock.instant + timedelta(14))},
    )
    at(inquiry.case)
    take("notice", {**EXAMPLES["notice"], "model": model, "determined_at": wire(clock.instant)})
    at(inquiry.case)
    collect_receipts()
    bring_about()
    house = this_house()
    bundle = house.directory / "bundle.zip"
    write_export(bundle, [inquiry.case])
    return Seen(
        [bytes(row.envelope) for row in Letter.objects.filter(direction="sent").order_by("sequence")],
        acknowledgements,
        pages(people, inquiry),
        {
            str(file.relative_to(house.ledger)): file.read_bytes()
            for file in house.ledger.rglob("*")
            if file.is_file()
        },
        bundle.read_bytes(),
    )


def pages(people: dict[Role, Person], inquiry: Inquiry) -> dict[str, bytes]:
    """What everybody but the own side reads in this house; a page's own token is left out, it is random."""
    found = {}
    for role in sorted(set(Role) - queries.OWN_SIDE):
        client = Client()
        client.force_login(people[role])
        for address in (*PLACES, f"/reviews/{inquiry.id}/", "/obligations/", "/obligations/governance/"):
            answer = client.get(address)
            body = re.sub(rb'name="csrfmiddlewaretoken" value="[^"]+"', b"", answer.content)
            found[f"{role} {address}"] = str(answer.status_code).encode() + body
    return found


def nothing(step: int, case: str) -> None:
    """An empty desk."""


def busy_desk(people: dict[Role, Person]) -> Callable[[int, str], None]:
    """A desk at which something is done before every step of the review."""
    lead, developer = people[Role.COMPLIANCE], people[Role.DEVELOPER]

    def between(step: int, case: str) -> None:
        if step == 1:
            for name, value in PROFILE.items():
                services.set_fact(actor=lead, name=name, value=value, source="accounts")
            services.add_model(actor=lead, name="Example-1")
            bridge_services.consent_bridge(actor=lead)
        elif step == 2:
            incident = open_loss_of_control(lead, moments={})
            clock = clock_of(incident, "us-il-sb315-incident")
            for person in (lead, developer):
                services.override_clock(actor=person, clock=str(clock.id), due=None, reason="no nexus")
            services.draft_filing(actor=lead, clock=str(clock.id), recipient="Illinois Attorney General")
        elif step == 3:
            services.add_evidence(actor=lead, title="Card", content="dGV4dA==", file_name="card.txt")
            services.make_feed(actor=lead, token=services.new_token())
        elif step == 6:
            [came] = bridge.candidates(lead)
            bridge_services.take_fact(actor=lead, letter=came.letter)
        elif step == 7:
            [came] = bridge.candidates(lead)
            services.open_incident(actor=lead, title="From it", moments={}, facts={}, event=came.letter)
            bridge_services.withdraw_bridge(actor=lead)
        digest_services.make_digests()

    return between


@pytest.fixture
def run(
    house: House, people: dict[Role, Person], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[[int, str], None]], Seen]:
    """Play from the same house and the same rows, each time anew."""
    office = Correspondent.introduced("office")
    pristine = tmp_path / "pristine"
    shutil.copytree(house.directory, pristine)

    def run_once(between: Callable[[int, str], None]) -> Seen:
        close_log()
        shutil.rmtree(house.directory)
        shutil.copytree(pristine, house.directory)
        keys.signer.cache_clear()
        clock, seen = SetClock(BEGIN), list[Seen]()
        try:
            with transaction.atomic(), using(clock), same_dice(clock, monkeypatch):
                seen.append(play(people, office, clock, between))
                raise _Undo
        except _Undo:
            return seen[0]

    return run_once


def differing(one: Seen, other: Seen) -> list[str]:
    """What is not the same."""
    found = [f"page {name}" for name in one.pages if one.pages[name] != other.pages[name]]
    found += [f"ledger {name}" for name in one.ledger if one.ledger[name] != other.ledger.get(name)]
    found += ["letters"] * (one.letters != other.letters)
    found += ["acknowledgements"] * (one.acknowledgements != other.acknowledgements)
    found += ["bundle"] * (one.bundle != other.bundle)
    return found


def test_a_review_side_gets_the_same_bytes_with_and_without_the_desk(
    run: Callable[[Callable[[int, str], None]], Seen], people: dict[Role, Person]
) -> None:
    without, with_desk = run(nothing), run(busy_desk(people))
    assert len(without.letters) == 3
    assert len(without.acknowledgements) == 3
    last = base64.b64decode(json.loads(without.letters[-1])["payload"])
    assert b"proofhouse.example/lab/custody" in last, "each letter cites the log"
    assert differing(without, with_desk) == []
    assert set(without.ledger) == set(with_desk.ledger)
    assert all(page.startswith(b"404") for name, page in with_desk.pages.items() if " /obligations/" in name)


def test_a_leak_would_be_noticed(
    run: Callable[[Callable[[int, str], None]], Seen],
    people: dict[Role, Person],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without = run(nothing)
    with monkeypatch.context() as leaking:
        leaking.setattr(record, "OWN_AFFAIRS", "nothing is kept to itself:")
        leaked = differing(without, run(busy_desk(people)))
    assert "letters" in leaked, "the checkpoint in each letter tells how busy the desk was"
    assert "ledger checkpoint" in leaked
