# SPDX-License-Identifier: Apache-2.0
"""Strict reading and stable writing of JSON, and RFC 3339 times, for documents that other people read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NoReturn, TypeAlias

JsonValue: TypeAlias = "Mapping[str, JsonValue] | Sequence[JsonValue] | str | int | float | bool | None"
JsonObject: TypeAlias = Mapping[str, JsonValue]

MAX_DEPTH = 64
"""Levels of nesting that a document may have; real SBOMs and advisories stay under 20."""


class FormatError(ValueError):
    """A document that cannot be read or written; the message names the field and the reason in one line."""


def _refuse_constant(name: str) -> NoReturn:
    raise FormatError(f"{name} is no JSON number (RFC 8259 §6)")


def _object(pairs: list[tuple[str, JsonValue]]) -> JsonObject:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise FormatError(f"the key {twice!r} stands twice in one object, so its meaning is ambiguous")
    return found


def _check_depth(value: JsonValue) -> None:
    level: list[JsonValue] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return
    raise FormatError(f"the document is nested deeper than {MAX_DEPTH} levels")


def load_object(text: bytes, *, max_bytes: int) -> JsonObject:
    """Read one JSON object from untrusted bytes.

    Args:
        text: UTF-8 bytes, with or without a byte-order mark.
        max_bytes: Size above which nothing is parsed.

    Returns:
        The object, with plain dicts and lists inside.

    Raises:
        FormatError: Too large, not UTF-8, not JSON, a doubled key, ``NaN``, nested too deep, or no object.
    """
    if len(text) > max_bytes:
        raise FormatError(f"the document has {len(text)} bytes; at most {max_bytes} are read")
    try:
        value: JsonValue = json.loads(
            text.decode("utf-8-sig"), object_pairs_hook=_object, parse_constant=_refuse_constant
        )
    except UnicodeDecodeError as error:
        raise FormatError(f"byte {error.start} is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise FormatError(f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise FormatError(f"the document is nested deeper than {MAX_DEPTH} levels") from None
    except FormatError:
        raise
    except ValueError as error:  # integers of thousands of digits, refused by Python itself
        raise FormatError(f"not JSON that can be read: {error}") from None
    if not isinstance(value, dict):
        raise FormatError(f"the document is a JSON {type(value).__name__}, not an object")
    _check_depth(value)
    return value


def rfc3339(moment: datetime) -> str:
    """Write a time as UTC with microseconds and ``Z``.

    Raises:
        FormatError: The time has no zone.
    """
    if moment.tzinfo is None:
        raise FormatError(f"the time {moment.isoformat()} has no zone; give an aware UTC time")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
