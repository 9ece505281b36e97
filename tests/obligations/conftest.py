# SPDX-License-Identifier: Apache-2.0
"""A developer's own house with its people, and an incident on its desk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from obligations.makers import PROFILE, open_loss_of_control
from proofhouse.attest import Signer
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine import keys, record
from proofhouse.server.house import Desk, House, create_house
from proofhouse.server.obligations import services
from proofhouse.server.obligations.models import Incident
from server.conftest import close_log
from server.makers import make_person


@pytest.fixture
def house(tmp_path: Path, settings: Settings, db: None) -> Iterator[House]:
    """The lab's house: its own desk, keys, an empty log."""
    made = create_house(
        tmp_path / "lab",
        name="lab",
        title="Meridian Lab",
        desks=frozenset({Desk.LAB}),
        address="http://localhost:8198",
        demo=True,
    )
    for role in ("letters", "log", "export"):
        Signer.generate(role, "lab", demo=True).save(made.keys)
    inspection = made.keys / "inspection" / "epoch-1"
    inspection.parent.mkdir(mode=0o700)
    inspection.write_bytes(bytes(range(32)))
    settings.HOUSE = made
    keys.signer.cache_clear()
    record.open_log.cache_clear()
    yield made
    close_log()
    keys.signer.cache_clear()


@pytest.fixture
def lead(house: House) -> Person:
    """The compliance lead."""
    return make_person(Role.COMPLIANCE)


@pytest.fixture
def developer(house: House) -> Person:
    """A second person of the own side."""
    return make_person(Role.DEVELOPER)


@pytest.fixture
def answered(lead: Person) -> None:
    """A profile: a large frontier developer with a nexus to three states."""
    for name, value in PROFILE.items():
        services.set_fact(actor=lead, name=name, value=value, source="FY2025 accounts, model card v3")


@pytest.fixture
def incident(lead: Person, answered: None) -> Incident:
    """An incident on 5 January 2027 in law time."""
    return open_loss_of_control(lead)


@pytest.fixture
def browser(lead: Person) -> Client:
    """The lead, signed in."""
    client = Client()
    client.force_login(lead)
    return client
