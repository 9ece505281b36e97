# SPDX-License-Identifier: Apache-2.0
"""Prints the worked example of docs/spec/ledger.md: `cd tests && python -m ledger.worked_example`."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ledger.makers import LOG_KEY, ORIGIN, open_log, serving, signer
from proofhouse.attest import canonical
from proofhouse.ledger import Policy, commit, leaf, open_fields
from proofhouse.ledger._leaf import field_salt
from proofhouse.ledger._tree import leaf_hash

INSPECTOR_KEY = bytes(range(0x40, 0x60))
KIND, CASE = "criteria.commit", "review:7"
RECORDS = [
    {"at": "2026-11-24T12:00:00.000000Z", "criteria_sha256": "ab" * 32, "slot": 1},
    {"at": "2026-11-24T12:00:01.000000Z", "criteria_sha256": "cd" * 32, "slot": 2},
    {"at": "2026-11-24T12:00:02.000000Z", "criteria_sha256": "ef" * 32, "slot": 3},
]
RECORD_KEYS = [bytes([number]) * 32 for number in (0xA0, 0xA1, 0xA2)]


def lines() -> Iterator[str]:
    """The example, block by block."""
    record, key = RECORDS[0], RECORD_KEYS[0]
    yield "# inputs"
    yield f"log key seed       {'01' * 32}"
    yield f"witness key seed   {'0a' * 32}"
    yield f"inspector key      {INSPECTOR_KEY.hex()}"
    for number, record_key in enumerate(RECORD_KEYS):
        yield f"record key {number}       {record_key.hex()}"
        yield f"record {number}           {canonical(RECORDS[number]).decode()}"
    yield f"kind, case         {KIND} {CASE} (all three)"

    commitment = commit(record, key)
    made = [leaf(KIND, CASE, one, two, INSPECTOR_KEY) for one, two in zip(RECORDS, RECORD_KEYS, strict=True)]
    yield "\n# record 0 becomes leaf 0"
    for name, hashed in zip(commitment.names, commitment.field_hashes, strict=True):
        yield f"{name}: JCS {canonical([name, record[name]]).decode()}"
        yield f"  salt {field_salt(key, name).hex()}"
        yield f"  hash {hashed.hex()}"
    yield f"commitment         {commitment.root.hex()}"
    yield f"inspection tag     {made[0].tag.hex()}"

    yield "\n# the three leaves, and their leaf hashes"
    for number, one in enumerate(made):
        yield f"leaf {number}             {bytes(one).hex()}"
        yield f"leaf hash {number}        {leaf_hash(bytes(one)).hex()}"

    with (
        tempfile.TemporaryDirectory() as directory,
        serving(Path(directory, "w"), now_s=lambda: 1_795_521_600) as witness,
        open_log(Path(directory, "log"), witness) as log,
    ):
        receipt = log.append(made)[0]
        root = Path(directory, "log")
        yield f"\n# root of 3 leaves  {log.checkpoint.root.hex()}"
        for name in ("tile/0/000.p/3", "tile/entries/000.p/3"):
            yield f"\n# {name}, hexadecimal"
            yield (root / name).read_bytes().hex()
        yield "\n# head (signed by the log)"
        yield (root / "head").read_text().removesuffix("\n")
        yield "\n# checkpoint (cosigned)"
        yield (root / "checkpoint").read_text().removesuffix("\n")
        yield "\n# policy"
        yield bytes(log.policy).decode().removesuffix("\n")
        assert log.policy == Policy.require(LOG_KEY, [witness.key])
        yield "\n# receipt of leaf 0"
        yield bytes(receipt).decode().removesuffix("\n")
    yield "\n# opening of the field criteria_sha256 of record 0"
    yield json.dumps(open_fields(record, key, ["criteria_sha256"]).to_record(), indent=1)
    assert signer(1).public.raw == LOG_KEY.public
    assert LOG_KEY.name == ORIGIN


if __name__ == "__main__":
    print("\n".join(lines()))  # noqa: T201 - printing is what it is for
