# SPDX-License-Identifier: Apache-2.0
"""The gate: the one place where it is decided what a person may see and do (design rule 4).

Every model that people may read has named rules; a rule turns a person into a query over that model. What no rule
admits does not exist for that person: a miss is "not found", never "forbidden".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet

from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import ROLE_PERMISSIONS, Permission, Role

M = TypeVar("M", bound=Model)
Rule = Callable[[Person], Q | None]

_RULES: dict[type[Model], list[Rule]] = {}


class NotAllowed(Exception):
    """The person lacks the permission for an act; the message names it."""

    code = "not_allowed"


class NotFound(Exception):
    """There is no such record, or none that this person may see."""

    code = "not_found"


def rule(model: type[Model]) -> Callable[[Rule], Rule]:
    """Register a rule for a model. It returns the query that it admits, or None to admit nothing."""

    def register(function: Rule) -> Rule:
        _RULES.setdefault(model, []).append(function)
        return function

    return register


def readable_by(model: type[Model], *roles: Role) -> None:
    """Register the simplest rule: whoever holds one of these roles in this house sees every row."""

    def by_role(person: Person) -> Q | None:
        return Q() if person.roles & frozenset(roles) else None

    _RULES.setdefault(model, []).append(by_role)


def visible(person: Person, model: type[M]) -> QuerySet[M]:
    """The rows of a model that a person may see. A model without rules shows nothing."""
    rows: QuerySet[M] = model._default_manager.all()
    admitted: Q | None = None
    if person.is_active:
        for admits in _RULES.get(model, ()):
            query = admits(person)
            if query is not None:
                admitted = query if admitted is None else admitted | query
    return rows.none() if admitted is None else rows.filter(admitted)


def access(person: Person, model: type[M], **where: Any) -> M:
    """Check and fetch in one.

    Raises:
        NotFound: No such row, or not for this person.
    """
    try:
        return visible(person, model).get(**where)
    except (model.DoesNotExist, ValidationError, ValueError):  # type: ignore[attr-defined]  # every model has DoesNotExist
        raise NotFound(f"no {model._meta.verbose_name} like that") from None


def may_do(person: Person, permission: Permission) -> bool:
    """Whether a role of the person carries the permission. Default deny."""
    return person.is_active and any(permission in ROLE_PERMISSIONS[role] for role in person.roles)


def require(person: Person, permission: Permission) -> None:
    """Refuse an act without its permission.

    Raises:
        NotAllowed: The person lacks it.
    """
    if not may_do(person, permission):
        raise NotAllowed(f"{person.email} lacks {permission.value}")
