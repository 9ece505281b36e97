# SPDX-License-Identifier: Apache-2.0
"""Who may see a case and why: for stewards, who keep the access of all without seeing what lies there."""

from __future__ import annotations

from dataclasses import dataclass

from django.apps import apps
from django.db.models import Model

from proofhouse.server.accounts.casefiles import mark_of
from proofhouse.server.accounts.files import CaseFile
from proofhouse.server.accounts.marks import CASE_OF, Mark
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.openings import fired
from proofhouse.server.accounts.standing import one_look

CEILING = 200
"""So many rows of a model are looked at; a case that has more is explained by its first ones."""


@dataclass(frozen=True)
class Reach:
    """What one person sees of one model's rows under a case.

    Attributes:
        person: Who.
        model: `cases.Case`, `engine.Letter`, ….
        opened: How many of the rows are open to the person.
        rows: How many there are.
        admitted_by: The rules that admit any of them.
        forbidden_by: The rules that shut any of them all the same.
    """

    person: Person
    model: str
    opened: int
    rows: int
    admitted_by: tuple[str, ...]
    forbidden_by: tuple[str, ...]


def explain_case(case: str, people: list[Person] | None = None) -> tuple[Mark, list[Reach]]:
    """The mark of a case, and how far each active person reaches into what lies under it and its parts."""
    keys = [case, *CaseFile.objects.filter(part_of=case).values_list("key", flat=True)]
    material = _material(keys)
    found = []
    with one_look():
        for person in people if people is not None else list(Person.objects.filter(is_active=True)):
            for model, rows in material.items():
                found.append(_reach(person, model, rows))
    return mark_of(case), [each for each in found if each.admitted_by or each.forbidden_by]


def _material(keys: list[str]) -> dict[type[Model], list[object]]:
    found = {}
    for label, filed in CASE_OF.items():
        model = apps.get_model(label)
        rows = list(
            model._default_manager.filter(**{f"{filed.by}__in": keys}).values_list("pk", flat=True)[:CEILING]
        )
        if rows and model is not CaseFile:
            found[model] = rows
    return found


def _reach(person: Person, model: type[Model], rows: list[object]) -> Reach:
    each = fired(person, model, rows)
    return Reach(
        person=person,
        model=model._meta.label,
        opened=sum(bool(person.is_active and one.admitting and not one.forbidding) for one in each),
        rows=len(each),
        admitted_by=tuple(dict.fromkeys(name for one in each for name in one.admitting)),
        forbidden_by=tuple(dict.fromkeys(name for one in each for name in one.forbidding)),
    )
