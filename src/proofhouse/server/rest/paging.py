# SPDX-License-Identifier: Apache-2.0
"""Pages of rows, newest first, by the key of the last row that was read.

A cursor names a place in the order, not a count, so rows that are added meanwhile neither repeat nor hide others. It is
opaque, and needs no signature: whatever somebody makes up, the gate decides which rows are there.
"""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

import msgspec
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from pydantic import BaseModel, Field

from proofhouse.server.rest.problems import ValueRefused


class PageAsked(BaseModel):
    """Which page of a list."""

    limit: int = Field(50, ge=1, le=200, description="How many rows at most")
    after: str | None = Field(None, max_length=400, description="`next` of the page before")


def page(
    query: QuerySet[Any], columns: list[str], computed: dict[str, Any], order: str, asked: PageAsked
) -> bytes:
    """One page as ready bytes: `{"items": [...], "next": cursor or null}`.

    Args:
        query: The rows that the gate lets through.
        columns: What is shown of each; the key and `order` among them.
        computed: Columns that are expressions.
        order: The column by which the list runs, newest first; ties are ordered by the key.
        asked: Which page.

    Raises:
        ValueRefused: The cursor is none of this list.
    """
    key = query.model._meta.pk.name
    if asked.after is not None:
        query = query.filter(_beyond(query, order, key, asked.after))
    by = [f"-{order}"] if order == key else [f"-{order}", f"-{key}"]
    rows = list(query.order_by(*by).values(*columns, **computed)[: asked.limit + 1])
    more = len(rows) > asked.limit
    rows = rows[: asked.limit]
    return msgspec.json.encode({"items": rows, "next": _cursor(rows[-1], order, key) if more else None})


def _cursor(row: dict[str, Any], order: str, key: str) -> str:
    place = msgspec.json.encode([row[order], row[key]])
    return base64.urlsafe_b64encode(place).rstrip(b"=").decode("ascii")


def _beyond(query: QuerySet[Any], order: str, key: str, cursor: str) -> Q:
    try:
        read = msgspec.json.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        at, last = (
            query.model._meta.get_field(name).to_python(value)
            for name, value in zip((order, key), read, strict=True)
        )
        if at is None or last is None or "\0" in f"{at}{last}":
            raise ValueError("no place")
        if isinstance(at, datetime) and at.tzinfo is None:
            raise ValueError("no instant")
    except (ValueError, TypeError, ValidationError):
        raise ValueRefused("after: this is no cursor of this list", "no_such_cursor") from None
    if order == key:
        return Q(**{f"{key}__lt": last})
    return Q(**{f"{order}__lt": at}) | Q(**{order: at, f"{key}__lt": last})
