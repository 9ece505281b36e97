# SPDX-License-Identifier: Apache-2.0
"""The gate: the one place where it is decided what a person may see and do (design rule 4).

Named rules admit and forbid. Each turns a person into a query over one model; what no rule admits does not exist for
that person, and what one rule forbids no other brings back. A miss is "not found", never "forbidden". Rules are
registered by the desks (`rule`, `forbid`, `readable_by`, `parties`) and compiled by `accounts.ruling`.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet

from proofhouse.server.accounts.marks import CASE_OF, SENSITIVE, Mark, Tie
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.openings import fired, note, watched
from proofhouse.server.accounts.permissions import ROLE_PERMISSIONS, Permission, Role
from proofhouse.server.accounts.ruling import forbid, parties, reach, readable_by, rule
from proofhouse.server.accounts.standing import Standing, one_look, standing_of
from proofhouse.server.engine.prepared import Statement

__all__ = [
    "Explanation",
    "Mark",
    "NotAllowed",
    "NotFound",
    "Role",
    "Tie",
    "access",
    "explain",
    "forbid",
    "may_do",
    "parties",
    "readable_by",
    "require",
    "rule",
    "shown",
    "visible",
]

M = TypeVar("M", bound=Model)


class NotAllowed(Exception):
    """The person lacks the permission for an act; the message names it."""

    code = "not_allowed"


class NotFound(Exception):
    """There is no such record, or none that this person may see."""

    code = "not_found"


@dataclass(frozen=True)
class Explanation:
    """Why a row is open to a person, or is not.

    Attributes:
        opens: The answer of the gate.
        mark: What the case of the row bears; None for what lies under no case.
        admitted_by: The rules that admit it, in fixed order.
        forbidden_by: The rules that shut it all the same.
    """

    opens: bool
    mark: Mark | None
    admitted_by: tuple[str, ...]
    forbidden_by: tuple[str, ...]


# --- what everybody calls ---------------------------------------------------------------------------------------------


def visible(person: Person, model: type[M]) -> QuerySet[M]:
    """The rows of a model that a person may see: the only way to rows for whoever shows them."""
    standing = standing_of(person)
    rows: QuerySet[M] = _reached(person.pk, person.is_active, standing, model).all()
    return watched(rows, person) if _watches(standing, model) else rows


def _watches(standing: Standing, model: type[Model]) -> bool:
    return model._meta.label in CASE_OF and bool(standing.marks & SENSITIVE)


class Shape(Hashable, Protocol):
    """How a list narrows, orders and shows rows; equal shapes ask the same."""

    def of(self, rows: QuerySet[Any, Any]) -> QuerySet[Any, Any]:
        """These rows in this shape: `values`, the key among them, with `Blank` in the place of values."""
        ...


def shown(person: Person, model: type[Model], shape: Shape, **values: Any) -> list[dict[str, Any]]:
    """What `visible` finds, in a shape that is asked often: its statement is made once for a standing.

    Args:
        person: For whom.
        model: Whose rows.
        shape: What is asked of them.
        values: Fill the shape's blanks by their names.
    """
    standing = standing_of(person)
    statement = _prepared(person.pk, person.is_active, standing, model, shape)
    rows = [dict(zip(statement.columns, row, strict=True)) for row in statement.ask(**values)]
    if rows and _watches(standing, model):
        key = model._meta.pk.name
        note(person, model, [row[key] for row in rows])
    return rows


@functools.lru_cache(maxsize=4096)
def _prepared(person: UUID, active: bool, standing: Standing, model: type[Model], shape: Shape) -> Statement:
    return Statement(shape.of(_reached(person, active, standing, model).all()))


@functools.lru_cache(maxsize=4096)
def _reached(person: UUID, active: bool, standing: Standing, model: type[Model]) -> QuerySet[Any, Any]:
    """The query behind `visible`, not asked yet; what it finds is looked up anew each time."""
    someone = Person(id=person, is_active=active)
    with one_look({someone.pk: standing}):
        reached = reach(someone, model)
    rows: QuerySet[Any, Any] = model._default_manager.all()
    if reached is False:
        return rows.none()
    return rows if reached is True else rows.filter(reached)


def access(person: Person, model: type[M], **where: Any) -> M:
    """Check and fetch in one.

    Raises:
        NotFound: No such row, or not for this person.
    """
    try:
        return visible(person, model).get(**where)
    except (model.DoesNotExist, ValidationError, ValueError):  # type: ignore[attr-defined]  # every model has DoesNotExist
        raise NotFound(f"no {model._meta.verbose_name} like that") from None


def explain(person: Person, row: Model) -> Explanation:
    """Which rules decide whether a person may see a row; this reads as the gate does and notes no opening."""
    found = next(iter(fired(person, type(row), [row.pk])), None)
    if found is None:
        return Explanation(False, None, (), ())
    opens = person.is_active and bool(found.admitting) and not found.forbidding
    return Explanation(opens, found.mark, found.admitting, found.forbidding)


def may_do(person: Person, permission: Permission) -> bool:
    """Whether a role of the person carries the permission. Nothing is allowed that is not listed."""
    return person.is_active and any(
        permission in ROLE_PERMISSIONS[role] for role in standing_of(person).roles
    )


def require(person: Person, permission: Permission) -> None:
    """Refuse an act without its permission.

    Raises:
        NotAllowed: The person lacks it.
    """
    if not may_do(person, permission):
        raise NotAllowed(f"{person.email} lacks {permission.value}")
