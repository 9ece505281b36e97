# SPDX-License-Identifier: Apache-2.0
"""An account elsewhere opens a person here only if it took up an invitation, by a provider that really answers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount
from django.test import Client
from django.urls import reverse

from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.elsewhere import openid_connect
from proofhouse.server.engine.models import LedgerEntry
from proofhouse.server.house import Desk, House, HouseError, create_house, load_house
from proofhouse.server.house import Provider as Configured
from server.makers import make_invitation, make_person
from server.oidc_provider import CLIENT, SECRET, Provider, serving

pytestmark = pytest.mark.django_db


@pytest.fixture
def provider(house: House, settings: Any) -> Iterator[Provider]:
    """The office as a real house that has a provider."""
    with serving() as made:
        (house.keys / "oidc-secret").write_text(SECRET)
        configured = Configured(made.issuer, CLIENT, "oidc-secret", "the ministry's account")
        settings.HOUSE = replace(house, demo=False, provider=configured)
        settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": openid_connect(settings.HOUSE)}
        yield made


def there_and_back(client: Client, provider: Provider, page: Any) -> Any:
    """From our page to the provider and back, as a browser goes."""
    assert page.status_code == 200
    address = page["Refresh"].split("url=", 1)[1]
    assert address.startswith(provider.issuer)
    carried = provider.authorise(address)
    back = carried.pop("redirect_uri")
    assert back.endswith(reverse("openid_connect_callback", kwargs={"provider_id": "oidc"}))
    return client.get(back.split("testserver", 1)[1], carried)


def take_up(client: Client, provider: Provider, secret: str) -> Any:
    page = client.post(reverse("accounts:invitation", args=[secret]), {"how": "elsewhere"})
    return there_and_back(client, provider, page)


def sign_in(client: Client, provider: Provider) -> Any:
    return there_and_back(client, provider, client.post("/sign-in/elsewhere/"))


def test_an_invitation_is_taken_up_elsewhere_and_opens_the_same_person_later(provider: Provider) -> None:
    secret, row = make_invitation("nia@office.example", Role.REVIEWER)
    client = Client()
    assert take_up(client, provider, secret)["Location"] == "/"
    assert client.get("/reviews/").status_code == 200
    person = Person.objects.get(email="nia@office.example")
    assert (person.id, person.roles) == (row.person_id, {Role.REVIEWER})
    assert LedgerEntry.objects.get(kind="person.join").record["means"] == "account elsewhere"
    provider.claims["email"] = "changed@elsewhere.example"
    again = Client()
    assert sign_in(again, provider)["Location"] == "/"
    assert again.get("/reviews/").status_code == 200
    assert all(asked["code_verifier"] for asked in provider.asked), "PKCE"


def test_nobody_is_made_or_linked_without_an_invitation(provider: Provider) -> None:
    make_person(Role.REVIEWER)
    Person.objects.update(email="nia@office.example")
    client = Client()
    assert sign_in(client, provider)["Location"] == "/sign-in/"
    assert "belongs to nobody here" in client.get("/sign-in/").content.decode()
    assert client.get("/reviews/").status_code == 302
    assert not SocialAccount.objects.exists()
    assert Person.objects.count() == 1


@pytest.mark.parametrize(
    "claims", [{"email": "other@office.example"}, {"email_verified": False}, {"email": ""}]
)
def test_an_account_of_somebody_else_does_not_take_up_the_invitation(
    provider: Provider, claims: dict[str, Any]
) -> None:
    provider.claims |= claims
    secret, row = make_invitation("nia@office.example")
    assert take_up(Client(), provider, secret)["Location"] == "/sign-in/"
    row.refresh_from_db()
    assert row.open
    assert not Person.objects.exists()


@pytest.mark.parametrize(
    "wrong", [{"iss": "https://evil.example"}, {"aud": "another client"}, {"exp": int(time.time()) - 60}]
)
def test_a_token_of_another_issuer_for_another_client_or_from_yesterday_opens_nothing(
    provider: Provider, wrong: dict[str, Any]
) -> None:
    provider.token_claims = wrong
    secret, _ = make_invitation("nia@office.example")
    client = Client()
    take_up(client, provider, secret)
    assert client.get("/reviews/").status_code == 302
    assert not Person.objects.exists()


def test_an_answer_to_a_question_that_this_browser_never_asked_opens_nothing(provider: Provider) -> None:
    secret, _ = make_invitation("nia@office.example")
    page = Client().post(reverse("accounts:invitation", args=[secret]), {"how": "elsewhere"})
    victim = Client()
    there_and_back(victim, provider, page)
    assert victim.get("/reviews/").status_code == 302
    assert not Person.objects.exists()


def test_a_house_without_a_provider_knows_no_way_there(house: House) -> None:
    assert Client().post("/sign-in/elsewhere/").status_code == 404
    assert Client().get("/sign-in/elsewhere/back/").status_code == 404
    assert "elsewhere" not in Client().get("/sign-in/").content.decode()


def test_a_provider_in_the_clear_is_refused_but_on_the_loopback(tmp_path: Path) -> None:
    made = create_house(
        tmp_path / "h", name="office", title="Office", desks=frozenset({Desk.REVIEW}),
        address="http://localhost:8199", demo=False,
    )  # fmt: skip
    file = made.directory / "house.toml"
    plain = file.read_text()
    for issuer, good in (
        ("https://login.example", True),
        ("http://127.0.0.1:9", True),
        ("http://login.example", False),
    ):
        file.write_text(
            f'{plain}[oidc]\nissuer = {json.dumps(issuer)}\nclient_id = "x"\nsecret_file = "oidc"\n'
        )
        if good:
            assert load_house(made.directory).provider is not None
        else:
            with pytest.raises(HouseError, match="https, or http on the loopback"):
                load_house(made.directory)
