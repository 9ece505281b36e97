# SPDX-License-Identifier: Apache-2.0
"""A house in which something is done, killed and started again, as often as there are places to die."""

from __future__ import annotations

import gc
import logging
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.color import no_style
from django.db import connection

from crash.boundaries import Boundaries, Place
from crash.children import ChildFailed, in_child, result_of
from crash.databases import Store, connect
from crash.doors import Doors
from crash.worlds import World, faults, read_world, unfounded
from proofhouse.attest import Signer
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine import clock, delivery, keys, record, work
from proofhouse.server.engine.blobs import clear_unfinished
from proofhouse.server.engine.jobs import port
from proofhouse.server.engine.jobs.durable import Durable
from proofhouse.server.engine.models import LedgerEntry, Peer
from proofhouse.server.house import Desk, House, create_house, load_house, this_house
from proofhouse.server.opening import prepare_database
from server.makers import make_peer, make_person

PEERS = ("lab", "vendor", "member", "clearing", "inspector")
"""The other houses, whose keys this process holds."""

MADE_UP = "a receipt"
"""What the makers of tests write in the place of a receipt."""

RUNS_TO_A_PLACE = 3
"""Where several couriers come home, how many are noted in one transaction hangs on chance, and so does the number of
steps; a place beyond the end of a run is its last one."""

ROUNDS = 8
"""After so many rounds of work a house must be at rest."""


@dataclass(frozen=True)
class Scenario:
    """Something that a house does.

    Attributes:
        name: The act, letter, deadline or duty, as the house calls it.
        prepare: Makes what it needs, in a house that has its people and knows its peers; returns its arguments.
        do: Does it. It is done again after a crash, as whoever asked for it would do.
        counts: Whether it counts something up each time that it is begun: a duty versions, a job its attempts. An act
            may not.
        whole: Whether it is one act. What is several may have been done in part, until it is asked for again.
        fresh: Whether the house has no log yet.
    """

    name: str
    prepare: Callable[[Stage], Any]
    do: Callable[[Any], object]
    counts: bool = False
    whole: bool = True
    fresh: bool = False

    def same(self, one: World, other: World) -> bool:
        """Whether two worlds are equal, but for what may count up."""
        return one == other or (self.counts and one.without_counts() == other.without_counts())


@dataclass(frozen=True)
class Prepared:
    """A scenario with the worlds before and after it, and every place at which it can be killed."""

    scenario: Scenario
    arguments: Any
    before: World
    after: World
    places: Sequence[Place]
    arrived: list[dict[str, Any]]
    """Letters that reached other houses while it was set up."""

    def kills(self, places: Callable[[Place], bool]) -> list[Kill]:
        """A kill before each step of some sort."""
        return [Kill(place) for place, step in enumerate(self.places) if places(step)]

    @property
    def lasting(self) -> list[Kill]:
        """The kills that can leave different houses."""
        return self.kills(lambda place: place.lasts)

    @property
    def passing(self) -> list[Kill]:
        """Those that leave the same house as the next; see `boundaries`."""
        return self.kills(lambda place: not place.lasts)

    @property
    def tearing(self) -> list[Kill]:
        """The kills at which a file is torn besides."""
        return [replace(kill, torn=True) for kill in self.kills(lambda place: place.tears)]


@dataclass(frozen=True)
class Kill:
    """The boundary at which a process dies, and whether it tears the file that it is about to flush."""

    place: int
    torn: bool = False


@dataclass(frozen=True)
class Crashed:
    """What came of a scenario that was killed.

    Attributes:
        kills: How often.
        differences: What was wrong after which kill; nothing, it is hoped.
        modules: What had to be loaded for it.
    """

    kills: int
    differences: dict[str, list[str]]
    modules: set[str]


class Stage:
    """Houses under test in one directory.

    Args:
        directory: Where they lie.
        store: Where their rows lie.
        unblock: Lets a child use a database, which tests otherwise may not.
    """

    def __init__(self, directory: Path, store: Store, unblock: Callable[[], object]) -> None:
        self.directory = directory
        self.store = store
        self._unblock = unblock
        self.signers = {name: Signer.generate("letters", name, demo=True) for name in PEERS}
        self.doors = Doors(directory / "arrived.jsonl", self.signers)
        house = _lay_out(directory / "base")
        store.clone("", "base")
        result_of(lambda: self._within(house.directory, self._fill))

    def close(self) -> None:
        """End what was started."""
        self.doors.close()
        gc.unfreeze()

    def crash(self, scenario: Scenario, choose: Callable[[Prepared], Sequence[Kill]]) -> Crashed:
        """Set a scenario up and kill it at each place that is chosen.

        All of it lies in one child of the test process, which has played the scenario before it forks a process to be
        killed, or to start after that: each has everything loaded and compiled.

        Raises:
            ChildFailed: Even undisturbed it does not come to rest, or leaves something wrong.
        """

        def play() -> Crashed:
            prepared = self.prepare(scenario)
            kills = choose(prepared)
            differences = {
                f"{kill.place} before {prepared.places[kill.place].step}{', torn' if kill.torn else ''}": wrong
                for kill in kills
                if (wrong := self.kill(prepared, kill))
            }
            return Crashed(len(kills), differences, set(sys.modules))

        crashed: Crashed = result_of(play)
        _load(crashed.modules)
        gc.freeze()
        return crashed

    def prepare(self, scenario: Scenario) -> Prepared:
        """Set a scenario up, and play it without a crash.

        Raises:
            ChildFailed: It does not come to rest, or leaves something wrong even so.
        """
        mark = self.doors.mark()
        template = self._copy("base", "template")
        arguments = self._within(template, lambda: self._set_up(scenario))
        if scenario.fresh:
            template = self._copy("template", "before")
        before = self._within(template, self._start)
        arrived = self.doors.arrived(mark)
        gc.freeze()
        mark = self.doors.mark()
        places = self._run(scenario, arguments, "after", None)
        assert places is not None

        def after_it() -> tuple[World, World, list[str]]:
            world = self._start()
            wrong = list(faults(arrived + self.doors.arrived(mark)))
            return world, self._again(scenario, arguments), wrong

        after, again, wrong = self._within(self.directory / "after", after_it)
        if wrong:
            raise ChildFailed(f"{scenario.name} leaves without any crash: {wrong}")
        if not scenario.same(after, again):
            raise ChildFailed(f"{scenario.name} done again is another world:\n{again.difference(after)}")
        self._clear("before", "after")
        gc.freeze()
        return Prepared(scenario, arguments, before, after, places, arrived)

    def kill(self, prepared: Prepared, kill: Kill) -> list[str]:
        """Play a scenario, kill it, start the house again and ask again; says what is wrong afterwards."""
        scenario, arguments = prepared.scenario, prepared.arguments
        for _ in range(RUNS_TO_A_PLACE):
            mark = self.doors.mark()
            reached = self._run(scenario, arguments, "killed", kill)
            if reached is None:
                break
            self._clear("killed")
            kill = replace(kill, place=min(kill.place, len(reached) - 1), torn=False)
        else:
            return [f"place {kill.place} was not reached: {len(reached)} there are this time"]

        def live_on() -> list[str]:
            wrong = list(unfounded(prepared.before, self.doors.arrived(mark), scenario.counts))
            _close_gaps()
            world = self._start()
            happened = scenario.same(world, prepared.after)
            if scenario.whole and not happened and not scenario.same(world, prepared.before):
                wrong.append("it neither happened nor did not:\n" + world.difference(prepared.after))
            world = self._again(scenario, arguments)
            wrong += faults(prepared.arrived + self.doors.arrived(mark))
            if not scenario.same(world, prepared.after):
                wrong.append("done again it is another world:\n" + world.difference(prepared.after))
            return wrong

        directory = self.directory / "killed"
        wrong: list[str] = result_of(lambda: self._within(directory, live_on))
        self._clear("killed")
        return wrong

    def _set_up(self, scenario: Scenario) -> Any:
        """Prepare, and have the log give each entry that a maker made its real receipt."""
        arguments = scenario.prepare(self)
        LedgerEntry.objects.filter(receipt=MADE_UP).update(receipt="", effected=False)
        self.rest()
        if scenario.fresh:
            _close_logs()
            for log in (this_house().ledger, this_house().own_ledger):
                shutil.rmtree(log, ignore_errors=True)
        return arguments

    def _run(self, scenario: Scenario, arguments: Any, name: str, kill: Kill | None) -> list[Place] | None:
        """Do a scenario in a copy of the template, and die; returns the places where it lived."""
        directory = self._copy("template", name)
        boundaries = Boundaries(directory, kill and kill.place, kill is not None and kill.torn)

        def do() -> list[Place]:
            boundaries.watch(self._connection)
            resume()
            scenario.do(arguments)
            self.rest()
            boundaries.reach(Place("end"))
            return boundaries.passed

        ended = in_child(lambda: self._within(directory, do))
        if ended.failure:
            raise ChildFailed(ended.failure)
        if ended.signal not in (0, signal.SIGKILL):
            raise ChildFailed(f"{scenario.name} died of signal {ended.signal}")
        return None if ended.signal else ended.value

    def _again(self, scenario: Scenario, arguments: Any) -> World:
        """Do it again, as whoever asked for it does who got no answer."""
        scenario.do(arguments)
        self.rest()
        return read_world()

    def _start(self) -> World:
        """What a house does when its process starts; then what it is."""
        resume()
        self.rest()
        return read_world()

    @staticmethod
    def rest() -> None:
        """Rounds of work until there is none."""
        for _ in range(ROUNDS):
            work.round_of_work()
            if not (
                LedgerEntry.objects.filter(receipt="").exists()
                or LedgerEntry.objects.filter(effected=False).exists()
                or delivery.ready_letters().filter(thread__peer__transport=Peer.Transport.HTTPS).exists()
            ):
                return

    def _within(self, directory: Path, do: Callable[[], Any]) -> Any:
        """Be the process of a house: its directory, its database, and nothing kept of another."""
        logging.disable(logging.CRITICAL)
        self._unblock()
        house = load_house(directory)
        settings.HOUSE = house
        keys.signer.cache_clear()
        clock._clock, clock._mark = clock.SystemClock(), clock.BEGINNING
        port.use(Durable())
        self._connection = connect(self.store.described(house, directory.name))
        try:
            return do()
        finally:
            self._connection.close()
            _close_logs()

    def _fill(self) -> None:
        """Make the tables, the people and the introductions."""
        prepare_database(this_house())
        for role in Role:
            someone = make_person(role)
            someone.email, someone.name = f"{role}@office.example", role.title()
            someone.save()
        for name, signer in self.signers.items():
            make_peer(name, signer, address=self.doors.address)

    def _copy(self, original: str, name: str) -> Path:
        self._clear(name)
        shutil.copytree(self.directory / original, self.directory / name)
        self.store.clone(original, name)
        return self.directory / name

    def _clear(self, *names: str) -> None:
        for name in names:
            shutil.rmtree(self.directory / name, ignore_errors=True)
            self.store.drop(name)


def _close_gaps() -> None:
    """Let rows be numbered on from the last: the numbers that an undone transaction drew PostgreSQL gives to nobody."""
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), apps.get_models()):
            cursor.execute(statement)


def _close_logs() -> None:
    """Let go of the logs, so that another process can take them."""
    for opened in (record.open_log, record.open_own_log):
        if opened.cache_info().currsize:
            opened().close()
            opened.cache_clear()


def resume() -> None:
    """What a house does when its process starts, as if all that a killed one left were old."""
    clear_unfinished(older_s=0)
    work.resume()


def _load(modules: set[str]) -> None:
    """Load what a child had to load, so that the next need not."""
    for name in modules - set(sys.modules):
        with suppress(ImportError):
            import_module(name)


def _lay_out(directory: Path) -> House:
    """An office with every desk switched on, and the keys of each."""
    made = create_house(
        directory,
        name="office",
        title="Review Office",
        desks=frozenset(Desk),
        address="http://localhost:8199",
        demo=True,
    )
    for role in ("letters", "log", "exam", "export", "publisher", "validation"):
        Signer.generate(role, "office", demo=True).save(made.keys)
    inspection = made.keys / "inspection" / "epoch-1"
    inspection.parent.mkdir(mode=0o700)
    inspection.write_bytes(bytes(range(32)))
    return made
