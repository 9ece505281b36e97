# SPDX-License-Identifier: Apache-2.0
"""An agent enrols its own key: once, in time, by whoever holds the code and the key, over real HTTP."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pytest_django.live_server_helper import LiveServer

from proofhouse.agent.enrolment import EnrolmentFailed, enrol, enrolment_message
from proofhouse.attest import Signer
from proofhouse.server.accounts.minting import Kind, mint
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine.clock import SetClock, now, using
from proofhouse.server.engine.models import LedgerEntry
from proofhouse.server.house import House
from proofhouse.server.releases import services
from proofhouse.server.releases.models import Agent
from server.makers import make_person

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def code(house: House) -> str:
    """What an operator gives to the agent's machine."""
    secret = mint(Kind.ENROLMENT).text
    services.make_enrolment(actor=make_person(Role.OPERATOR), agent="pump-three", secret=secret)
    return secret


def door(live_server: LiveServer) -> str:
    return f"{live_server.url}/enrolments/"


def test_a_code_enrols_the_key_that_comes_with_it_and_no_second(code: str, live_server: LiveServer) -> None:
    key, other = (Signer.generate("agent", name, demo=True) for name in ("pump-three", "other"))
    told = enrol(door(live_server), code, key)
    assert told["agent"] == "pump-three"
    assert Agent.objects.get().public_key == key.public.to_record()
    assert LedgerEntry.objects.filter(kind="agent.enrol").count() == 1
    with pytest.raises(EnrolmentFailed):
        enrol(door(live_server), code, other)
    assert Agent.objects.get().public_key == key.public.to_record()


def test_a_code_that_is_over_or_unknown_enrols_nobody(code: str, live_server: LiveServer) -> None:
    key = Signer.generate("agent", "pump-three", demo=True)
    with pytest.raises(EnrolmentFailed):
        enrol(door(live_server), mint(Kind.ENROLMENT).text, key)
    with using(SetClock(now() + timedelta(days=2))), pytest.raises(EnrolmentFailed):
        enrol(door(live_server), code, key)
    assert not Agent.objects.exists()
    assert not LedgerEntry.objects.filter(kind="agent.enrol").exists()


def test_who_does_not_hold_the_key_enrols_nothing(code: str, house: House) -> None:
    key, thief = (Signer.generate("agent", name, demo=True) for name in ("pump-three", "thief"))
    for signature in (thief.sign(enrolment_message(code)), key.sign(code.encode())):
        with pytest.raises(services.EnrolmentRefused):
            services.take_enrolment(code, key.public.to_record(), signature)
    assert not Agent.objects.exists()
