# SPDX-License-Identifier: Apache-2.0
"""Killed anywhere, a house has done a thing or has not: neither effect without receipt, nor receipt without effect,
and nothing twice (design rule 3)."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pytest_django import DjangoDbBlocker

from crash import (
    case_scenarios,
    job_scenarios,
    own_scenarios,
    people_scenarios,
    post_scenarios,
    review_scenarios,
)
from crash.databases import Files, Server
from crash.scenarios import SCENARIOS
from crash.stage import Kill, Prepared, Stage
from proofhouse.server.engine import deadlines, post, work
from proofhouse.server.engine.acts import ACTS
from proofhouse.server.engine.jobs import port
from proofhouse.server.obligations.own_law import law_book

assert case_scenarios
assert job_scenarios
assert own_scenarios
assert people_scenarios
assert post_scenarios
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

HEAVY = {"job cases.validate": 6, "job cases.prove": 6}
"""What compiles and runs programs each time that it is begun, and at how many places, by chance, it is killed."""

SAMPLE = 2
MEMORY = Path("/dev/shm")
"""A killed process loses nothing that it wrote: houses in memory crash as those on disks do, only faster."""

EVERY = os.environ.get("PROOFHOUSE_CRASH_EVERY") == "1"
"""Whether to die before the steps too that tell nothing new; see `everywhere`."""

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


def ours(registered: Mapping[str, Any]) -> set[str]:
    """What the house registers; other tests of this session may have added some."""
    return {name for name, each in registered.items() if each.__module__.startswith("proofhouse.")}


def test_every_act_letter_deadline_duty_and_job_has_a_scenario() -> None:
    crashed = {name.split("/")[0].removesuffix(" in a house that never ran") for name in SCENARIOS}
    wanted = ours(ACTS)
    wanted |= {f"letter {name}" for name in ours(post._HANDLERS)}
    wanted |= {f"deadline {name}" for name in ours(deadlines._HANDLERS)}
    wanted |= {f"duty {duty.__name__}" for duty in work._hourly}
    wanted |= {f"job {name}" for name in ours({name: work.function for name, work in port.WORKS.items()})}
    assert wanted - crashed == set()
    assert crashed - wanted == {"engine.tick", "releases.take_acknowledgement"}


def killed(stage: Stage, name: str, choose: Callable[[Prepared], list[Kill]]) -> dict[str, list[str]]:
    """What was wrong after which kill; nothing, it is hoped."""
    began_s = time.monotonic()
    crashed = stage.crash(SCENARIOS[name], choose)
    took_s = time.monotonic() - began_s
    print(f"{name}: {crashed.kills} kills, {len(crashed.differences)} differences, {took_s:.1f} s")  # noqa: T201 - asked for by -s
    return crashed.differences


def some(chance: random.Random, kills: list[Kill], most: int) -> list[Kill]:
    """At most so many of some kills."""
    return chance.sample(kills, min(most, len(kills)))


@pytest.mark.parametrize("name", FEW)
def test_killed_at_a_few_places(stage: Stage, name: str) -> None:
    chance = random.Random(f"{SEED} {name}")
    assert (
        killed(stage, name, lambda it: some(chance, it.lasting, SAMPLE) + some(chance, it.tearing, 1)) == {}
    )


def everywhere(prepared: Prepared, name: str) -> list[Kill]:
    """Each kill that may tell something new: at each step that lasts, and with each file torn.

    How a log takes leaves is the same for every act: it sees 50 bytes of each, and what mends it after a crash reads
    leaves and rows of the ledger only. Those steps are died at one by one in `FEW`, elsewhere at two by chance; and at
    one by chance of those that do not last, of which `boundaries` says why they tell nothing new. `EVERY` leaves none
    out.
    """
    if EVERY:
        return prepared.kills(lambda place: True) + prepared.tearing
    telling = prepared.lasting + prepared.tearing
    if name in FEW:
        return telling
    chance = random.Random(f"{SEED} {name}")
    if name in HEAVY:
        return some(chance, telling, HEAVY[name])
    of_log = [kill for kill in telling if prepared.places[kill.place].of_log]
    apart = [kill for kill in telling if kill not in of_log]
    return apart + some(chance, of_log, SAMPLE) + some(chance, prepared.passing, 1)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_killed_everywhere(stage: Stage, name: str) -> None:
    assert killed(stage, name, lambda it: everywhere(it, name)) == {}
