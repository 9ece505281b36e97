# SPDX-License-Identifier: Apache-2.0
"""The libxml2 case as published, byte for byte: what members' tools have read must not change by accident.

After a meant change: ``python -m formats.test_golden`` from the folder ``tests`` writes the files anew.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from formats.libxml2_case import CONTENT
from proofhouse.formats import AdvisoryContent, write_csaf, write_osv

FOLDER = Path(__file__).parent / "golden"
WRITERS: dict[str, Callable[[AdvisoryContent], bytes]] = {
    "libxml2.csaf.json": write_csaf,
    "libxml2.osv.json": write_osv,
}


@pytest.mark.parametrize("name", WRITERS)
def test_the_published_bytes_do_not_change(name: str) -> None:
    assert WRITERS[name](CONTENT) == (FOLDER / name).read_bytes()


if __name__ == "__main__":
    for file_name, write in WRITERS.items():
        (FOLDER / file_name).write_bytes(write(CONTENT))
