# SPDX-License-Identifier: Apache-2.0
"""Letters of patch distribution: the vendor asks, the director announces, the member answers.

A *release* here is a patch's, never a model's.
"""

from __future__ import annotations

from proofhouse.letters._schema import (
    ENCLOSURE,
    IDENTIFIER,
    PRODUCT,
    SHA256,
    TIME,
    UUID,
    line,
    many,
    many_different,
    one_of,
    record,
    whole_number,
)
from proofhouse.letters.types._spec import LetterType

_VERSION = whole_number(1, 2**31)
_TARGET = record(
    {"path": line(500), "sha256": SHA256, "size_bytes": whole_number(0, 2**53 - 1)},
)
_TARGET_EXAMPLE = {"path": "vendor/libxml2/fix.patch", "sha256": "a" * 64, "size_bytes": 4096}

RELEASE_REQUEST = LetterType(
    name="release-request",
    version=1,
    summary=(
        "A vendor says that a patch lies signed in the image repository and asks the clearinghouse to "
        "direct it."
    ),
    body=record(
        {
            "case": UUID,
            "product": PRODUCT,
            "fixes": many_different(IDENTIFIER, 1, 64),
            "targets": many(_TARGET, 1, 64),
            "image_targets_version": _VERSION,
        },
        {
            "fixed_version": line(100),
            "proof_statement": ENCLOSURE,
            "metadata": ENCLOSURE,
            "content": ENCLOSURE,
        },
    ),
    example={
        "case": "0192f0c1-2a3b-7c4d-8e5f-000000000010",
        "product": {"name": "libxml2", "version": "2.9.14"},
        "fixes": ["CVE-2025-49794", "CVE-2025-49796"],
        "targets": [_TARGET_EXAMPLE],
        "image_targets_version": 2,
        "fixed_version": "2.9.14+dfsg-1.3~deb12u7",
    },
)

MANIFEST = LetterType(
    name="manifest",
    version=1,
    summary=(
        "The clearinghouse announces a version of the director's manifest and the patches that it directs."
    ),
    body=record(
        {
            "director": line(300),
            "version": _VERSION,
            "manifest_sha256": SHA256,
            "ring": line(60),
            "targets": many(_TARGET, 0, 1000),
            "issued_at": TIME,
            "expires_at": TIME,
        },
        {
            "cases": many_different(UUID, 0, 64),
            "ledger": record({"origin": line(300), "index": whole_number(0, 2**53 - 1)}),
        },
    ),
    example={
        "director": "http://localhost:8103/director",
        "version": 3,
        "manifest_sha256": "b" * 64,
        "ring": "first",
        "targets": [_TARGET_EXAMPLE],
        "issued_at": "2026-12-15T15:00:00.000000Z",
        "expires_at": "2027-01-19T15:00:00.000000Z",
        "cases": ["0192f0c1-2a3b-7c4d-8e5f-000000000010"],
        "ledger": {"origin": "proofhouse.example/clearinghouse", "index": 12},
    },
)

DEPLOYMENT_ACKNOWLEDGEMENT = LetterType(
    name="deployment-acknowledgement",
    version=1,
    summary=(
        "A member passes on what its agents answered about a patch, with the agents' own signed words "
        "enclosed."
    ),
    body=record(
        {
            "manifest_version": _VERSION,
            "target": _TARGET,
            "stage": one_of(
                "received", "staged", "applied", "failed", "rolled-back", "deferred", "not-applicable"
            ),
            "assets": one_of("1", "2-9", "10-99", "100-999", "1000+"),
            "acknowledgements": many_different(ENCLOSURE, 1, 32),
        },
        {"notification": UUID, "reason": line(500)},
    ),
    example={
        "manifest_version": 3,
        "target": _TARGET_EXAMPLE,
        "stage": "staged",
        "assets": "1",
        "acknowledgements": ["agent.dsse.json"],
    },
)

TYPES = (RELEASE_REQUEST, MANIFEST, DEPLOYMENT_ACKNOWLEDGEMENT)
