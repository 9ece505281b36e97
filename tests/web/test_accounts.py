# SPDX-License-Identifier: Apache-2.0
"""A person's way through a real house in a real browser, with an authenticator that the browser plays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.urls import reverse
from playwright.sync_api import BrowserContext, Page
from pytest_django.live_server_helper import LiveServer

from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine.models import LedgerEntry
from proofhouse.server.house import House
from server.makers import make_invitation, make_person
from web.test_browser import AXE, CHROMIUM, browsing, too_wide, violations

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

PICTURES = os.environ.get("PROOFHOUSE_PICTURES", "")
"""A directory for pictures of the pages; without it none are taken."""


@pytest.fixture
def real(
    house: House, live_server: LiveServer, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[House]:
    """The office as a real house, at the address at which it is served here."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    settings.HOUSE = replace(house, demo=False, address=live_server.url)
    return settings.HOUSE


def with_authenticator(context: BrowserContext) -> Page:
    """A page whose browser has a device with a passkey store that checks its owner."""
    page = context.new_page()
    page.set_default_timeout(60_000)
    device = context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    device.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return page


def looked_at(page: Page, name: str) -> None:
    """What holds for every page: axe finds nothing, nothing is wider than the window; and its picture, if asked for."""
    if AXE.exists():
        assert violations(page) == [], name
    assert too_wide(page) == 0, name
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"accounts-{name}.png", full_page=True)


def test_from_the_invitation_to_a_session_that_somebody_ended(real: House) -> None:
    secret, _ = make_invitation("stella@office.example", Role.STEWARD)
    other = make_person(Role.REVIEWER)
    with browsing() as context:
        page = with_authenticator(context)
        refused: list[str] = []
        page.on("console", lambda message: refused.append(message.text) if message.type == "error" else None)

        page.goto(real.address + reverse("accounts:invitation", args=[secret]))
        page.get_by_role("button", name="Make a passkey").wait_for()
        looked_at(page, "invitation")
        page.get_by_label("Name of the passkey").fill("Test device")
        page.get_by_role("button", name="Make a passkey").click()
        page.wait_for_url("**/account/recovery-codes/")
        looked_at(page, "recovery-codes")
        stella = Person.objects.get(email="stella@office.example")
        assert stella.roles == {Role.STEWARD}
        assert Authenticator.objects.filter(user=stella, type="webauthn").count() == 1
        assert not stella.has_usable_password()

        page.goto(f"{real.address}/account/")
        looked_at(page, "account")
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url("**/sign-in/")
        looked_at(page, "sign-in")
        page.get_by_role("button", name="Sign in with a passkey").click()
        page.wait_for_url(f"{real.address}/")

        page.goto(real.address + reverse("accounts:person", args=[other.id]))
        looked_at(page, "person")
        page.locator("#id_role").select_option("inspector")
        page.get_by_role("button", name="Give the role").click()
        page.wait_for_url("**/confirm/passkey/**")
        assert other.roles == {Role.REVIEWER}, "nothing is done before"
        looked_at(page, "confirm")
        page.get_by_role("button", name="Confirm with a passkey").click()
        page.get_by_role("button", name="Take the role inspector").wait_for()
        assert other.roles == {Role.REVIEWER, Role.INSPECTOR}
        assert LedgerEntry.objects.filter(kind="membership.grant").count() == 1

        for address, name in (
            ("accounts:people", "people"),
            ("accounts:invite", "invite"),
            ("accounts:tokens", "tokens"),
            ("accounts:add-organisation", "organisation"),
            ("accounts:emergencies", "emergencies"),
            ("mfa_add_webauthn", "add-passkey"),
            ("mfa_activate_totp", "add-app"),
            ("mfa_generate_recovery_codes", "new-codes"),
        ):
            page.goto(real.address + reverse(address))
            looked_at(page, name)

        assert context.browser is not None
        elsewhere = context.browser.new_context()
        elsewhere.add_cookies(context.cookies())
        second = elsewhere.new_page()
        second.goto(f"{real.address}/account/")
        second.get_by_role("button", name="End this session").click()
        second.wait_for_url("**/sign-in/**")
        page.goto(f"{real.address}/people/")
        page.wait_for_url("**/sign-in/?next=/people/")
        assert refused == [], "the policy refused nothing"


def test_without_javascript_a_password_and_a_code_do(real: House) -> None:
    secret, _ = make_invitation("nora@office.example", Role.REVIEWER)
    from server.test_accounts import PASSWORD, code_of, key_on

    with browsing(java_script_enabled=False, viewport={"width": 390, "height": 844}) as context:
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.goto(real.address + reverse("accounts:invitation", args=[secret]))
        assert page.get_by_role("button", name="Make a passkey").count() == 0
        if PICTURES:
            page.screenshot(path=Path(PICTURES) / "accounts-invitation-phone.png", full_page=True)
        page.locator("#id_password").fill(PASSWORD)
        page.locator("#id_again").fill(PASSWORD)
        page.locator("#id_code").fill(code_of(key_on(page.content())))
        page.get_by_role("button", name="Use password and code").click()
        page.wait_for_url("**/account/recovery-codes/")
        assert Person.objects.get(email="nora@office.example").roles == {Role.REVIEWER}
