# SPDX-License-Identifier: Apache-2.0
"""What the agent remembers between runs: how far it has seen, and where each item stands."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, get_args

from proofhouse.agent.acknowledgement import Stage
from proofhouse.distribution.errors import DistributionError
from proofhouse.distribution.files import write_atomically
from proofhouse.distribution.manifest import moment_text, read_moment

Installed = Literal["", "staged", "applied"]

_FORMAT: Final = 1


class StateBroken(DistributionError):
    """The agent's memory cannot be read; without it rollback protection would be lost."""

    code = "state-broken"


@dataclass(frozen=True, slots=True)
class ItemState:
    """Where an item stands, as last acknowledged.

    Attributes:
        item_version: the item's version when the stage was reached.
        stage: the stage.
        code: the reason's code, or an empty text.
        path: the file's target path.
        sha256: the file's digest.
        installed: `staged` or `applied` once the file was here, also after the item was revoked; else empty.
        checkpoint: the ledger's signed checkpoint under which the authorisation was proven.
    """

    item_version: int
    stage: Stage
    code: str
    path: str
    sha256: str
    installed: Installed
    checkpoint: str | None

    @property
    def position(self) -> tuple[int, str, str, str]:
        """What makes an acknowledgement new: item version, stage, reason code and digest."""
        return (self.item_version, self.stage, self.code, self.sha256)


@dataclass
class State:
    """High-water marks and item states; `save` writes all of it at once.

    Attributes:
        manifest_version: the highest manifest version accepted so far; 0 before the first.
        manifest_sha256: digest of that manifest's bytes.
        seen_at: the latest time the agent has lived through; a clock set back does not reopen anything.
        items: by item id.
        refused: by repository name, the code under which it is refused as a whole at present.
    """

    manifest_version: int = 0
    manifest_sha256: str = ""
    seen_at: datetime | None = None
    items: dict[str, ItemState] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> State:
        """Read the state file; a missing file is a new agent.

        Raises:
            StateBroken: the file is there and cannot be read.
        """
        try:
            record = json.loads(path.read_bytes())
            return _read(record)
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise StateBroken(
                f"{path} cannot be read ({error}); restore it from backup, or move it away knowing that "
                "rollback protection starts anew"
            ) from None

    def save(self, path: Path) -> None:
        """Write the state atomically.

        Raises:
            OSError: it cannot be written; the earlier state stands.
        """
        record = {
            "format": _FORMAT,
            "manifest_version": self.manifest_version,
            "manifest_sha256": self.manifest_sha256,
            "seen_at": None if self.seen_at is None else moment_text(self.seen_at),
            "items": {item_id: asdict(item) for item_id, item in sorted(self.items.items())},
            "refused": self.refused,
        }
        write_atomically(path, json.dumps(record, indent=1).encode())


def _read(record: Any) -> State:
    if record["format"] != _FORMAT:
        raise ValueError(f"format {record['format']!r}, expected {_FORMAT}")
    items = {str(item_id): ItemState(**entry) for item_id, entry in record["items"].items()}
    if any(item.stage not in get_args(Stage) for item in items.values()):
        raise ValueError("an item has an unknown stage")
    return State(
        manifest_version=int(record["manifest_version"]),
        manifest_sha256=str(record["manifest_sha256"]),
        seen_at=None if record["seen_at"] is None else read_moment(record["seen_at"]),
        items=items,
        refused={str(name): str(code) for name, code in record["refused"].items()},
    )
