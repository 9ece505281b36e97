# SPDX-License-Identifier: Apache-2.0
"""Published memory errors of Debian packages: reproduced without their fix, mended by it, each fix its own bug."""

from __future__ import annotations

from pathlib import Path

import pytest

from proofhouse.validation import DebianSource, PatchVerdict, Verdict, load_recipe, validate

ROOT = Path(__file__).parents[2]
RECIPES = (
    *sorted((ROOT / "recipes" / "real").glob("*.toml")),
    *sorted((ROOT / "src/proofhouse/exam/families/real").glob("*.toml")),
)
MERGED = {"real-libxml2": {("CVE-2025-49794", "CVE-2025-49796")}}
"""Recipe → reports that one fix mends; every other report is a bug of its own."""


def test_there_are_twenty_pairs_of_six_packages() -> None:
    recipes = [load_recipe(path) for path in RECIPES]
    sources = [recipe.source for recipe in recipes]
    assert all(isinstance(source, DebianSource) for source in sources)
    assert sum(len(recipe.patches) for recipe in recipes) >= 20
    assert len({source.package for source in sources if isinstance(source, DebianSource)}) >= 6


def test_every_pair_stands_in_the_list_of_pairs() -> None:
    page = (ROOT / "docs" / "real-pairs.md").read_text()
    for path in RECIPES:
        for identifier in load_recipe(path).identifiers:
            assert identifier in page


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.sandbox
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_real_pair_is_reproduced_mended_and_kept_apart(path: Path, tmp_path: Path) -> None:
    recipe = load_recipe(path)
    result = validate(recipe, cache_dir=tmp_path)
    assert result.real
    assert [(proof.name, proof.verdict, proof.reason) for proof in result.proofs] == [
        (proof.name, Verdict.REPRODUCED, "") for proof in recipe.proofs
    ]
    assert [(patch.name, patch.verdict, patch.reasons) for patch in result.patches] == [
        (patch.name, PatchVerdict.PROVED, ()) for patch in recipe.patches
    ]
    merged = {group.identifiers for group in result.groups if len(group.proofs) > 1}
    assert merged == MERGED.get(recipe.name, set())
    assert len(result.groups) == len(recipe.patches)
