# SPDX-License-Identifier: Apache-2.0
"""Canonical JSON, strict reading of JSON, and digests."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any, NoReturn, TypeAlias

import rfc8785

JsonValue: TypeAlias = Any
"""A value that JSON can hold: dict with string keys, list, str, int, float, bool or None."""


class NotCanonical(ValueError):
    """A value has no canonical JSON form: not JSON, a non-finite number, or an integer beyond 53 bits."""


class BadJson(ValueError):
    """Bytes that are not JSON, or JSON that two readers could understand differently."""


def canonical(value: JsonValue) -> bytes:
    """The one canonical encoding of a JSON value (RFC 8785, JCS).

    Whole floats from 2**53 up to 1e21 are refused besides: their text has neither point nor exponent, so a
    reader takes it for an integer that JCS does not allow.

    Raises:
        NotCanonical: The value has none.
    """
    try:
        _refuse_large_whole_floats(value)
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        raise NotCanonical(f"no canonical JSON form: {error}") from None


def parse_json(content: bytes) -> JsonValue:
    """Read JSON that has one meaning only: UTF-8, no member twice in an object, no non-finite numbers.

    Raises:
        BadJson: It is not such; the message says what is wrong.
    """
    try:
        return json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_members,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
    except BadJson:
        raise
    except (ValueError, RecursionError) as error:
        raise BadJson(f"not JSON: {error}") from None


def sha256_hex(content: bytes) -> str:
    """SHA-256 of bytes in lower-case hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _refuse_large_whole_floats(value: JsonValue) -> None:
    if isinstance(value, float):
        if 2**53 <= abs(value) < 1e21:
            raise NotCanonical(
                f"no canonical JSON form: {value} would be read back as an integer beyond 53 bits"
            )
    elif isinstance(value, dict):
        for member in value.values():
            _refuse_large_whole_floats(member)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _refuse_large_whole_floats(item)


def _members(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadJson(f"the member {twice!r} occurs twice in one object")
    return members


def _no_constant(name: str) -> NoReturn:
    raise BadJson(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise BadJson(f"the number {text} is too large")
    return number
