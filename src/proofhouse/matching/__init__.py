# SPDX-License-Identifier: Apache-2.0
"""SBOM components against advisories: yes, no or unknown, each with a reason.

Example:
    >>> from proofhouse.formats import Component
    >>> libxml2 = affected_package(
    ...     "pkg:deb/debian/libxml2", ranges=[VersRange("vers:deb/<2.9.14+dfsg-1.3~deb12u3")]
    ... )
    >>> part = Component("libxml2", purl="pkg:deb/debian/libxml2@2.9.14%2Bdfsg-1.3~deb12u1?distro=bookworm")
    >>> match(part, libxml2).answer.value
    'yes'
    >>> match(Component("libxml2", "custom-build"), libxml2).answer.value
    'unknown'
"""

from proofhouse.matching._affected import Affected, affected_in_osv, affected_package
from proofhouse.matching._match import (
    Answer,
    ComponentMatch,
    Match,
    Reason,
    SbomMatch,
    match,
    match_component,
    match_sbom,
)
from proofhouse.matching._ranges import Event, OsvRange, Range, VersRange

__all__ = [
    "Affected",
    "Answer",
    "ComponentMatch",
    "Event",
    "Match",
    "OsvRange",
    "Range",
    "Reason",
    "SbomMatch",
    "VersRange",
    "affected_in_osv",
    "affected_package",
    "match",
    "match_component",
    "match_sbom",
]
