# SPDX-License-Identifier: Apache-2.0
"""Formats of the field: CSAF 2.0 and OSV written, CycloneDX read, all checked against shipped schemas.

Example:
    >>> bom = b'{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": []}'
    >>> read_sbom(bom).components
    ()
"""

from proofhouse.formats._advisory import (
    AdvisoryContent,
    AffectedPackage,
    Finder,
    Publisher,
    Reference,
    Revision,
    Status,
    Tlp,
    Vulnerability,
)
from proofhouse.formats._csaf import csaf_filename, read_csaf, write_csaf
from proofhouse.formats._cyclonedx import Component, Sbom, SbomError, SbomLimits, read_sbom
from proofhouse.formats._json import FormatError, JsonObject, JsonValue, load_object, rfc3339
from proofhouse.formats._osv import osv_id, read_osv, write_osv
from proofhouse.formats._provider import NotPublic, ProviderError, sign_publication, write_provider
from proofhouse.formats._provider_check import ProviderCheck, check_provider
from proofhouse.formats._schemas import Schema, SchemaError, check

__all__ = [
    "AdvisoryContent",
    "AffectedPackage",
    "Component",
    "Finder",
    "FormatError",
    "JsonObject",
    "JsonValue",
    "NotPublic",
    "ProviderCheck",
    "ProviderError",
    "Publisher",
    "Reference",
    "Revision",
    "Sbom",
    "SbomError",
    "SbomLimits",
    "Schema",
    "SchemaError",
    "Status",
    "Tlp",
    "Vulnerability",
    "check",
    "check_provider",
    "csaf_filename",
    "load_object",
    "osv_id",
    "read_csaf",
    "read_osv",
    "read_sbom",
    "rfc3339",
    "sign_publication",
    "write_csaf",
    "write_osv",
    "write_provider",
]
