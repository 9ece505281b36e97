# SPDX-License-Identifier: Apache-2.0
"""The weekly digest: once a week exactly, in the portal, in the mailbox, in a shell."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from django.test import Client
from django.urls import reverse
from icalendar import Calendar

from proofhouse.server.accounts.gate import NotFound
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.cli import cli
from proofhouse.server.engine.clock import SetClock, using
from proofhouse.server.engine.effects import bring_about
from proofhouse.server.engine.models import LedgerEntry, Letter
from proofhouse.server.engine.record import collect_receipts
from proofhouse.server.house import House
from proofhouse.server.obligations import digest, digest_services, services
from proofhouse.server.obligations.models import CalendarDate, DigestReading, WeeklyDigest
from server.makers import make_person

MONDAY = datetime(2027, 1, 4, 1, tzinfo=UTC)
"""The first hour of week 2027-W01; the week that is over holds 1 January."""


@pytest.fixture
def clock(house: House) -> Iterator[SetClock]:
    """The house's time, which tests set."""
    clock = SetClock(MONDAY - timedelta(days=3))
    with using(clock):
        yield clock


def hours(clock: SetClock, count: int) -> None:
    """Let so many hours pass with their duties."""
    for _ in range(count):
        clock.move(timedelta(hours=1))
        digest_services.make_digests()


@pytest.fixture
def told(clock: SetClock, lead: Person, answered: None) -> WeeklyDigest:
    """The digest of the turn of the year."""
    clock.instant = MONDAY
    digest_services.make_digests()
    return WeeklyDigest.objects.get()


def test_a_week_is_told_once_however_often_the_duty_runs(
    clock: SetClock, lead: Person, answered: None
) -> None:
    clock.instant = MONDAY
    hours(clock, 24 * 15)
    assert [row.week for row in WeeklyDigest.objects.all()] == ["2027-W02", "2027-W01", "2026-W53"]
    assert LedgerEntry.objects.filter(kind="digest.make").count() == 3
    digest_services._make("2027-W01")
    assert WeeklyDigest.objects.count() == 3


def test_weeks_in_which_the_house_stood_still_are_made_up_for(
    clock: SetClock, lead: Person, told: WeeklyDigest
) -> None:
    clock.move(timedelta(weeks=3))
    digest_services.make_digests()
    assert WeeklyDigest.objects.count() == 4
    clock.move(timedelta(weeks=30))
    digest_services.make_digests()
    assert WeeklyDigest.objects.count() == 4 + digest_services.LOOK_BACK


def test_a_digest_that_fails_halfway_leaves_nothing_and_is_made_later(
    clock: SetClock, lead: Person, answered: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.instant = MONDAY
    with monkeypatch.context() as broken:
        broken.setattr(WeeklyDigest.objects, "create", None)
        with pytest.raises(TypeError):
            digest_services.make_digests()
    assert not LedgerEntry.objects.filter(kind="digest.make").exists()
    digest_services.make_digests()
    assert WeeklyDigest.objects.count() == 1


def test_a_house_without_a_profile_is_told_nothing(clock: SetClock, lead: Person) -> None:
    digest_services.make_digests()
    assert not WeeklyDigest.objects.exists()


def test_the_turn_of_the_year_says_which_law_began_for_us(told: WeeklyDigest) -> None:
    assert told.week == "2026-W53"
    assert (told.record["from"], told.record["to"]) == ("2026-12-28", "2027-01-04")
    change = next(one for one in told.record["changes"] if one["obligation"] == "us-ny-raise-incident")
    assert change["standing"] == ["not_yet_effective", "in_force"]
    assert change["grade"] == "primary_read"
    text = digest.as_text(told.record)
    assert "standing: not yet effective -> in force" in text
    for word in ("Not legal advice", "2026-08-21", "grade", "appears to apply"):
        assert word in text
    assert "compliant" not in text.lower()


def test_a_change_that_matters_to_one_model_only_names_it(
    clock: SetClock, lead: Person, answered: None
) -> None:
    services.add_model(actor=lead, name="Large-1")
    small = services.add_model(actor=lead, name="Small-1")
    services.set_fact(actor=lead, name="model.training_ops", value=1e20, source="x", model=str(small.id))
    clock.instant = MONDAY
    digest_services.make_digests()
    changes = {one["obligation"]: one for one in WeeklyDigest.objects.get().record["changes"]}
    assert changes["us-ny-raise-incident"]["models"] == ["Large-1"]


def test_it_lies_in_the_mailbox_once_its_receipt_is_there(house: House, told: WeeklyDigest) -> None:
    box = digest_services.mailbox(house)
    bring_about()
    assert not box.exists()
    collect_receipts()
    bring_about()
    bring_about()
    assert sorted(file.name for file in box.iterdir()) == [
        f"obligations-2026-W53.{form}" for form in ("ics", "json", "txt")
    ]
    assert {stat.S_IMODE(file.stat().st_mode) for file in box.iterdir()} == {0o600}
    assert stat.S_IMODE(box.stat().st_mode) == 0o700
    assert json.loads((box / "obligations-2026-W53.json").read_text()) == told.record
    assert not Letter.objects.exists(), "it is for the house's own people"


def test_its_calendar_names_dates_without_titles(house: House, told: WeeklyDigest) -> None:
    CalendarDate.objects.create(
        origin="profile", obligation="us-ny-raise-incident", part=9, title="A secret duty",
        at=MONDAY + timedelta(days=9), changed_at=MONDAY,
    )  # fmt: skip
    events = list(Calendar.from_ical(digest_services.files_of(told)["ics"]).walk("VEVENT"))
    assert MONDAY + timedelta(days=9) in {event["dtstart"].dt for event in events}
    assert b"secret" not in digest_services.files_of(told)["ics"]


def test_the_mailbox_is_read_in_a_shell(house: House, told: WeeklyDigest) -> None:
    empty = CliRunner().invoke(cli, ["digest", str(house.directory)])
    assert empty.exit_code == 1
    collect_receipts()
    bring_about()
    shown = CliRunner().invoke(cli, ["digest", str(house.directory)])
    assert shown.exit_code == 0
    assert "week 2026-W53" in shown.output
    as_json = CliRunner().invoke(cli, ["digest", str(house.directory), "--week", "2026-W53", "--json"])
    assert json.loads(as_json.output) == told.record
    assert CliRunner().invoke(cli, ["digest", str(house.directory), "--week", "../x"]).exit_code == 2
    assert CliRunner().invoke(cli, ["digest", str(house.directory / "none")]).exit_code == 3


def test_a_notice_stands_on_every_page_of_the_desk_until_this_person_has_read_it(
    told: WeeklyDigest, lead: Person, developer: Person
) -> None:
    clients = {}
    for person in (lead, developer):
        clients[person] = Client()
        clients[person].force_login(person)
    notice = "What changed for you in week 2026-W53"
    home = reverse("obligations:list")
    assert all(notice in client.get(home).content.decode() for client in clients.values())
    page = reverse("obligations:digest", args=["2026-W53"])
    assert "us-ny-raise-incident" in clients[lead].get(page).content.decode()
    clients[lead].post(page)
    clients[lead].post(page)
    assert DigestReading.objects.get().person == lead
    assert notice not in clients[lead].get(home).content.decode()
    assert notice in clients[developer].get(home).content.decode()
    for form in ("txt", "json", "ics"):
        file = clients[lead].get(reverse("obligations:digest-file", args=["2026-W53", form]))
        assert file.status_code == 200
    assert clients[lead].get(reverse("obligations:digest", args=["2030-W01"])).status_code == 404


def test_nobody_of_the_other_side_reads_a_digest(told: WeeklyDigest) -> None:
    for role in (Role.REVIEWER, Role.INSPECTOR, Role.STEWARD):
        client = Client()
        client.force_login(make_person(role))
        assert client.get(reverse("obligations:digests")).status_code == 404
        assert client.get(reverse("obligations:digest", args=["2026-W53"])).status_code == 404
    with pytest.raises(NotFound):
        digest_services.read_digest(actor=make_person(Role.COMPLIANCE, Role.REVIEWER), week="2026-W53")


def test_a_week_is_a_week() -> None:
    assert digest.week_of(digest.monday_of("2026-W53")) == "2026-W53"
    with pytest.raises(ValueError, match="no week"):
        digest.monday_of("next")
