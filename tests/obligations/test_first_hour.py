# SPDX-License-Identifier: Apache-2.0
"""A compliance lead's first hour in a browser, in the served house of a developer (issue 6)."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from icalendar import Calendar
from playwright.sync_api import Page, sync_playwright

from obligations.test_exports import text_of
from proofhouse.server.house import Desk, House
from proofhouse.server.opening import NewPerson, open_house

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

BROWSERS = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PATIENCE_MS = 120_000
"""How long a page may take on a machine that does other things too."""
PICTURES = os.environ.get("PROOFHOUSE_PICTURES", "")
"""A directory for pictures of the pages; without it none are taken."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[House]:
    """The lab's house, opened and served as people do it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    house = open_house(
        tmp_path / "lab",
        name="lab",
        title="Meridian Lab",
        desks=frozenset({Desk.LAB}),
        address=f"http://localhost:{port}",
        people=[NewPerson("cleo@lab.example", "Cleo Marsh", ["compliance"])],
        demo=True,
    )
    argv = [sys.executable, "-m", "proofhouse.cli", "house", "run", str(house.directory)]
    log = (tmp_path / "house.log").open("wb")
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        _wait(f"{house.address}/sign-in/", process)
        yield house
    finally:
        process.terminate()
        process.wait(120)
        log.close()


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        assert process.poll() is None, "the house ended by itself"
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{address} does not answer")


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    """A browser with a desktop's window."""
    found = next((path for path in BROWSERS if Path(path).exists()), None)
    if found is None:
        pytest.skip("no chromium here")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        context = browser.new_context(viewport={"width": 1100, "height": 800}, accept_downloads=True)
        context.set_default_timeout(PATIENCE_MS)
        yield context.new_page()
        browser.close()


def picture(page: Page, name: str) -> None:
    """Take a picture of what is in the window, where pictures are wanted."""
    if PICTURES:
        Path(PICTURES).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(PICTURES) / f"obligations-{name}.png")


def answer_ten(page: Page) -> None:
    """Answer the ten questions."""
    page.fill('[name="answer:org.nexus"]', "US-CA, US-NY, US-IL")
    page.check('[name="answer:org.roles"][value="ai_developer"]')
    page.check('[name="answer:org.trained_or_initiated_training"][value="yes"]')
    page.fill('[name="answer:model.training_ops"]', "2.1e+26")
    page.fill('[name="answer:org.group_revenue_usd_prev_calendar_year"]', "2000000000")
    page.fill('[name="answer:system.monthly_users"]', "4000000")
    for name in ("eo14409_participating", "clearinghouse_member"):
        page.check(f'[name="answer:org.{name}"][value="yes"]')
    for name in ("eu_cop_safety_signatory", "uses_ai_employment_decisions"):
        page.check(f'[name="answer:org.{name}"][value="no"]')


def record_incident(page: Page) -> None:
    """Record an incident of 5 January 2027 in New York's time."""
    page.fill("#id_title", "Monitor switched off")
    page.fill("#id_law_day", "2027-01-05")
    page.select_option("#id_zone", "America/New_York")
    page.fill('[name="moment:discovered"]', "2027-01-05T15:00")
    page.fill('[name="moment:reasonable_belief"]', "2027-01-05T15:00")
    page.select_option('[name="kind:safety_incident"]', "yes")
    page.select_option('[name="event.in_elicitation_evaluation"]', "no")
    page.select_option('[name="event.deceptive_subversion"]', "yes")
    page.select_option('[name="event.catastrophic_risk_increased"]', "yes")
    page.fill('[name="narrative:description"]', "The model switched its monitor off for 40 minutes.")


def test_a_compliance_leads_first_hour(served: House, page: Page) -> None:
    """From ten answers to a filed 72-hour report and a calendar."""
    desk = f"{served.address}/obligations/"
    page.goto(f"{served.address}/sign-in/")
    page.get_by_role("button", name="Cleo Marsh").click()
    page.get_by_role("link", name="Obligations").first.click()
    page.get_by_role("link", name="answer ten questions").click()
    assert page.locator("form.desk").first.locator("> fieldset").count() == 10
    picture(page, "profile")
    answer_ten(page)
    page.get_by_role("button", name="Save the answers").click()

    page.goto(f"{desk}?as_of=2027-01-05")
    for key in ("applies", "unknown", "not"):
        assert page.locator(f"h2#{key}").is_visible()
    applying = page.locator("h2#applies + ul > li").first
    assert "appears to apply" in applying.inner_text()
    assert "grade: " in applying.inner_text()
    picture(page, "list")
    page.get_by_role("link", name="Report a critical safety incident within 72 hours").first.click()
    assert "model.training_ops > 1e+26" in page.locator(".tree").first.inner_text()
    assert "not legal advice" in page.locator(".statement").inner_text().lower()
    picture(page, "why")

    page.goto(f"{desk}incidents/new/")
    record_incident(page)
    page.get_by_role("button", name="Save and show the clocks").click()
    rows = page.locator("table tbody tr")
    assert "2027-01-08 20:00" in rows.nth(0).inner_text()
    assert "14:00 CST" in rows.nth(0).inner_text()
    picture(page, "clocks")
    rows.nth(0).get_by_role("link").click()
    page.select_option("#id_recipient", "Illinois Attorney General")
    page.get_by_role("button", name="Draft the filing").click()
    picture(page, "filing")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download PDF").click()
    pdf = waiting.value.path().read_bytes()
    assert pdf.startswith(b"%PDF-")
    flat = re.sub(r"\s+", "", text_of(pdf))
    assert "IllinoisAttorneyGeneral" in flat
    assert "switcheditsmonitorofffor40minutes" in flat
    assert "2027-01-0820:00UTC(2027-01-0814:00CST)" in flat
    page.fill("#reference", "IL-2027-1")
    page.get_by_role("button", name="Mark as filed").click()
    assert "filed IL-2027-1" in page.locator("dl").first.inner_text()

    page.goto(f"{desk}feed/")
    page.get_by_role("button", name="Open a private address").click()
    address = page.locator("#address").inner_text()
    with urllib.request.urlopen(address, timeout=20) as feed:
        calendar = Calendar.from_ical(feed.read())
    due = {event["dtstart"].dt.astimezone(UTC) for event in calendar.walk("VEVENT")}
    assert datetime(2027, 1, 8, 20, tzinfo=UTC) in due
    assert all(str(event["summary"]) == "Date at the obligations desk" for event in calendar.walk("VEVENT"))

    page.goto(f"{desk}governance/")
    picture(page, "board")
    page.set_viewport_size({"width": 375, "height": 720})
    for place in (
        "",
        "profile/",
        "calendar/",
        "incidents/",
        "incidents/new/",
        "evidence/",
        "changes/",
        "governance/",
    ):
        page.goto(f"{desk}{place}")
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 375, f"{place or 'the list'} is {wide} px wide on a phone"
    page.goto(f"{desk}incidents/")
    page.get_by_role("link", name="Monitor switched off").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    picture(page, "phone")


def test_the_first_answer_is_given_by_keyboard_alone(served: House, page: Page) -> None:
    """Tab reaches the skip link, then the first field; Enter sends."""
    page.goto(f"{served.address}/sign-in/")
    page.get_by_role("button", name="Cleo Marsh").press("Enter")
    page.wait_for_load_state()
    page.goto(f"{served.address}/obligations/profile/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "usa-skipnav"
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "answer:org.nexus":
            break
    page.keyboard.type("US-CA")
    page.keyboard.press("Enter")
    page.wait_for_url("**/obligations/")
    assert "From 1 answers" in page.locator(".lead").inner_text()
