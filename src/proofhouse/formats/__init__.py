# SPDX-License-Identifier: Apache-2.0
"""Formats of the field: CSAF 2.0 and OSV written, CycloneDX read, all checked against shipped schemas.

Reports are read as findings, whatever they come in: SARIF, CSAF, OSV, e-mail.

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
from proofhouse.formats._findings import (
    MAX_FINDINGS,
    Finding,
    FindingsError,
    read_csaf_findings,
    read_osv_findings,
    read_sarif,
)
from proofhouse.formats._json import FormatError, JsonObject, JsonValue, load_object, rfc3339
from proofhouse.formats._mail import MAX_MESSAGE_BYTES, MailedReport, read_mail
from proofhouse.formats._osv import osv_id, read_osv, write_osv
from proofhouse.formats._plain import harmless_name, plain_line, plain_prose
from proofhouse.formats._provider import NotPublic, ProviderError, sign_publication, write_provider
from proofhouse.formats._provider_check import ProviderCheck, check_provider
from proofhouse.formats._schemas import Schema, SchemaError, check

__all__ = [
    "MAX_FINDINGS",
    "MAX_MESSAGE_BYTES",
    "AdvisoryContent",
    "AffectedPackage",
    "Component",
    "Finder",
    "Finding",
    "FindingsError",
    "FormatError",
    "JsonObject",
    "JsonValue",
    "MailedReport",
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
    "harmless_name",
    "load_object",
    "osv_id",
    "plain_line",
    "plain_prose",
    "read_csaf",
    "read_csaf_findings",
    "read_mail",
    "read_osv",
    "read_osv_findings",
    "read_sarif",
    "read_sbom",
    "rfc3339",
    "sign_publication",
    "write_csaf",
    "write_osv",
    "write_provider",
]
