# SPDX-License-Identifier: Apache-2.0
"""Which rules opened a row, and the audit of what was opened that is TLP:AMBER+STRICT or RED (platform.md §5, rule 3).

A list is decided row by row, but a page that asks again every few seconds must not fill a table. So an opening is kept
once for a person, a row, the rules that opened it and a UTC day; the first sight of the day writes it, later ones only
read. Where no case of the house is sensitive, a list costs nothing more.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db.models import BooleanField, ExpressionWrapper, F, Model, OuterRef, Q, QuerySet, Subquery, Value

from proofhouse.server.accounts.files import CaseFile, GateOpening
from proofhouse.server.accounts.marks import CASE_OF, SENSITIVE, UNMARKED, Mark
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.ruling import Effect, compiled, rules_of
from proofhouse.server.engine.clock import now

M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class Fired:
    """The rules that find one row for one person."""

    row: Any
    case: str
    mark: Mark | None
    admitting: tuple[str, ...]
    forbidding: tuple[str, ...]


def fired(person: Person, model: type[Model], rows: Iterable[Any] | QuerySet[Any, Any]) -> list[Fired]:
    """Which rules find which of some rows, by primary key; one query."""
    filed = CASE_OF.get(model._meta.label)
    rules = rules_of(model)
    flags = {}
    for number, each in enumerate(rules):
        found = compiled(each, person, model)
        test = Value(found) if isinstance(found, bool) else found
        flags[f"rule_{number}"] = ExpressionWrapper(test, output_field=BooleanField())
    mark = Subquery(CaseFile.objects.filter(key=OuterRef(filed.by)).values("mark")) if filed else Value(None)
    case = F(filed.by) if filed else Value("")
    asked = model._default_manager.filter(pk__in=rows).annotate(gate_case=case, gate_mark=mark, **flags)
    answers = asked.values_list("pk", "gate_case", "gate_mark", *flags)
    return [
        Fired(
            pk,
            case,
            (Mark(mark) if mark else UNMARKED) if filed else None,
            *(
                tuple(one.name for one, yes in zip(rules, said, strict=True) if yes and one.effect is effect)
                for effect in (Effect.ADMIT, Effect.FORBID)
            ),
        )
        for pk, case, mark, *said in answers
    ]


def note(person: Person, rows: QuerySet[Any, Any], shown: Iterable[Any] | QuerySet[Any, Any]) -> None:
    """Keep what a person opened of some rows, so far as it is sensitive and not kept yet today."""
    model, at = rows.model, now()
    filed = CASE_OF[model._meta.label]
    files = CaseFile.objects.filter(mark__in=sorted(SENSITIVE)).values("key")
    sensitive = list(
        model._default_manager.filter(Q(**{f"{filed.by}__in": files}), pk__in=shown).values_list(
            "pk", flat=True
        )
    )
    if not sensitive:
        return
    made = [
        GateOpening(
            person=person,
            model=model._meta.label,
            row=str(each.row),
            case=each.case,
            mark=str(each.mark),
            rules=", ".join(each.admitting)[:300],
            day=at.date(),
            first_at=at,
        )
        for each in fired(person, model, sensitive)
    ]
    today = GateOpening.objects.filter(person=person, model=model._meta.label, day=at.date())
    kept = set(today.filter(row__in=[one.row for one in made]).values_list("row", "mark", "rules"))
    GateOpening.objects.bulk_create(
        [one for one in made if (one.row, one.mark, one.rules) not in kept], ignore_conflicts=True
    )


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
            whole = isinstance(self._result_cache[0], Model)
            note(
                self.watching,
                self,
                [row.pk for row in self._result_cache] if whole else self._keys(),
            )

    def iterator(self, *arguments: Any, **options: Any) -> Iterator[Any]:
        note(self.watching, self, self._keys())
        return super().iterator(*arguments, **options)

    def _keys(self) -> QuerySet[Any, Any]:
        """The primary keys of these rows, as a query."""
        plain: QuerySet[Any, Any] = QuerySet(self.model, self.query.chain(), self.db)
        return plain.values("pk")


@functools.cache
def _watched_class(kind: type[QuerySet[Any, Any]]) -> type[_Watched]:
    return type(f"Watched{kind.__name__}", (_Watched, kind) if kind is not QuerySet else (_Watched,), {})


def watched(rows: QuerySet[M], person: Person) -> QuerySet[M]:
    """The same rows, under watch."""
    watch = _watched_class(type(rows))(rows.model, rows.query, rows.db)
    watch.watching = person
    return watch
