# SPDX-License-Identifier: Apache-2.0
"""Random worlds for the gate: as plain objects, as rows of the database, and what the gate must say about them.

`may_see` is the reference: the whole policy for material of a case in twenty lines of plain Python, written from
TLP 2.0 and DESIGN §4 without a look at the SQL.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from django.db.models import Model
from hypothesis import strategies as st

from proofhouse.server.accounts.files import CaseFile, Grant, Recusal
from proofhouse.server.accounts.marks import Mark
from proofhouse.server.accounts.models import Membership, Organisation, Person, own_organisation
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.cases.models import Case, Report
from proofhouse.server.engine.clock import now
from proofhouse.server.engine.models import LedgerEntry, Peer, Thread
from proofhouse.server.exams.models import Seal

ORGANISATIONS = ("clinic", "utility")
CASES = 4


@dataclass(frozen=True)
class Matter:
    """A case: its mark if it has a file, the case that it is part of, and who is party to it."""

    mark: Mark | None
    part_of: int | None
    parties: frozenset[str]


@dataclass(frozen=True)
class Need:
    """A grant for one case."""

    case: int
    days_left: int
    withdrawn: bool
    receipt: bool

    @property
    def runs(self) -> bool:
        return self.days_left > 0 and not self.withdrawn and self.receipt


@dataclass(frozen=True)
class Conflict:
    """A recusal from one case; None while nobody asked to lift it, then whether the lifting has its receipt."""

    case: int
    lifted: bool | None


@dataclass(frozen=True)
class Actor:
    """A person as the gate asks about one."""

    active: bool
    roles: frozenset[Role]
    hosted: frozenset[str]
    needs: tuple[Need, ...]
    conflicts: tuple[Conflict, ...]


@dataclass(frozen=True)
class Kind:
    """How a model lies under its case."""

    desk: frozenset[Role]
    shared: bool = False
    party: bool = False
    sealed: bool = False


KINDS: dict[type[Model], Kind] = {
    Case: Kind(frozenset({Role.COORDINATOR, Role.MAINTAINER}), shared=True, party=True),
    Report: Kind(frozenset({Role.COORDINATOR}), party=True),
    Seal: Kind(frozenset({Role.AUTHORITY, Role.REVIEWER}), sealed=True),
    LedgerEntry: Kind(frozenset(Role)),
}


def may_see(actor: Actor, kind: Kind, case: int, matters: tuple[Matter, ...]) -> bool:
    """Whether a person may see a row of a kind that lies under a case: the reference."""
    matter, mark = matters[case], matters[case].mark or Mark.AMBER
    under = {case, matter.part_of}
    if not actor.active or any(each.case in under and each.lifted is not True for each in actor.conflicts):
        return False
    belongs = bool(actor.roles or actor.hosted)
    at_desk = bool(actor.roles & kind.desk)
    named = any(each.case in under and each.runs for each in actor.needs)
    parties = matter.parties
    if kind.shared:
        parties = parties.union(*(other.parties for other in matters if other.part_of == case))
    if kind.shared and (mark is Mark.CLEAR or (mark is Mark.GREEN and belongs)):
        return True
    if kind.party and actor.hosted & parties and mark in (Mark.AMBER, Mark.GREEN, Mark.CLEAR):
        return True
    if at_desk and mark is not Mark.RED:
        return True
    return named and (at_desk or not kind.sealed) and (bool(actor.roles) or mark is not Mark.AMBER_STRICT)


# --- worlds -----------------------------------------------------------------------------------------------------------


@st.composite
def _matters(draw: st.DrawFn) -> tuple[Matter, ...]:
    made: list[Matter] = []
    for number in range(CASES):
        wholes = [place for place, each in enumerate(made) if each.part_of is None]
        part_of = draw(st.sampled_from([None, *wholes])) if number else None
        marks = st.sampled_from([None, *Mark])
        mark = draw(marks if part_of is None else st.sampled_from(list(Mark)))
        made.append(Matter(mark, part_of, draw(st.frozensets(st.sampled_from(ORGANISATIONS)))))
    return tuple(made)


_case = st.integers(0, CASES - 1)
_needs = st.builds(
    Need,
    case=_case,
    days_left=st.sampled_from([1, 1, -1]),
    withdrawn=st.sampled_from([False, False, True]),
    receipt=st.sampled_from([True, True, False]),
)
_conflicts = st.builds(Conflict, case=_case, lifted=st.sampled_from([None, None, False, True]))
_desks = st.sampled_from([Role.COORDINATOR, Role.MAINTAINER, Role.AUTHORITY, Role.OPERATOR])
_actors = st.builds(
    Actor,
    active=st.sampled_from([True] * 7 + [False]),
    roles=st.just(frozenset[Role]()) | st.frozensets(_desks, max_size=2),
    hosted=st.frozensets(st.sampled_from(ORGANISATIONS), max_size=2),
    needs=st.lists(_needs, max_size=3).map(tuple),
    conflicts=st.lists(_conflicts, max_size=1).map(tuple),
)


@dataclass(frozen=True)
class World:
    """Cases, and people around them."""

    matters: tuple[Matter, ...]
    actors: tuple[Actor, ...]


worlds = st.builds(World, _matters(), st.lists(_actors, min_size=6, max_size=12).map(tuple))


def _somebody(
    *roles: Role, of: str = "", needs: tuple[Need, ...] = (), conflicts: tuple[Conflict, ...] = ()
) -> Actor:
    return Actor(True, frozenset(roles), frozenset([of] if of else []), needs, conflicts)


def _need(case: int, days_left: int = 1, *, withdrawn: bool = False, receipt: bool = True) -> Need:
    return Need(case, days_left, withdrawn, receipt)


_CLINIC, _UTILITY, _NOBODY = frozenset({"clinic"}), frozenset({"utility"}), frozenset[str]()

AWKWARD = World(
    (
        Matter(Mark.AMBER, None, _CLINIC),
        Matter(Mark.AMBER, 0, _UTILITY),
        Matter(Mark.RED, None, _CLINIC),
        Matter(Mark.AMBER_STRICT, None, _CLINIC),
        Matter(Mark.GREEN, None, _NOBODY),
        Matter(Mark.CLEAR, None, _NOBODY),
        Matter(None, None, _UTILITY),
    ),
    (
        _somebody(),
        _somebody(Role.COORDINATOR),
        _somebody(Role.AUTHORITY),
        _somebody(Role.OPERATOR),
        Actor(False, frozenset(Role), _NOBODY, (), ()),
        _somebody(of="clinic"),
        _somebody(of="utility"),
        _somebody(of="clinic", needs=(_need(2), _need(3))),
        _somebody(needs=(_need(0),)),
        _somebody(needs=(_need(0, -1), _need(2, withdrawn=True), _need(6, receipt=False))),
        _somebody(Role.OPERATOR, needs=(_need(2), _need(3))),
        _somebody(Role.AUTHORITY, needs=(_need(2),)),
        _somebody(Role.COORDINATOR, needs=(_need(0),), conflicts=(Conflict(0, None),)),
        _somebody(Role.COORDINATOR, conflicts=(Conflict(3, False), Conflict(6, True), Conflict(4, None))),
    ),
)
"""The cases that chance rarely brings together, side by side."""


# --- as rows ----------------------------------------------------------------------------------------------------------


@dataclass
class Planted:
    """A world in the database: its people in order, and for each model the case under which each row lies."""

    people: list[Person]
    rows: dict[type[Model], dict[object, int]] = field(default_factory=dict)

    def seen_by_reference(self, world: World) -> Iterator[tuple[Person, type[Model], set[object]]]:
        """For each person and model, the rows that the reference shows."""
        for person, actor in zip(self.people, world.actors, strict=True):
            for model, kind in KINDS.items():
                rows = self.rows[model]
                yield (
                    person,
                    model,
                    {pk for pk, case in rows.items() if may_see(actor, kind, case, world.matters)},
                )


def key(case: int) -> str:
    return f"case:{case}"


def plant(world: World) -> Planted:
    """Write a world into the database; every model gets one row under each case."""
    Organisation.objects.bulk_create([Organisation(name=name, title=name.title()) for name in ORGANISATIONS])
    files = [
        CaseFile(key=key(number), mark=matter.mark or Mark.AMBER, part_of_id=_whole(matter))
        for number, matter in enumerate(world.matters)
        if matter.mark or any(other.part_of == number for other in world.matters)
    ]
    CaseFile.objects.bulk_create(files)
    people = _plant_people(world.actors)
    rows = _plant_material(world.matters)
    for pk, case in LedgerEntry.objects.values_list("pk", "case"):
        rows[LedgerEntry][pk] = int(case.removeprefix("case:"))
    return Planted(people, rows)


def _whole(matter: Matter) -> str | None:
    return None if matter.part_of is None else key(matter.part_of)


def _entries(kind: str, places: list[tuple[int, bool]]) -> list[LedgerEntry]:
    return LedgerEntry.objects.bulk_create(
        LedgerEntry(
            kind=kind, case=key(case), record={}, record_key=b"", leaf=secrets.token_bytes(50), created_at=now(),
            receipt="a receipt" if receipt else "",
        )
        for case, receipt in places
    )  # fmt: skip


def _plant_material(matters: tuple[Matter, ...]) -> dict[type[Model], dict[object, int]]:
    peer = Peer.objects.create(name="elsewhere", title="Elsewhere", address="http://127.0.0.1:9")
    cases = range(len(matters))
    # A thread stands for a hosted organisation's: the suite names its party in the subject.
    parties = [("nobody", "")] + [(name, key(case)) for case in cases for name in matters[case].parties]
    threads = Thread.objects.bulk_create(
        Thread(peer=peer, subject=name, case=case, opened_at=now()) for name, case in parties
    )
    entries = [_entries("case.open", [(case, True) for case in cases]) for _ in range(3)]
    made: list[list[Model]] = [
        [
            *Case.objects.bulk_create(
                Case(title="A flaw", product="x", identifiers=[], entry=entries[0][case], opened_at=now())
                for case in cases
            )
        ],
        [
            *Report.objects.bulk_create(
                Report(
                    thread=threads[0], finder="A finder", identifier="CVE-2026-0001", product="x", summary="",
                    proof_name="p", recipe_sha256="", provenance={}, entry=entries[1][case], received_at=now(),
                )
                for case in cases
            )
        ],
        [
            *Seal.objects.bulk_create(
                Seal(
                    case=key(case), commitments={}, rule_sha256="", items=1, entry=entries[2][case],
                    sealed_at=now(),
                )
                for case in cases
            )
        ],
    ]  # fmt: skip
    rows: dict[type[Model], dict[object, int]] = {LedgerEntry: {}}
    for model in made:
        rows[type(model[0])] = {row.pk: case for case, row in zip(cases, model, strict=True)}
    return rows


def _plant_people(actors: tuple[Actor, ...]) -> list[Person]:
    people = Person.objects.bulk_create(
        Person(email=f"person{place}@example.org", name=f"Person {place}", is_active=actor.active)
        for place, actor in enumerate(actors)
    )
    each = list(zip(people, actors, strict=True))
    own = own_organisation().name
    Membership.objects.bulk_create(
        Membership(person=person, organisation_id=organisation, role=role)
        for person, actor in each
        for organisation, roles in [
            (own, actor.roles),
            *((name, [Role.COORDINATOR]) for name in actor.hosted),
        ]
        for role in roles
    )
    needs = [(person, need) for person, actor in each for need in actor.needs]
    entries = _entries("grant.give", [(need.case, need.receipt) for _, need in needs])
    Grant.objects.bulk_create(
        Grant(
            person=person, case=key(need.case), reason="x", granted_by=person, granted_at=now(), entry=entry,
            until=now() + timedelta(days=need.days_left), withdrawn_at=now() if need.withdrawn else None,
        )
        for (person, need), entry in zip(needs, entries, strict=True)
    )  # fmt: skip
    conflicts = [(person, conflict) for person, actor in each for conflict in actor.conflicts]
    declared = _entries("recusal.declare", [(conflict.case, True) for _, conflict in conflicts])
    lifted = _entries("recusal.lift", [(conflict.case, bool(conflict.lifted)) for _, conflict in conflicts])
    Recusal.objects.bulk_create(
        Recusal(
            person=person, case=key(conflict.case), reason="x", since=now(), entry=entry,
            lifting=None if conflict.lifted is None else lifting,
        )
        for (person, conflict), entry, lifting in zip(conflicts, declared, lifted, strict=True)
    )  # fmt: skip
    return people
