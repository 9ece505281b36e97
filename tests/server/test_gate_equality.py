# SPDX-License-Identifier: Apache-2.0
"""The gate's queries equal a reference in plain Python, for random worlds; and broken copies of the gate do not.

The suite runs on the database that it is given: SQLite, or PostgreSQL under `scripts/postgres`.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Q, QuerySet
from hypothesis import HealthCheck, Phase, example, given, seed, settings

from proofhouse.server.accounts import gate, ruling, standing
from proofhouse.server.accounts.gate import explain, visible
from proofhouse.server.accounts.marks import CASE_OF, OPENS, Mark, Tie
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.openings import fired
from proofhouse.server.accounts.standing import one_look, standing_of
from proofhouse.server.engine.models import Thread
from proofhouse.server.house import House
from server.gate_world import AWKWARD, KINDS, Planted, World, plant, worlds

pytestmark = pytest.mark.django_db

QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.fixture(autouse=True)
def hosted_threads(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """In these worlds an organisation is party to a case by a thread that bears its name."""

    def by_subject(person: Person) -> QuerySet[Any, Any] | None:
        hosted = standing_of(person).hosted
        return Thread.objects.filter(subject__in=hosted).values("case") if hosted else None

    monkeypatch.setattr(ruling, "_PARTIES", [by_subject])


@contextmanager
def planted_in(world: World) -> Iterator[Planted]:
    """A world in the database, gone without a trace afterwards."""
    with transaction.atomic():
        before = transaction.savepoint()
        yield plant(world)
        transaction.savepoint_rollback(before)


def forget_statements() -> None:
    """Have every statement made anew, as in a process that has just started."""
    gate._reached.cache_clear()
    standing._questions.cache_clear()


def difference(world: World, planted: Planted) -> str:
    """The first thing about which gate and reference disagree; nothing where they are equal."""
    with one_look():
        for person, model, expected in planted.seen_by_reference(world):
            seen = set(visible(person, model).values_list("pk", flat=True))
            if seen != expected:
                return f"{person.name} sees {len(seen)} of {model.__name__}, not {len(expected)}"
    return ""


def _random(examples: int) -> Any:
    return settings(max_examples=examples, deadline=None, database=None, suppress_health_check=QUIET)


@_random(15)
@given(worlds)
@example(AWKWARD)
def test_the_gate_equals_the_reference(world: World) -> None:
    with planted_in(world) as planted:
        assert not difference(world, planted)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@_random(200)
@given(worlds)
def test_the_gate_equals_the_reference_in_many_worlds(world: World) -> None:
    with planted_in(world) as planted:
        assert not difference(world, planted)


@_random(3)
@given(worlds)
def test_an_explanation_and_a_count_say_what_the_list_says(world: World) -> None:
    with planted_in(world) as planted, one_look():
        for person, model, expected in planted.seen_by_reference(world):
            assert visible(person, model).count() == len(expected)
            for each in fired(person, model, list(planted.rows[model])):
                opens = bool(person.is_active and each.admitting and not each.forbidding)
                assert opens is (each.row in expected), (person.name, each)
        row = model._default_manager.all()[0]
        assert explain(person, row).opens is (row.pk in expected)


# --- mutants: copies of the gate that are wrong in one place ----------------------------------------------------------

Break = Callable[[pytest.MonkeyPatch], None]


def in_the_rules(old: str, new: str) -> Break:
    """A copy of `ruling.py` with one text in the place of another."""

    def apply(monkeypatch: pytest.MonkeyPatch) -> None:
        source = Path(ruling.__file__).read_text(encoding="utf-8")
        assert source.count(old) == 1, f"{old!r} stands {source.count(old)} times in ruling.py"
        mutant = ModuleType(ruling.__name__)
        mutant.__file__ = ruling.__file__
        monkeypatch.setitem(sys.modules, ruling.__name__, mutant)
        exec(compile(source.replace(old, new), ruling.__file__, "exec"), vars(mutant))  # our own source
        vars(mutant).update(_RULES=ruling._RULES, _PARTIES=ruling._PARTIES, DeskOf=ruling.DeskOf)
        mutant.Effect = ruling.Effect  # the registered rules carry it
        monkeypatch.setattr(gate, "reach", mutant.reach)

    return apply


def in_the_table(tie: Tie, marks: frozenset[Mark]) -> Break:
    """Another set of marks that a tie opens."""
    return lambda monkeypatch: monkeypatch.setitem(OPENS, tie, marks)


def in_the_models(**change: bool) -> Break:
    """Every model filed otherwise."""

    def apply(monkeypatch: pytest.MonkeyPatch) -> None:
        for label, filed in CASE_OF.items():
            monkeypatch.setitem(CASE_OF, label, dataclasses.replace(filed, **change))

    return apply


def in_the_grants(condition: Callable[[Any], Q]) -> Break:
    """Another notion of which grants run."""

    def apply(monkeypatch: pytest.MonkeyPatch) -> None:
        for module in (ruling, standing):
            monkeypatch.setattr(module, "running_grants", condition)

    return apply


def in_the_recusals(condition: Q) -> Break:
    """Another notion of which recusals stand."""

    def apply(monkeypatch: pytest.MonkeyPatch) -> None:
        for module in (ruling, standing):
            monkeypatch.setattr(module, "standing_recusals", lambda: condition)

    return apply


def guests_as_staff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Roles in a hosted organisation counted as roles in the house."""
    right = standing._look_up

    def wrong(person: Person) -> standing.Standing:
        from proofhouse.server.accounts.permissions import Role

        found = right(person)
        held = frozenset(Role(role) for role in person.memberships.values_list("role", flat=True))
        return dataclasses.replace(found, roles=held)

    monkeypatch.setattr(standing, "_look_up", wrong)


def one_look_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """The standing of whoever was looked up first given to everybody."""
    first: list[standing.Standing] = []
    right = standing._look_up

    def wrong(person: Person) -> standing.Standing:
        first.append(right(person))
        return first[0]

    monkeypatch.setattr(standing, "_look_up", wrong)


_ALL = frozenset(Mark)
MUTANTS: dict[str, Break] = {
    "no forbids": in_the_rules("return _both(admitted, ~shut)", "return admitted"),
    "an admitting rule beats a forbidding one": in_the_rules(
        "return _both(admitted, ~shut)", "return _any([admitted, ~shut])"
    ),
    "everything but what is forbidden": in_the_rules("return _both(admitted, ~shut)", "return ~shut"),
    "an inactive person": in_the_rules("if not person.is_active:", "if False:"),
    "an empty Q joined to another": in_the_rules(
        "rows: Rows = query if query else True", "rows: Rows = query"
    ),
    "or for and": in_the_rules("    return one & other\n", "    return one | other\n"),
    "marks never asked": in_the_rules("if filed is None or each.tie is None:", "if True:"),
    "an unmarked case counts as CLEAR": in_the_rules("if UNMARKED in opened:", "if Mark.CLEAR in opened:"),
    "an unmarked case opens nothing": in_the_rules("if UNMARKED in opened:", "if False:"),
    "grants of anybody": in_the_rules(
        "Grant.objects.filter(running_grants(Moment()), person=person)",
        "Grant.objects.filter(running_grants(Moment()))",
    ),
    "recusals of anybody": in_the_rules(
        "Recusal.objects.filter(standing_recusals(), person=person)",
        "Recusal.objects.filter(standing_recusals())",
    ),
    "the parts of a case not followed": in_the_rules(
        "return Q(Exists(named.filter(case=OuterRef(filed.by)))) | Q(Exists(part))",
        "return Q(Exists(named.filter(case=OuterRef(filed.by))))",
    ),
    "only the parts of a case": in_the_rules(
        "return Q(Exists(named.filter(case=OuterRef(filed.by)))) | Q(Exists(part))",
        "return Q(Exists(part))",
    ),
    "no way from a part's thread to the whole": in_the_rules(
        "    if filed.shared:\n            found += [", "    if False:\n            found += ["
    ),
    "guests with a grant are inside": in_the_rules("bool(standing.roles) is not inside", "False"),
    "GREEN for whoever is signed in": in_the_rules(
        "return Q() if standing.roles or standing.hosted else None", "return Q()"
    ),
    "a grant that ran out": in_the_grants(lambda at: Q(withdrawn_at=None) & ~Q(entry__receipt="")),
    "a grant that was withdrawn": in_the_grants(lambda at: Q(until__gt=at) & ~Q(entry__receipt="")),
    "a grant without a receipt": in_the_grants(lambda at: Q(withdrawn_at=None, until__gt=at)),
    "a recusal that is lifted before the receipt": in_the_recusals(Q(lifting=None)),
    "a recusal that is never lifted": in_the_recusals(Q(pk__isnull=False)),
    "RED for the desk": in_the_table(Tie.DESK, _ALL),
    "AMBER+STRICT not for the desk": in_the_table(Tie.DESK, OPENS[Tie.DESK] - {Mark.AMBER_STRICT}),
    "AMBER+STRICT and AMBER exchanged for the party": in_the_table(
        Tie.PARTY, OPENS[Tie.PARTY] - {Mark.AMBER} | {Mark.AMBER_STRICT}
    ),
    "AMBER+STRICT for the party": in_the_table(Tie.PARTY, OPENS[Tie.PARTY] | {Mark.AMBER_STRICT}),
    "AMBER+STRICT for a named guest": in_the_table(Tie.NAMED_OUTSIDE, _ALL),
    "RED not for the named": in_the_table(Tie.NAMED_INSIDE, _ALL - {Mark.RED}),
    "AMBER for the community": in_the_table(Tie.COMMUNITY, OPENS[Tie.COMMUNITY] | {Mark.AMBER}),
    "GREEN for everybody": in_the_table(Tie.SIGNED_IN, frozenset({Mark.GREEN, Mark.CLEAR})),
    "everything sealed": in_the_models(sealed=True),
    "nothing sealed": in_the_models(sealed=False),
    "everything shared": in_the_models(shared=True),
    "nothing shared": in_the_models(shared=False),
    "every party everywhere": in_the_models(party=True),
    "no party anywhere": in_the_models(party=False),
    "guests as staff": guests_as_staff,
    "one person's standing for all": one_look_for_all,
}


def test_every_broken_gate_is_caught_and_the_right_one_passes() -> None:
    """The same few worlds for all mutants; a mutant is dropped as soon as one world tells it from the reference."""
    alive = dict(MUTANTS)

    @seed(20260602)
    @settings(_random(8), phases=[Phase.explicit, Phase.generate])
    @given(worlds)
    @example(AWKWARD)
    def hunt(world: World) -> None:
        if not alive:
            return
        with planted_in(world) as planted:
            assert not difference(world, planted)
            for name in list(alive):
                with pytest.MonkeyPatch.context() as patched:
                    alive[name](patched)
                    forget_statements()
                    if difference(world, planted):
                        del alive[name]
            forget_statements()

    hunt()
    assert list(alive) == []
    assert len(MUTANTS) >= 30


def test_the_worlds_hold_every_kind_of_material() -> None:
    flags = {(kind.shared, kind.party, kind.sealed) for kind in KINDS.values()}
    assert flags == {(each.shared, each.party, each.sealed) for each in CASE_OF.values()}
