# SPDX-License-Identifier: Apache-2.0
"""A machine's token reaches as far as its scopes, never further than its person does today, and not for ever."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from proofhouse.server.accounts import services
from proofhouse.server.accounts.minting import Kind, mint
from proofhouse.server.accounts.models import MachineToken
from proofhouse.server.accounts.permissions import Permission, Role
from proofhouse.server.accounts.tokens import UnknownScope, authenticate_token
from proofhouse.server.engine.acts import ActError
from proofhouse.server.engine.clock import now
from proofhouse.server.engine.models import LedgerEntry
from proofhouse.server.house import House
from server.makers import confirm, make_organisation, make_person, make_token

pytestmark = pytest.mark.django_db

SEND = Permission.MEMBERS_SBOM_SEND


def make(actor: Any, **fields: Any) -> tuple[str, MachineToken]:
    secret = mint(Kind.TOKEN).text
    told = {"secret": secret, "name": "Scanner", "scopes": [SEND.value], "days": 30, **fields}
    return secret, services.make_token(actor=actor, **told)


def test_a_token_is_kept_as_a_digest_and_lets_its_machine_in(house: House) -> None:
    operator = make_person(Role.OPERATOR)
    secret, row = make(operator)
    assert secret not in str(MachineToken.objects.values().get())
    machine = authenticate_token(f"Bearer {secret}")
    assert machine is not None
    assert (machine.person, machine.organisation.own, machine.name) == (operator, True, "Scanner")
    assert machine.may(SEND)
    assert not machine.may(Permission.CASES_REPORT_SEND), "held by the person, not in the scopes"
    assert not machine.reads
    assert LedgerEntry.objects.get(kind="token.make").record["scopes"] == [SEND.value]
    row.refresh_from_db()
    assert row.used_at is not None


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic {}", "{}", "Bearer {}x", "Bearer ph_" + "A" * 43]
)
def test_anything_else_in_the_header_is_nobody(house: House, header: str) -> None:
    secret, _ = make_token(make_person(Role.OPERATOR))
    assert authenticate_token(header.format(secret)) is None
    assert authenticate_token(f"bearer {secret}") is not None


@pytest.mark.parametrize("way", ["ended", "revoked", "stopped", "left"])
def test_a_token_that_is_over_is_nobody(house: House, way: str) -> None:
    person = make_person(Role.OPERATOR)
    secret, row = make_token(person, SEND.value)
    if way == "ended":
        MachineToken.objects.update(expires_at=now())
    elif way == "revoked":
        services.revoke_token(actor=person, token=str(row.id))
        assert LedgerEntry.objects.filter(kind="token.revoke").exists()
    elif way == "stopped":
        services.stop_person(actor=make_person(Role.STEWARD), person=str(person.id))
    else:
        person.memberships.all().delete()
    assert authenticate_token(f"Bearer {secret}") is None


def test_a_role_that_is_taken_away_is_taken_from_the_token_at_once(house: House) -> None:
    person = make_person(Role.OPERATOR, Role.REVIEWER)
    secret, _ = make_token(person, SEND.value)
    services.revoke_role(actor=make_person(Role.STEWARD), person=str(person.id), role="operator")
    machine = authenticate_token(f"Bearer {secret}")
    assert machine is not None
    assert not machine.may(SEND)


def test_its_use_is_noted_to_the_minute(house: House) -> None:
    secret, row = make_token(make_person(Role.OPERATOR))
    before = now() - timedelta(seconds=30)
    MachineToken.objects.update(used_at=before)
    authenticate_token(f"Bearer {secret}")
    row.refresh_from_db()
    assert row.used_at == before
    MachineToken.objects.update(used_at=before - timedelta(minutes=1))
    authenticate_token(f"Bearer {secret}")
    row.refresh_from_db()
    assert row.used_at is not None
    assert row.used_at > before


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"secret": mint(Kind.INVITATION).text}, "bad_secret"),
        ({"scopes": []}, "no_scope"),
        ({"scopes": [Permission.REVIEWS_WINDOW_OPEN.value]}, "beyond_person"),
        ({"scopes": ["members:everything"]}, "unknown_scope"),
        ({"days": 0}, "bad_days"),
        ({"days": 367}, "bad_days"),
        ({"name": ""}, "bad_name"),
        ({"organisation": "clinic"}, "beyond_person"),
        ({"organisation": "nowhere"}, "unknown_organisation"),
    ],
)
def test_what_is_wrong_with_a_token_is_named_and_nothing_kept(
    house: House, wrong: dict[str, Any], code: str
) -> None:
    make_organisation("clinic")
    with pytest.raises((ActError, UnknownScope)) as refused:
        make(make_person(Role.OPERATOR), **wrong)
    assert refused.value.code == code  # type: ignore[union-attr]
    assert not MachineToken.objects.exists()


def test_no_token_does_what_takes_a_person_who_has_just_confirmed(house: House) -> None:
    with pytest.raises(ActError) as refused:
        make(make_person(Role.MAINTAINER), scopes=[Permission.RELEASES_PATCH_SIGN.value])
    assert refused.value.code == "needs_person"


def test_the_page_shows_a_new_token_once(house: House) -> None:
    client, person = Client(), make_person(Role.OPERATOR)
    client.force_login(person)
    confirm(client)
    own = make_organisation(own=True)
    sent = {"name": "Scanner", "organisation": own.name, "days": "30", "scopes": [SEND.value, "api:read"]}
    page = client.post(reverse("accounts:tokens"), sent).content.decode()
    secret = page.split('<code class="minted">')[1].split("<")[0]
    machine = authenticate_token(f"Bearer {secret}")
    assert machine is not None
    assert machine.reads
    again = client.get(reverse("accounts:tokens")).content.decode()
    assert secret not in again
    assert "Scanner" in again


def test_people_see_and_revoke_their_own_tokens_and_a_steward_all(house: House) -> None:
    owner, other, steward = make_person(Role.OPERATOR), make_person(Role.OPERATOR), make_person(Role.STEWARD)
    secret, row = make_token(owner)
    address = reverse("accounts:revoke-token", args=[row.id])
    for person, status in ((other, 404), (steward, 302)):
        client = Client()
        client.force_login(person)
        confirm(client)
        assert client.post(address).status_code == status
    assert authenticate_token(f"Bearer {secret}") is None
