# SPDX-License-Identifier: Apache-2.0
"""Every page in a real browser: axe, the keyboard, a phone, 200 % zoom, no JavaScript, and parts that move."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import BrowserContext, Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine.clock import now
from proofhouse.server.engine.models import LedgerEntry
from proofhouse.server.engine.work import round_of_work
from proofhouse.server.house import House
from proofhouse.server.obligations.queries import OWN_SIDE
from proofhouse.server.reviews.models import Inquiry
from proofhouse.server.reviews.services import propose_agreement
from proofhouse.server.web.navigation import entries_for
from server.makers import TERMS, World, make_entry, make_person, make_world
from server.test_hosted_desk import at_desk, hosted, make_member_of
from web.test_pages import PAGES, ROUTES

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

AXE = Path(__file__).parents[2] / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM = shutil.which("chromium")
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
_PHONE = {"width": 390, "height": 844}
_DESK = {"width": 1280, "height": 900}


@pytest.fixture
def world(house: House, monkeypatch: pytest.MonkeyPatch) -> World:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    # Playwright's loop runs in this thread, which makes Django refuse the database to the test itself.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    return make_world()


@contextmanager
def browsing(**options: Any) -> Iterator[BrowserContext]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        context = browser.new_context(**{"viewport": _DESK, **options})
        yield context
        browser.close()


def sign_in(context: BrowserContext, server: LiveServer, person: Person) -> Page:
    """Choose a person on the sign-in page, as anybody would."""
    page = context.new_page()
    page.goto(f"{server.url}/sign-in/")
    page.get_by_role("button", name=person.name).click()
    page.wait_for_url(f"{server.url}/")
    return page


def everywhere(world: World) -> list[str]:
    return [ROUTES[route].to.format(**vars(world)) for route in PAGES]


def violations(page: Page) -> list[str]:
    """What axe finds. The debugger puts the script in, so the page's own policy stays as it is."""
    page.context.new_cdp_session(page).send(
        "Runtime.evaluate", {"expression": AXE.read_text(encoding="utf-8")}
    )
    found = page.evaluate(
        "axe.run().then(r => [r.passes.length, r.violations.map(v => v.id + ': ' + v.nodes[0].html)])"
    )
    assert found[0] > 10, "axe looked at the page"
    said: list[str] = found[1]
    return said


def too_wide(page: Page) -> int:
    over: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return over


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: run npm ci in frontend/")
@pytest.mark.parametrize("viewport", [_DESK, _PHONE], ids=["desk", "phone"])
def test_axe_finds_nothing_on_any_page(
    world: World, live_server: LiveServer, viewport: dict[str, int]
) -> None:
    make_entry("window.close", world.inquiry.case, in_force=False)
    found: dict[str, list[str]] = {}
    answered: set[str] = set()
    for roles in (set(Role) - OWN_SIDE, OWN_SIDE):  # nobody sees both sides' pages
        with browsing(viewport=viewport) as context:
            page = context.new_page()
            page.goto(f"{live_server.url}/sign-in/")
            found["/sign-in/"] = violations(page)
            page = sign_in(context, live_server, make_person(*roles))
            for address in {*everywhere(world), *forms(world)} - set(found):
                answer = page.request.get(live_server.url + address, max_redirects=0)
                answered |= {address} if answer.status == 200 else set()
                if answer.status == 200 and answer.headers["content-type"].startswith("text/html"):
                    page.goto(live_server.url + address)
                    found[address] = violations(page)
    assert {address: said for address, said in found.items() if said} == {}
    assert set(everywhere(world)) <= answered
    assert {"/obligations/incidents/new/", "/obligations/profile/", "/tokens/"} <= set(found)


def forms(world: World) -> list[str]:
    """Pages that take something in; what another method is needed for, or what is sent away, is none."""
    return [each.to.format(**vars(world)) for each in ROUTES.values() if "GET" in each.methods]


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: run npm ci in frontend/")
@pytest.mark.parametrize("viewport", [_DESK, _PHONE], ids=["desk", "phone"])
def test_axe_finds_nothing_at_the_desk_of_an_organisation_without_a_house(
    world: World, live_server: LiveServer, viewport: dict[str, int]
) -> None:
    assert world
    hosted("meridian")
    ada = make_member_of("meridian", Role.DEVELOPER, Role.MAINTAINER)
    release = (now() + timedelta(days=45)).date().isoformat()
    form = {
        "model_name": "Example-1",
        "model_sha256": "a" * 64,
        "planned_partner_release": release,
        "do": "send",
    }
    assert at_desk(ada).post("/desk/new/meridian/inquiry/", form).status_code == 302
    inquiry = Inquiry.objects.get(peer_id="meridian")
    propose_agreement(actor=make_person(Role.REVIEWER), inquiry=str(inquiry.id), terms=TERMS)
    round_of_work()
    thread = f"/desk/threads/{inquiry.thread_id}/"
    letters = [f"/desk/letters/{row.digest}/" for row in inquiry.thread.letters.all()]
    found: dict[str, list[str]] = {}
    with browsing(viewport=viewport) as context:
        page = sign_in(context, live_server, ada)
        for address in ("/desk/", "/desk/new/meridian/inquiry/", thread, *letters):
            assert page.goto(live_server.url + address).status == 200  # type: ignore[union-attr]
            found[address] = violations(page)
            assert too_wide(page) == 0
        page.get_by_role("button", name="Open").click()
        page.goto(f"{live_server.url}{thread}agreement-acceptance/")
        found["the answer"] = violations(page)
    assert {address: said for address, said in found.items() if said} == {}
    assert len(letters) == 2


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: run npm ci in frontend/")
def test_axe_finds_what_was_planted(world: World, live_server: LiveServer) -> None:
    with browsing() as context:
        page = context.new_page()
        page.goto(f"{live_server.url}/sign-in/")
        page.evaluate("document.querySelector('main').append(document.createElement('img'))")
        assert any(said.startswith("image-alt") for said in violations(page))


def test_no_page_is_wider_than_a_phone_or_than_200_percent_zoom(
    world: World, live_server: LiveServer
) -> None:
    sides = [make_person(*(set(Role) - OWN_SIDE)), make_person(*OWN_SIDE)]
    for viewport in (_PHONE, {"width": 320, "height": 700}, {"width": _DESK["width"] // 2, "height": 450}):
        for person in sides:
            with browsing(viewport=viewport, reduced_motion="reduce") as context:
                page = sign_in(context, live_server, person)
                for address in everywhere(world):
                    if not address.endswith((".pdf", ".csv", ".json")) and "/evidence/0" not in address:
                        page.goto(live_server.url + address)
                        assert too_wide(page) == 0, (address, viewport)


def test_the_keyboard_reaches_content_and_desks_in_order(world: World, live_server: LiveServer) -> None:
    person = make_person(*Role)
    with browsing(reduced_motion="reduce") as context:
        page = sign_in(context, live_server, person)
        page.goto(f"{live_server.url}/reviews/")
        page.keyboard.press("Tab")
        assert focused(page) == "Skip to the content"
        assert page.locator(":focus").bounding_box()["y"] >= 0, "the link shows itself"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        assert focused(page) == world.inquiry.model_name, "table region, then its first link"
        page.goto(f"{live_server.url}/reviews/")
        names = []
        for _ in range(10):
            page.keyboard.press("Tab")
            names.append(focused(page))
        assert names[2:9] == [place.title for place in entries_for(person, "/reviews/")][:7]
        assert names[2:6] == ["Reviews", "Cases", "Intake", "Leases"]
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", "focus can be seen"


def focused(page: Page) -> str:
    text: str = page.evaluate("document.activeElement.innerText")
    return text.strip()


def test_the_menu_works_on_a_phone_without_javascript(world: World, live_server: LiveServer) -> None:
    person = make_person(*Role)
    with browsing(viewport=_PHONE, java_script_enabled=False) as context:
        page = sign_in(context, live_server, person)
        link = page.get_by_role("navigation").get_by_role("link", name="Ledger")
        assert link.count() == 0, "folded"
        page.get_by_text("Menu").click()
        link.click()
        page.wait_for_url("**/oversight/ledger/")
        assert page.locator("h1").inner_text() == "Ledger"


def test_a_pending_part_settles_by_itself_and_then_asks_no_more(
    world: World, live_server: LiveServer
) -> None:
    person = make_person(*Role)
    entry = make_entry("window.close", world.inquiry.case, in_force=False)
    with browsing() as context:
        page = sign_in(context, live_server, person)
        said: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("request", lambda request: asked.append(request.url) if "?live" in request.url else None)
        page.goto(f"{live_server.url}/reviews/{world.inquiry.id}/")
        assert "1 step waits" in page.locator("#pending").inner_text()
        with page.expect_response("**?live"):
            pass
        assert "1 step waits" in page.locator("#pending").inner_text()
        LedgerEntry.objects.filter(pk=entry.pk).update(receipt="a receipt")
        page.get_by_text("Everything here is in force").wait_for(timeout=8000)
        before = len(asked)
        page.wait_for_timeout(3000)
        assert len(asked) == before, "the server stopped the poll"
        assert said == [], "nothing was refused by the policy"
        page.get_by_role("link", name="Show the page as it stands now").click()
        page.wait_for_load_state()
        assert page.locator("#pending").count() == 0


def test_a_session_that_ended_leaves_no_sign_in_page_inside_the_page(
    world: World, live_server: LiveServer
) -> None:
    person = make_person(*Role)
    make_entry("window.close", world.inquiry.case, in_force=False)
    with browsing() as context:
        page = sign_in(context, live_server, person)
        page.goto(f"{live_server.url}/reviews/{world.inquiry.id}/")
        Session.objects.all().delete()
        page.wait_for_timeout(5000)
        assert page.locator("h1").count() == 1
