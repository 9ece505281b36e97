# SPDX-License-Identifier: Apache-2.0
"""Grants, recusals and marks: who may set them, and that they hold at once or with their receipt."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from proofhouse.server.accounts import casefiles, services
from proofhouse.server.accounts.files import CaseFile, Grant, Recusal
from proofhouse.server.accounts.gate import NotAllowed, NotFound, access, explain, visible
from proofhouse.server.accounts.marks import Mark
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.cases.models import Case, Patch, Report, ValidationRun
from proofhouse.server.engine.acts import ActError, one_transaction
from proofhouse.server.engine.clock import SetClock, now, using, wire
from proofhouse.server.engine.effects import bring_about
from proofhouse.server.engine.models import LedgerEntry, Letter
from server.makers import Correspondent, make_case, make_grant, make_person, make_recusal

pytestmark = pytest.mark.django_db


@pytest.fixture
def case(vendor: Correspondent) -> Case:
    """A case of a clearinghouse, with a report that is part of it."""
    made = make_case(vendor.peer)
    report = made.reports.get()
    report.entry.case = f"report:{report.id}"
    report.entry.save()
    with one_transaction("test"):
        casefiles.join_case(report.entry.case, made.entry.case)
    return made


def key(case: Case) -> str:
    return case.entry.case


def receipts() -> None:
    """Give every entry that waits its receipt, and bring about what follows."""
    LedgerEntry.objects.filter(receipt="").update(receipt="a receipt")
    bring_about()


def give(actor: Person, named: Person, case: str, **changes: Any) -> Grant:
    until = wire(now() + timedelta(days=10))
    asked = {"person": named.email, "case": case, "reason": "Knows the code", "until": until}
    return services.grant_access(actor=actor, **(asked | changes))


def sees(person: Person, case: Case) -> set[str]:
    """Which models of a case show a person anything."""
    shown = {
        "case": visible(person, Case).filter(id=case.id),
        "report": visible(person, Report).filter(case=case),
        "run": visible(person, ValidationRun).filter(report__case=case),
        "patch": visible(person, Patch).filter(case=case),
        "ledger": visible(person, LedgerEntry).filter(case=case.entry.case),
    }
    return {name for name, rows in shown.items() if rows.exists()}


EVERYTHING = {"case", "report", "run", "patch", "ledger"}


# --- grants -----------------------------------------------------------------------------------------------------------


def test_a_grant_opens_a_case_and_its_parts_once_it_has_its_receipt_and_until_its_end(case: Case) -> None:
    clerk = make_person(Role.COMPLIANCE)
    before = sees(clerk, case)
    grant = give(make_person(Role.STEWARD), clerk, key(case))
    assert sees(clerk, case) == before == {"ledger"}
    receipts()
    assert sees(clerk, case) == EVERYTHING
    with using(SetClock(grant.until)):
        assert sees(clerk, case) == before
    assert LedgerEntry.objects.get(kind="grant.give").record["person"] == clerk.email


def test_a_grant_that_is_withdrawn_opens_nothing_from_that_moment(case: Case) -> None:
    clerk, coordinator = make_person(Role.COMPLIANCE), make_person(Role.COORDINATOR)
    grant = give(coordinator, clerk, key(case))
    receipts()
    services.withdraw_grant(actor=coordinator, grant=str(grant.id))
    assert sees(clerk, case) == {"ledger"}
    assert LedgerEntry.objects.filter(kind="grant.withdraw").count() == 1
    services.withdraw_grant(actor=coordinator, grant=str(grant.id))
    assert LedgerEntry.objects.filter(kind="grant.withdraw").count() == 1, "once is enough"


def test_nobody_withdraws_a_grant_that_they_may_not_see(case: Case) -> None:
    grant = make_grant(make_person(Role.OPERATOR), key(case))
    with pytest.raises(NotFound):
        services.withdraw_grant(actor=make_person(Role.REVIEWER), grant=str(grant.id))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"reason": " "}, "no_reason"),
        ({"until": "2020-01-01T00:00:00Z"}, "bad_until"),
        ({"until": "2999-01-01T00:00:00Z"}, "bad_until"),
        ({"until": "2027-01-01T00:00:00"}, "bad_until"),
        ({"person": "nobody@example.org"}, "unknown_person"),
    ],
)
def test_a_grant_that_will_not_do_is_refused_with_its_field(
    case: Case, changes: dict[str, str], code: str
) -> None:
    with pytest.raises(ActError) as refused:
        give(make_person(Role.STEWARD), make_person(), key(case), **changes)
    assert refused.value.code == code
    assert str(refused.value).startswith(f"{next(iter(changes))}:")
    assert not Grant.objects.exists()


def test_nobody_grants_themselves_nor_whoever_stands_back_nor_what_they_do_not_see(case: Case) -> None:
    steward, reviewer = make_person(Role.STEWARD), make_person(Role.REVIEWER)
    with pytest.raises(ActError, match="themselves"):
        give(steward, steward, key(case))
    recused = make_person(Role.COORDINATOR)
    make_recusal(recused, key(case))
    with pytest.raises(ActError, match="stands back"):
        give(steward, recused, key(case))
    with pytest.raises(NotFound):
        give(steward, reviewer, "case:never-was")
    CaseFile.objects.filter(key=key(case)).update(mark=Mark.RED)
    with pytest.raises(NotFound):
        give(reviewer, make_person(), key(case))
    assert give(steward, reviewer, key(case)).case == key(case), "a steward keeps the access of what is RED"


# --- recusals ---------------------------------------------------------------------------------------------------------


def test_a_recused_person_loses_access_at_once_whatever_else_they_hold(case: Case) -> None:
    coordinator = make_person(Role.COORDINATOR, Role.MAINTAINER, Role.STEWARD)
    make_grant(coordinator, key(case))
    assert sees(coordinator, case) == EVERYTHING
    services.recuse(actor=coordinator, person=coordinator.email, case=key(case), reason="Wrote the code")
    assert sees(coordinator, case) == set()
    with pytest.raises(NotFound):
        access(coordinator, Case, id=case.id)
    told = explain(coordinator, case)
    assert (told.opens, told.forbidden_by) == (False, ("recused from the case",))
    assert len(told.admitted_by) == 2


def test_an_act_of_a_recused_person_finds_no_case(case: Case) -> None:
    from proofhouse.server.cases.services import lift_embargo

    coordinator = make_person(Role.COORDINATOR)
    make_recusal(coordinator, key(case))
    with pytest.raises(NotFound):
        lift_embargo(actor=coordinator, case=str(case.id))


def test_a_recusal_is_lifted_by_somebody_else_and_only_with_the_receipt(case: Case) -> None:
    steward, coordinator = make_person(Role.STEWARD), make_person(Role.COORDINATOR)
    made = services.recuse(actor=steward, person=coordinator.email, case=key(case), reason="Owns shares")
    assert services.recuse(actor=steward, person=coordinator.email, case=key(case), reason="Again") == made
    services.lift_recusal(actor=steward, recusal=str(made.id), reason="Sold them")
    assert sees(coordinator, case) == set()
    receipts()
    assert sees(coordinator, case) == EVERYTHING


def test_nobody_lifts_their_own_recusal_nor_recuses_others_without_being_a_steward(case: Case) -> None:
    steward, coordinator = make_person(Role.STEWARD), make_person(Role.COORDINATOR)
    own = services.recuse(actor=steward, person=steward.email, case=key(case), reason="A friend")
    with pytest.raises(ActError, match="their own"):
        services.lift_recusal(actor=steward, recusal=str(own.id), reason="No matter")
    with pytest.raises(NotAllowed):
        services.recuse(actor=coordinator, person=steward.email, case=key(case), reason="A rival")
    with pytest.raises(ActError, match="name the conflict"):
        services.recuse(actor=coordinator, person=coordinator.email, case=key(case), reason="")
    with pytest.raises(NotFound):
        services.recuse(actor=coordinator, person=coordinator.email, case="case:never-was", reason="x")
    assert Recusal.objects.count() == 1


# --- marks ------------------------------------------------------------------------------------------------------------


def mark(actor: Person, case: Case, wanted: Mark) -> None:
    services.mark_case(actor=actor, case=key(case), mark=wanted, reason="As agreed")


def test_a_narrower_mark_holds_at_once_and_a_wider_one_with_its_receipt(case: Case) -> None:
    coordinator, clerk = make_person(Role.COORDINATOR), make_person(Role.COMPLIANCE)
    mark(coordinator, case, Mark.GREEN)
    assert "case" not in sees(clerk, case)
    receipts()
    assert sees(clerk, case) == {"case", "ledger"}, "a report goes no further than to who works on it"
    mark(coordinator, case, Mark.AMBER_STRICT)
    assert "case" not in sees(clerk, case)
    assert {row.mark for row in CaseFile.objects.all()} == {Mark.AMBER_STRICT}, "its parts as well"


def test_a_wider_mark_that_was_overtaken_by_a_narrower_one_stays_without_effect(case: Case) -> None:
    coordinator = make_person(Role.COORDINATOR)
    mark(coordinator, case, Mark.GREEN)
    mark(coordinator, case, Mark.AMBER_STRICT)
    receipts()
    assert casefiles.mark_of(key(case)) is Mark.AMBER_STRICT


def test_red_is_for_people_who_are_named_and_needs_one(case: Case) -> None:
    coordinator, other = make_person(Role.COORDINATOR), make_person(Role.COORDINATOR)
    with pytest.raises(ActError, match="grant somebody") as refused:
        mark(coordinator, case, Mark.RED)
    assert refused.value.code == "nobody_named"
    make_grant(other, key(case))
    mark(coordinator, case, Mark.RED)
    assert sees(coordinator, case) == set()
    assert sees(other, case) == EVERYTHING
    with pytest.raises(NotFound):
        mark(coordinator, case, Mark.AMBER)


def test_what_is_no_mark_is_refused(case: Case) -> None:
    with pytest.raises(ActError, match="is no mark of TLP"):
        services.mark_case(actor=make_person(Role.COORDINATOR), case=key(case), mark="TLP:WHITE", reason="x")


def test_joined_cases_bear_the_narrower_mark_of_the_two(house: object) -> None:
    with one_transaction("test"):
        casefiles.keep_mark("report:1", Mark.RED)
        casefiles.keep_mark("case:1", Mark.GREEN)
        casefiles.join_case("report:1", "case:1")
        casefiles.join_case("case:1", "case:2")
    assert {(row.key, row.part_of_id, row.mark) for row in CaseFile.objects.all()} == {
        ("report:1", "case:2", Mark.RED),
        ("case:1", "case:2", Mark.RED),
        ("case:2", None, Mark.RED),
    }


def test_a_letter_narrows_the_case_that_it_is_about_and_never_widens_it(lab: Correspondent) -> None:
    with one_transaction("test"):
        casefiles.keep_mark("case:1", Mark.AMBER)
        assert not CaseFile.objects.exists(), "AMBER is what an unmarked case counts as"
        casefiles.keep_mark("case:1", Mark.AMBER_STRICT)
        casefiles.keep_mark("case:1", Mark.GREEN)
    assert casefiles.mark_of("case:1") is Mark.AMBER_STRICT


def test_a_letter_about_a_case_bears_its_mark(case: Case) -> None:
    from proofhouse.server.cases.services import notify_vendor

    coordinator = make_person(Role.COORDINATOR)
    mark(coordinator, case, Mark.AMBER_STRICT)
    notify_vendor(
        actor=coordinator,
        case=str(case.id),
        vendor="vendor",
        product={"name": "libexample", "version": "1", "purl": "pkg:generic/libexample@1"},
        embargo_until=wire(now() + timedelta(days=30)),
    )
    assert {letter.body["tlp"] for letter in Letter.objects.filter(type="case-message")} == {
        Mark.AMBER_STRICT
    }
