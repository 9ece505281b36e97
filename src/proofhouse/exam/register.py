# SPDX-License-Identifier: Apache-2.0
"""What the admission gate found about the items of a bank, and the file that holds it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from proofhouse.attest import JsonValue
from proofhouse.exam._records import (
    BadRecord,
    require_int,
    require_keys,
    require_list,
    require_number,
    require_text,
)
from proofhouse.exam.item import Item

ADMISSION_FORMAT = "proofhouse.exam-admission/2"
FUZZABLE_S = 60.0
"""An item that a fuzzer solves within this time says nothing about reasoning and is tagged so."""


@dataclass
class Admission:
    """What the gate found about one item."""

    item: str
    family: str
    version: str
    level: int
    rejected: list[str] = field(default_factory=list)
    """Reasons; none: admitted."""
    fuzzed: str = ""
    """What came of `policy/fuzzer`: an outcome, or empty where there is nothing to fuzz."""
    fuzz_s: float | None = None
    """Seconds that the fuzzer's sample took, where it passed."""

    @property
    def admitted(self) -> bool:
        """Whether nothing speaks against the item."""
        return not self.rejected

    @property
    def fuzzable(self) -> bool:
        """Whether a fuzzer solves it at once."""
        return self.fuzz_s is not None and self.fuzz_s < FUZZABLE_S

    def to_record(self) -> dict[str, JsonValue]:
        """The JSON form."""
        return {
            "item": self.item,
            "family": self.family,
            "version": self.version,
            "level": self.level,
            "admitted": self.admitted,
            "rejected": list(self.rejected),
            "fuzzed": self.fuzzed,
            "fuzz_s": None if self.fuzz_s is None else round(self.fuzz_s, 1),
            "fuzzable": self.fuzzable,
        }

    @classmethod
    def from_record(cls, record: JsonValue) -> Admission:
        """Read the JSON form; what follows from other fields is not read.

        Raises:
            BadRecord: a field is missing, unknown or of another type.
        """
        names = {"item", "family", "version", "level", "admitted", "rejected", "fuzzed", "fuzz_s", "fuzzable"}
        fields = require_keys(record, "items", names)
        took = fields["fuzz_s"]
        return cls(
            item=require_text(fields["item"], "items.item"),
            family=require_text(fields["family"], "items.family"),
            version=require_text(fields["version"], "items.version"),
            level=require_int(fields["level"], "items.level", 0, 1000),
            rejected=[
                require_text(reason, "items.rejected")
                for reason in require_list(fields["rejected"], "items.rejected")
            ],
            fuzzed=require_text(fields["fuzzed"], "items.fuzzed"),
            fuzz_s=None if took is None else require_number(took, "items.fuzz_s", 0, 1e6),
        )


@dataclass
class Register:
    """What is known of a bank's items, in a file that is written anew after each batch.

    Attributes:
        path: the file.
        plan_sha256: digest of the bank's plan.
        known: findings by item id.
        made_at: when the file was last written, RFC 3339; empty before.
    """

    path: Path
    plan_sha256: str = ""
    known: dict[str, Admission] = field(default_factory=dict)
    made_at: str = ""

    @classmethod
    def open(cls, path: Path) -> Register:
        """Take up what a file holds.

        Raises:
            BadRecord: it is no record of admissions.
            OSError: it cannot be read.
        """
        try:
            record = json.loads(path.read_bytes())
        except (ValueError, RecursionError):
            raise BadRecord(f"{path}: not JSON") from None
        fields = require_keys(record, "admissions", {"format", "plan_sha256", "made_at", "items"})
        if fields["format"] != ADMISSION_FORMAT:
            raise BadRecord(f"format: expected {ADMISSION_FORMAT}, not {fields['format']!r}")
        rows = require_list(fields["items"], "items")
        return cls(
            path,
            require_text(fields["plan_sha256"], "plan_sha256"),
            {found.item: found for found in map(Admission.from_record, rows)},
            require_text(fields["made_at"], "made_at"),
        )

    def missing(self, items: Sequence[Item]) -> list[Item]:
        """The items of which nothing is known."""
        return [item for item in items if item.id not in self.known]

    def keep(self, findings: Sequence[Admission], items: Sequence[Item]) -> None:
        """Write findings down; items that the bank has no more are forgotten.

        Args:
            findings: what the gate found.
            items: all items of the bank; their order is the file's.
        """
        known = self.known | {found.item: found for found in findings}
        self.known = {item.id: known[item.id] for item in items if item.id in known}
        self.made_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        head = {"format": ADMISSION_FORMAT, "plan_sha256": self.plan_sha256, "made_at": self.made_at}
        opening = json.dumps(head, indent=1).removesuffix("\n}")
        rows = ",\n  ".join(json.dumps(found.to_record()) for found in self.known.values())
        new = self.path.with_name(f".{self.path.name}.new")
        new.write_text(f'{opening},\n "items": [\n  {rows}\n ]\n}}\n')
        new.replace(self.path)
