# SPDX-License-Identifier: Apache-2.0
"""Which rules opened a row, and the audit of what was opened that is TLP:AMBER+STRICT or RED (platform.md §5, rule 3).

A list is decided row by row, but a page that asks again every few seconds must not fill a table. So an opening is kept
once for a person, a row, the rules that opened it and a UTC day; the first sight of the day writes it, later ones only
read. Where no case of the house is sensitive, a list costs nothing more.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import (
    BooleanField,
    CharField,
    DateField,
    Exists,
    ExpressionWrapper,
    F,
    Field,
    Model,
    OuterRef,
    QuerySet,
    Subquery,
    UUIDField,
    Value,
)

from proofhouse.server.accounts.files import CaseFile, GateOpening
from proofhouse.server.accounts.marks import CASE_OF, SENSITIVE, UNMARKED, Mark
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.ruling import Effect, compiled, rules_of
from proofhouse.server.accounts.standing import Standing, one_look, standing_of
from proofhouse.server.engine.clock import now
from proofhouse.server.engine.prepared import Blank, Statement

M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class Fired:
    """The rules that find one row for one person."""

    row: Any
    case: str
    mark: Mark | None
    admitting: tuple[str, ...]
    forbidding: tuple[str, ...]


def fired(person: Person, model: type[Model], rows: Sequence[Any], *, sensitive: bool = False) -> list[Fired]:
    """Which rules find which of some rows.

    Args:
        person: For whom.
        model: Whose rows.
        rows: Primary keys.
        sensitive: Leave out the rows that are not `SENSITIVE`.
    """
    filed = CASE_OF.get(model._meta.label)
    names, statement = _firing(person.pk, standing_of(person), model, _room_for(len(rows)), sensitive)
    return [
        Fired(
            pk,
            case,
            (Mark(mark) if mark else UNMARKED) if filed else None,
            *(
                tuple(name for (name, its), yes in zip(names, said, strict=True) if yes and its is effect)
                for effect in (Effect.ADMIT, Effect.FORBID)
            ),
        )
        for pk, case, mark, *said in _of(statement, rows)
    ]


@functools.lru_cache(maxsize=1024)
def _firing(
    person: UUID, standing: Standing, model: type[Model], room: int, sensitive: bool
) -> tuple[list[tuple[str, Effect]], Statement]:
    """The names of the rules, and the statement that tries them; rules depend on nothing but what is given here."""
    someone = Person(id=person)
    filed = CASE_OF.get(model._meta.label)
    rules = rules_of(model)
    flags = {}
    with one_look({someone.pk: standing}):
        for number, each in enumerate(rules):
            found = compiled(each, someone, model)
            test = Value(found) if isinstance(found, bool) else found
            flags[f"rule_{number}"] = ExpressionWrapper(test, output_field=BooleanField())
    mark = Subquery(CaseFile.objects.filter(key=OuterRef(filed.by)).values("mark")) if filed else Value(None)
    case = F(filed.by) if filed else Value("")
    asked = model._default_manager.filter(pk__in=_blanks(model._meta.pk, room))
    if sensitive and filed:
        asked = asked.filter(
            Exists(CaseFile.objects.filter(key=OuterRef(filed.by), mark__in=sorted(SENSITIVE)))
        )
    asked = asked.annotate(gate_case=case, gate_mark=mark, **flags).order_by()
    statement = Statement(asked.values_list("pk", "gate_case", "gate_mark", *flags))
    return [(each.name, each.effect) for each in rules], statement


@functools.cache
def _kept_today(room: int) -> Statement:
    kept = GateOpening.objects.filter(
        person=Blank("person", UUIDField()),
        model=Blank("model", CharField()),
        day=Blank("day", DateField()),
        row__in=_blanks(CharField(), room),
    )
    return Statement(kept.order_by().values_list("row", "mark", "rules"))


def _room_for(rows: int) -> int:
    """How many blanks a statement has for that many keys: few sizes, so that few statements are made."""
    return next(room for room in (1, 8, 64, 512) if rows <= room or room == 512)


def _blanks(field: Field[Any, Any], room: int) -> list[Blank]:
    return [Blank(f"row_{place}", field) for place in range(room)]


def _of(statement: Statement, keys: Sequence[Any], **values: Any) -> Iterator[list[Any]]:
    """Ask a statement with room for keys about any number of them."""
    room = _room_for(len(keys))
    for first in range(0, len(keys), room):
        some = keys[first : first + room]
        padded = [*some, *[some[-1]] * (room - len(some))]
        yield from statement.ask(**{f"row_{place}": key for place, key in enumerate(padded)}, **values)


def note(person: Person, model: type[Model], shown: Sequence[Any]) -> None:
    """Keep what a person opened of some rows, by primary key, so far as it is sensitive and not kept yet today."""
    opened = {
        (str(each.row), str(each.mark), ", ".join(each.admitting)[:300]): each.case
        for each in fired(person, model, shown, sensitive=True)
    }
    if not opened:
        return
    at, rows = now(), [row for row, _, _ in opened]
    same = {"person": person.pk, "model": model._meta.label, "day": at.date()}
    kept = {tuple(one) for one in _of(_kept_today(_room_for(len(rows))), rows, **same)}
    fresh = [
        GateOpening(
            person=person,
            model=model._meta.label,
            row=row,
            case=case,
            mark=mark,
            rules=rules,
            day=at.date(),
            first_at=at,
        )
        for (row, mark, rules), case in opened.items()
        if (row, mark, rules) not in kept
    ]
    if fresh:
        GateOpening.objects.bulk_create(fresh, ignore_conflicts=True)


class _Watched(QuerySet[Any, Any]):
    """Rows of which every one that is taken out is noted. Counting and asking whether there are any take none out."""

    watching: Person

    def _clone(self) -> Any:
        clone = super()._clone()  # type: ignore[misc]  # Django's own way to carry what a queryset knows
        clone.watching = self.watching
        return clone

    def _fetch_all(self) -> None:
        fresh = self._result_cache is None
        super()._fetch_all()
        if fresh and self._result_cache:
            note(self.watching, self.model, self._shown(self._result_cache))

    def iterator(self, *arguments: Any, **options: Any) -> Iterator[Any]:
        note(self.watching, self.model, self._keys())
        return super().iterator(*arguments, **options)

    def _shown(self, taken: list[Any]) -> list[Any]:
        """The primary keys of rows that were taken out; asked for anew where what was taken does not hold them."""
        if isinstance(taken[0], Model):
            return [row.pk for row in taken]
        key = self.model._meta.pk.name
        return [row[key] for row in taken] if isinstance(taken[0], dict) and key in taken[0] else self._keys()

    def _keys(self) -> list[Any]:
        """The primary keys of these rows."""
        plain: QuerySet[Any, Any] = QuerySet(self.model, self.query.chain(), self.db)
        return list(plain.values_list("pk", flat=True))


@functools.cache
def _watched_class(kind: type[QuerySet[Any, Any]]) -> type[_Watched]:
    return type(f"Watched{kind.__name__}", (_Watched, kind) if kind is not QuerySet else (_Watched,), {})


def watched(rows: QuerySet[M], person: Person) -> QuerySet[M]:
    """The same rows, under watch."""
    watch = _watched_class(type(rows))(rows.model, rows.query, rows.db)
    watch.watching = person
    return watch
