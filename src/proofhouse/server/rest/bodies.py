# SPDX-License-Identifier: Apache-2.0
"""The shapes of what comes in and of what goes out, and the plain types that they are made of.

What comes in is strict: no field that nobody asked for, no number as text, no text that a database cannot store.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from datetime import date, datetime
from typing import Annotated, Any, cast

import msgspec
from django.db.models import BooleanField, ExpressionWrapper, Q
from django.http import HttpRequest
from ninja.parser import Parser
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema


class Body(BaseModel):
    """What an act is asked with."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Row(BaseModel):
    """What may be read of one record; its fields are columns, or expressions named by the desk."""


class JsonParser(Parser):
    """Reads bodies: RFC 8259 to the letter, and without NUL, which PostgreSQL cannot store."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        """The body as plain values.

        Raises:
            ValueError: It is no JSON, nests too deeply or holds a NUL.
        """
        read = msgspec.json.decode(request.body)
        if b"\\u0000" in request.body:
            _refuse_nul(read)
        return cast(dict[str, Any], read)


def _refuse_nul(value: Any) -> None:
    if isinstance(value, str) and "\0" in value:
        raise ValueError("NUL in a text")
    if isinstance(value, dict):
        for key, inner in value.items():
            _refuse_nul(key)
            _refuse_nul(inner)
    elif isinstance(value, list):
        for inner in value:
            _refuse_nul(inner)


def _an_instant(text: str) -> str:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError("lacks its offset from UTC")
    if not 1970 < instant.year < 9000:
        raise ValueError("lies outside the calendar")
    return text


def _a_day(text: str) -> str:
    if not 1970 < date.fromisoformat(text).year < 9000:
        raise ValueError("lies outside the calendar")
    return text


def _bytes_in_base64(text: str) -> str:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error as wrong:
        raise ValueError(str(wrong)) from None
    return text


def _no_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


MEGABYTE = 1 << 20
_SLUG = r"^[a-z][a-z0-9-]{1,30}$"

Id = Annotated[
    str,
    Field(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"),
    WithJsonSchema({"type": "string", "format": "uuid"}),
]
Slug = Annotated[str, Field(pattern=_SLUG, description="Name of a house")]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="SHA-256, lower-case hex")]
Line = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_no_blank)]
Short = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(_no_blank)]
FileName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,118}$", description="A plain file name")
]
Prose = Annotated[str, Field(min_length=1, max_length=4000), AfterValidator(_no_blank)]
Instant = Annotated[
    str,
    Field(max_length=40),
    AfterValidator(_an_instant),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2027-01-05T15:00:00-05:00"]}),
]
Day = Annotated[
    str,
    Field(max_length=10),
    AfterValidator(_a_day),
    WithJsonSchema({"type": "string", "format": "date", "examples": ["2027-01-05"]}),
]
Base64 = Annotated[
    str,
    Field(max_length=16 * MEGABYTE),
    AfterValidator(_bytes_in_base64),
    WithJsonSchema({"type": "string", "contentEncoding": "base64"}),
]
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{1,39}$", examples=["CVE-2026-0001"])]


def one_of(states: Iterable[str]) -> Any:
    """The type of a column with a closed set of values whose class has a name that another desk uses as well."""
    return Annotated[
        str, Field(max_length=40), WithJsonSchema({"type": "string", "enum": list(map(str, states))})
    ]


def in_force(entry: str = "entry") -> dict[str, Any]:
    """The column `in_force`: whether the record's ledger entry has its receipt (design rule 3)."""
    return {"in_force": ExpressionWrapper(~Q(**{f"{entry}__receipt": ""}), output_field=BooleanField())}
