# SPDX-License-Identifier: Apache-2.0
"""No wrong merge, no missed merge, no fake accepted, no fix refused, on programs whose truth is known."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

from proofhouse.validation import ValidationResult, load_recipe, validate
from validation.corpus.program import SIZE, Kind, Program, corpus, generate
from validation.corpus.score import Score, score


def run(program: Program, directory: Path) -> ValidationResult:
    return validate(load_recipe(program.write(directory)), cache_dir=directory / "cache")


def assert_clean(found: Score) -> None:
    assert found == Score([], [], [], [], [], [], [])


def test_a_seed_makes_the_same_program_every_time() -> None:
    assert generate(7) == generate(7)
    assert generate(7).source != generate(8).source


def test_the_corpus_holds_what_it_is_for() -> None:
    programs = tuple(corpus())
    assert len(programs) >= 40
    assert {program.language for program in programs} == {"c", "cc"}
    assert all(2 <= len(program.flaws) <= 4 for program in programs)
    assert len({flaw.kind for program in programs for flaw in program.flaws}) >= 12
    per_flaw = Counter(
        (program.name, flaw.name, kind)
        for program in programs
        for patch in program.patches
        for kind in [patch.kind]
        for flaw in program.flaws
        if set(patch.claims) & {proof.name for proof in program.proofs if proof.flaw == flaw.name}
    )
    for program in programs:
        assert any(patch.kind is Kind.TEST_REMOVED for patch in program.patches)
        for flaw in program.flaws:
            assert sum(proof.flaw == flaw.name for proof in program.proofs) >= 2
            for kind in (Kind.GOOD, Kind.COSMETIC, Kind.MASKING, Kind.HALF):
                assert per_flaw[program.name, flaw.name, kind] >= 1


@pytest.mark.sandbox
@pytest.mark.parametrize("seed", [4, 11, 21])
def test_a_sample_of_the_corpus_is_judged_rightly(seed: int, tmp_path: Path) -> None:
    program = generate(seed).sample(fakes=2)
    assert_clean(score(program, run(program, tmp_path)))


@pytest.mark.slow
@pytest.mark.sandbox
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(SIZE))
def test_the_corpus_is_judged_rightly(seed: int, tmp_path: Path) -> None:
    program = generate(seed)
    result = run(program, tmp_path)
    assert_clean(score(program, result))
    if program.shared_identifier:
        fixes = [set(g.patches) for g in result.groups if program.shared_identifier in g.identifiers]
        assert len(fixes) == 2
        assert not fixes[0] & fixes[1]
    identifiers = [set(group.identifiers) - {program.shared_identifier} for group in result.groups]
    assert all(len(each) >= 2 for each in identifiers)
    assert not any(a & b for a, b in combinations(identifiers, 2))
