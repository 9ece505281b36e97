# SPDX-License-Identifier: Apache-2.0
"""Checking data against a schema, with one clear message for the fault that matters most."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any, TypeAlias

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError, best_match

from proofhouse.letters._errors import SchemaMismatch
from proofhouse.letters._schema import Schema
from proofhouse.letters._time import from_wire

Validator: TypeAlias = Draft202012Validator


def compiled(schema: Schema) -> Validator:
    """Make a schema ready for many checks."""
    return Draft202012Validator(dict(schema))


def check(value: Any, validator: Validator, where: str, enclosures: Iterable[str] = ()) -> None:
    """Check a value against a schema.

    Args:
        value: Parsed JSON.
        validator: The schema, compiled.
        where: What the value is, for the message.
        enclosures: Names that `format: enclosure` takes.

    Raises:
        SchemaMismatch: The message names the field and the reason.
    """
    names = frozenset(enclosures)
    formats = FormatChecker(formats=())
    formats.checks("date-time", raises=ValueError)(_is_instant)
    formats.checks("date", raises=ValueError)(_is_date)
    formats.checks("enclosure")(lambda name: not isinstance(name, str) or name in names)
    fault = best_match(validator.evolve(format_checker=formats).iter_errors(value))
    if fault is not None:
        raise SchemaMismatch(f"{_field(where, fault)}: {_reason(fault)}")


def _is_instant(value: object) -> bool:
    if isinstance(value, str):
        from_wire(value)
    return True


def _is_date(value: object) -> bool:
    if isinstance(value, str):
        date.fromisoformat(value)
    return True


def _field(where: str, fault: ValidationError) -> str:
    return ".".join([where, *(str(step) for step in fault.absolute_path)])


def _reason(fault: ValidationError) -> str:
    if fault.validator == "format" and fault.validator_value == "enclosure":
        return f"names {_short(fault.instance)}, which is not enclosed"
    if fault.validator == "pattern":
        return f"{_short(fault.instance)} does not have the form that this field needs"
    return (
        fault.message if len(fault.message) <= 300 else f"breaks the rule '{fault.validator}' of its schema"
    )


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."
