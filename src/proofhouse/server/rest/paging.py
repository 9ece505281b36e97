# SPDX-License-Identifier: Apache-2.0
"""Pages of rows, newest first, by the key of the last row that was read.

A cursor names a place in the order, not a count, so rows that are added meanwhile neither repeat nor hide others. It is
opaque, and needs no signature: whatever somebody makes up, the gate decides which rows are there.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from django.core.exceptions import ValidationError
from django.db.models import Field, Model, Q, QuerySet
from pydantic import BaseModel
from pydantic import Field as Described

from proofhouse.server.accounts.gate import shown
from proofhouse.server.accounts.models import Person
from proofhouse.server.engine.prepared import Blank
from proofhouse.server.rest.problems import ValueRefused


class PageAsked(BaseModel):
    """Which page of a list."""

    limit: int = Described(50, ge=1, le=200, description="How many rows at most")
    after: str | None = Described(None, max_length=400, description="`next` of the page before")


@dataclass(frozen=True, eq=False)
class Listing:
    """What the list of a model shows.

    Attributes:
        model: Whose rows.
        columns: What is shown of each; the key and `order` among them.
        computed: Columns that are expressions.
        order: The column by which the list runs, newest first; ties are ordered by the key.
    """

    model: type[Model]
    columns: tuple[str, ...]
    computed: dict[str, Any]
    order: str

    @property
    def key(self) -> str:
        """The name of the primary key."""
        return str(self.model._meta.pk.name)

    def field(self, name: str) -> Field[Any, Any]:
        """A column of the model."""
        field: Field[Any, Any] = self.model._meta.get_field(name)  # type: ignore[assignment]  # no relation back is shown
        return field


@dataclass(frozen=True)
class _Page:
    """The shape of one page: a list, by what it is narrowed, whether it goes on from a row, how many rows it takes."""

    listing: Listing
    narrowed: tuple[str, ...]
    goes_on: bool
    limit: int

    def of(self, rows: QuerySet[Any, Any]) -> QuerySet[Any, Any]:
        """One row more than the page holds, to see whether there is another page."""
        listing, key = self.listing, self.listing.key
        rows = rows.filter(**{name: self._blank(name, name) for name in self.narrowed})
        if self.goes_on:
            beyond = Q(**{f"{key}__lt": self._blank("beyond_key", key)})
            if listing.order != key:
                at = self._blank("beyond", listing.order)
                beyond = Q(**{f"{listing.order}__lt": at}) | Q(**{listing.order: at}) & beyond
            rows = rows.filter(beyond)
        by = dict.fromkeys([f"-{listing.order}", f"-{key}"])
        return rows.order_by(*by).values(*listing.columns, **listing.computed)[: self.limit + 1]

    def _blank(self, name: str, column: str) -> Blank:
        return Blank(name, self.listing.field(column))


def page(person: Person, listing: Listing, asked: PageAsked, wanted: dict[str, Any]) -> bytes:
    """One page as ready bytes: `{"items": [...], "next": cursor or null}`.

    Args:
        person: Who reads; the gate decides which rows there are.
        listing: Which list.
        asked: Which page.
        wanted: Values of columns that the list is narrowed to.

    Raises:
        ValueRefused: The cursor is none of this list.
    """
    place = {} if asked.after is None else _place(listing, asked.after)
    shape = _Page(listing, tuple(sorted(wanted)), bool(place), asked.limit)
    rows = shown(person, listing.model, shape, **wanted, **place)
    more = len(rows) > asked.limit
    rows = rows[: asked.limit]
    return msgspec.json.encode({"items": rows, "next": _cursor(listing, rows[-1]) if more else None})


def _cursor(listing: Listing, row: dict[str, Any]) -> str:
    place = msgspec.json.encode([row[listing.order], row[listing.key]])
    return base64.urlsafe_b64encode(place).rstrip(b"=").decode("ascii")


def _place(listing: Listing, cursor: str) -> dict[str, Any]:
    try:
        read = msgspec.json.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        at, last = (
            listing.field(name).to_python(value)
            for name, value in zip((listing.order, listing.key), read, strict=True)
        )
        if at is None or last is None or "\0" in f"{at}{last}":
            raise ValueError("no place")
        if isinstance(at, datetime) and at.tzinfo is None:
            raise ValueError("no instant")
    except (ValueError, TypeError, ValidationError):
        raise ValueRefused("after: this is no cursor of this list", "no_such_cursor") from None
    return {"beyond": at, "beyond_key": last}
