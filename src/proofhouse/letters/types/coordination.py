# SPDX-License-Identifier: Apache-2.0
"""Letters of the clearinghouse: report, case message, advisory, notification."""

from __future__ import annotations

from proofhouse.letters._schema import (
    DATE,
    ENCLOSURE,
    IDENTIFIER,
    PRODUCT,
    SHA256,
    TIME,
    TLP,
    UUID,
    WEB_ADDRESS,
    line,
    many,
    many_different,
    one_of,
    or_null,
    record,
    text,
    when,
)
from proofhouse.letters.types._spec import LetterType

_CASE = "0192f0c1-2a3b-7c4d-8e5f-000000000010"
_LIBXML2 = {
    "name": "libxml2",
    "supplier": "GNOME",
    "version": "2.9.14",
    "purl": "pkg:deb/debian/libxml2@2.9.14%2Bdfsg-1.3~deb12u6",
}

REPORT = LetterType(
    name="report",
    version=1,
    summary="A finder reports one vulnerability, with the proofs that show it and how it was found.",
    body=record(
        {
            "report": UUID,
            "title": line(),
            "identifiers": many_different(IDENTIFIER, 0, 16),
            "product": PRODUCT,
            "description": text(),
            "proofs": many_different(ENCLOSURE, 1, 16),
            "provenance": record(
                {
                    "means": one_of("person", "ai-system", "fuzzer", "scanner", "other"),
                    "found_at": TIME,
                },
                {"tool": line(), "model": line(), "scan_lease": UUID, "told_elsewhere": many(line(), 0, 16)},
            ),
            "tlp": TLP,
        },
        {
            "claimed_crash": line(100),
            "weakness": {"type": "string", "pattern": r"^CWE-[1-9][0-9]{0,4}(?![\s\S])"},
            "credit": many(line(), 0, 16),
            "recipe": ENCLOSURE,
        },
    ),
    example={
        "report": "0192f0c1-2a3b-7c4d-8e5f-000000000011",
        "title": "Use after free when a Schematron rule reports",
        "identifiers": ["CVE-2025-49794"],
        "product": _LIBXML2,
        "description": "xmllint reads freed memory in xmlSchematronFormatReport on the enclosed document.",
        "proofs": ["proof.sct", "proof.xml"],
        "provenance": {"means": "fuzzer", "tool": "libFuzzer", "found_at": "2026-11-20T08:00:00.000000Z"},
        "tlp": "TLP:AMBER",
        "claimed_crash": "heap-use-after-free",
        "weakness": "CWE-416",
    },
)

CASE_MESSAGE = LetterType(
    name="case-message",
    version=1,
    summary="Coordinator and vendor move one case on: told, acknowledged, embargo, patch.",
    body=record(
        {
            "case": UUID,
            "act": one_of(
                "vendor-notified",
                "vendor-acknowledged",
                "vendor-answered",
                "embargo-proposed",
                "embargo-accepted",
                "embargo-countered",
                "embargo-lifted",
                "patch-offered",
                "patch-proved",
                "patch-not-proved",
                "note",
            ),
            "tlp": TLP,
        },
        {
            "identifiers": many_different(IDENTIFIER, 0, 16),
            "products": many(PRODUCT, 0, 32),
            "status": one_of("affected", "not-affected", "fixed", "under-investigation"),
            "embargo_until": TIME,
            "patch": ENCLOSURE,
            "fixed_version": line(100),
            "evidence": many_different(ENCLOSURE, 0, 16),
            "text": text(),
        },
        rules=(
            when("act", ["vendor-notified"], needs=["products"]),
            when("act", ["vendor-answered"], needs=["status"]),
            when(
                "act", ["embargo-proposed", "embargo-accepted", "embargo-countered"], needs=["embargo_until"]
            ),
            when("act", ["patch-offered"], needs=["patch"]),
            when("act", ["patch-proved", "patch-not-proved"], needs=["evidence"]),
            when("act", ["note"], needs=["text"]),
        ),
    ),
    example={
        "case": _CASE,
        "act": "embargo-proposed",
        "tlp": "TLP:AMBER",
        "identifiers": ["CVE-2025-49794", "CVE-2025-49796"],
        "products": [_LIBXML2],
        "embargo_until": "2026-12-15T14:00:00.000000Z",
        "text": "One patch stops both proofs. Tell us if this date does not suit you.",
    },
)

ADVISORY = LetterType(
    name="advisory",
    version=1,
    summary="The clearinghouse hands over a published advisory as the exact bytes that it serves.",
    body=record(
        {
            "advisory": line(100),
            "revision": line(30),
            "title": line(300),
            "identifiers": many_different(IDENTIFIER, 1, 64),
            "published_at": TIME,
            "tlp": TLP,
            "documents": many(
                record({"format": one_of("csaf-2.0", "osv", "openvex", "cve-5"), "file": ENCLOSURE}), 1, 8
            ),
        },
        {"case": UUID, "signatures": many(record({"of": ENCLOSURE, "file": ENCLOSURE}), 0, 8)},
    ),
    example={
        "advisory": "PH-2026-000001",
        "revision": "1",
        "title": "libxml2: memory errors in Schematron reports",
        "identifiers": ["CVE-2025-49794", "CVE-2025-49796"],
        "published_at": "2026-12-15T14:00:00.000000Z",
        "tlp": "TLP:CLEAR",
        "documents": [
            {"format": "csaf-2.0", "file": "ph-2026-000001.json"},
            {"format": "osv", "file": "PH-2026-000001.osv.json"},
        ],
        "case": _CASE,
    },
)

NOTIFICATION = LetterType(
    name="notification",
    version=1,
    summary="The clearinghouse tells a member what touches it: what, where, what to do, and by when.",
    body=record(
        {
            "notification": UUID,
            "advisory": line(100),
            "identifiers": many_different(IDENTIFIER, 1, 64),
            "what": text(2000),
            "where": many(record({"component": PRODUCT}, {"sbom_sha256": SHA256, "asset": line()}), 1, 200),
            "match": one_of("yes", "unknown"),
            "reason": line(500),
            "do": text(2000),
            "due": or_null(DATE),
            "tlp": TLP,
        },
        {"due_rule": line(300), "address": WEB_ADDRESS},
    ),
    example={
        "notification": "0192f0c1-2a3b-7c4d-8e5f-000000000012",
        "advisory": "PH-2026-000001",
        "identifiers": ["CVE-2025-49794", "CVE-2025-49796"],
        "what": (
            "A crafted XML document can crash or take over programs that use libxml2's Schematron checks."
        ),
        "where": [{"component": _LIBXML2, "sbom_sha256": "a" * 64, "asset": "imaging-gateway"}],
        "match": "yes",
        "reason": "version 2.9.14+dfsg-1.3~deb12u6 is before the fixed 2.9.14+dfsg-1.3~deb12u7",
        "do": "Install the patch that the agent stages, then restart the imaging gateway.",
        "due": "2026-12-29",
        "tlp": "TLP:GREEN",
        "due_rule": "BOD 26-04, exposed, not exploited: 14 days",
    },
)

SBOM = LetterType(
    name="sbom",
    version=1,
    summary=(
        "A member gives the clearinghouse the parts list of a system, so that it hears only what touches it."
    ),
    body=record(
        {"name": line(), "format": one_of("cyclonedx"), "file": ENCLOSURE},
    ),
    example={"name": "imaging-gateway", "format": "cyclonedx", "file": "sbom.cdx.json"},
)

TYPES = (REPORT, CASE_MESSAGE, ADVISORY, NOTIFICATION, SBOM)
