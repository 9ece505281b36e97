# SPDX-License-Identifier: Apache-2.0
"""Rendered pages: nothing inline, only classes that have a rule, live parts that stop, tables that a phone can read."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

import proofhouse.server.web
from proofhouse.attest import Signer
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.cases.models import Case
from proofhouse.server.engine.models import LedgerEntry
from proofhouse.server.exams.models import Seal
from proofhouse.server.house import House
from proofhouse.server.reviews.models import Window
from proofhouse.server.reviews.rules import InquiryState
from proofhouse.server.web.pages import ROWS, Cell, Page, Table, steps
from server.makers import World, make_case, make_entry, make_peer, make_person, make_world
from server.test_access_matrix import ROUTES, at

pytestmark = pytest.mark.django_db

STATIC = Path(proofhouse.server.web.__file__).parent / "static" / "web"
PAGES = [
    route
    for route in ROUTES
    if not ROUTES[route].public and not ROUTES[route].methods and "/files/" not in route
]
"""What a browser shows; the files of a report are bytes that none may show."""
_INLINE = re.compile(
    r"<style|\sstyle=|<script(?![^>]*\ssrc=\"/static/[^\"]+\")|\son[a-z]+=|javascript:", re.IGNORECASE
)


@pytest.fixture
def world(house: House) -> World:
    return make_world()


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(make_person(*Role))
    return client


def pending_entry(world: World) -> LedgerEntry:
    return make_entry("window.close", world.inquiry.case, in_force=False)


@pytest.mark.parametrize("route", PAGES)
def test_no_page_has_anything_inline(world: World, client: Client, route: str) -> None:
    for pending in (False, True):
        if pending:
            pending_entry(world)
        shown = client.get(at(route, world)).content.decode()
        assert "</html>" in shown
        assert not _INLINE.search(shown), _INLINE.search(shown)


def test_the_sign_in_pages_have_nothing_inline(world: World, settings: Settings) -> None:
    assert not _INLINE.search(Client().get("/sign-in/").content.decode())
    settings.HOUSE = replace(settings.HOUSE, demo=False)
    refused = Client().post("/sign-in/", {"email": "a@b.example", "password": "x"}).content.decode()
    assert "usa-alert--error" in refused
    assert 'role="alert"' in refused
    assert not _INLINE.search(refused)


@pytest.mark.parametrize(
    "markup", ['<p style="x">', "<style>", "<script>1</script>", '<a onclick="x">', '<a href="javascript:x">']
)
def test_the_search_for_inline_code_finds_it(markup: str) -> None:
    assert _INLINE.search(markup)


def test_every_class_of_every_component_has_a_rule(world: World, client: Client) -> None:
    css = (STATIC / "proofhouse.css").read_text(encoding="utf-8")
    pending_entry(world)
    shown = [client.get(at(route, world)).content.decode() for route in PAGES]
    used = {
        name for page in shown for names in re.findall(r'class="([^"]*)"', page) for name in names.split()
    }
    named_by = {name for name in used if name.startswith("usa-")}
    assert len(named_by) > 40
    # USWDS itself has no rule for these; they only name a part.
    bare = {
        "usa-step-indicator__heading-counter",
        "usa-step-indicator__heading-text",
        "usa-summary-box__body",
        "usa-table-container--scrollable",
    }
    assert {name for name in named_by - bare if not re.search(rf"\.{name}(?![a-z_-])", css)} == set()


def test_the_style_guide_shows_every_component() -> None:
    web = STATIC.parents[1] / "templates" / "web"
    guide = (web / "style_guide.html").read_text(encoding="utf-8")
    for component in (web / "components").iterdir():
        if component.name not in ("places.html", "htmx.html"):  # the frame's own
            assert f"web/components/{component.name}" in guide, component.name


@pytest.mark.parametrize("route", ["reviews/<uuid:inquiry>/", ""])
def test_a_page_polls_only_while_something_is_pending(world: World, client: Client, route: str) -> None:
    address = at(route, world)
    assert "hx-get" not in client.get(address).content.decode()
    assert "<script" not in client.get(address).content.decode()
    entry = pending_entry(world)
    waiting = client.get(address).content.decode()
    assert f'hx-get="{address}?live"' in waiting
    assert 'hx-trigger="every 2s"' in waiting
    assert "django_htmx/htmx-4.min.js" in waiting
    fragment = client.get(f"{address}?live").content.decode()
    assert "hx-get" in fragment
    assert "<html" not in fragment
    LedgerEntry.objects.filter(pk=entry.pk).update(receipt="a receipt")
    settled = client.get(f"{address}?live").content.decode()
    assert "hx-get" not in settled
    assert "<html" not in settled


def test_a_fragment_is_no_way_around_the_gate(world: World) -> None:
    address = at("reviews/<uuid:inquiry>/", world)
    assert Client().get(f"{address}?live").status_code == 302
    outsider = Client()
    outsider.force_login(make_person(Role.OPERATOR))
    assert outsider.get(f"{address}?live").status_code == 404


def test_a_review_draws_ability_against_the_sealed_threshold(world: World, client: Client) -> None:
    seal = Seal.objects.get(case=world.inquiry.case)
    seal.commitments = {**seal.commitments, "rule": {"threshold": 1.25}}
    seal.save()
    shown = client.get(at("reviews/<uuid:inquiry>/", world)).content.decode()
    assert "threshold +1.25" in shown
    assert "<desc" in shown
    assert "The same as a table" in shown


def test_a_developer_sees_the_window_but_no_exam(world: World) -> None:
    client = Client()
    client.force_login(make_person(Role.DEVELOPER))
    assert Window.objects.exists()
    shown = client.get(at("reviews/<uuid:inquiry>/", world)).content.decode()
    assert "Window of access" in shown
    assert "Ability with its" not in shown


def test_the_style_guide_is_shown_in_demonstration_houses_only(house: House, settings: Settings) -> None:
    client = Client()
    client.force_login(make_person(Role.STEWARD))
    assert client.get(reverse("web:style-guide")).status_code == 200
    settings.HOUSE = replace(house, demo=False)
    assert client.get(reverse("web:style-guide")).status_code == 404


def test_the_place_where_one_is_is_marked(world: World, client: Client) -> None:
    shown = client.get("/oversight/ledger/").content.decode()
    assert re.findall(r'aria-current="page">([^<]+)<', shown) == ["Ledger", "Ledger"], (
        "the bar and the folded menu"
    )


def test_steps_before_the_current_are_complete() -> None:
    course = [InquiryState.INQUIRED, InquiryState.AGREED, InquiryState.CLOSED]
    assert [step.standing for step in steps(course, "agreed")] == ["complete", "current", ""]
    assert steps(course, "withdrawn") == ()


def test_a_table_names_each_cell_for_phones() -> None:
    table = Table("t", ["Name", "State"], [[Cell("a"), Cell("b")]])
    assert table.labelled() == [[("Name", Cell("a")), ("State", Cell("b"))]]
    assert Page("t").pending == 0


def test_a_long_list_has_pages_that_hold_every_row_once(world: World, client: Client) -> None:
    assert world
    peer = make_peer("other", Signer.generate("letters", "other"))
    for _ in range(2 * ROWS):
        make_case(peer)
    seen: list[str] = []
    address, pages = "/cases/", 0
    while address:
        shown = client.get(address).content.decode()
        seen += re.findall(r'href="/cases/([0-9a-f-]{36})/"', shown)
        older = re.search(r'href="(\?cases=[^"]+)">Older: cases', shown)
        address, pages = f"/cases/{older[1]}" if older else "", pages + 1
    assert pages == 3
    assert len(seen) == len(set(seen)) == Case.objects.count()
    assert seen == sorted(seen, reverse=True)
    assert client.get("/cases/?cases=nowhere").status_code == 404
