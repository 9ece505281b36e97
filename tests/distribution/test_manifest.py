# SPDX-License-Identifier: Apache-2.0
"""The manifest's form: what is written is read back, and what is not of the form is refused by name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofhouse.attest import canonical
from proofhouse.distribution import (
    ImageFile,
    Item,
    Manifest,
    Revocation,
    RevocationList,
    RingStep,
    admits,
    bucket,
)
from proofhouse.distribution.errors import ManifestRefused
from proofhouse.distribution.manifest import read_moment
from proofhouse.distribution.paths import PatchPath, group_of
from proofhouse.distribution.rings import percent_open

moments = st.integers(0, 10**14).map(lambda us: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=us))
ids = st.text("0123456789abcdef", min_size=32, max_size=32)
digests = st.text("0123456789abcdef", min_size=64, max_size=64)
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50)
steps = st.builds(RingStep, st.integers(0, 3), moments, st.integers(0, 100))
items = st.builds(
    Item,
    id=ids,
    image=st.builds(ImageFile, st.just("g03/acme/patches/a.patch"), digests, st.integers(0, 2**40)),
    advisory=st.just("PH-2026-000001"),
    tlp=st.sampled_from(["TLP:CLEAR", "TLP:AMBER+STRICT"]),
    rings=st.lists(steps, max_size=4).map(tuple),
    not_before=moments,
    deadline=st.none() | moments,
    products=st.lists(st.just("pkg:deb/debian/libxml2"), max_size=2).map(tuple),
    supersedes=st.lists(ids, max_size=2).map(tuple),
    mitigation=st.none() | texts,
    expedite=st.booleans(),
    revoked=st.none() | st.builds(Revocation, moments, texts),
    version=st.integers(1, 9),
)
manifests = st.builds(
    Manifest,
    st.just("health"),
    st.integers(1, 2**53 - 1),
    moments,
    st.lists(items, max_size=3, unique_by=lambda item: item.id).map(tuple),
)


@given(manifests)
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read_back(manifest: Manifest) -> None:
    content = manifest.to_json()
    assert Manifest.from_json(content) == manifest
    assert canonical(json.loads(content)) == content
    listed = RevocationList.from_json(manifest.revocations())
    assert listed.revoked == {item.id: item.revoked for item in manifest.items if item.revoked}


def example() -> dict[str, Any]:
    moment = datetime(2026, 11, 24, tzinfo=UTC)
    item = Item(
        id="0" * 32,
        image=ImageFile("g03/acme/patches/a.patch", "a" * 64, 5),
        advisory="PH-2026-000001",
        tlp="TLP:CLEAR",
        rings=(RingStep(1, moment, 50),),
        not_before=moment,
        revoked=Revocation(moment, "bad"),
    )
    record: dict[str, Any] = json.loads(Manifest("health", 1, moment, (item,)).to_json())
    return record


BREAKS: dict[str, Callable[[dict[str, Any]], object]] = {
    "format": lambda m: m.update(format="proofhouse-manifest/2"),
    "audience": lambda m: m.update(audience="Health"),
    "version": lambda m: m.update(version=0),
    "issued": lambda m: m.update(issued="2026-11-24T00:00:00Z"),
    "items: expected": lambda m: m.update(items={}),
    "unknown field hold": lambda m: m.update(hold=True),
    r"items\[0\]: unknown field hold": lambda m: m["items"][0].update(hold=True),
    "two items": lambda m: m["items"].append(m["items"][0]),
    "id": lambda m: m["items"][0].update(id="../../etc/passwd"),
    "path": lambda m: m["items"][0]["image"].update(path="g03/acme/patches/../x"),
    "sha256": lambda m: m["items"][0]["image"].update(sha256="A" * 64),
    "length": lambda m: m["items"][0]["image"].update(length=True),
    r"image: unknown": lambda m: m["items"][0]["image"].update(url="http://x"),
    "advisory": lambda m: m["items"][0].update(advisory=""),
    "tlp": lambda m: m["items"][0].update(tlp="TLP:WHITE"),
    r"rings\[0\]: ring": lambda m: m["items"][0]["rings"][0].update(ring=4),
    "percent": lambda m: m["items"][0]["rings"][0].update(percent=101),
    "opens": lambda m: m["items"][0]["rings"][0].update(opens=None),
    "not_before: missing": lambda m: m["items"][0].pop("not_before"),
    "deadline: missing": lambda m: m["items"][0].pop("deadline"),
    "deadline": lambda m: m["items"][0].update(deadline=""),
    "products": lambda m: m["items"][0].update(products=["libxml2"]),
    "supersedes": lambda m: m["items"][0].update(supersedes="0" * 32),
    "mitigation": lambda m: m["items"][0].update(mitigation=""),
    "expedite": lambda m: m["items"][0].update(expedite=1),
    "revoked.*reason": lambda m: m["items"][0]["revoked"].update(reason=None),
    "revoked: expected an object": lambda m: m["items"][0].update(revoked=True),
}


@pytest.mark.parametrize("message", BREAKS)
def test_a_field_that_is_not_of_the_form_is_refused_by_name(message: str) -> None:
    record = example()
    BREAKS[message](record)
    with pytest.raises(ManifestRefused, match=message):
        Manifest.from_json(json.dumps(record).encode())


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"format":1,"format":1}']
)
def test_bytes_that_are_no_document_are_refused(content: bytes) -> None:
    for kind in (Manifest, RevocationList):
        with pytest.raises(ManifestRefused):
            kind.from_json(content)


def test_a_moment_is_utc_with_microseconds() -> None:
    assert read_moment("2026-11-24T01:02:03.000004Z") == datetime(2026, 11, 24, 1, 2, 3, 4, tzinfo=UTC)
    for other in ("2026-11-24T01:02:03Z", "2026-11-24T01:02:03.000004+00:00", "2026-13-24T01:02:03.000004Z"):
        with pytest.raises(ValueError, match=other[:8]):
            read_moment(other)


members = st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True)


@given(members, ids, st.lists(st.integers(0, 100), min_size=2, max_size=5))
@settings(max_examples=100, deadline=None)
def test_a_bucket_is_sticky_and_a_rising_plan_only_adds(member: str, item: str, percents: list[int]) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    plan = [RingStep(2, start + timedelta(days=day), p) for day, p in enumerate(sorted(percents))]
    answers = [
        admits(plan, member=member, ring=2, item=item, now=step.opens + timedelta(hours=h))
        for step in plan
        for h in (0, 6, 12)
    ]
    assert answers == sorted(answers)
    assert 0 <= bucket(member, item) <= 99
    assert admits([RingStep(2, start, 100)], member=member, ring=2, item=item, now=start)
    assert not admits([RingStep(2, start, 100)], member=member, ring=1, item=item, now=start)
    assert not admits([RingStep(2, start, 0)], member=member, ring=2, item=item, now=start)


def test_buckets_spread_members_evenly_and_differently_for_each_item() -> None:
    places = [[bucket(f"member-{n}", item * 32) for n in range(2000)] for item in "ab"]
    for listed in places:
        assert 400 < sum(place < 25 for place in listed) < 600
    assert sum(a == b for a, b in zip(*places, strict=True)) < 60


def test_a_bucket_is_the_documented_number() -> None:
    assert bucket("clinic", "0123456789abcdef" * 2) == 13


def test_the_newest_open_step_counts() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    plan = [RingStep(1, start + timedelta(days=1), 0), RingStep(1, start, 60)]
    assert percent_open(plan, 1, start - timedelta(seconds=1)) == 0
    assert percent_open(plan, 1, start) == 60
    assert percent_open(plan, 1, start + timedelta(days=1)) == 0


@given(st.text(max_size=40))
@settings(max_examples=100, deadline=None)
def test_a_patch_path_never_leaves_its_place(name: str) -> None:
    path = f"g01/acme/patches/{name}"
    try:
        parsed = PatchPath.parse(path)
    except ValueError:
        return
    assert str(parsed) == path
    assert "/" not in parsed.name
    assert parsed.name not in (".", "..")


def test_a_group_depends_on_the_vendor_alone() -> None:
    assert (group_of("debian"), group_of("debian", 4)) == ("g05", "g01")


def test_the_examples_in_the_specification_are_of_the_form() -> None:
    page = (Path(__file__).parents[2] / "docs/spec/manifest.md").read_text(encoding="utf-8")
    blocks = dict(re.findall(r"^```json (\w+)\n(.*?)^```", page, re.MULTILINE | re.DOTALL))
    manifest = Manifest.from_json(blocks["manifest"].encode())
    listed = RevocationList.from_json(blocks["revocations"].encode())
    assert manifest.to_json() == blocks["manifest"].replace("\n", "").encode()
    assert (listed.audience, listed.version) == (manifest.audience, manifest.version)
    assert bucket("clinic", manifest.items[0].id) == 13
    assert group_of("debian") == manifest.items[0].image.path[:3]
