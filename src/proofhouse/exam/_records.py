# SPDX-License-Identifier: Apache-2.0
"""Strict reading of JSON records: one clear error that names the field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proofhouse.attest import JsonValue


class BadRecord(ValueError):
    """A plan, seal, rule or report does not have its form; the message names the field."""


def require_keys(record: JsonValue, name: str, keys: set[str]) -> Mapping[str, Any]:
    """`record` as an object with exactly these keys.

    Raises:
        BadRecord: it is no object, or a key is missing or unknown.
    """
    if not isinstance(record, Mapping):
        raise BadRecord(f"{name}: expected an object")
    missing, unknown = keys - set(record), set(record) - keys
    if missing:
        raise BadRecord(f"{name}: missing {', '.join(sorted(missing))}")
    if unknown:
        raise BadRecord(f"{name}: unknown {', '.join(sorted(map(str, unknown)))}")
    return record


def require_int(value: JsonValue, name: str, low: int, high: int) -> int:
    """`value` as an integer from `low` to `high`.

    Raises:
        BadRecord: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise BadRecord(f"{name}: expected an integer from {low} to {high}, not {value!r}")
    return value


def require_number(value: JsonValue, name: str, low: float, high: float) -> float:
    """`value` as a number from `low` to `high`.

    Raises:
        BadRecord: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise BadRecord(f"{name}: expected a number from {low} to {high}, not {value!r}")
    return float(value)


def require_text(value: JsonValue, name: str) -> str:
    """`value` as a string.

    Raises:
        BadRecord: it is not.
    """
    if not isinstance(value, str):
        raise BadRecord(f"{name}: expected a string, not {value!r}")
    return value


def require_list(value: JsonValue, name: str) -> list[JsonValue]:
    """`value` as a list.

    Raises:
        BadRecord: it is not.
    """
    if not isinstance(value, list):
        raise BadRecord(f"{name}: expected a list")
    return value
