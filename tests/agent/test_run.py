# SPDX-License-Identifier: Apache-2.0
"""The agent against real repositories over loopback HTTP, and a real witnessed ledger."""

from __future__ import annotations

import json
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.member import Member, tree
from distribution.world import GROUPS, PRODUCT, World
from proofhouse.agent import AgentBusy, ApplyHook, StateBroken
from proofhouse.attest import sha256_hex
from proofhouse.distribution import RingStep
from proofhouse.distribution.files import exclusive


def test_a_directed_patch_is_staged_and_acknowledged(world: World, member: Member) -> None:
    item = world.release(content=b"the patch")
    report = member.agent().run_once()
    assert (report.exit_code, report.faults, report.refused) == (0, [], {})
    assert member.staged() == {f"{item.id}/fix.patch": b"the patch"}
    (statement,) = member.acknowledged()
    assert statement["subject"] == [{"name": item.image.path, "digest": {"sha256": item.image.sha256}}]
    predicate = statement["predicate"]
    assert (predicate["member"], predicate["item"], predicate["stage"]) == ("clinic", item.id, "staged")
    assert predicate["manifest_version"] == 2
    assert world.ledger.policy.check(predicate["ledger_checkpoint"].encode()).size == 1
    assert predicate["vex"]["status"] == "affected"
    assert predicate["vex"]["products"] == [{"@id": PRODUCT}]
    assert predicate["vex"]["action_statement"]


def test_running_again_changes_nothing_and_says_nothing(world: World, member: Member) -> None:
    world.release()
    member.agent().run_once()
    before = tree(member.directory / "stage")
    world.site.requests.clear()
    report = member.agent().run_once()
    assert [outcome.changed for outcome in report.items] == [False]
    assert report.delivered == 0
    assert tree(member.directory / "stage") == before
    assert len(world.site.acknowledgements) == 1
    assert not [path for path in world.site.requests if "patches" in path]


def test_the_staged_note_tells_people_what_lies_there(world: World, member: Member) -> None:
    item = world.release(deadline=world.now + timedelta(days=14))
    member.agent().run_once()
    note = json.loads((member.directory / "stage" / item.id / "item.json").read_bytes())
    assert (note["advisory"], note["file"], note["sha256"]) == (
        item.advisory,
        "fix.patch",
        sha256_hex(b"--- a\n+++ b\n"),
    )


def test_the_hook_applies_the_staged_file_and_nothing_else_does(
    world: World, member: Member, tmp_path: Path
) -> None:
    world.release(content=b"the patch")
    hook = ApplyHook(("/bin/cp", "{file}", str(tmp_path / "installed")))
    report = member.agent(apply=hook).run_once()
    assert [outcome.stage for outcome in report.items] == ["applied"]
    assert (tmp_path / "installed").read_bytes() == b"the patch"
    assert member.acknowledged()[0]["predicate"]["vex"]["status"] == "fixed"
    (tmp_path / "installed").unlink()
    member.agent(apply=hook).run_once()
    assert not (tmp_path / "installed").exists()


def test_a_hook_that_is_opted_into_later_applies_what_is_staged(world: World, member: Member) -> None:
    world.release()
    member.agent().run_once()
    member.agent(apply=ApplyHook(("/bin/test", "-s", "{file}"))).run_once()
    assert member.stages() == [("staged", None), ("applied", None)]
    assert member.acknowledged()[1]["predicate"]["ledger_checkpoint"]


def test_a_failing_hook_is_acknowledged_once_and_retried_when_the_item_is_amended(
    world: World, member: Member
) -> None:
    item = world.release()
    failing = ApplyHook(("/bin/sh", "-c", "echo no; exit 3", "hook", "{file}"))
    report = member.agent(apply=failing).run_once()
    assert report.exit_code == 1
    assert report.items[0].reason is not None
    assert "status 3" in report.items[0].reason.text
    log = member.directory / "state/hook" / f"{item.id}.log"
    assert log.read_bytes() == b"no\n"
    log.unlink()
    member.agent(apply=failing).run_once()
    assert not log.exists()
    world.director.amend(item, now=world.now)
    member.agent(apply=ApplyHook(("/bin/true", "{file}"))).run_once()
    assert member.stages() == [("failed", "hook-failed"), ("applied", None)]


def test_a_hook_that_does_not_end_is_killed(world: World, member: Member) -> None:
    world.release()
    hook = ApplyHook(("/bin/sh", "-c", "sleep 60", "hook", "{file}"), timeout_s=1)
    report = member.agent(apply=hook).run_once()
    assert [outcome.stage for outcome in report.items] == ["failed"]


def test_a_staged_file_that_was_changed_is_not_applied(world: World, member: Member) -> None:
    item = world.release()
    member.agent().run_once()
    (member.directory / "stage" / item.id / "fix.patch").write_bytes(b"something else")
    report = member.agent(apply=ApplyHook(("/bin/true", "{file}"))).run_once()
    assert [(outcome.stage, outcome.reason and outcome.reason.code) for outcome in report.items] == [
        ("refused", "bytes-refused")
    ]


@pytest.mark.parametrize(
    ("fields", "member_settings", "expected"),
    [
        ({"products": ("pkg:deb/debian/tiff",)}, {}, ("not-applicable", "no-matching-product")),
        ({"products": ("pkg:deb/debian/tiff",)}, {"products": []}, ("staged", None)),
        ({"products": ()}, {}, ("staged", None)),
        ({}, {"hold": ["PH-2026-000001"]}, ("deferred", "held-by-member")),
        ({"rings": ()}, {}, ("deferred", "ring")),
        ({"rings": (), "expedite": True}, {}, ("staged", None)),
    ],
)
def test_the_policy_decides_what_is_for_this_member(
    world: World,
    fields: dict[str, Any],
    member_settings: dict[str, Any],
    expected: tuple[str, str | None],
) -> None:
    member = Member(world, **member_settings)
    world.release(**fields)
    assert member.agent().run_once().exit_code == 0
    assert member.stages() == [expected]


def test_what_is_deferred_is_staged_when_its_time_comes(world: World, member: Member) -> None:
    later = world.now + timedelta(hours=2)
    world.release(not_before=later)
    member.agent().run_once()
    member.agent().run_once()
    assert member.staged() == {}
    member.agent(clock=lambda: later).run_once()
    assert len(member.staged()) == 1
    assert member.stages() == [("deferred", "not-before"), ("staged", None)]


def test_a_clock_set_back_reopens_nothing(world: World, member: Member) -> None:
    early, late = world.now + timedelta(hours=1), world.now + timedelta(hours=3)
    item = world.release(rings=(RingStep(1, world.now, 100), RingStep(1, late, 0)))
    member.agent(clock=lambda: late).run_once()
    member.agent(clock=lambda: early).run_once()
    assert member.staged() == {}
    assert member.state()["items"][item.id]["code"] == "ring"


def test_an_item_that_another_replaces_waits(world: World, member: Member) -> None:
    old = world.release("old.patch")
    new = world.release("new.patch", b"better", supersedes=(old.id,))
    member.agent().run_once()
    assert list(member.staged()) == [f"{new.id}/new.patch"]
    assert sorted(member.stages()) == [("deferred", "superseded"), ("staged", None)]


def test_a_revoked_item_is_blocked(world: World, member: Member) -> None:
    item = world.release()
    world.director.revoke(item.id, "breaks infusion pumps", now=world.now)
    report = member.agent().run_once()
    assert member.staged() == {}
    assert member.stages() == [("refused", "revoked")]
    assert report.items[0].reason is not None
    assert "breaks infusion pumps" in report.items[0].reason.text


def test_a_revoked_item_that_was_staged_is_withdrawn_and_flagged(world: World, member: Member) -> None:
    item = world.release()
    member.agent().run_once()
    world.director.revoke(item.id, "breaks infusion pumps", now=world.now)
    report = member.agent().run_once()
    assert member.staged() == {}
    assert (member.directory / "stage/.revoked" / item.id / "fix.patch").exists()
    assert report.items[0].reason is not None
    assert "staged here: remove it" in report.items[0].reason.text
    assert member.stages() == [("staged", None), ("refused", "revoked")]
    member.agent().run_once()
    assert len(world.site.acknowledgements) == 2


def test_revocation_reaches_the_member_although_the_image_repository_is_gone(
    world: World, member: Member
) -> None:
    item = world.release()
    member.agent().run_once()
    world.director.revoke(item.id, "bad", now=world.now)
    (world.directory / "site/image").rename(world.directory / "gone")
    report = member.agent().run_once()
    assert member.staged() == {}
    assert report.faults
    assert member.stages()[-1] == ("refused", "revoked")


def test_acknowledgements_wait_until_the_receiver_takes_them(world: World, member: Member) -> None:
    world.release()
    for status in (503, 403, 302):
        world.site.ack_status = status
        report = member.agent().run_once()
        assert (report.waiting, report.delivered, report.exit_code) == (1, 0, 3)
        assert f"answered {status}" in report.faults[0]
    world.site.ack_status = 202
    report = member.agent().run_once()
    assert (report.waiting, report.delivered, report.exit_code) == (0, 1, 0)
    (sent,) = (member.directory / "acks/sent").iterdir()
    assert sent.name == f"{sha256_hex(world.site.acknowledgements[0])}.json"


def test_without_a_receiver_acknowledgements_are_kept_for_a_medium(world: World, member: Member) -> None:
    del member.settings["acknowledge"]
    member.write()
    world.release()
    assert member.agent().run_once().waiting == 1
    (path,) = (member.directory / "acks").glob("*.json")
    assert member.read(path.read_bytes())["predicate"]["stage"] == "staged"


def test_an_unreachable_repository_is_a_fault_and_no_refusal(world: World, member: Member) -> None:
    world.release()
    (world.directory / "site/director").rename(world.directory / "away")
    report = member.agent().run_once()
    assert (report.exit_code, report.refused, len(report.faults)) == (3, {}, 1)
    (world.directory / "away").rename(world.directory / "site/director")
    assert member.agent().run_once().exit_code == 0


def test_a_file_that_cannot_be_fetched_yet_is_acknowledged_as_received(world: World, member: Member) -> None:
    world.release()
    targets = world.directory / "site/image/targets"
    targets.rename(world.directory / "kept")
    assert member.agent().run_once().exit_code == 3
    (world.directory / "kept").rename(targets)
    assert member.agent().run_once().exit_code == 0
    assert member.stages() == [("received", "unreachable"), ("staged", None)]


def test_a_mirror_on_a_medium_works_like_the_network(world: World, member: Member) -> None:
    world.release(content=b"carried")
    for name in ("director", "image"):
        member.settings[name]["url"] = (world.directory / "site" / name).as_uri()
    member.write()
    assert member.agent().run_once().exit_code == 0
    assert list(member.staged().values()) == [b"carried"]
    assert world.site.requests == []


def test_two_runs_do_not_overlap(member: Member) -> None:
    agent = member.agent()
    with exclusive(member.directory / "state/lock"), pytest.raises(AgentBusy):
        agent.run_once()


def test_an_agent_without_readable_memory_stops(world: World, member: Member) -> None:
    member.agent().run_once()
    (member.directory / "state/state.json").write_bytes(b'{"format": 1}')
    with pytest.raises(StateBroken, match="rollback protection"):
        member.agent().run_once()


def test_a_default_repository_spreads_vendors_over_groups_within_client_caps(world: World) -> None:
    assert world.image.groups == GROUPS
    assert all(path.stat().st_size < 100_000 for path in world.metadata_files("image"))
    assert stat.S_IMODE(next((world.directory / "keys/image/root").iterdir()).stat().st_mode) == 0o600
