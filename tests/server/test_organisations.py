# SPDX-License-Identifier: Apache-2.0
"""Whoever works here does so for an organisation: the one that runs the house, or one that has no house."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from proofhouse.server.accounts.gate import may_do
from proofhouse.server.accounts.models import Membership, Organisation, own_organisation
from proofhouse.server.accounts.permissions import Permission, Role
from proofhouse.server.house import House
from server.makers import make_organisation, make_person

pytestmark = pytest.mark.django_db


def test_the_own_organisation_bears_the_name_of_the_house_and_is_one(house: House) -> None:
    own = own_organisation()
    assert (own.name, own.title) == ("office", "Review Office")
    assert own_organisation() == own
    make_organisation("second")
    with pytest.raises(IntegrityError), transaction.atomic():
        Organisation.objects.filter(name="second").update(own=True)


def test_a_role_in_a_hosted_organisation_is_no_role_in_the_house(house: House) -> None:
    clinic = make_organisation("clinic")
    guest = make_person(Role.STEWARD, Role.OPERATOR, organisation=clinic)
    assert guest.roles == frozenset()
    assert list(guest.organisations) == [clinic]
    assert not any(may_do(guest, permission) for permission in Permission)


def test_somebody_may_work_for_both(house: House) -> None:
    person = make_person(Role.REVIEWER)
    clinic = make_organisation("clinic")
    Membership.objects.create(person=person, organisation=clinic, role=Role.OPERATOR)
    assert person.roles == {Role.REVIEWER}
    assert list(person.organisations) == [clinic]
    with pytest.raises(IntegrityError), transaction.atomic():
        Membership.objects.create(person=person, organisation=clinic, role=Role.OPERATOR)


def test_an_organisation_with_people_is_not_taken_away(house: House) -> None:
    clinic = make_organisation("clinic")
    make_person(Role.OPERATOR, organisation=clinic)
    with pytest.raises(IntegrityError), transaction.atomic():
        clinic.delete()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_memberships_of_before_belong_to_the_own_organisation(house: House) -> None:
    before, after = [("accounts", "0002_alter_membership_role")], [("accounts", "0003_organisations")]
    executor = MigrationExecutor(connection)
    latest = executor.loader.graph.leaf_nodes()
    executor.migrate(before)
    old = executor.loader.project_state(before).apps
    person = old.get_model("accounts", "Person").objects.create(email="ada@office.example", name="Ada")
    old.get_model("accounts", "Membership").objects.create(person=person, role="steward")
    executor = MigrationExecutor(connection)
    executor.migrate(after)
    new = executor.loader.project_state(after).apps
    kept = new.get_model("accounts", "Membership").objects.get()
    assert (kept.role, kept.organisation.name, kept.organisation.own) == ("steward", "office", True)
    MigrationExecutor(connection).migrate(latest)
