# SPDX-License-Identifier: Apache-2.0
"""The specification's worked example is what the program writes."""

from __future__ import annotations

from pathlib import Path

from ledger.worked_example import lines

SPEC = Path(__file__).parents[2] / "docs/spec/ledger.md"


def test_the_worked_example_of_the_specification_is_real() -> None:
    example = SPEC.read_text(encoding="utf-8").split("```text\n")[-1].removesuffix("```\n")
    assert example == "\n".join(lines()) + "\n"
