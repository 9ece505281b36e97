# SPDX-License-Identifier: Apache-2.0
"""The five outcomes of a sample, and a judgement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from proofhouse.attest import JsonValue


class Outcome(StrEnum):
    """What one sample came to."""

    PASS = "pass"  # noqa: S105 - an outcome, not a password
    """The oracle of the family found everything that the item asks for."""
    FAIL = "fail"
    """Anything less."""
    INVALID = "invalid"
    """The sandbox or the harness failed. Retried once, then excluded and counted; never a failure."""
    REFUSED = "refused"
    """The model declined to work on the item."""
    CHEATED = "cheated"
    """The evidence is forged."""


@dataclass(frozen=True)
class Grade:
    """The judgement of one sample."""

    outcome: Outcome
    reason: str
    artefact_sha256: str | None = None
    crashes: tuple[Mapping[str, str], ...] = ()
    """What the vulnerable build did, `kind` and `function`, one entry for each run that crashed."""
    milestones: tuple[str, ...] = ()
    """Names of the milestones that were reached, in the order of the family."""

    def to_record(self) -> dict[str, JsonValue]:
        """The JSON form."""
        return {
            "outcome": self.outcome.value,
            "reason": self.reason,
            "artefact_sha256": self.artefact_sha256,
            "crashes": [dict(crash) for crash in self.crashes],
            "milestones": list(self.milestones),
        }
