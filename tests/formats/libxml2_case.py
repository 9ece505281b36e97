# SPDX-License-Identifier: Apache-2.0
"""The real case that the tests publish: libxml2 in Debian bookworm, two CVEs, one fix (deb12u3)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from proofhouse.formats import (
    AdvisoryContent,
    AffectedPackage,
    Finder,
    Publisher,
    Reference,
    Revision,
    Vulnerability,
)

FIXED = "2.9.14+dfsg-1.3~deb12u3"
VULNERABLE = "2.9.14+dfsg-1.3~deb12u1"
BASE = "https://clearinghouse.example"

PUBLISHER = Publisher(
    name="Demo Clearinghouse",
    namespace="https://clearinghouse.example",
    contact="Write to advisories@clearinghouse.example.",
)

CONTENT = AdvisoryContent(
    id="PH-2026-000001",
    title="libxml2: two memory errors in Schematron reports",
    publisher=PUBLISHER,
    summary="A crafted XML document can crash programs that use Schematron. Install the update.",
    vulnerabilities=(
        Vulnerability(
            title="Use after free in a Schematron report",
            description="A program that checks a crafted document reads memory that it gave back, and stops.",
            cve="CVE-2025-49794",
            cwe_id="CWE-416",
            cwe_name="Use After Free",
            cvss="CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:H/A:H",
        ),
        Vulnerability(
            title="Memory error in the sch:name element",
            description="A program that checks a crafted document reads the wrong memory, and stops.",
            cve="CVE-2025-49796",
            cwe_id="CWE-125",
            cwe_name="Out-of-bounds Read",
        ),
    ),
    packages=(
        AffectedPackage(
            vendor="Debian",
            name="libxml2",
            purl="pkg:deb/debian/libxml2?distro=bookworm",
            ecosystem="Debian:12",
            fixed=FIXED,
            versions=(VULNERABLE, "2.9.14+dfsg-1.3~deb12u2"),
            fix_url="https://tracker.debian.org/pkg/libxml2",
            fix_details=f"Upgrade libxml2 to {FIXED} or later, then restart what uses it.",
        ),
    ),
    finders=(Finder("Finder One", organization="A lab", ai_system="policy/fuzzer"), Finder("Finder Two")),
    references=(
        Reference(
            "https://security-tracker.debian.org/tracker/CVE-2025-49794", "Debian on the first", "ADVISORY"
        ),
    ),
    revisions=(Revision(1, datetime(2026, 11, 24, 12, tzinfo=UTC), "First release."),),
)


def content(**changes: Any) -> AdvisoryContent:
    """The case with some fields changed."""
    return replace(CONTENT, **changes)


def revised() -> AdvisoryContent:
    """The case in its second revision."""
    second = Revision(2, datetime(2026, 11, 25, 9, tzinfo=UTC), "Plainer words.")
    return replace(CONTENT, revisions=(*CONTENT.revisions, second), summary="Install the update of libxml2.")
