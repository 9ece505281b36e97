# SPDX-License-Identifier: Apache-2.0
"""Repositories follow the ledger: nothing is published that an act has not recorded, and nothing twice."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from proofhouse.distribution import KeyRing, key_records
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine.acts import ActError
from proofhouse.server.engine.clock import SetClock, using
from proofhouse.server.engine.models import LedgerEntry
from proofhouse.server.engine.work import round_of_work
from proofhouse.server.house import House
from proofhouse.server.releases import services
from proofhouse.server.releases.models import ReleaseKey
from proofhouse.server.releases.queries import agent_trust
from server.makers import Correspondent, make_person

pytestmark = pytest.mark.django_db


class Undone(Exception):
    """What the transaction met after the act."""


def vendor_keys(directory: Path) -> list[dict[str, Any]]:
    return key_records(signer.public_key for signer in KeyRing(directory, allow_demo=True).ensure("vendor"))


@pytest.fixture
def published(house: House) -> None:
    """A house whose repositories are open."""
    services.open_repositories(actor=make_person(Role.COORDINATOR))
    round_of_work()


def metadata(house: House) -> set[str]:
    """The names of all published metadata files; a version more is a name more."""
    return {path.name for path in (house.repositories / "public" / "image" / "metadata").iterdir()}


def delegated(vendor: str) -> list[str]:
    """The keys to which a vendor's paths are delegated."""
    image = services.image_repository()
    group: Any = image.published_roles()[image.vendor_group(vendor)]
    role = group.delegations.roles.get(f"{image.vendor_group(vendor)}-{vendor}")
    return [] if role is None else sorted(role.keyids)


def test_repositories_appear_with_the_receipt_and_not_with_the_act(house: House) -> None:
    coordinator = make_person(Role.COORDINATOR)
    services.open_repositories(actor=coordinator)
    assert not house.repositories.joinpath("public").exists()
    with pytest.raises(ActError, match="not open") as refused:
        agent_trust(actor=coordinator)
    assert refused.value.code == "not_in_force"
    round_of_work()
    assert services.repositories_published()
    services.open_repositories(actor=coordinator)
    assert LedgerEntry.objects.filter(kind="repositories.open").count() == 1


def test_an_enrolment_that_is_undone_publishes_nothing(
    house: House, vendor: Correspondent, published: None, tmp_path: Path
) -> None:
    before = metadata(house)
    coordinator, keys = make_person(Role.COORDINATOR), vendor_keys(tmp_path / "v")

    def enrol_and_fail() -> None:
        with transaction.atomic():
            services.enrol_vendor(actor=coordinator, vendor="vendor", keys=keys)
            raise Undone

    with pytest.raises(Undone):
        enrol_and_fail()
    round_of_work()
    assert metadata(house) == before
    assert not ReleaseKey.objects.exists()


def test_an_enrolment_is_published_with_its_receipt_and_only_once(
    house: House, vendor: Correspondent, published: None, tmp_path: Path
) -> None:
    keys = vendor_keys(tmp_path / "v")
    before = metadata(house)
    told = services.enrol_vendor(actor=make_person(Role.COORDINATOR), vendor="vendor", keys=keys)
    assert metadata(house) == before, "pending until the receipt is there"
    round_of_work()
    assert delegated("vendor") == [key["keyid"] for key in keys]
    assert told["role"] == f"{services.image_repository().vendor_group('vendor')}-vendor"
    after = metadata(house)
    LedgerEntry.objects.update(effected=False)
    round_of_work()
    assert metadata(house) == after, "an effect that runs again changes nothing"


def test_a_second_enrolment_replaces_the_keys(
    house: House, vendor: Correspondent, published: None, tmp_path: Path
) -> None:
    coordinator = make_person(Role.COORDINATOR)
    first, second = vendor_keys(tmp_path / "a"), vendor_keys(tmp_path / "b")
    services.enrol_vendor(actor=coordinator, vendor="vendor", keys=first)
    services.enrol_vendor(actor=coordinator, vendor="vendor", keys=second)
    round_of_work()
    assert delegated("vendor") == [key["keyid"] for key in second]
    LedgerEntry.objects.update(effected=False)
    round_of_work()
    assert delegated("vendor") == [key["keyid"] for key in second]


def test_nobody_is_enrolled_before_the_repositories_are_opened_or_without_a_key(
    house: House, vendor: Correspondent
) -> None:
    coordinator = make_person(Role.COORDINATOR)
    with pytest.raises(ActError, match="open the repositories first"):
        services.enrol_vendor(actor=coordinator, vendor="vendor", keys=[])
    services.open_repositories(actor=coordinator)
    with pytest.raises(ActError, match="at least one key"):
        services.enrol_vendor(actor=coordinator, vendor="vendor", keys=[])


def test_the_directors_role_is_signed_anew_before_it_expires(house: House, published: None) -> None:
    def expires() -> datetime:
        return services.director_repository().published_roles()["targets"].expires

    first = expires()
    services.renew_repositories()
    assert expires() == first, "there is time enough"
    with using(SetClock(first - timedelta(days=9))):
        services.renew_repositories()
        assert expires() > first
