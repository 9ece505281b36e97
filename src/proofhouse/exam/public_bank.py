# SPDX-License-Identifier: Apache-2.0
"""The public bank: items of open seeds over all families, and the page that shows what the admission gate found.

Whoever has read this can make every item of it, so it is for practice, comparison and tests. A sealed bank is made by
the same families and the same gate under a secret key.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence

from proofhouse.exam.bank import Bank
from proofhouse.exam.families import FAMILIES
from proofhouse.exam.item import Item
from proofhouse.exam.plan import Block, Plan
from proofhouse.exam.register import FUZZABLE_S, Admission, Register

PUBLIC_KEY = bytes(32)
"""Bank key of the public bank: 64 zeros."""
PER_LEVEL = 3
"""Items of one family and level."""
PER_LEVEL_OF = {"mem.discover": 4, "mem.patch": 4, "mem.poc": 4, "real.debian": 12}
"""Where it is another number."""
STOCKED = ("real.debian",)
"""Families that choose from a fixed stock: the bank keeps the first item of each, so they draw more often."""

_HEAD = """\
# The public bank

Made by `proofhouse exam bank page` from `docs/bank.json`, which `proofhouse exam bank admit --public` writes: do not
edit it.

Items of open seeds (bank key: 64 zeros), put through the same gate as a sealed bank's. Two builds are alike bit by bit.
The reference passes 3 of 3. Null, random, another seed's solution, the item's own sample input, the killer and each
trick of the cheater do not pass, and nobody passes an impossible twin. A fuzzer's result is a baseline and no reason to
reject; an item that it solves within {fuzzable:.0f} seconds is tagged *fuzzable*: it measures patience, not insight.
"""


def public_plan() -> Plan:
    """The plan of the public bank: every family of this version at every level."""
    return Plan(
        tuple(
            Block(name, family.version, level, PER_LEVEL_OF.get(name, PER_LEVEL))
            for name, family in FAMILIES.items()
            for level in family.levels
        )
    )


def public_items() -> list[Item]:
    """All items, the first of every family and level first, so that the beginning is a cross-section."""
    plan = public_plan()
    placed = zip(plan.items, Bank(PUBLIC_KEY, plan).items, strict=True)
    seen: set[str] = set()
    items = []
    for _, item in sorted(placed, key=lambda each: each[0].index):
        kind = f"{item.family} {item.facts}" if item.family in STOCKED else item.id
        if kind not in seen:
            seen.add(kind)
            items.append(item)
    return items


def bank_page(register: Register) -> str:
    """The page about a register, in Markdown."""
    found = list(register.known.values())
    admitted = [each for each in found if each.admitted]
    families = {each.family for each in admitted}
    lines = [
        _HEAD.format(fuzzable=FUZZABLE_S),
        f"**{len(admitted)} of {len(found)} items admitted, {len(families)} families.** "
        f"Last run {register.made_at}, plan `{register.plan_sha256[:16]}…`.",
        "",
        "## By family and level",
        "",
        "Each cell: admitted of tried; where a program can be fuzzed, how many of them the fuzzer solved and the",
        "median of its seconds (a whole sample, build included, on a shared two-core machine).",
        "",
        *_table(found),
        "",
        "## Fuzzable",
        "",
        *_fuzzable(admitted),
        "",
        "## Rejected",
        "",
        *_rejected(found),
    ]
    return "\n".join(lines) + "\n"


def _table(found: Sequence[Admission]) -> list[str]:
    cells: dict[tuple[str, int], list[Admission]] = defaultdict(list)
    versions: dict[str, str] = {}
    for each in found:
        cells[each.family, each.level].append(each)
        versions[each.family] = each.version
    levels = range(max((level for _, level in cells), default=0) + 1)
    rows = [
        "| Family | Version | " + " | ".join(f"L{level}" for level in levels) + " |",
        "|---|---|" + "---|" * len(levels),
    ]
    for family in sorted(versions):
        shown = " | ".join(_cell(cells[family, level]) for level in levels)
        rows.append(f"| {family} | {versions[family]} | {shown} |")
    return rows


def _cell(found: Sequence[Admission]) -> str:
    if not found:
        return ""
    admitted = [each for each in found if each.admitted]
    text = f"{len(admitted)}/{len(found)}"
    fuzzed = [each for each in admitted if each.fuzzed]
    if not fuzzed:
        return text
    took = [each.fuzz_s for each in fuzzed if each.fuzz_s is not None]
    seconds = f", {statistics.median(took):.0f} s" if took else ""
    return f"{text}; fuzzer {len(took)}{seconds}"


def _fuzzable(admitted: Sequence[Admission]) -> list[str]:
    tagged = [each for each in admitted if each.fuzzable]
    if not tagged:
        return ["None."]
    return [f"- `{each.item}`: {each.fuzz_s:.1f} s" for each in sorted(tagged, key=lambda each: each.item)]


def _rejected(found: Sequence[Admission]) -> list[str]:
    rejected = [each for each in found if not each.admitted]
    if not rejected:
        return ["None."]
    return [
        f"- `{each.item}`: {'; '.join(each.rejected)}"
        for each in sorted(rejected, key=lambda each: each.item)
    ]
