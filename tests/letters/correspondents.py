# SPDX-License-Identifier: Apache-2.0
"""Two houses that write to each other: the factories of these tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from proofhouse.attest import Signer
from proofhouse.letters import LETTER_TYPES, Enclosure, Introduction, Introductions, Letter, LetterType, seal

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
THREAD = "0192f0c1-2a3b-7c4d-8e5f-0123456789ab"
EVERY_TYPE = frozenset(spec.name for spec in LETTER_TYPES.values())


class Correspondents:
    """A lab and an office, each with a key, introduced to each other for every letter type."""

    def __init__(self) -> None:
        self.lab = Signer.generate("letters", "lab", demo=True)
        self.office = Signer.generate("letters", "office", demo=True)
        self.introductions = Introductions(
            Introduction(house, signer.public, EVERY_TYPE, NOW - timedelta(days=1), NOW + timedelta(days=30))
            for house, signer in (("lab", self.lab), ("office", self.office))
        )

    def letter(self, letter_type: str = "inquiry", body: Any = None, **changes: Any) -> Letter:
        """A letter from the lab to the office, unless told otherwise."""
        spec = next(each for each in LETTER_TYPES.values() if each.name == letter_type)
        fields: dict[str, Any] = {
            "sender": "lab",
            "recipient": "office",
            "thread": THREAD,
            "sequence": 1 if spec.sequenced else 0,
            "signer": self.lab,
            "now": NOW,
            "enclosures": [
                Enclosure.of(name, b"content of " + name.encode()) for name in named_enclosures(spec)
            ],
        }
        return seal(letter_type, spec.example if body is None else body, **{**fields, **changes})


def named_enclosures(spec: LetterType) -> list[str]:
    """File names that the example of a letter type refers to."""
    return {
        "report": ["proof.sct", "proof.xml"],
        "advisory": ["ph-2026-000001.json", "PH-2026-000001.osv.json"],
        "deployment-acknowledgement": ["agent.dsse.json"],
        "export": ["bundle.zip"],
        "sbom": ["sbom.cdx.json"],
    }.get(spec.name, [])
