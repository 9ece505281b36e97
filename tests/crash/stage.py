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
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command

from crash.boundaries import Boundaries
from crash.children import ChildFailed, in_child, result_of
from crash.databases import Store, connect
from crash.doors import Doors
from crash.worlds import World, faults, read_world, unfounded
from proofhouse.attest import Signer
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine import clock, keys, record, work
from proofhouse.server.engine.blobs import clear_unfinished
from proofhouse.server.engine.models import LedgerEntry, Letter
from proofhouse.server.house import Desk, House, create_house, load_house, this_house
from server.makers import make_peer, make_person

PEERS = ("lab", "vendor", "member", "clearing", "inspector")
"""The other houses, whose keys this process holds."""

MADE_UP = "a receipt"
"""What the makers of tests write in the place of a receipt."""

ROUNDS = 8
"""After so many rounds of work a house must be at rest."""


@dataclass(frozen=True)
class Scenario:
    """Something that a house does.

    Attributes:
        name: The act, letter, deadline or duty, as the house calls it.
        prepare: Makes what it needs, in a house that has its people and knows its peers; returns its arguments.
        do: Does it. It is done again after a crash, as whoever asked for it would do.
        counts: Whether it counts versions up each time that it is done. A duty may, an act may not.
        fresh: Whether the house has no log yet.
    """

    name: str
    prepare: Callable[[Stage], Any]
    do: Callable[[Any], object]
    counts: bool = False
    fresh: bool = False

    def same(self, one: World, other: World) -> bool:
        """Whether two worlds are equal, but for versions where these count up."""
        return one == other or (self.counts and one.without_versions() == other.without_versions())


@dataclass(frozen=True)
class Prepared:
    """A scenario with the worlds before and after it, and every place at which it can be killed."""

    scenario: Scenario
    arguments: Any
    before: World
    after: World
    places: Sequence[str]
    arrived: list[dict[str, Any]]
    """Letters that reached other houses while it was set up."""

    @property
    def distinct_places(self) -> list[int]:
        """One place, its last, of each row of statements within one transaction; the database undoes them together."""
        inside = [step.startswith("in ") for step in self.places]
        return [place for place, one in enumerate(inside) if not (one and [*inside, False][place + 1])]

    @property
    def torn_places(self) -> list[int]:
        """The places at which a file may be torn besides."""
        return [place for place, step in enumerate(self.places) if step.startswith("fsync")]


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

    def prepare(self, scenario: Scenario) -> Prepared:
        """Set a scenario up, and play it without a crash.

        Raises:
            ChildFailed: It does not come to rest, or leaves something wrong even so.
        """
        mark = self.doors.mark()
        template = self._copy("base", "template")
        arguments = result_of(lambda: self._within(template, lambda: self._set_up(scenario)))
        arrived = self.doors.arrived(mark)
        self._copy("template", "before")
        before = result_of(lambda: self._within(self.directory / "before", self._start))
        mark = self.doors.mark()
        places = self._run(scenario, arguments, "after", None)

        def after_it() -> tuple[World, World, list[str]]:
            world = self._start()
            wrong = list(faults(arrived + self.doors.arrived(mark)))
            return world, self._again(scenario, arguments), wrong

        after, again, wrong = result_of(lambda: self._within(self.directory / "after", after_it))
        if wrong:
            raise ChildFailed(f"{scenario.name} leaves without any crash: {wrong}")
        if not scenario.same(after, again):
            raise ChildFailed(f"{scenario.name} done again is another world:\n{again.difference(after)}")
        self._clear("before", "after")
        return Prepared(scenario, arguments, before, after, places, arrived)

    def kill(self, prepared: Prepared, place: int, *, torn: bool = False) -> list[str]:
        """Play a scenario, kill it at a place, start the house again and ask again; says what is wrong afterwards."""
        scenario, arguments = prepared.scenario, prepared.arguments
        mark = self.doors.mark()
        reached = self._run(scenario, arguments, "killed", place, torn=torn)
        if reached is not None:
            self._clear("killed")
            return [f"place {place} was not reached: {len(reached)} there are this time"]

        def live_on() -> list[str]:
            wrong = list(unfounded(prepared.before, self.doors.arrived(mark)))
            world = self._start()
            if scenario.same(world, prepared.after):
                wrong += faults(prepared.arrived + self.doors.arrived(mark))
            elif not scenario.same(world, prepared.before):
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
            record.open_log().close()
            record.open_own_log().close()
            for log in (this_house().ledger, this_house().own_ledger):
                shutil.rmtree(log)
        return arguments

    def _run(
        self, scenario: Scenario, arguments: Any, name: str, place: int | None, *, torn: bool = False
    ) -> list[str] | None:
        """Do a scenario in a copy of the template, and die at a place; returns the places where it lived."""
        directory = self._copy("template", name)
        boundaries = Boundaries(directory, place, torn)

        def do() -> tuple[list[str], set[str]]:
            boundaries.watch(self._connection)
            resume()
            scenario.do(arguments)
            self.rest()
            boundaries.reach("end")
            return boundaries.passed, set(sys.modules)

        ended = in_child(lambda: self._within(directory, do))
        if ended.failure:
            raise ChildFailed(ended.failure)
        if ended.signal not in (0, signal.SIGKILL):
            raise ChildFailed(f"{scenario.name} died of signal {ended.signal}")
        if ended.signal:
            return None
        places, modules = ended.value
        _load(modules)
        gc.freeze()
        return places  # type: ignore[no-any-return]

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
                or Letter.objects.filter(state=Letter.State.QUEUED).exists()
            ):
                return

    def _within(self, directory: Path, do: Callable[[], Any]) -> Any:
        """Be the process of a house: its directory, its database, and nothing kept of another."""
        logging.disable(logging.CRITICAL)
        self._unblock()
        house = load_house(directory)
        settings.HOUSE = house
        keys.signer.cache_clear()
        record.open_log.cache_clear()
        record.open_own_log.cache_clear()
        clock._mark = clock.BEGINNING
        self._connection = connect(self.store.described(house, directory.name))
        try:
            return do()
        finally:
            self._connection.close()

    def _fill(self) -> None:
        """Make the tables, the people and the introductions."""
        call_command("migrate", interactive=False, verbosity=0)
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
