# SPDX-License-Identifier: Apache-2.0
"""Every page of the desk in a real browser: axe, a phone, 320 pixels, the keyboard; and the board's page printed."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from obligations.test_governance import fill
from obligations.test_words import addresses
from proofhouse.server.accounts.models import Person
from web.test_browser import _DESK, _PHONE, AXE, CHROMIUM, browsing, focused, sign_in, too_wide, violations

__all__ = ["addresses"]

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

FILES = re.compile(r"\.(pdf|json|ics|txt|csv|yaml)(\?|$)|/evidence/[0-9a-f]{8}-")
PICTURES = os.environ.get("PROOFHOUSE_PICTURES", "")
"""A directory for pictures of the pages; without it none are taken."""


@pytest.fixture(autouse=True)
def _browser(monkeypatch: pytest.MonkeyPatch) -> None:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    # Playwright's loop runs in this thread, which makes Django refuse the database to the test itself.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


@pytest.fixture
def pages_of(addresses: dict[str, list[str]]) -> list[str]:
    """Every page of the desk that is no file."""
    return sorted({one for found in addresses.values() for one in found if not FILES.search(one)})


def picture(page: Page, name: str) -> None:
    """Take a picture of the page, where pictures are wanted."""
    if PICTURES:
        Path(PICTURES).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(PICTURES) / f"obligations-{name}.png")


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: run npm ci in frontend/")
@pytest.mark.parametrize("viewport", [_DESK, _PHONE], ids=["desk", "phone"])
def test_axe_finds_nothing_on_any_page_of_the_desk(
    live_server: LiveServer, lead: Person, pages_of: list[str], viewport: dict[str, int]
) -> None:
    assert len(pages_of) > 18
    found: dict[str, Any] = {}
    with browsing(viewport=viewport) as context:
        page = sign_in(context, live_server, lead)
        for address in pages_of:
            answer = page.goto(live_server.url + address)
            assert answer is not None
            assert answer.status == 200, address
            found[address] = violations(page)
    assert {address: said for address, said in found.items() if said} == {}


def test_no_page_of_the_desk_is_wider_than_a_phone(
    live_server: LiveServer, lead: Person, pages_of: list[str]
) -> None:
    for viewport in (_PHONE, {"width": 320, "height": 700}):
        with browsing(viewport=viewport, reduced_motion="reduce") as context:
            page = sign_in(context, live_server, lead)
            for address in pages_of:
                page.goto(live_server.url + address)
                assert too_wide(page) == 0, (address, viewport)


def test_the_keyboard_reaches_places_and_consent_in_order(
    live_server: LiveServer, lead: Person, pages_of: list[str]
) -> None:
    with browsing(reduced_motion="reduce") as context:
        page = sign_in(context, live_server, lead)
        page.goto(f"{live_server.url}/obligations/bridge/")
        page.keyboard.press("Tab")
        assert focused(page) == "Skip to the content"
        page.keyboard.press("Enter")
        names = []
        for _ in range(40):
            page.keyboard.press("Tab")
            names.append(focused(page))
            if names[-1] == "Withdraw the consent":
                break
        assert names[:3] == ["What applies", "Profile", "Calendar"]
        assert names[-1] == "Withdraw the consent"
        page.keyboard.press("Enter")
        page.get_by_text("No consent stands").wait_for()


def test_the_boards_page_prints_as_one_page(live_server: LiveServer, lead: Person) -> None:
    fill(lead, 12)
    with browsing() as context:
        page = sign_in(context, live_server, lead)
        page.goto(f"{live_server.url}/obligations/governance/")
        picture(page, "board")
        printed = page.pdf(format="Letter", landscape=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1
    assert printed.count(b"/URI") > 60, "its numbers are links on paper too"


def test_pictures_of_what_is_new(
    live_server: LiveServer, lead: Person, addresses: dict[str, list[str]]
) -> None:
    with browsing() as context:
        page = sign_in(context, live_server, lead)
        for name, route in (("bridge", "bridge"), ("digest", "digest"), ("models", "list")):
            page.goto(live_server.url + addresses[route][0])
            assert page.locator("h1").count() == 1
            picture(page, name)
