# SPDX-License-Identifier: Apache-2.0
"""Killed anywhere, a house has done a thing or has not: neither effect without receipt, nor receipt without effect,
and nothing twice (design rule 3)."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker

from crash import case_scenarios, own_scenarios, review_scenarios
from crash.databases import Files, Server
from crash.scenarios import SCENARIOS
from crash.stage import Prepared, Stage
from proofhouse.server.engine import deadlines, post, work
from proofhouse.server.engine.acts import ACTS
from proofhouse.server.obligations.own_law import law_book

assert case_scenarios
assert own_scenarios
assert review_scenarios

FEW = (
    "advisories.publish_advisory",
    "deadline review.window",
    "letter report",
    "obligations.make_feed in a house that never ran",
    "releases.direct_patch",
    "releases.enrol_vendor",
    "releases.open_repositories",
)
"""What touches most: crashed at a few places with every change. `make test-all` crashes everything everywhere."""

NOT_YET = {
    "accounts.add_organisation",
    "accounts.break_glass",
    "accounts.end_sessions",
    "accounts.grant_role",
    "accounts.invite",
    "accounts.make_token",
    "accounts.revoke_role",
    "accounts.revoke_token",
    "accounts.stop_person",
    "accounts.withdraw_invitation",
    "cases.validate",
    "correspondence.host_organisation",
    "correspondence.open_letter",
    "correspondence.write_letter",
    "deadline break-glass.end",
    "engine.abandon_letter",
    "engine.cancel_job",
    "engine.end_introduction",
    "engine.export_letters",
    "engine.import_letters",
    "engine.requeue_job",
    "engine.requeue_letter",
    "engine.tell_checkpoint",
    "letter introduction",
    "oversight.make_export",
    "releases.make_enrolment",
}
"""What came while this was written, or asks for a job, and has no scenario yet. An act that is made from now on needs
one; this list only grows shorter."""

SAMPLE = 2
MEMORY = Path("/dev/shm")
"""A killed process loses nothing that it wrote: houses in memory crash as those on disks do, only faster."""

SEED = int(os.environ.get("PROOFHOUSE_CRASH_SEED", "20261128"))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker) -> Iterator[Stage]:
    """A house to kill, on SQLite or on the PostgreSQL server that the environment names."""
    law_book()  # loaded once, for all forks
    url = os.environ.get("PROOFHOUSE_TEST_POSTGRES")
    store = Server(url) if url else Files()
    place = tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else tmp_path_factory.mktemp("crash"))
    made = Stage(Path(place), store, django_db_blocker.unblock)
    yield made
    made.close()
    shutil.rmtree(place)
    if isinstance(store, Server):
        store.drop_all()


def test_every_act_letter_deadline_and_duty_has_a_scenario() -> None:
    crashed = {name.split("/")[0].removesuffix(" in a house that never ran") for name in SCENARIOS}
    wanted = set(ACTS)
    wanted |= {f"letter {name}" for name in post._HANDLERS}
    wanted |= {f"deadline {name}" for name in deadlines._HANDLERS}
    wanted |= {f"duty {duty.__name__}" for duty in work._hourly}
    assert wanted - crashed == NOT_YET
    assert crashed - wanted == {"engine.tick", "releases.take_acknowledgement"}


def killed(stage: Stage, prepared: Prepared, kills: list[tuple[int, bool]]) -> dict[str, list[str]]:
    """What was wrong after which kill; nothing, it is hoped."""
    found = {
        f"{place} before {prepared.places[place]}{', torn' if torn else ''}": wrong
        for place, torn in kills
        if (wrong := stage.kill(prepared, place, torn=torn))
    }
    print(f"{prepared.scenario.name}: {len(kills)} kills, {len(found)} differences")  # noqa: T201 - asked for by -s
    return found


@pytest.mark.parametrize("name", FEW)
def test_killed_at_a_few_places(stage: Stage, name: str) -> None:
    prepared = stage.prepare(SCENARIOS[name])
    chance = random.Random(f"{SEED} {name}")
    kills = [(place, False) for place in chance.sample(prepared.distinct_places, SAMPLE)]
    kills += [
        (place, True) for place in chance.sample(prepared.torn_places, min(1, len(prepared.torn_places)))
    ]
    assert killed(stage, prepared, kills) == {}


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_killed_everywhere(stage: Stage, name: str) -> None:
    prepared = stage.prepare(SCENARIOS[name])
    kills = [(place, False) for place in range(len(prepared.places))]
    kills += [(place, True) for place in prepared.torn_places]
    assert killed(stage, prepared, kills) == {}
