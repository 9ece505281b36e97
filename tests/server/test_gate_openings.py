# SPDX-License-Identifier: Apache-2.0
"""The audit of what is opened that is TLP:AMBER+STRICT or RED, and the explanation of who sees a case and why."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from proofhouse.server.accounts.files import CaseFile, GateOpening
from proofhouse.server.accounts.gate import NotFound, access, explain, visible
from proofhouse.server.accounts.marks import Mark
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.accounts.queries import openings, who_may_see
from proofhouse.server.accounts.standing import one_look
from proofhouse.server.cases.models import Case, Report
from proofhouse.server.engine.clock import SetClock, now, using
from server.makers import (
    Correspondent,
    make_case,
    make_file,
    make_grant,
    make_organisation,
    make_person,
    make_recusal,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def strict(vendor: Correspondent) -> Case:
    """A case that stays in the organisation."""
    made = make_case(vendor.peer)
    make_file(made.entry.case, Mark.AMBER_STRICT)
    return made


def noted() -> list[tuple[str, str, str, str]]:
    return sorted((row.model, row.row, row.mark, row.rules) for row in GateOpening.objects.all())


def test_fetching_a_strict_row_is_noted_with_its_rule(strict: Case) -> None:
    coordinator = make_person(Role.COORDINATOR)
    access(coordinator, Case, id=strict.id)
    assert noted() == [("cases.Case", str(strict.id), "TLP:AMBER+STRICT", "desk of coordinator, maintainer")]
    row = GateOpening.objects.get()
    assert (row.person, row.case) == (coordinator, strict.entry.case)


def test_a_list_notes_its_sensitive_rows_only_and_once_a_day(strict: Case, vendor: Correspondent) -> None:
    make_case(vendor.peer)
    coordinator = make_person(Role.COORDINATOR)
    for _ in range(3):
        assert len(visible(coordinator, Case)) == 2
    assert [row for _, row, _, _ in noted()] == [str(strict.id)]
    with using(SetClock(now() + timedelta(days=1))):
        list(visible(coordinator, Case))
    assert len(noted()) == 2


@pytest.mark.parametrize(
    "take",
    [
        lambda rows: list(rows),
        lambda rows: list(rows[:1]),
        lambda rows: rows.first(),
        lambda rows: list(rows.values("title")),
        lambda rows: list(rows.values_list("id", flat=True)),
        lambda rows: list(rows.order_by("-opened_at").values_list("title", flat=True)[:1]),
        lambda rows: list(rows.iterator()),
        lambda rows: rows.in_bulk(),
        lambda rows: list(rows.select_related("entry").exclude(title="x")),
        lambda rows: rows.filter(product="libexample").get(),
        lambda rows: bool(rows),
    ],
)
def test_every_way_to_take_rows_out_is_noted(strict: Case, take: object) -> None:
    assert callable(take)
    take(visible(make_person(Role.COORDINATOR), Case))
    assert [row for _, row, _, _ in noted()] == [str(strict.id)]


def test_counting_and_asking_whether_there_are_any_opens_nothing(strict: Case) -> None:
    rows = visible(make_person(Role.COORDINATOR), Case)
    assert (rows.count(), rows.exists()) == (1, True)
    assert not GateOpening.objects.exists()


def test_what_stays_shut_is_not_noted(strict: Case) -> None:
    list(visible(make_person(Role.OPERATOR), Case))
    with pytest.raises(NotFound):
        access(make_person(Role.REVIEWER), Case, id=strict.id)
    explain(make_person(Role.COORDINATOR), strict)
    assert not GateOpening.objects.exists()


def test_red_is_noted_with_the_grant_that_opened_it(strict: Case) -> None:
    CaseFile.objects.update(mark=Mark.RED)
    person = make_person(Role.COORDINATOR)
    make_grant(person, strict.entry.case)
    access(person, Case, id=strict.id)
    assert noted() == [("cases.Case", str(strict.id), "TLP:RED", "named by a grant")]


def test_a_page_that_asks_again_writes_nothing_more(strict: Case) -> None:
    client = Client()
    client.force_login(make_person(Role.COORDINATOR))
    client.get(f"/cases/{strict.id}/")
    before = GateOpening.objects.count()
    assert before > 1, "the case, its report, its ledger entries"
    client.get(f"/cases/{strict.id}/")
    assert GateOpening.objects.count() == before


def test_an_amber_list_costs_what_the_table_costs(vendor: Correspondent) -> None:
    for _ in range(3):
        make_case(vendor.peer)
    coordinator = make_person(Role.COORDINATOR)
    with one_look(), CaptureQueriesContext(connection) as asked:
        for _ in range(4):
            list(visible(coordinator, Case))
            visible(coordinator, Report).count()
    assert len(asked) == 3 + 8, "roles, lent roles and what can matter once, then one query a list"
    assert "accounts_" not in asked[3]["sql"]


# --- why --------------------------------------------------------------------------------------------------------------


def test_an_explanation_names_the_rules_on_both_sides(strict: Case) -> None:
    coordinator = make_person(Role.COORDINATOR)
    told = explain(coordinator, strict)
    assert (told.opens, told.mark) == (True, Mark.AMBER_STRICT)
    assert told.admitted_by == ("desk of coordinator, maintainer",)
    assert explain(make_person(Role.OPERATOR), strict).admitted_by == ()
    gone = make_person(Role.COORDINATOR, active=False)
    assert not explain(gone, strict).opens


def test_a_steward_learns_who_may_see_a_case_and_why_without_seeing_it(strict: Case) -> None:
    steward = make_person(Role.STEWARD)
    coordinator, recused = make_person(Role.COORDINATOR), make_person(Role.COORDINATOR)
    make_recusal(recused, strict.entry.case)
    guest = make_person(Role.OPERATOR, organisation=make_organisation("clinic"))
    told = who_may_see(actor=steward, case=strict.entry.case)
    assert told["mark"] == "TLP:AMBER+STRICT"
    of_case = {each["person"]: each for each in told["people"] if each["model"] == "cases.Case"}
    assert of_case[coordinator.email]["opened"] == 1
    assert of_case[coordinator.email]["admitted_by"] == ["desk of coordinator, maintainer"]
    assert of_case[recused.email]["opened"] == 0
    assert of_case[recused.email]["forbidden_by"] == ["recused from the case"]
    assert guest.email not in {each["person"] for each in told["people"]}
    assert "A flaw" not in str(told)
    with pytest.raises(NotFound):
        access(steward, Case, id=strict.id)
    assert not GateOpening.objects.exists(), "explaining opens nothing"


def test_only_stewards_and_inspectors_learn_why_and_what_was_opened(strict: Case) -> None:
    access(make_person(Role.COORDINATOR), Case, id=strict.id)
    for role in Role:
        person = make_person(role)
        keeps = role in (Role.STEWARD, Role.INSPECTOR)
        assert bool(openings(actor=person)) is keeps, role
        if keeps:
            assert who_may_see(actor=person, case=strict.entry.case)["people"]
        else:
            with pytest.raises(NotFound):
                who_may_see(actor=person, case=strict.entry.case)


def test_the_pages_of_access_show_grants_recusals_and_openings(strict: Case) -> None:
    person = make_person(Role.COORDINATOR)
    make_grant(person, strict.entry.case, reason="Knows the parser")
    access(person, Case, id=strict.id)
    client = Client()
    client.force_login(make_person(Role.STEWARD))
    for address in ("/access/", f"/access/{strict.entry.case}/"):
        shown = client.get(address).content.decode()
        for text in ("Knows the parser", "TLP:AMBER+STRICT", "desk of coordinator, maintainer", person.name):
            assert text in shown, (address, text)
        assert "A flaw" not in shown
    assert client.get("/access/case:never-was/").status_code == 404
