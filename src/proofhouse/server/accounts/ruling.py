# SPDX-License-Identifier: Apache-2.0
"""The rules of the gate: what desks register, what holds for every case, and how both become one query.

A rule of a desk says *who works with* a model. How far that opens the material of a case is decided by the mark of the
case and the tie of the person to it (`accounts.marks`); grants, recusals, GREEN and CLEAR are rules of the gate itself
and hold for every model that lies under a case. `docs/gate.md` has the whole table.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.db.models import Exists, Model, OuterRef, Q, QuerySet

from proofhouse.server.accounts.files import CaseFile, Grant, Recusal, running_grants, standing_recusals
from proofhouse.server.accounts.marks import CASE_OF, OPENS, UNMARKED, Filed, Mark, Tie
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.accounts.standing import standing_of
from proofhouse.server.engine.prepared import Moment

Query = Callable[[Person], Q | None]
Rows = Q | bool
"""Some rows of a model; True is every row, which an empty `Q` cannot say once it is joined to another."""


class Effect(StrEnum):
    """A rule opens rows or shuts them; shutting wins."""

    ADMIT = "admit"
    FORBID = "forbid"


@dataclass(frozen=True)
class Rule:
    """One named rule over one model.

    Attributes:
        name: Stands in explanations and in the audit.
        effect: What it does to the rows that it finds.
        query: Gives the rows; None for no row, an empty `Q` for every row. It depends on nothing but the key and the
            standing of the person, and asks the database nothing: what it gives is kept. The time is a `Moment`.
        tie: What it takes the person to be bound by; the marks of the case limit how far that opens.
    """

    name: str
    effect: Effect
    query: Query
    tie: Tie | None = None


_RULES: dict[type[Model], list[Rule]] = {}

CaseKeys = Callable[[Person], "QuerySet[Any, Any] | None"]
_PARTIES: list[CaseKeys] = []


# --- what desks register ----------------------------------------------------------------------------------------------


def rule(model: type[Model], tie: Tie = Tie.DESK) -> Callable[[Query], Query]:
    """Register a rule that admits rows of a model; its name is the function's.

    Args:
        model: What it admits rows of.
        tie: What binds the person to the rows; for material of a case it limits the marks that the rule opens.
    """
    return _registering(model, Effect.ADMIT, tie)


def forbid(model: type[Model]) -> Callable[[Query], Query]:
    """Register a rule that shuts rows of a model, whatever else admits them."""
    return _registering(model, Effect.FORBID, None)


def readable_by(model: type[Model], *roles: Role) -> None:
    """Register the simplest rule: whoever holds one of these roles in this house sees every row."""
    wanted = frozenset(roles)
    name = "desk of " + ", ".join(sorted(wanted)) if wanted != frozenset(Role) else "any role in this house"
    _RULES.setdefault(model, []).append(Rule(name, Effect.ADMIT, DeskOf(wanted), Tie.DESK))


@dataclass(frozen=True)
class DeskOf:
    """Every row, for whoever holds one of some roles in this house."""

    roles: frozenset[Role]

    def __call__(self, person: Person) -> Q | None:
        """The query of the rule."""
        return Q() if standing_of(person).roles & self.roles else None


def parties(keys: CaseKeys) -> CaseKeys:
    """Register how hosted organisations are party to cases: person in, the names of those cases out (or None)."""
    _PARTIES.append(keys)
    return keys


def _registering(model: type[Model], effect: Effect, tie: Tie | None) -> Callable[[Query], Query]:
    def register(function: Query) -> Query:
        name = getattr(function, "__name__", type(function).__name__).replace("_", " ")
        _RULES.setdefault(model, []).append(Rule(name, effect, function, tie))
        return function

    return register


# --- the rules of the gate itself -------------------------------------------------------------------------------------


def rules_of(model: type[Model]) -> list[Rule]:
    """Every rule that decides about a model, in the order in which explanations name them."""
    registered = _RULES.get(model, [])
    filed = CASE_OF.get(model._meta.label)
    return registered if filed is None else [*registered, *_case_rules(filed, _desk_roles(registered))]


def _desk_roles(rules: Iterable[Rule]) -> frozenset[Role]:
    return frozenset(role for each in rules if isinstance(each.query, DeskOf) for role in each.query.roles)


def _case_rules(filed: Filed, desk: frozenset[Role]) -> list[Rule]:
    def recused(person: Person) -> Q | None:
        if not standing_of(person).recused:
            return None
        return _under(filed, Recusal.objects.filter(standing_recusals(), person=person))

    def named(person: Person, *, inside: bool) -> Q | None:
        standing = standing_of(person)
        if not standing.named or bool(standing.roles) is not inside:
            return None
        if filed.sealed and not standing.roles & desk:
            return None
        return _under(filed, Grant.objects.filter(running_grants(Moment()), person=person))

    def party(person: Person) -> Q | None:
        keys = [keys for each in _PARTIES if (keys := each(person)) is not None]
        found = [Q(**{f"{filed.by}__in": each}) for each in keys]
        if filed.shared:
            found += [
                Q(
                    **{
                        f"{filed.by}__in": CaseFile.objects.filter(
                            key__in=each, part_of__isnull=False
                        ).values("part_of")
                    }
                )
                for each in keys
            ]
        return functools.reduce(operator.or_, found) if found else None

    def community(person: Person) -> Q | None:
        standing = standing_of(person)
        return Q() if standing.roles or standing.hosted else None

    rules = [
        Rule("recused from the case", Effect.FORBID, recused),
        Rule("named by a grant", Effect.ADMIT, functools.partial(named, inside=True), Tie.NAMED_INSIDE),
        Rule(
            "named by a grant, from outside",
            Effect.ADMIT,
            functools.partial(named, inside=False),
            Tie.NAMED_OUTSIDE,
        ),
    ]
    if filed.party:
        rules.append(Rule("organisation is party to the case", Effect.ADMIT, party, Tie.PARTY))
    if filed.shared:
        rules.append(Rule("green is for the community", Effect.ADMIT, community, Tie.COMMUNITY))
        rules.append(Rule("clear is for everybody", Effect.ADMIT, lambda _: Q(), Tie.SIGNED_IN))
    return rules


def _under(filed: Filed, named: QuerySet[Any, Any]) -> Q:
    """The rows that lie under a case that some grants or recusals name, or under a part of one.

    Asked for each row by index, so that a page costs the same however many cases a person is named to.
    """
    whole = named.filter(case=OuterRef("part_of"))
    part = CaseFile.objects.filter(Exists(whole), key=OuterRef(filed.by), part_of__isnull=False)
    return Q(Exists(named.filter(case=OuterRef(filed.by)))) | Q(Exists(part))


# --- compiling --------------------------------------------------------------------------------------------------------


def compiled(each: Rule, person: Person, model: type[Model]) -> Rows:
    """The rows that a rule finds for a person, limited by the marks that its tie opens."""
    query = each.query(person)
    if query is None:
        return False
    rows: Rows = query if query else True
    filed = CASE_OF.get(model._meta.label)
    if filed is None or each.tie is None:
        return rows
    return _both(rows, _marked(filed, OPENS[each.tie], standing_of(person).marks))


def _marked(filed: Filed, opened: frozenset[Mark], borne: frozenset[Mark]) -> Rows:
    """The rows whose case bears one of some marks; a case without a file bears none and counts as AMBER."""
    if UNMARKED in opened:
        shut = borne - opened
        return ~_bearing(filed, shut) if shut else True
    return _bearing(filed, opened & borne) if opened & borne else False


def _bearing(filed: Filed, marks: frozenset[Mark]) -> Q:
    return Q(Exists(CaseFile.objects.filter(key=OuterRef(filed.by), mark__in=sorted(marks))))


def _both(one: Rows, other: Rows) -> Rows:
    if isinstance(one, bool):
        return other if one else False
    if isinstance(other, bool):
        return one if other else False
    return one & other


def _any(several: Iterable[Rows]) -> Rows:
    queries: list[Q] = []
    for each in several:
        if isinstance(each, Q):
            queries.append(each)
        elif each:
            return True
    return functools.reduce(operator.or_, queries) if queries else False


def reach(person: Person, model: type[Model]) -> Rows:
    """Which rows of a model a person may see, as a query. A model without rules shows nothing."""
    if not person.is_active:
        return False
    rules = rules_of(model)
    admitted = _any(compiled(each, person, model) for each in rules if each.effect is Effect.ADMIT)
    if admitted is False:
        return False
    shut = _any(compiled(each, person, model) for each in rules if each.effect is Effect.FORBID)
    if isinstance(shut, bool):
        return False if shut else admitted
    return _both(admitted, ~shut)
