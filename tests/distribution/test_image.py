# SPDX-License-Identifier: Apache-2.0
"""What the image repository takes from a vendor, and what it refuses."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from distribution.world import VENDOR, World, ring
from proofhouse.distribution import (
    ImageRepository,
    KeyRing,
    RootPolicy,
    VendorRelease,
    _repository,
    key_records,
    keys_from_records,
    sign_vendor_release,
)
from proofhouse.distribution._repository import prefixed, sign
from proofhouse.distribution._tuf import Metadata, TargetFile, Targets
from proofhouse.distribution.errors import KeyRefused, RepositoryBroken, UploadRefused
from proofhouse.distribution.files import write_atomically
from proofhouse.distribution.paths import group_of


def release(world: World, name: str = "fix.patch", content: bytes = b"x") -> VendorRelease:
    return sign_vendor_release(
        world.image.patch_path(VENDOR, name),
        content,
        world.vendor_keys.signers("vendor"),
        previous=world.image.vendor_metadata(VENDOR),
        now=world.now,
    )


def published(world: World) -> dict[str, bytes]:
    site = world.directory / "site/image"
    return {
        str(path.relative_to(site)): path.read_bytes()
        for path in site.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def test_accepting_a_release_signs_only_snapshot_and_timestamp(world: World) -> None:
    before = published(world)
    upload = release(world)
    paths = world.image.accept_vendor_metadata(VENDOR, upload.metadata, b"x", now=world.now)
    assert paths == (upload.image.path,)
    after = published(world)
    role = f"{world.image.vendor_group(VENDOR)}-{VENDOR}"
    hashed = prefixed(upload.image.path, TargetFile.from_data(upload.image.path, b"x", ["sha256"]))
    assert {name for name in after if after[name] != before.get(name)} == {
        f"targets/{hashed}",
        f"metadata/1.{role}.json",
        "metadata/3.snapshot.json",
        "metadata/timestamp.json",
    }
    assert after[f"metadata/1.{role}.json"] == upload.metadata


def test_accepting_needs_no_offline_key(world: World) -> None:
    for role in ("root", "targets", "groups"):
        (world.directory / "keys/image" / role).rename(world.directory / f"safe-{role}")
    upload = release(world)
    assert world.image.accept_vendor_metadata(VENDOR, upload.metadata, b"x", now=world.now)


def altered(change: Callable[[Targets], object]) -> Callable[[World, VendorRelease], VendorRelease]:
    """An upload changed by its vendor before signing."""

    def make(world: World, upload: VendorRelease) -> VendorRelease:
        signed = Metadata[Targets].from_bytes(upload.metadata).signed
        change(signed)
        metadata = sign(signed, world.vendor_keys.signers("vendor")).to_bytes()
        return VendorRelease(metadata, signed.version, upload.image, upload.content)

    return make


def add_path(path: str) -> Callable[[Targets], object]:
    return lambda signed: signed.targets.update({path: TargetFile.from_data(path, b"x", ["sha256"])})


def other_key(world: World, upload: VendorRelease) -> VendorRelease:
    signed = Metadata[Targets].from_bytes(upload.metadata).signed
    keys = ring(world.directory / "keys/thief", vendor=1)
    return VendorRelease(sign(signed, keys.signers("vendor")).to_bytes(), 1, upload.image, upload.content)


def raw(content: bytes) -> Callable[[World, VendorRelease], VendorRelease]:
    return lambda world, upload: VendorRelease(content, 1, upload.image, upload.content)


def other_role(world: World, upload: VendorRelease) -> VendorRelease:
    content = (world.directory / "site/image/metadata/1.root.json").read_bytes()
    return VendorRelease(content, 1, upload.image, upload.content)


def other_file(world: World, upload: VendorRelease) -> VendorRelease:
    return VendorRelease(upload.metadata, upload.version, upload.image, b"y")


def tampered(world: World, upload: VendorRelease) -> VendorRelease:
    record = json.loads(upload.metadata)
    next(iter(record["signed"]["targets"].values()))["length"] = 7
    return VendorRelease(json.dumps(record).encode(), 1, upload.image, upload.content)


REFUSED = {
    "a foreign vendor's path": (altered(add_path("g00/other/patches/x")), "path: .* lies outside"),
    "a path in another group": (altered(add_path("g99/acme/patches/x")), "path: .* lies outside"),
    "a path with too few segments": (altered(add_path("g00/acme/x")), "path: .* not of the form"),
    "a path that climbs": (altered(add_path("g00/acme/patches/..")), "path: .* not of the form"),
    "a version too high": (
        altered(lambda signed: setattr(signed, "version", 2)),
        "version: expected 1, got 2",
    ),
    "an expiry in the past": (
        altered(lambda signed: setattr(signed, "expires", signed.expires - timedelta(days=91))),
        "expires: .* is past",
    ),
    "an expiry too far": (
        altered(lambda signed: setattr(signed, "expires", signed.expires + timedelta(days=1))),
        "later than 90 days",
    ),
    "a second hash algorithm": (
        altered(lambda signed: [t.hashes.update({"sha512": "0" * 128}) for t in signed.targets.values()]),
        "exactly one SHA-256",
    ),
    "two new paths": (altered(lambda s: add_path(next(iter(s.targets)) + "2")(s)), "exactly one new path"),
    "another key": (other_key, "signature: "),
    "changed after signing": (tampered, "signature: "),
    "another file": (other_file, "not the one that was signed"),
    "no metadata": (raw(b""), "cannot be read"),
    "deep junk": (raw(b"[" * 100_000), "cannot be read"),
    "too much": (raw(b" " * 5_000_001), "at most 5000000"),
    "another type": (other_role, "type root"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_upload_that_breaks_a_rule_is_refused_and_nothing_is_stored(world: World, case: str) -> None:
    make, message = REFUSED[case]
    before = published(world)
    upload = make(world, release(world))
    with pytest.raises(UploadRefused, match=message):
        world.image.accept_vendor_metadata(VENDOR, upload.metadata, upload.content, now=world.now)
    assert published(world) == before


def test_a_released_path_keeps_its_bytes(world: World) -> None:
    world.vendor_release("fix.patch", b"first")
    with pytest.raises(UploadRefused, match="keeps its bytes"):
        release(world, content=b"second")
    upload = release(world, "other.patch")

    def swap(signed: Targets) -> None:
        path = world.image.patch_path(VENDOR, "fix.patch")
        signed.targets[path] = TargetFile.from_data(path, b"second", ["sha256"])

    swapped = altered(swap)(world, upload)
    with pytest.raises(UploadRefused, match="keeps its bytes"):
        world.image.accept_vendor_metadata(VENDOR, swapped.metadata, swapped.content, now=world.now)


def test_a_replayed_upload_is_refused(world: World) -> None:
    upload = release(world)
    world.image.accept_vendor_metadata(VENDOR, upload.metadata, upload.content, now=world.now)
    with pytest.raises(UploadRefused, match="version: expected 2, got 1"):
        world.image.accept_vendor_metadata(VENDOR, upload.metadata, upload.content, now=world.now)


def test_a_vendor_renews_its_signature_without_a_new_file(world: World) -> None:
    world.vendor_release("fix.patch", b"first")
    content = world.image.target_bytes(
        f"{world.image.vendor_group(VENDOR)}-{VENDOR}", world.image.patch_path(VENDOR, "fix.patch")
    )
    renewed = release(world, content=content)
    assert world.image.accept_vendor_metadata(VENDOR, renewed.metadata, None, now=world.now) == ()


def test_an_unknown_vendor_is_refused(world: World) -> None:
    upload = release(world)
    with pytest.raises(UploadRefused, match="not delegated"):
        world.image.accept_vendor_metadata("nobody", upload.metadata, b"x", now=world.now)


def test_a_vendor_may_ask_for_two_signatures(world: World) -> None:
    keys = ring(world.directory / "keys/careful", vendor=3)
    world.image.add_vendor(VENDOR, keys.public_keys("vendor"), now=world.now, threshold=2)
    path = world.image.patch_path(VENDOR, "fix.patch")
    one, *_ = signers = keys.signers("vendor")
    alone = sign_vendor_release(path, b"x", [one], previous=None, now=world.now)
    with pytest.raises(UploadRefused, match="signature"):
        world.image.accept_vendor_metadata(VENDOR, alone.metadata, b"x", now=world.now)
    both = sign_vendor_release(path, b"x", signers[:2], previous=None, now=world.now)
    assert world.image.accept_vendor_metadata(VENDOR, both.metadata, b"x", now=world.now)


def test_replacing_a_vendors_key_locks_the_old_one_out(world: World) -> None:
    old = release(world)
    keys = ring(world.directory / "keys/new", vendor=1)
    world.image.add_vendor(VENDOR, keys.public_keys("vendor"), now=world.now)
    with pytest.raises(UploadRefused, match="signature"):
        world.image.accept_vendor_metadata(VENDOR, old.metadata, b"x", now=world.now)
    group = world.image.vendor_group(VENDOR)
    delegations = world.image._targets(group).signed.delegations
    assert delegations is not None
    assert set(delegations.keys) == {key.keyid for key in keys.public_keys("vendor")}


@pytest.mark.parametrize(
    ("vendor", "threshold"), [("Acme", 1), ("a/b", 1), ("", 1), ("acme2", 2), ("acme2", 0)]
)
def test_an_unusable_vendor_is_refused(world: World, vendor: str, threshold: int) -> None:
    keys = world.vendor_keys.public_keys("vendor")
    with pytest.raises(UploadRefused):
        world.image.add_vendor(vendor, keys, now=world.now, threshold=threshold)


def test_root_needs_two_of_three_keys(world: World) -> None:
    root = Metadata.from_bytes(world.image.root_bytes()).signed
    for role in ("root", "targets"):
        assert (root.roles[role].threshold, len(root.roles[role].keyids)) == (2, 3)


def test_a_repository_is_not_made_twice_nor_opened_before_it_is_made(world: World, tmp_path: Path) -> None:
    with pytest.raises(RepositoryBroken, match="already"):
        ImageRepository.create(world.image.directory, world.image_keys, now=world.now)
    with pytest.raises(RepositoryBroken, match="create it first"):
        ImageRepository(tmp_path / "nothing", world.image_keys)


def test_the_default_is_thirty_two_groups_in_small_files(world: World, tmp_path: Path) -> None:
    repository = ImageRepository.create(tmp_path / "big", world.image_keys, now=world.now)
    assert repository.groups == 32
    assert max(path.stat().st_size for path in (tmp_path / "big/metadata").iterdir()) < 16_384
    assert {group_of(f"vendor-{n}") for n in range(1000)} == {f"g{n:02d}" for n in range(32)}


def test_a_missing_key_names_its_role(world: World, tmp_path: Path) -> None:
    with pytest.raises(KeyRefused, match="no targets key"):
        ImageRepository.create(
            tmp_path / "x", ring(tmp_path / "k", groups=1), now=world.now, policy=RootPolicy(1, 1, 1, 1)
        )


def test_key_files_are_the_owners_alone_and_demo_keys_are_refused_by_default(tmp_path: Path) -> None:
    ring(tmp_path, vendor=1)
    (path,) = (tmp_path / "vendor").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(KeyRefused, match="demo key"):
        KeyRing(tmp_path).signers("vendor")
    path.chmod(0o640)
    with pytest.raises(KeyRefused, match="chmod 600"):
        KeyRing(tmp_path, allow_demo=True).signers("vendor")


def test_a_broken_key_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    path = tmp_path / "root/a.pem"
    path.write_text("nonsense")
    path.chmod(0o600)
    with pytest.raises(KeyRefused, match=r"a\.pem"):
        KeyRing(tmp_path).signers("root")


def test_ensure_makes_only_what_is_missing(tmp_path: Path) -> None:
    keys = KeyRing(tmp_path)
    first = {signer.public_key.keyid for signer in keys.ensure("root", 2)}
    assert first < {signer.public_key.keyid for signer in keys.ensure("root", 3)}


def test_public_keys_travel_as_records(world: World) -> None:
    keys = world.vendor_keys.public_keys("vendor")
    assert keys_from_records(json.loads(json.dumps(key_records(keys)))) == keys
    for broken in ({}, {"keyid": "a", "keytype": "x", "scheme": "y", "keyval": {}}, {"keyid": "a"}):
        with pytest.raises(KeyRefused):
            keys_from_records([broken])


def test_a_publication_cut_short_is_not_seen_and_can_be_repeated(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = release(world)
    for survives in range(4):
        written: list[Path] = []

        def cut(path: Path, content: bytes, limit: int = survives, seen: list[Path] = written) -> None:
            if len(seen) == limit:
                raise OSError(28, "No space left on device")
            seen.append(path)
            write_atomically(path, content)

        monkeypatch.setattr(_repository, "write_atomically", cut)
        with pytest.raises(OSError, match="No space"):
            world.image.accept_vendor_metadata(VENDOR, upload.metadata, b"x", now=world.now)
        assert world.image.vendor_metadata(VENDOR) is None
    monkeypatch.undo()
    assert world.image.accept_vendor_metadata(VENDOR, upload.metadata, b"x", now=world.now)
