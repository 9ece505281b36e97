#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Check a retired bank against its seal, without the program that made it.

    python3 reveal_check.py reveal.json seal.json [ITEMS-DIRECTORY]

One file, the standard library only; it knows the formats of `docs/spec/exam-report.md` §2 and no family, so that it
can be read in one sitting and run by whoever does not trust the exam's own code. From the reveal it derives each
place's seed and salt again, checks each item's id and seed commitment by the version that its family had, recomputes
each commitment, the count and the Merkle root, and compares them with the seal that stood in the ledger before anybody
met an item. With a directory it also checks every file of every item against the digests in the item's record.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sys
from pathlib import Path
from typing import Any


class Broken(Exception):
    """Reveal and seal do not belong together; the message says where."""


def jcs(value: Any) -> bytes:
    """RFC 8785 for what records hold: ASCII member names, and numbers whose shortest form needs no exponent."""
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _plain(value: Any) -> Any:
    """Whole floating-point numbers as RFC 8785 writes them, without a fraction."""
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_plain(member) for member in value]
    if isinstance(value, float):
        if value.is_integer() and abs(value) < 2**53:
            return int(value)
        if not 1e-4 <= abs(value) < 1e16:
            raise Broken(f"the number {value!r} is outside what this program writes canonically")
    return value


def sha256(content: bytes) -> str:
    """Lowercase hexadecimal digest."""
    return hashlib.sha256(content).hexdigest()


def tree_root(leaves: list[bytes]) -> bytes:
    """RFC 6962 §2.1, as it is written there."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\1" + tree_root(leaves[:split]) + tree_root(leaves[split:])).digest()


def places(plan: dict[str, Any]) -> list[tuple[str, str, int, int]]:
    """(family, version, level, index) of every item, in order."""
    return [
        (block["family"], block["version"], block["level"], index)
        for block in plan["blocks"]
        for index in range(block["first"], block["first"] + block["count"])
    ]


def check(reveal: dict[str, Any], seal: dict[str, Any], directory: Path | None = None) -> int:
    """Check everything; returns the number of items.

    Raises:
        Broken: something does not follow.
    """
    key = base64.b64decode(reveal["bank_key"], validate=True)
    plan, items = reveal["plan"], reveal["items"]
    if sha256(jcs(plan)) != seal["plan_sha256"]:
        raise Broken("the plan is not the sealed one")
    if plan["rule"] != seal["rule"] or sha256(jcs(plan["rule"])) != seal["rule_sha256"]:
        raise Broken("the rule is not the sealed one")
    wanted = places(plan)
    if not len(wanted) == len(items) == seal["items"] == len(seal["commitments_sha256"]):
        raise Broken("plan, items and seal do not count alike")
    for place, item, sealed in zip(wanted, items, seal["commitments_sha256"], strict=True):
        _check_item(key, place, item, sealed)
        if directory is not None:
            _check_files(item, directory / item["id"])
    root = tree_root([bytes.fromhex(each) for each in seal["commitments_sha256"]]).hex()
    if root != seal["bank_root_sha256"]:
        raise Broken("the root does not follow from the commitments")
    return len(items)


def _check_item(key: bytes, place: tuple[str, str, int, int], item: dict[str, Any], sealed: str) -> None:
    family, version, level, index = place
    tail = f"\0{family}\0{level}\0{index}".encode()
    seed = hmac.digest(key, b"proofhouse/item-seed" + tail, "sha256")
    salt = hmac.digest(key, b"proofhouse/item-salt" + tail, "sha256")
    prefix = f"proofhouse/item-seed-commitment\0{family}\0{version}\0{level}\0".encode()
    commitment = sha256(prefix + seed)
    expected = {
        "id": f"{family}-L{level}-{commitment[:12]}",
        "family": family,
        "version": version,
        "level": level,
        "seed_commitment_sha256": commitment,
    }
    for name, value in expected.items():
        if item[name] != value:
            raise Broken(f"item {item['id']}: {name} does not follow from the key and the plan")
    if sha256(salt + jcs(item)) != sealed:
        raise Broken(f"item {item['id']} is not the one that was sealed")


def _check_files(item: dict[str, Any], directory: Path) -> None:
    for kind, folder in (("agent_files", "shown"), ("hidden_files", "hidden")):
        for name, digest in item[kind].items():
            try:
                content = (directory / folder / name).read_bytes()
            except OSError as error:
                raise Broken(f"item {item['id']}: {folder}/{name}: {error.strerror}") from None
            if sha256(content) != digest:
                raise Broken(f"item {item['id']}: {folder}/{name} is another file")


def main(arguments: list[str]) -> int:
    """Run from a shell: 0 it holds, 1 it does not, 2 wrong use."""
    if len(arguments) not in (2, 3):
        print(__doc__, file=sys.stderr)  # noqa: T201 - a program of its own
        return 2
    reveal, seal = (json.loads(Path(name).read_bytes()) for name in arguments[:2])
    try:
        count = check(reveal, seal, Path(arguments[2]) if len(arguments) == 3 else None)
    except (Broken, KeyError, TypeError, ValueError) as broken:
        print(f"does not hold: {broken}", file=sys.stderr)  # noqa: T201 - a program of its own
        return 1
    print(f"{count} items are the sealed ones, root {seal['bank_root_sha256']}")  # noqa: T201 - as above
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
