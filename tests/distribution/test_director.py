# SPDX-License-Identifier: Apache-2.0
"""What the director publishes, and which changes it refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from distribution.world import AUDIENCE, World
from proofhouse.distribution import DirectorRepository, RevocationList, RingStep, TrustedRepository
from proofhouse.distribution.errors import ReleaseRefused
from proofhouse.distribution.manifest import Manifest


@pytest.fixture
def seen(world: World, tmp_path: Path) -> TrustedRepository:
    """The director as a client sees it at its first question."""
    return TrustedRepository(
        "director", f"{world.site.url}/director", world.director.root_bytes(), tmp_path / "cache"
    )


def test_a_new_director_publishes_an_empty_manifest(
    world: World, seen: TrustedRepository, tmp_path: Path
) -> None:
    content = seen.read("manifest.json", tmp_path / "m", most_bytes=10_000)
    assert content is not None
    assert Manifest.from_json(content) == Manifest(AUDIENCE, 1, world.director.manifest.issued)


def test_the_vendors_file_is_a_target_of_the_directors_own(world: World, seen: TrustedRepository) -> None:
    item = world.release()
    target = seen.find(item.image.path)
    assert target is not None
    assert (target.length, target.hashes) == (item.image.length_bytes, {"sha256": item.image.sha256})
    assert target.custom["item"] == item.id
    assert not list((world.director.directory / "targets").rglob("*fix.patch"))


def test_a_revoked_item_is_no_longer_named_but_listed(
    world: World, seen: TrustedRepository, tmp_path: Path
) -> None:
    item = world.release()
    manifest = world.director.revoke(item.id, "breaks pumps", now=world.now)
    assert seen.find(item.image.path) is None
    content = seen.read("revocations.json", tmp_path / "r", most_bytes=10_000)
    assert content is not None
    listed = RevocationList.from_json(content)
    assert (listed.version, listed.revoked[item.id].reason) == (manifest.version, "breaks pumps")
    assert manifest.items[0].version == 2


def test_an_amendment_changes_the_plan_and_keeps_the_file(world: World) -> None:
    item = world.release()
    paused = replace(item, rings=(RingStep(1, world.now, 0),))
    assert world.director.amend(paused, now=world.now).items[0].version == 2
    with pytest.raises(ReleaseRefused, match="another file"):
        world.director.amend(replace(item, image=replace(item.image, sha256="0" * 64)), now=world.now)


def test_refused_changes_publish_nothing(world: World) -> None:
    item = world.release()
    version = world.director.manifest.version
    again = world.item(item.image)
    changes: list[Callable[[], object]] = [
        lambda: world.director.authorise(item, world.ledger.authorise(item), now=world.now),
        lambda: world.director.authorise(again, world.ledger.authorise(again), now=world.now),
        lambda: world.director.revoke("0" * 32, "x", now=world.now),
        lambda: world.director.revoke(item.id, "", now=world.now),
        lambda: world.director.amend(replace(item, mitigation="x" * 2001), now=world.now),
        lambda: world.director.amend(world.item(item.image), now=world.now),
    ]
    for change in changes:
        with pytest.raises(ReleaseRefused):
            change()
    assert world.director.manifest.version == version


def test_a_revoked_item_stays_revoked(world: World) -> None:
    item = world.release()
    world.director.revoke(item.id, "bad", now=world.now)
    with pytest.raises(ReleaseRefused, match="is revoked since"):
        world.director.revoke(item.id, "again", now=world.now)
    with pytest.raises(ReleaseRefused, match="is revoked since"):
        world.director.amend(item, now=world.now)


def test_a_corrected_release_of_the_same_file_can_follow_a_revocation(world: World) -> None:
    item = world.release()
    world.director.revoke(item.id, "wrong audience", now=world.now)
    again = world.item(item.image)
    assert world.director.authorise(again, world.ledger.authorise(again), now=world.now).version == 4


def test_renewal_keeps_items_and_moves_expiry(world: World) -> None:
    item = world.release()
    later = world.now + timedelta(days=20)
    assert world.director.renew_release_role(now=later).items == (item,)
    assert world.director._targets("targets").signed.expires > world.now + timedelta(days=45)


def test_a_repository_survives_being_opened_again(world: World) -> None:
    item = world.release()
    again = DirectorRepository(world.director.directory, world.director_keys)
    assert again.manifest.item(item.id) == item
