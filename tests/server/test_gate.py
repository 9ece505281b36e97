# SPDX-License-Identifier: Apache-2.0
"""The gate: default deny, and the table of who sees what (design rule 4)."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.apps import apps
from django.db.models import Model

from proofhouse.server.accounts.gate import NotAllowed, NotFound, access, may_do, require, visible
from proofhouse.server.accounts.marks import CASE_OF
from proofhouse.server.accounts.permissions import Permission, Role
from proofhouse.server.engine.models import DoneAct, LedgerEntry
from proofhouse.server.house import House
from proofhouse.server.reviews.models import Determination, Inquiry, RegisterEntry
from server.makers import make_determination, make_person, make_world

pytestmark = pytest.mark.django_db

EVERYBODY = frozenset(Role)
REVIEW = frozenset({Role.AUTHORITY, Role.DEVELOPER, Role.REVIEWER})
OFFICE = frozenset({Role.AUTHORITY, Role.REVIEWER})
NOBODY: frozenset[Role] = frozenset()
SCANNERS = frozenset({Role.COORDINATOR, Role.DEVELOPER, Role.MAINTAINER, Role.OPERATOR, Role.REVIEWER})
STEWARD = frozenset({Role.STEWARD})
KEEPERS = frozenset({Role.INSPECTOR, Role.STEWARD})
OWN = frozenset({Role.COMPLIANCE, Role.DEVELOPER, Role.OPERATOR})

READERS: dict[str, frozenset[Role]] = {
    "accounts.BreakGlass": KEEPERS,
    "accounts.CaseFile": EVERYBODY,
    "accounts.GateOpening": KEEPERS,
    "accounts.Grant": KEEPERS,
    "accounts.Invitation": STEWARD,
    "accounts.MachineToken": STEWARD,
    "accounts.Membership": STEWARD,
    "accounts.Organisation": STEWARD,
    "accounts.Person": STEWARD,
    "accounts.Recusal": KEEPERS,
    "advisories.Advisory": frozenset({Role.COORDINATOR}),
    "cases.Attachment": frozenset({Role.COORDINATOR}),
    "cases.Bench": frozenset({Role.COORDINATOR}),
    "cases.BlindCheck": frozenset({Role.COORDINATOR}),
    "cases.Case": frozenset({Role.COORDINATOR, Role.MAINTAINER}),
    "cases.KnownPrint": NOBODY,
    "cases.Patch": frozenset({Role.COORDINATOR, Role.MAINTAINER}),
    "cases.ProductRules": SCANNERS,
    "cases.Reading": frozenset({Role.COORDINATOR}),
    "cases.Refusal": frozenset({Role.COORDINATOR}),
    "cases.Report": frozenset({Role.COORDINATOR}),
    "cases.ScanLease": frozenset({Role.COORDINATOR}),
    "cases.ValidationRun": frozenset({Role.COORDINATOR}),
    "engine.Blob": NOBODY,
    "engine.Deadline": EVERYBODY,
    "engine.DoneAct": NOBODY,
    "engine.HighWater": NOBODY,
    "engine.Job": frozenset({Role.STEWARD}),
    "engine.JobStep": NOBODY,
    "engine.LedgerEntry": EVERYBODY,
    "engine.Letter": EVERYBODY,
    "engine.Peer": EVERYBODY,
    "engine.SearchText": NOBODY,
    "engine.Thread": EVERYBODY,
    "engine.Worker": frozenset({Role.STEWARD}),
    "exams.ExamStatement": OFFICE,
    "exams.Seal": OFFICE,
    "members.Match": frozenset({Role.COORDINATOR}),
    "members.Notification": frozenset({Role.COMPLIANCE, Role.COORDINATOR, Role.OPERATOR}),
    "members.Sbom": frozenset({Role.COORDINATOR}),
    "obligations.AiModel": OWN,
    "obligations.Bridge": OWN,
    "obligations.BridgedEvent": OWN,
    "obligations.CalendarDate": OWN,
    "obligations.CalendarFeed": NOBODY,
    "obligations.ClockRun": OWN,
    "obligations.DigestReading": OWN,
    "obligations.Evidence": OWN,
    "obligations.EvidenceLink": OWN,
    "obligations.Filing": OWN,
    "obligations.Incident": OWN,
    "obligations.IncidentVersion": OWN,
    "obligations.ProfileFact": OWN,
    "obligations.WeeklyDigest": OWN,
    "oversight.Export": frozenset({Role.COORDINATOR, Role.INSPECTOR, Role.REVIEWER}),
    "releases.Acknowledgement": frozenset({Role.COMPLIANCE, Role.COORDINATOR, Role.OPERATOR}),
    "releases.Agent": NOBODY,
    "releases.Enrolment": NOBODY,
    "releases.Release": frozenset({Role.COORDINATOR}),
    "releases.ReleaseKey": NOBODY,
    "reviews.Agreement": REVIEW,
    "reviews.Determination": REVIEW | {Role.COMPLIANCE},
    "reviews.Inquiry": REVIEW | {Role.COMPLIANCE},
    "reviews.RegisterEntry": EVERYBODY,
    "reviews.Window": REVIEW,
}
"""Who may read a model's rows. A new model must be decided about here."""


def own_models() -> dict[str, type[Model]]:
    return {
        f"{model._meta.app_label}.{model.__name__}": model
        for model in apps.get_models()
        if model.__module__.startswith("proofhouse.")
    }


def test_every_model_is_in_the_table_of_readers() -> None:
    assert set(own_models()) == set(READERS)


def test_each_role_sees_exactly_the_models_of_the_table(house: House) -> None:
    make_world()
    for name, model in own_models().items():
        assert model._default_manager.exists(), f"the test world has no {name}"
        for role in Role:
            seen = visible(make_person(role), model).count()
            expected = model._default_manager.count() if role in READERS[name] else 0
            assert seen == expected, f"{role.value} sees {seen} of {name}, expected {expected}"


def test_several_roles_see_what_any_of_them_sees(house: House) -> None:
    make_world()
    both = make_person(Role.OPERATOR, Role.REVIEWER)
    for name, model in own_models().items():
        expected = bool({Role.OPERATOR, Role.REVIEWER} & READERS[name])
        if name.startswith("obligations."):
            expected = False  # a role on a review's other side closes this desk
        assert visible(both, model).exists() is expected, name


def test_somebody_without_a_role_sees_the_public_register_only(house: House) -> None:
    make_world()
    stranger = make_person()
    assert {name for name, model in own_models().items() if visible(stranger, model).exists()} == {
        "reviews.RegisterEntry"
    }


def test_an_inactive_person_sees_and_may_do_nothing(house: House) -> None:
    make_world()
    gone = make_person(*Role, active=False)
    assert not any(visible(gone, model).exists() for model in own_models().values())
    assert not any(may_do(gone, permission) for permission in Permission)
    with pytest.raises(NotAllowed):
        require(gone, Permission.REVIEWS_WINDOW_OPEN)


def test_a_role_that_is_taken_away_takes_its_rows_with_it_at_once(house: House) -> None:
    world = make_world()
    reviewer = make_person(Role.REVIEWER)
    assert access(reviewer, Inquiry, id=world.inquiry.id) == world.inquiry
    reviewer.memberships.all().delete()
    with pytest.raises(NotFound):
        access(reviewer, Inquiry, id=world.inquiry.id)


def test_a_model_without_rules_shows_nothing_even_to_all_roles_together(house: House) -> None:
    make_world()
    assert DoneAct.objects.exists()
    assert not visible(make_person(*Role), DoneAct).exists()


@pytest.mark.parametrize("role", Role)
def test_a_miss_and_a_hidden_row_look_the_same(house: House, role: Role) -> None:
    world = make_world()
    person = make_person(role)
    said = set()
    hidden = [world.inquiry.id] if role not in REVIEW | {Role.COMPLIANCE} else []
    for wanted in [*hidden, uuid4(), "not-an-id", "", None]:
        with pytest.raises(NotFound) as missed:
            access(person, Inquiry, id=wanted)
        said.add(str(missed.value))
    assert said == {"no inquiry like that"}


def test_a_determination_without_a_receipt_is_not_in_the_register(house: House) -> None:
    pending = make_determination("review:1", in_force=False)
    for role in Role:
        assert not visible(make_person(role), RegisterEntry).exists()
    assert visible(make_person(Role.AUTHORITY), Determination).get() == pending
    LedgerEntry.objects.update(receipt="a receipt")
    assert visible(make_person(), RegisterEntry).get().determination == pending


NOT_FILED = {
    "accounts.BreakGlass": "an emergency of the house, under no case",
    "accounts.GateOpening": "the audit of the gate, for stewards and inspectors",
    "accounts.Grant": "says who may see, not what there is",
    "accounts.Invitation": "about a person",
    "accounts.MachineToken": "about a person",
    "accounts.Recusal": "says who may not see",
    "cases.Bench": "the house's own arrangement, under no case",
    "cases.ProductRules": "what an owner says to everybody who scans",
    "cases.ScanLease": "its holder's own; a coordinator sees that it is there, others count it",
    "engine.Job": "its owner and the steward follow it; its words hold no material",
    "members.Notification": "written to one member",
    "members.Sbom": "a member's own",
    "obligations.AiModel": "the developer's own affairs, in a log of their own",
    "obligations.Bridge": "the developer's own affairs, in a log of their own",
    "obligations.BridgedEvent": "the developer's own affairs, in a log of their own",
    "obligations.CalendarFeed": "the developer's own affairs, in a log of their own",
    "obligations.ClockRun": "the developer's own affairs, in a log of their own",
    "obligations.DigestReading": "the developer's own affairs, in a log of their own",
    "obligations.Evidence": "the developer's own affairs, in a log of their own",
    "obligations.EvidenceLink": "the developer's own affairs, in a log of their own",
    "obligations.Filing": "the developer's own affairs, in a log of their own",
    "obligations.IncidentVersion": "the developer's own affairs, in a log of their own",
    "obligations.ProfileFact": "the developer's own affairs, in a log of their own",
    "obligations.WeeklyDigest": "the developer's own affairs, in a log of their own",
    "oversight.Export": "written to one inspectorate",
    "releases.Acknowledgement": "a member's own",
    "releases.Enrolment": "a member's own",
    "releases.ReleaseKey": "public keys",
}
"""Records with an entry or a case that lie under none, and why the mark of a case is not asked for them."""


def test_every_record_with_a_case_lies_under_it_or_says_why_not() -> None:
    bound = {
        model._meta.label
        for model in apps.get_models()
        for column in model._meta.concrete_fields
        if column.name == "case" or column.related_model is LedgerEntry
    }
    assert bound - set(CASE_OF) == set(NOT_FILED)
