# SPDX-License-Identifier: Apache-2.0
"""CSAF 2.0 security advisories (OASIS Standard, 18 November 2022, profile 4: ``csaf_security_advisory``)."""

from __future__ import annotations

import re
from typing import TypeAlias

from cvss import CVSS3
from cvss.exceptions import CVSS3Error

from proofhouse.attest import canonical
from proofhouse.formats._advisory import AdvisoryContent, AffectedPackage, Finder, Vulnerability
from proofhouse.formats._json import FormatError, JsonObject, load_object, rfc3339
from proofhouse.formats._schemas import Schema, check

_Object: TypeAlias = "dict[str, _Value]"
_Value: TypeAlias = "_Object | list[_Value] | str | int | float | bool | None"

MAX_BYTES = 15 << 20
"""Largest CSAF document read (CSAF 2.0 §C.1 asks for at least 15 MB)."""

_NOT_IN_A_NAME = re.compile(r"[^+\-a-z0-9]+")


def csaf_filename(tracking_id: str) -> str:
    """File name of a document: lower case, every run of other signs one underscore (CSAF 2.0 §5.1)."""
    return _NOT_IN_A_NAME.sub("_", tracking_id.lower()) + ".json"


def _vers(package: AffectedPackage) -> str:
    scheme = package.parsed_purl.type
    lower = "" if package.introduced == "0" else f">={package.introduced}|"
    return f"vers:{scheme}/{lower}<{package.fixed}"


def _product(product_id: str, package: AffectedPackage, version: str, *, purl: str) -> _Object:
    return {
        "product_id": product_id,
        "name": f"{package.vendor} {package.name} {version}",
        "product_identification_helper": {"purl": purl},
    }


class _Tree:
    """Product tree of an advisory, with the ids of its affected and of its fixed versions."""

    def __init__(self, packages: tuple[AffectedPackage, ...]) -> None:
        self.affected: list[str] = []
        self.fixed: list[str] = []
        self.affected_of: dict[str, list[str]] = {}
        vendors: dict[str, list[_Value]] = {}
        for number, package in enumerate(packages, start=1):
            versions = self._versions(f"P{number}", package)
            vendors.setdefault(package.vendor, []).append(
                {"category": "product_name", "name": package.name, "branches": versions}
            )
        self.branches: list[_Value] = [
            {"category": "vendor", "name": vendor, "branches": products}
            for vendor, products in vendors.items()
        ]

    def _versions(self, prefix: str, package: AffectedPackage) -> list[_Value]:
        branches: list[_Value] = []
        affected: list[str] = []
        if package.fixed:
            text = _vers(package)
            product = _product(f"{prefix}-RANGE", package, text, purl=package.purl)
            branches.append({"category": "product_version_range", "name": text, "product": product})
            affected.append(f"{prefix}-RANGE")
        for index, version in enumerate(package.versions, start=1):
            product = _product(f"{prefix}-A{index}", package, version, purl=package.purl_at(version))
            branches.append({"category": "product_version", "name": version, "product": product})
            affected.append(f"{prefix}-A{index}")
        if package.fixed:
            product = _product(f"{prefix}-FIXED", package, package.fixed, purl=package.purl_at(package.fixed))
            branches.append({"category": "product_version", "name": package.fixed, "product": product})
            self.fixed.append(f"{prefix}-FIXED")
        self.affected.extend(affected)
        self.affected_of[package.purl] = affected
        return branches


def _score(vector: str, product_ids: list[str]) -> _Object:
    try:
        rated: _Object = dict(CVSS3(vector).as_json(sort=True, minimal=True))
    except CVSS3Error as error:
        raise FormatError(f"vulnerability.cvss: {error}") from None
    return {"products": list[_Value](product_ids), "cvss_v3": rated}


def _remediations(content: AdvisoryContent, tree: _Tree) -> list[_Value]:
    remedies: list[_Value] = []
    for package in content.packages:
        ids = list[_Value](tree.affected_of[package.purl])
        remedy: _Object = {"product_ids": ids}
        if package.fixed:
            remedy |= {"category": "vendor_fix", "details": package.fix_details}
            if package.fix_url:
                remedy["url"] = package.fix_url
        else:
            remedy |= {"category": "none_available", "details": "There is no fixed version yet."}
        remedies.append(remedy)
    return remedies


def _vulnerability(flaw: Vulnerability, content: AdvisoryContent, tree: _Tree) -> _Object:
    status: _Object = {"known_affected": list[_Value](tree.affected)}
    if tree.fixed:
        status["fixed"] = list[_Value](tree.fixed)
    written: _Object = {
        "title": flaw.title,
        "notes": [{"category": "description", "text": flaw.description, "title": "Description"}],
        "product_status": status,
        "remediations": _remediations(content, tree),
    }
    if flaw.cve:
        written["cve"] = flaw.cve
    if flaw.cwe_id:
        written["cwe"] = {"id": flaw.cwe_id, "name": flaw.cwe_name}
    if flaw.cvss:
        written["scores"] = [_score(flaw.cvss, tree.affected)]
    return written


def _acknowledgment(finder: Finder) -> _Object:
    thanks: _Object = {"names": [finder.name], "summary": finder.provenance}
    if finder.organization:
        thanks["organization"] = finder.organization
    if finder.url:
        thanks["urls"] = [finder.url]
    return thanks


def _tracking(content: AdvisoryContent) -> _Object:
    return {
        "id": content.id,
        "status": content.status.value,
        "version": str(content.revisions[-1].number),
        "initial_release_date": rfc3339(content.initial_release),
        "current_release_date": rfc3339(content.current_release),
        "revision_history": [
            {"number": str(revision.number), "date": rfc3339(revision.at), "summary": revision.summary}
            for revision in content.revisions
        ],
    }


def _document(content: AdvisoryContent) -> _Object:
    publisher: _Object = {
        "category": content.publisher.category,
        "name": content.publisher.name,
        "namespace": content.publisher.namespace,
        "contact_details": content.publisher.contact,
    }
    if content.publisher.issuing_authority:
        publisher["issuing_authority"] = content.publisher.issuing_authority
    written: _Object = {
        "category": "csaf_security_advisory",
        "csaf_version": "2.0",
        "lang": content.language,
        "title": content.title,
        "publisher": publisher,
        "distribution": {"tlp": {"label": content.tlp.value, "url": "https://www.first.org/tlp/"}},
        "notes": [{"category": "summary", "text": content.summary, "title": "Summary"}],
        "tracking": _tracking(content),
    }
    if content.finders:
        written["acknowledgments"] = [_acknowledgment(finder) for finder in content.finders]
    if content.references:
        written["references"] = [
            {"category": "external", "summary": reference.summary, "url": reference.url}
            for reference in content.references
        ]
    return written


def write_csaf(content: AdvisoryContent) -> bytes:
    """Write a CSAF 2.0 security advisory.

    Args:
        content: What it says.

    Returns:
        The document in canonical JSON (RFC 8785): the same content always gives the same bytes.

    Raises:
        FormatError: The content cannot be said in CSAF 2.0; the message names the field.
    """
    tree = _Tree(content.packages)
    document: _Object = {
        "document": _document(content),
        "product_tree": {"branches": tree.branches},
        "vulnerabilities": [_vulnerability(flaw, content, tree) for flaw in content.vulnerabilities],
    }
    check(document, Schema.CSAF_2_0)
    return canonical(document)


def read_csaf(text: bytes) -> JsonObject:
    """Read a CSAF 2.0 document and check it against the schema.

    Raises:
        FormatError: Not JSON, too large, or against the schema (then `SchemaError`).
    """
    document = load_object(text, max_bytes=MAX_BYTES)
    check(document, Schema.CSAF_2_0)
    return document
