# SPDX-License-Identifier: Apache-2.0
"""The exam plan: everything that decides a result, written down before anybody sees an item.

A plan is public; the items it leads to depend on a bank key as well (`bank`).
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from proofhouse.attest import JsonValue, canonical, sha256_hex
from proofhouse.exam._records import BadRecord, require_int, require_keys, require_list, require_text
from proofhouse.exam.estimate import AbilityScale
from proofhouse.exam.families import UnknownFamily, get_family
from proofhouse.exam.item import HINTS
from proofhouse.exam.verdict import Rule

PLAN_FORMAT = "proofhouse.exam-plan/2"


@dataclass(frozen=True)
class PlannedItem:
    """One place in the bank: the seed of its item follows from the bank key and these fields."""

    family: str
    level: int
    index: int
    """Counts the items of one family and level from 0."""


@dataclass(frozen=True)
class Block:
    """A number of items of one family, version and level."""

    family: str
    version: str
    level: int
    count: int
    first: int = 0
    """Index of the first item; above 0 in the shard of a larger bank."""


@dataclass(frozen=True)
class Budget:
    """What a subject may spend on one item."""

    messages: int = 60
    tokens: int = 500_000
    time_s: int = 600
    command_s: int = 60
    """Wall time of one tool call."""
    fuzz_runs: int = 400_000
    """Executions that `policy/fuzzer` may use; counted, so that its result does not depend on the machine's
    load."""

    @classmethod
    def from_record(cls, record: JsonValue) -> Budget:
        """Read the JSON form.

        Raises:
            BadRecord: a field is missing, unknown or out of range.
        """
        names = {"messages", "tokens", "time_s", "command_s", "fuzz_runs"}
        fields = require_keys(record, "budget", names)
        return cls(**{name: require_int(fields[name], f"budget.{name}", 1, 10**12) for name in sorted(names)})


@dataclass(frozen=True)
class Plan:
    """A pre-registered exam."""

    blocks: tuple[Block, ...]
    budget: Budget = field(default_factory=Budget)
    ability: AbilityScale = field(default_factory=AbilityScale)
    rule: Rule = field(default_factory=Rule)
    hint: int = 0
    """Prompt level at which every item is put, 0 to 3."""

    def __post_init__(self) -> None:
        """Refuse a plan that this version cannot carry out."""
        if not self.blocks:
            raise BadRecord("blocks: a plan holds at least one item")
        require_int(self.hint, "hint", 0, HINTS - 1)
        for block in self.blocks:
            try:
                family = get_family(block.family)
            except UnknownFamily as error:
                raise BadRecord(f"blocks: {error}") from None
            if block.version != family.version:
                raise BadRecord(
                    f"blocks: the plan names {block.family} version {block.version}, "
                    f"this program has {family.version}; "
                    "run the plan with the version that it names"
                )
            if block.level not in family.levels:
                raise BadRecord(f"blocks: {block.family} has no level {block.level}")
            if block.level >= len(self.ability.difficulty):
                raise BadRecord(f"ability.difficulty: no difficulty for level {block.level}")
        if len(set(self.items)) != len(self.items):
            raise BadRecord("blocks: two blocks of one family and level overlap")

    @property
    def items(self) -> tuple[PlannedItem, ...]:
        """Every place in the bank, in order."""
        return tuple(
            PlannedItem(block.family, block.level, index)
            for block in self.blocks
            for index in range(block.first, block.first + block.count)
        )

    @classmethod
    def from_record(cls, record: JsonValue) -> Plan:
        """Read the JSON form.

        Raises:
            BadRecord: a field is missing, unknown or out of range; the message names it.
        """
        fields = require_keys(record, "plan", {"format", "blocks", "hint", "budget", "ability", "rule"})
        if fields["format"] != PLAN_FORMAT:
            raise BadRecord(f"format: expected {PLAN_FORMAT}, not {fields['format']!r}")
        blocks = []
        for entry in require_list(fields["blocks"], "blocks"):
            block = require_keys(entry, "blocks", {"family", "version", "level", "count", "first"})
            blocks.append(
                Block(
                    family=require_text(block["family"], "blocks.family"),
                    version=require_text(block["version"], "blocks.version"),
                    level=require_int(block["level"], "blocks.level", 0, 1000),
                    count=require_int(block["count"], "blocks.count", 1, 100_000),
                    first=require_int(block["first"], "blocks.first", 0, 10**9),
                )
            )
        return cls(
            blocks=tuple(blocks),
            budget=Budget.from_record(fields["budget"]),
            ability=AbilityScale.from_record(fields["ability"]),
            rule=Rule.from_record(fields["rule"]),
            hint=require_int(fields["hint"], "hint", 0, HINTS - 1),
        )

    @classmethod
    def load(cls, path: Path) -> Plan:
        """Read a plan file.

        Raises:
            BadRecord: the file cannot be read, is not JSON or is no plan.
        """
        try:
            record = json.loads(path.read_bytes())
        except OSError as error:
            raise BadRecord(f"plan {path}: {error.strerror}") from None
        except (ValueError, RecursionError):
            raise BadRecord(f"plan {path}: not JSON") from None
        return cls.from_record(record)

    def to_record(self) -> dict[str, JsonValue]:
        """The JSON form."""
        return {
            "format": PLAN_FORMAT,
            "blocks": [asdict(block) for block in self.blocks],
            "hint": self.hint,
            "budget": asdict(self.budget),
            "ability": self.ability.to_record(),
            "rule": self.rule.to_record(),
        }

    def digest(self) -> str:
        """Lowercase hex SHA-256 of the canonical JSON form."""
        return sha256_hex(canonical(self.to_record()))


def make_plan(
    item_count: int,
    family: str = "mem.poc",
    levels: range | None = None,
    *,
    budget: Budget | None = None,
    ability: AbilityScale | None = None,
    rule: Rule | None = None,
    hint: int = 0,
) -> Plan:
    """A plan that spreads items evenly over levels, the easiest first where they do not divide.

    Args:
        item_count: at least 1.
        family: family name.
        levels: all levels of the family unless told.
        budget: default unless told.
        ability: default priors unless told.
        rule: default unless told; `minimum_items` is capped by the number of items.
        hint: prompt level, 0 to 3.

    Raises:
        BadRecord: the numbers do not make a plan.
    """
    try:
        chosen = get_family(family)
    except UnknownFamily as error:
        raise BadRecord(str(error)) from None
    steps = list(chosen.levels if levels is None else levels)
    if not steps:
        raise BadRecord("levels: at least one")
    counts = Counter(steps[number % len(steps)] for number in range(item_count))
    return Plan(
        blocks=tuple(Block(family, chosen.version, level, counts[level]) for level in sorted(counts)),
        budget=budget or Budget(),
        ability=ability or AbilityScale(),
        rule=rule or Rule(minimum_items=min(Rule.minimum_items, item_count)),
        hint=hint,
    )
