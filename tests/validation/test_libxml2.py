# SPDX-License-Identifier: Apache-2.0
"""The real one: two reports against Debian's libxml2 are one bug, and Debian's patch mends it."""

from pathlib import Path

import pytest

from proofhouse.validation import Cell, PatchVerdict, Verdict, load_recipe, validate

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.sandbox
def test_two_reports_against_libxml2_are_one_bug_that_debians_patch_mends(tmp_path: Path) -> None:
    result = validate(load_recipe(ROOT / "recipes/libxml2-2025-49794.toml"), cache_dir=tmp_path)
    freed, mistyped = result.proofs
    assert result.real
    assert (freed.verdict, freed.crashes) == (Verdict.REPRODUCED, 3)
    assert (mistyped.verdict, mistyped.crashes) == (Verdict.REPRODUCED, 3)
    assert freed.crash is not None
    assert freed.crash.crash_class == "heap-use-after-free"
    assert mistyped.crash is not None
    assert mistyped.crash.crash_class == "SEGV"
    assert freed.crash.state[0] == mistyped.crash.state[0] == "xmlSchematronFormatReport"
    assert result.kill_matrix.cells == ((Cell.STOPPED,), (Cell.STOPPED,))
    assert result.patches[0].verdict is PatchVerdict.PROVED
    assert [group.identifiers for group in result.groups] == [("CVE-2025-49794", "CVE-2025-49796")]
    assert result.ok
