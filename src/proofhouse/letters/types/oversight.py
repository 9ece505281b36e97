# SPDX-License-Identifier: Apache-2.0
"""Letters of oversight: checkpoints of a ledger, the inspector's request and the export that answers it."""

from __future__ import annotations

from proofhouse.letters._schema import (
    CHECKPOINT_TEXT,
    ENCLOSURE,
    UUID,
    line,
    many,
    many_different,
    record,
    text,
)
from proofhouse.letters.types._spec import LetterType

_CHECKPOINT_EXAMPLE = (
    "proofhouse.example/office\n"
    "10\n"
    "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
    "\n"
    "— proofhouse.example/office AAAAAAAA\n"
)

CHECKPOINT = LetterType(
    name="checkpoint",
    version=1,
    summary=(
        "A house hands over the latest checkpoint of one of its ledgers, so that others can see it only grew."
    ),
    body=record({"origin": line(300), "checkpoint": CHECKPOINT_TEXT}),
    example={"origin": "proofhouse.example/office", "checkpoint": _CHECKPOINT_EXAMPLE},
)

EXPORT_REQUEST = LetterType(
    name="export-request",
    version=1,
    summary="The inspector asks a house for everything that its ledger holds about the cases named.",
    body=record(
        {
            "request": UUID,
            "ledgers": many_different(line(300), 1, 16),
            "cases": many_different(line(200), 1, 200),
        },
        {"mandate": text(2000)},
    ),
    example={
        "request": "0192f0c1-2a3b-7c4d-8e5f-000000000020",
        "ledgers": ["proofhouse.example/office"],
        "cases": ["review:0192f0c1-2a3b-7c4d-8e5f-000000000002"],
    },
)

EXPORT = LetterType(
    name="export",
    version=1,
    summary="A house answers the inspector with a bundle that can be verified offline.",
    body=record(
        {"request": UUID, "bundle": ENCLOSURE, "ledgers": many_different(line(300), 1, 16)},
        {"notes": many(line(500), 0, 50)},
    ),
    example={
        "request": "0192f0c1-2a3b-7c4d-8e5f-000000000020",
        "bundle": "bundle.zip",
        "ledgers": ["proofhouse.example/office"],
    },
)

TYPES = (CHECKPOINT, EXPORT_REQUEST, EXPORT)
