# SPDX-License-Identifier: Apache-2.0
"""Schema checks from shipped files only: no network, compiled validators kept, errors in one line.

Example:
    >>> check({"id": "CVE-2025-49794", "modified": "2025-06-16T00:00:00Z"}, Schema.OSV)
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft7Validator, Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError, best_match, relevance
from jsonschema.protocols import Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from proofhouse.formats._json import FormatError, JsonObject


class Schema(StrEnum):
    """A document type whose schema is shipped; the value is its file under ``schemas/``."""

    CSAF_2_0 = "csaf_json_schema.json"
    CSAF_PROVIDER_2_0 = "provider_json_schema.json"
    ROLIE_FEED = "ROLIE_feed_json_schema.json"
    OSV = "osv-schema.json"
    CYCLONEDX_1_4 = "bom-1.4.SNAPSHOT.schema.json"
    CYCLONEDX_1_5 = "bom-1.5.SNAPSHOT.schema.json"
    CYCLONEDX_1_6 = "bom-1.6.SNAPSHOT.schema.json"


class SchemaError(FormatError):
    """A document breaks its schema.

    Attributes:
        path: JSON Pointer of the field (RFC 6901), ``""`` for the document itself.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path or 'document'}: {reason}")
        self.path = path


# Files that the schemas above refer to, with the URIs under which they do.
_REFERENCED: Mapping[str, tuple[str, ...]] = {
    "cvss-v2.0.json": ("https://www.first.org/cvss/cvss-v2.0.json",),
    "cvss-v3.0.json": ("https://www.first.org/cvss/cvss-v3.0.json",),
    "cvss-v3.1.json": ("https://www.first.org/cvss/cvss-v3.1.json",),
    "csaf_json_schema.json": ("https://docs.oasis-open.org/csaf/csaf/v2.0/csaf_json_schema.json",),
    "jsf-0.82.SNAPSHOT.schema.json": ("http://cyclonedx.org/schema/jsf-0.82.SNAPSHOT.schema.json",),
    "spdx.SNAPSHOT.schema.json": ("http://cyclonedx.org/schema/spdx.SNAPSHOT.schema.json",),
}
# CycloneDX marks fields with formats that its own tools do not assert; the others are asserted.
_ASSERTS_FORMATS = frozenset({Schema.CSAF_2_0, Schema.CSAF_PROVIDER_2_0, Schema.ROLIE_FEED, Schema.OSV})
_FORMATS = FormatChecker(formats=())
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]+")
_REASON_LIMIT = 240
_SHOWN_LIMIT = 80


@_FORMATS.checks("date-time", raises=ValueError)
def _is_date_time(value: object) -> bool:
    if not isinstance(value, str):
        return True
    if not _DATE_TIME.fullmatch(value):
        return False
    # A leap second is legal in RFC 3339 §5.6 and unknown to datetime.
    text = re.sub(r"(?<=:\d\d):60", ":59", re.sub(r"\.\d+", "", value.upper()))
    return bool(datetime.fromisoformat(text))


@_FORMATS.checks("uri")
def _is_uri(value: object) -> bool:
    return not isinstance(value, str) or bool(_URI.fullmatch(value))


def _schema_text(name: str) -> JsonObject:
    loaded: JsonObject = json.loads(files("proofhouse.formats").joinpath("schemas", name).read_bytes())
    return loaded


@lru_cache(maxsize=1)
def _registry() -> Registry[bool | Mapping[str, Any]]:
    registry: Registry[bool | Mapping[str, Any]] = Registry()
    for name, uris in _REFERENCED.items():
        contents = _schema_text(name)
        resource: Resource[bool | Mapping[str, Any]] = Resource.from_contents(
            contents, default_specification=DRAFT4
        )
        registry = registry.with_resources((uri, resource) for uri in uris)
    return registry


@lru_cache(maxsize=len(Schema))
def _validator(schema: Schema) -> Validator:
    contents = _schema_text(schema)
    dialect = Draft7Validator if "draft-07" in str(contents["$schema"]) else Draft202012Validator
    return dialect(
        dict(contents),
        registry=_registry(),
        format_checker=_FORMATS if schema in _ASSERTS_FORMATS else None,
    )


def _pointer(path: Iterable[str | int]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def check(document: JsonObject, schema: Schema) -> None:
    """Check a document against a shipped schema.

    Args:
        document: The parsed document.
        schema: Which schema it claims to follow.

    Raises:
        SchemaError: It does not; the message names the field that matters most and the reason in one line.
    """
    errors = list(_validator(schema).iter_errors(document))
    if not errors:
        return
    worst: ValidationError | None = best_match(errors, key=relevance)
    found = worst or errors[0]
    reason = " ".join(found.message.split())
    if len(reason) > _REASON_LIMIT:
        shown = " ".join(repr(found.instance).split())
        shown = shown if len(shown) <= _SHOWN_LIMIT else shown[:_SHOWN_LIMIT] + "…"
        reason = f"{shown} breaks the schema's rule '{found.validator}'"
    raise SchemaError(_pointer(found.absolute_path), reason)
