# SPDX-License-Identifier: Apache-2.0
"""Everything the agent must refuse, played by a repository, a vendor key or a director that has gone bad."""

from __future__ import annotations

import base64
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.member import Member
from distribution.world import VENDOR, World, ring
from proofhouse.attest import canonical
from proofhouse.distribution import DirectorRepository, ImageFile, sign_vendor_release
from proofhouse.distribution._repository import Publication, sign, target_files
from proofhouse.distribution.authorisation import opening_path, proof_path
from proofhouse.distribution.errors import ProofRefused
from proofhouse.ledger import Policy, log_key


def refused(world: World, member: Member, code: str, *words: str) -> None:
    """One run refuses with this code and these words, stages nothing, and says so to the clearinghouse."""
    report = member.agent().run_once()
    reasons = [*report.refused.values(), *(outcome.reason for outcome in report.items if outcome.reason)]
    assert [reason.code for reason in reasons] == [code], report.to_record()
    assert all(word in reasons[0].text for word in words), reasons[0].text
    assert report.exit_code == 1
    assert member.staged() == {}
    assert member.stages()[-1] == ("refused", code)
    assert member.acknowledged()[-1]["predicate"]["reason"]["text"] == reasons[0].text


def test_a_director_that_swaps_the_hash_is_refused(world: World, member: Member) -> None:
    honest = world.vendor_release("fix.patch", b"good bytes")
    item = world.item(replace(honest, sha256="0" * 64))
    world.director.authorise(item, world.ledger.authorise(item), now=world.now)
    refused(world, member, "authorities-disagree", "vendor names", honest.sha256)


def test_a_director_that_swaps_the_length_is_refused(world: World, member: Member) -> None:
    honest = world.vendor_release("fix.patch", b"good bytes")
    item = world.item(replace(honest, length_bytes=honest.length_bytes + 1))
    world.director.authorise(item, world.ledger.authorise(item), now=world.now)
    refused(world, member, "authorities-disagree")


def test_a_stolen_vendor_key_alone_reaches_nobody(world: World, member: Member) -> None:
    world.vendor_release("implant.patch", b"evil")
    report = member.agent().run_once()
    assert (report.items, report.exit_code) == ([], 0)
    assert member.staged() == {}
    assert not [path for path in world.site.requests if "implant" in path]


def test_what_the_vendor_has_not_signed_is_refused(world: World, member: Member) -> None:
    world.vendor_release("other.patch", b"other")
    path = world.image.patch_path(VENDOR, "fix.patch")
    item = world.item(ImageFile(path, "1" * 64, 4))
    world.director.authorise(item, world.ledger.authorise(item), now=world.now)
    refused(world, member, "not-signed-by-vendor", path)


def test_a_vendor_that_has_never_released_is_refused(world: World, member: Member) -> None:
    item = world.item(ImageFile(world.image.patch_path(VENDOR, "fix.patch"), "1" * 64, 4))
    world.director.authorise(item, world.ledger.authorise(item), now=world.now)
    refused(world, member, "metadata-refused", "not part of snapshot")


def test_an_unknown_vendor_is_refused(world: World, member: Member) -> None:
    item = world.item(ImageFile(world.image.patch_path("nobody", "fix.patch"), "1" * 64, 4))
    world.director.authorise(item, world.ledger.authorise(item), now=world.now)
    refused(world, member, "not-signed-by-vendor")


def test_a_manifest_item_without_a_director_target_is_refused(world: World, member: Member) -> None:
    world.release()
    republish(world, without(world.image.patch_path(VENDOR, "fix.patch")))
    refused(world, member, "not-directed")


def republish(
    world: World,
    change: Callable[[dict[str, Any]], Any],
    files: dict[str, bytes] | None = None,
) -> None:
    """A director gone bad: sign whatever it likes with the genuine keys."""
    director = world.director
    signed = director._targets("targets").signed
    change(signed.targets)
    signed.targets.update(target_files(files or {}))
    signed.version += 1
    role = sign(signed, world.director_keys.signers("targets"))
    director._publish(Publication(files or {}, {"targets": role}), world.now)


def without(path: str) -> Callable[[dict[str, Any]], Any]:
    return lambda targets: targets.pop(path)


def unchanged(targets: dict[str, Any]) -> None:
    """Leave the director's targets as they are."""


@pytest.mark.parametrize("which", [proof_path, opening_path])
def test_a_missing_ledger_proof_is_refused(world: World, member: Member, which: Callable[[str], str]) -> None:
    item = world.release()
    republish(world, without(which(item.id)))
    refused(world, member, "ledger-proof-refused", "publishes no authorisations/")


def test_a_proof_of_another_release_is_refused(world: World, member: Member) -> None:
    item = world.release()
    other = world.item(item.image)
    stolen = world.ledger.authorise(other).files(item.id)
    republish(world, unchanged, stolen)
    refused(world, member, "ledger-proof-refused", "item is", other.id)


@pytest.mark.parametrize(
    ("field", "value"),
    [("sha256", "0" * 64), ("length", 1), ("audience", "finance"), ("kind", "ack.batch"), ("path", "g00/x")],
)
def test_an_authorisation_that_differs_in_any_field_is_refused(
    world: World, member: Member, field: str, value: Any
) -> None:
    item = world.release()
    republish(world, unchanged, world.ledger.authorise(item, **{field: value}).files(item.id))
    refused(world, member, "ledger-proof-refused", f"{field} is {value!r}")


def test_an_opening_that_hides_a_field_is_refused(world: World, member: Member) -> None:
    item = world.release()
    proof = world.ledger.authorise(item)
    shut = replace(proof.opening, fields=tuple(f for f in proof.opening.fields if f.name != "sha256"))
    republish(world, unchanged, replace(proof, opening=shut).files(item.id))
    refused(world, member, "ledger-proof-refused", "does not show sha256")


def test_an_opening_with_an_altered_value_is_refused(world: World, member: Member) -> None:
    item = world.release()
    files = world.ledger.authorise(item, audience="finance").files(item.id)
    record = json.loads(files[opening_path(item.id)])
    for entry in record["opening"]["fields"]:
        if entry["name"] == "audience":
            entry["value"] = "health"
    republish(world, unchanged, {**files, opening_path(item.id): canonical(record)})
    refused(world, member, "ledger-proof-refused", "opening")


@pytest.mark.parametrize(
    "junk", [b"", b"[]", b"{}", b'{"format":"proofhouse-authorisation/1"}', b"\xff", b"[" * 100_000]
)
def test_an_unreadable_opening_is_refused(world: World, member: Member, junk: bytes) -> None:
    item = world.release()
    republish(world, unchanged, {opening_path(item.id): junk})
    report = member.agent().run_once()
    assert [outcome.stage for outcome in report.items] in (["refused"], [])
    assert member.staged() == {}
    assert report.exit_code == 1


def test_a_receipt_with_a_broken_byte_is_refused(world: World, member: Member) -> None:
    item = world.release()
    receipt = bytearray(world.ledger.authorise(item).files(item.id)[proof_path(item.id)])
    receipt[len(receipt) // 2] ^= 1
    republish(world, unchanged, {proof_path(item.id): bytes(receipt)})
    refused(world, member, "ledger-proof-refused")


def test_a_receipt_of_a_log_that_is_not_pinned_is_refused(world: World, member: Member) -> None:
    world.release()
    other = Policy.require(log_key("clearinghouse.example/oversight", member.signer.public))
    (member.directory / "ledger.policy").write_bytes(bytes(other))
    refused(world, member, "ledger-proof-refused", "not proven to be in the ledger")


def test_a_receipt_without_the_witness_is_refused(world: World, member: Member) -> None:
    item = world.release()
    proof = world.ledger.authorise(item)
    text = bytes(proof.receipt).decode()
    unwitnessed = "\n".join(line for line in text.split("\n") if "witness.example" not in line).encode()
    republish(world, unchanged, {**proof.files(item.id), proof_path(item.id): unwitnessed})
    refused(world, member, "ledger-proof-refused", "quorum")


@pytest.mark.parametrize("repository", ["director", "image"])
def test_an_older_timestamp_is_refused_as_rollback(world: World, member: Member, repository: str) -> None:
    timestamp = world.directory / "site" / repository / "metadata/timestamp.json"
    old = timestamp.read_bytes()
    world.release()
    world.release("second.patch")
    hold = Member(world, "witness-of-it")
    hold.agent().run_once()
    seen = {name: (hold.directory / "state" / name).exists() for name in ("director", "image")}
    assert seen == {"director": True, "image": True}
    world.site.acknowledgements.clear()
    timestamp.write_bytes(old)
    report = hold.agent().run_once()
    assert report.refused[repository].code == "rolled-back"
    assert hold.stages() == [("refused", "rolled-back")]


def test_an_older_manifest_is_refused_even_under_newer_tuf_metadata(world: World, member: Member) -> None:
    old = {
        name: world.director.target_bytes("targets", name) for name in ("manifest.json", "revocations.json")
    }
    world.director.renew_release_role(now=world.now)
    assert member.agent().run_once().exit_code == 0
    republish(world, unchanged, old)
    refused(world, member, "rolled-back", "manifest version 1", "version 2 was seen")


def test_two_manifests_under_one_version_are_refused(world: World, member: Member) -> None:
    assert member.agent().run_once().exit_code == 0
    manifest = world.director.manifest
    other = replace(manifest, issued=manifest.issued + timedelta(seconds=1))
    republish(world, unchanged, {"manifest.json": other.to_json()})
    refused(world, member, "rolled-back", "another manifest under version 1")


def test_a_manifest_for_another_audience_is_refused(world: World, member: Member) -> None:
    other = DirectorRepository.create(
        world.directory / "site/finance", "finance", world.director_keys, now=world.now
    )
    member.settings["director"]["url"] = f"{world.site.url}/finance"
    member.write()
    (member.directory / "director-root.json").write_bytes(other.root_bytes())
    refused(world, member, "manifest-refused", "finance", "health")


def test_revocations_of_another_version_are_refused(world: World, member: Member) -> None:
    old = world.director.target_bytes("targets", "revocations.json")
    world.director.renew_release_role(now=world.now)
    republish(world, unchanged, {"revocations.json": old})
    refused(world, member, "manifest-refused", "comes with revocations 1")


def test_a_missing_revocation_list_is_refused(world: World, member: Member) -> None:
    republish(world, without("revocations.json"))
    refused(world, member, "manifest-refused", "no revocations.json")


def test_an_item_revoked_only_in_the_list_is_blocked(world: World, member: Member) -> None:
    item = world.release()
    manifest = world.director.manifest
    taken_back = world.director.revoke(item.id, "bad", now=world.now)
    softened = replace(taken_back, items=manifest.items)
    republish(world, unchanged, {"manifest.json": softened.to_json()})
    refused(world, member, "revoked", "bad")


def test_a_staged_item_that_vanishes_from_the_manifest_is_withdrawn_when_revoked(
    world: World, member: Member
) -> None:
    item = world.release()
    assert member.agent().run_once().exit_code == 0
    taken_back = world.director.revoke(item.id, "bad", now=world.now)
    republish(world, unchanged, {"manifest.json": replace(taken_back, items=()).to_json()})
    refused(world, member, "revoked", "staged here")


@pytest.mark.parametrize("repository", ["director", "image"])
def test_expired_metadata_is_refused_in_clear_words(tmp_path: Path, repository: str) -> None:
    world = World(tmp_path, now=datetime.now(UTC) - timedelta(days=2))
    try:
        world.release()
        fresh = world.image if repository == "director" else world.director
        fresh.renew(datetime.now(UTC))
        refused(
            world,
            Member(world),
            "metadata-expired",
            f"{repository} repository: timestamp.json is expired",
            "its operator must publish anew",
        )
    finally:
        world.close()


def test_an_expired_vendor_role_fails_that_vendor_only(world: World, member: Member) -> None:
    past = world.now - timedelta(days=89)
    other = ring(world.directory / "keys/other", vendor=1)
    world.image.add_vendor("other", other.public_keys("vendor"), now=world.now)
    release = sign_vendor_release(
        world.image.patch_path("other", "late.patch"),
        b"late",
        other.signers("vendor"),
        previous=None,
        now=past,
        lifetime=timedelta(days=89, seconds=1),
    )
    world.image.accept_vendor_metadata("other", release.metadata, release.content, now=past)
    world.image.renew(world.now)
    late = world.item(release.image)
    world.director.authorise(late, world.ledger.authorise(late), now=world.now)
    good = world.release()
    time.sleep(2)
    report = member.agent().run_once()
    assert {outcome.item: outcome.reason and outcome.reason.code for outcome in report.items} == {
        late.id: "metadata-expired",
        good.id: None,
    }


def test_a_tampered_target_is_refused(world: World, member: Member) -> None:
    world.release(content=b"good bytes")
    (path,) = (world.directory / "site/image/targets").rglob("*.fix.patch")
    path.write_bytes(b"evil bytes")
    refused(world, member, "bytes-refused", "image repository")


def test_an_endless_target_is_cut_off(world: World, member: Member) -> None:
    world.release(content=b"good bytes")
    (path,) = (world.directory / "site/image/targets").rglob("*.fix.patch")
    path.write_bytes(b"good bytes" * 1_000_000)
    refused(world, member, "bytes-refused", "exceeding the maximum allowed length")


@pytest.mark.parametrize("repository", ["director", "image"])
@pytest.mark.parametrize("harm", ["content", "signature", "garbage"])
def test_any_tampered_metadata_file_is_refused(
    world: World, member: Member, repository: str, harm: str
) -> None:
    world.release()
    untouched = {path.name: path.read_bytes() for path in world.metadata_files(repository)}
    used = requested_metadata(world, repository)
    assert len(used) >= 3
    for name in used:
        path = world.directory / "site" / repository / "metadata" / name
        path.write_bytes(harmed(untouched[name], harm))
        fresh = Member(world, f"m-{name.split('.')[0]}-{len(list(world.directory.iterdir()))}")
        report = fresh.agent().run_once()
        assert fresh.staged() == {}, name
        assert report.exit_code == 1, (name, report.to_record())
        path.write_bytes(untouched[name])
    assert Member(world, "afterwards").agent().run_once().exit_code == 0


def requested_metadata(world: World, repository: str) -> list[str]:
    Member(world, "scout").agent().run_once()
    prefix = f"/{repository}/metadata/"
    names = {path.removeprefix(prefix) for path in world.site.requests if path.startswith(prefix)}
    return sorted(
        name for name in names if (world.directory / "site" / repository / "metadata" / name).exists()
    )


def harmed(content: bytes, harm: str) -> bytes:
    record = json.loads(content)
    if harm == "garbage":
        return content[:-20]
    if harm == "content":
        record["signed"]["expires"] = "2035-01-01T00:00:00Z"
    else:
        for signature in record["signatures"]:
            signature["sig"] = "00" + signature["sig"][2:]
    return json.dumps(record).encode()


def test_a_pinned_root_of_another_authority_is_refused(world: World, member: Member) -> None:
    shutil.copy(member.directory / "image-root.json", member.directory / "director-root.json")
    refused(world, member, "metadata-refused", "director repository")


def test_a_standing_refusal_is_acknowledged_once_and_again_when_it_returns(
    world: World, member: Member
) -> None:
    world.release()
    timestamp = world.directory / "site/director/metadata/timestamp.json"
    good = timestamp.read_bytes()
    for content in (harmed(good, "content"), harmed(good, "content"), good, harmed(good, "signature")):
        timestamp.write_bytes(content)
        member.agent().run_once()
    assert member.stages() == [
        ("refused", "metadata-refused"),
        ("staged", None),
        ("refused", "metadata-refused"),
    ]


def test_a_refused_item_is_staged_once_the_cause_is_gone(world: World, member: Member) -> None:
    item = world.release()
    proof = world.director.target_bytes("targets", proof_path(item.id))
    republish(world, without(proof_path(item.id)))
    refused(world, member, "ledger-proof-refused")
    republish(world, unchanged, {proof_path(item.id): proof})
    assert member.agent().run_once().exit_code == 0
    assert len(member.staged()) == 1


def test_a_leaf_of_the_wrong_size_is_refused(world: World, member: Member) -> None:
    item = world.release()
    files = world.ledger.authorise(item).files(item.id)
    record = json.loads(files[opening_path(item.id)])
    record["leaf"] = base64.b64encode(b"x" * 49).decode()
    republish(world, unchanged, {opening_path(item.id): canonical(record)})
    refused(world, member, "ledger-proof-refused", "50 bytes")


def test_the_director_itself_refuses_a_proof_that_does_not_fit(world: World) -> None:
    image = world.vendor_release("fix.patch", b"x")
    item, other = world.item(image), world.item(image)
    proof = world.ledger.authorise(other)
    with pytest.raises(ProofRefused, match="another release"):
        world.director.authorise(item, proof, now=world.now)
    assert world.director.manifest.items == ()
