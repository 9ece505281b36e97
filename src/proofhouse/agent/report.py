# SPDX-License-Identifier: Apache-2.0
"""What a run of the agent found and did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from proofhouse.agent.acknowledgement import Reason, Stage


@dataclass(frozen=True, slots=True)
class ItemOutcome:
    """Where one item stands after a run; `changed` if this run brought it there."""

    item: str
    stage: Stage
    reason: Reason | None
    changed: bool


@dataclass
class AgentReport:
    """What a run found and did.

    Attributes:
        manifest_version: the manifest that was followed; 0 where none could be trusted.
        items: one outcome for each item of the manifest that was handled.
        refused: repositories that were refused as a whole, with the reason.
        faults: what could not be reached or written; the next run tries again.
        delivered: acknowledgements that were taken in this run.
        waiting: acknowledgements that still wait.
    """

    manifest_version: int = 0
    items: list[ItemOutcome] = field(default_factory=list)
    refused: dict[str, Reason] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    delivered: int = 0
    waiting: int = 0

    @property
    def exit_code(self) -> int:
        """0 all is well, 1 something was refused or failed, 3 something could not be reached."""
        if self.refused or any(outcome.stage in ("refused", "failed") for outcome in self.items):
            return 1
        return 3 if self.faults else 0

    def to_record(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {
            "manifest_version": self.manifest_version,
            "items": [
                {
                    "item": outcome.item,
                    "stage": outcome.stage,
                    "code": outcome.reason.code if outcome.reason else None,
                    "reason": outcome.reason.text if outcome.reason else None,
                    "changed": outcome.changed,
                }
                for outcome in self.items
            ],
            "refused": {
                name: {"code": reason.code, "reason": reason.text} for name, reason in self.refused.items()
            },
            "faults": self.faults,
            "delivered": self.delivered,
            "waiting": self.waiting,
        }
