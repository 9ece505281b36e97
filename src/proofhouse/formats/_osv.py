# SPDX-License-Identifier: Apache-2.0
"""OSV records, schema 1.7.5 (OpenSSF). Any 1.x is read; 1.7.5 is written."""

from __future__ import annotations

import re
from typing import TypeAlias

from proofhouse.attest import canonical
from proofhouse.formats._advisory import AdvisoryContent, AffectedPackage, Finder
from proofhouse.formats._json import JsonObject, load_object, rfc3339
from proofhouse.formats._schemas import Schema, SchemaError, check

_Object: TypeAlias = "dict[str, _Value]"
_Value: TypeAlias = "_Object | list[_Value] | str | int | float | bool | None"

OSV_VERSION = "1.7.5"
MAX_BYTES = 16 << 20
"""Largest OSV record read."""

_SAFE_IN_A_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*")


def osv_id(tracking_id: str) -> str:
    """Id of the record: ours is no registered OSV home database, so it carries the private prefix ``x_``.

    Args:
        tracking_id: Id of the advisory, such as ``PH-2026-000001``.

    Raises:
        SchemaError: The id has signs that cannot stand in a file name.
    """
    if not _SAFE_IN_A_NAME.fullmatch(tracking_id):
        raise SchemaError("/id", f"{tracking_id!r} may hold only letters, digits, '.', '_', '+' and '-'")
    return f"x_{tracking_id}"


def _affected(package: AffectedPackage) -> _Object:
    written: _Object = {
        "package": {"ecosystem": package.ecosystem, "name": package.name, "purl": package.purl},
    }
    if package.fixed:
        events: list[_Value] = [{"introduced": package.introduced}, {"fixed": package.fixed}]
        written["ranges"] = [{"type": "ECOSYSTEM", "events": events}]
    if package.versions:
        written["versions"] = list[_Value](package.versions)
    return written


def _credit(finder: Finder) -> list[_Value]:
    credit: _Object = {"name": finder.name, "type": "FINDER"}
    if finder.url:
        credit["contact"] = [finder.url]
    return [credit, {"name": finder.ai_system, "type": "TOOL"}] if finder.ai_system else [credit]


def _details(content: AdvisoryContent) -> str:
    parts = [content.summary]
    for flaw in content.vulnerabilities:
        name = f"{flaw.cve}: {flaw.title}" if flaw.cve else flaw.title
        parts.append(f"{name}\n\n{flaw.description}")
    parts += [package.fix_details for package in content.packages if package.fix_details]
    return "\n\n".join(dict.fromkeys(parts))


def write_osv(content: AdvisoryContent) -> bytes:
    """Write an OSV record.

    One CVE is an alias of the record; of several, none is, because aliases would then name each other: they
    stand under ``upstream`` (OSV 1.7.5, `aliases` and `upstream`).

    Args:
        content: What the advisory says.

    Returns:
        The record in canonical JSON (RFC 8785).

    Raises:
        FormatError: The content cannot be said in OSV, such as an ecosystem that OSV does not know.
    """
    record: _Object = {
        "schema_version": OSV_VERSION,
        "id": osv_id(content.id),
        "published": rfc3339(content.initial_release),
        "modified": rfc3339(content.current_release),
        "summary": content.title,
        "details": _details(content),
        "affected": [_affected(package) for package in content.packages],
        "database_specific": {"tracking_id": content.id, "tlp": content.tlp.value},
    }
    if content.cves:
        record["aliases" if len(content.cves) == 1 else "upstream"] = list[_Value](content.cves)
    if len(content.vulnerabilities) == 1 and content.vulnerabilities[0].cvss:
        record["severity"] = [{"type": "CVSS_V3", "score": content.vulnerabilities[0].cvss}]
    if content.references:
        record["references"] = [{"type": item.kind, "url": item.url} for item in content.references]
    if content.finders:
        record["credits"] = [credit for finder in content.finders for credit in _credit(finder)]
    check(record, Schema.OSV)
    return canonical(record)


def read_osv(text: bytes) -> JsonObject:
    """Read an OSV record of any 1.x version and check it against schema 1.7.5.

    Raises:
        FormatError: Not JSON, too large, another major version, or against the schema (then `SchemaError`).
    """
    record = load_object(text, max_bytes=MAX_BYTES)
    version = str(record.get("schema_version") or "1.0.0")
    if version.partition(".")[0] != "1":
        raise SchemaError("/schema_version", f"{version!r} is not read; OSV 1.x is")
    check(record, Schema.OSV)
    return record
