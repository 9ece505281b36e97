# SPDX-License-Identifier: Apache-2.0
r"""The few JSON Schema shapes from which every letter's body is built.

Patterns end in `(?![\s\S])` in place of `$`, because `$` also matches before a final newline in some
engines (Python's among them), and a verifier in another language must answer the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Schema: TypeAlias = Mapping[str, Any]
"""A JSON Schema (draft 2020-12) as plain data."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_CONTROL = r"\u0000-\u001f\u007f-\u009f"
_BIDI = r"\u202a-\u202e\u2066-\u2069"


def _whole(pattern: str) -> str:
    return rf"^(?:{pattern})(?![\s\S])"


def line(max_length: int = 200) -> Schema:
    """One line of text for people: no control or direction-changing characters."""
    return {
        "type": "string",
        "minLength": 1,
        "maxLength": max_length,
        "pattern": _whole(rf"[^{_CONTROL}{_BIDI}]+"),
    }


def text(max_length: int = 8000) -> Schema:
    """Several lines of text for people: newline and tab are the only control characters."""
    return {
        "type": "string",
        "minLength": 1,
        "maxLength": max_length,
        "pattern": _whole(rf"(?:[\n\t]|[^{_CONTROL}{_BIDI}])+"),
    }


def one_of(*values: str) -> Schema:
    """One word out of a closed set."""
    return {"enum": list(values)}


def whole_number(minimum: int, maximum: int) -> Schema:
    """An integer within bounds, both included."""
    return {"type": "integer", "minimum": minimum, "maximum": maximum}


def many(items: Schema, minimum: int = 0, maximum: int = 100) -> Schema:
    """A list of like things."""
    return {"type": "array", "items": items, "minItems": minimum, "maxItems": maximum}


def many_different(items: Schema, minimum: int = 0, maximum: int = 100) -> Schema:
    """A list in which nothing comes twice."""
    return {**many(items, minimum, maximum), "uniqueItems": True}


def or_null(schema: Schema) -> Schema:
    """The same, or an explicit null."""
    return {"oneOf": [schema, {"type": "null"}]}


def record(
    required: Mapping[str, Schema],
    optional: Mapping[str, Schema] | None = None,
    *,
    rules: Sequence[Schema] = (),
) -> Schema:
    """An object with exactly these fields.

    Args:
        required: Fields that must be there.
        optional: Fields that may be there.
        rules: Further schemas that must hold too (if/then rules across fields).
    """
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }
    if rules:
        schema["allOf"] = list(rules)
    return schema


def when(field: str, values: Sequence[str], *, needs: Sequence[str]) -> Schema:
    """A rule: where `field` has one of `values`, the fields `needs` must be there."""
    return {
        "if": {"properties": {field: {"enum": list(values)}}, "required": [field]},
        "then": {"required": list(needs)},
    }


SHA256: Schema = {"type": "string", "pattern": _whole("[0-9a-f]{64}")}
"""A digest in lower-case hexadecimal."""

DIGEST: Schema = record({"sha256": SHA256})
"""A digest that names its algorithm, as in in-toto's DigestSet."""

UUID: Schema = {
    "type": "string",
    "pattern": _whole("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
}

TIME: Schema = {
    "type": "string",
    "format": "date-time",
    "pattern": _whole(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z"),
}
"""An instant: RFC 3339, UTC, six decimals, `Z`."""

DATE: Schema = {"type": "string", "format": "date", "pattern": _whole("[0-9]{4}-[0-9]{2}-[0-9]{2}")}

HOUSE: Schema = {"type": "string", "pattern": _whole("[a-z][a-z0-9-]{1,30}")}
"""The slug by which houses address one another."""

TYPE_NAME: Schema = {"type": "string", "pattern": _whole("[a-z][a-z0-9-]{1,62}")}

FILE_NAME: Schema = {"type": "string", "pattern": _whole("[A-Za-z0-9][A-Za-z0-9._-]{0,126}")}
"""A plain file name: no folder, no leading dot."""

MEDIA_TYPE: Schema = {
    "type": "string",
    "maxLength": 127,
    "pattern": _whole("[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*"),
}

ENCLOSURE: Schema = {**FILE_NAME, "format": "enclosure"}
"""The name of an enclosure of the same letter: `format: enclosure` refuses any other name."""

BASE64: Schema = {
    "type": "string",
    "pattern": _whole("(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"),
}

PUBLIC_KEY: Schema = record({"algorithm": one_of("ed25519"), "public": {**BASE64, "maxLength": 200}})
"""A public key: algorithm and base64 of its SubjectPublicKeyInfo."""

CHECKPOINT_TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": 16384}
"""A C2SP tlog-checkpoint: a signed note, text and signature lines."""

WEB_ADDRESS: Schema = {"type": "string", "maxLength": 500, "pattern": _whole("https?://[!-~]+")}

TLP: Schema = one_of("TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED")
"""Traffic Light Protocol 2.0 (FIRST): how far the content may travel."""

MODEL: Schema = record({"name": line()}, {"version": line(100), "digest": DIGEST})
"""An AI model; the digest, where known, binds to exact weights or an exact endpoint description."""

PRODUCT: Schema = record({"name": line()}, {"supplier": line(), "version": line(100), "purl": line(500)})
"""A product that somebody runs: name, and package URL where one exists."""

IDENTIFIER: Schema = {
    "type": "string",
    "pattern": _whole("[A-Z][A-Z0-9]{1,15}-[A-Za-z0-9][A-Za-z0-9.:-]{0,63}"),
}
"""A vulnerability's name in some scheme: `CVE-2025-49794`, `GHSA-…`, `PH-2026-000001`."""
