# SPDX-License-Identifier: Apache-2.0
"""What a validation of a corpus program got wrong, measured against how the program was made."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import combinations

from proofhouse.validation import PatchVerdict, ValidationResult, Verdict
from validation.corpus.program import Kind, Program

CLASS_OF = {
    Kind.COSMETIC: "cosmetic",
    Kind.HALF: "half",
    Kind.MEMORISED: "half",
    Kind.MASKING: "masking",
    Kind.TEST_REMOVED: "test-removed",
    Kind.UNBOUNDED: "unbounded",
    Kind.DOES_NOT_APPLY: "does-not-apply",
    Kind.DOES_NOT_BUILD: "does-not-build",
}
"""The class under which each kind of fake must be refused."""


@dataclass
class Score:
    """Everything that went wrong, by name."""

    wrong_merges: list[str]
    missed_merges: list[str]
    accepted_nonfixes: list[str]
    refused_fixes: list[str]
    misfiled: list[str]
    """Refused, but under another class than that of its kind."""
    unproved: list[str]
    """Proofs that were not reproduced."""
    missed_candidates: list[str]
    """Pairs of one bug that T1 did not propose."""

    @property
    def clean(self) -> bool:
        """Nothing went wrong."""
        return not any(getattr(self, each.name) for each in fields(self))


def score(program: Program, result: ValidationResult) -> Score:
    """Compare what was found with what is true."""
    flaw_of = {proof.name: proof.flaw for proof in program.proofs}
    group_of = {name: index for index, group in enumerate(result.groups) for name in group.proofs}
    proposed = {frozenset((each.left, each.right)) for each in result.candidates}
    found = Score([], [], [], [], [], [], [])
    for left, right in combinations(flaw_of, 2):
        one_bug, merged = flaw_of[left] == flaw_of[right], group_of[left] == group_of[right]
        pair = f"{program.name}: {left}, {right}"
        if merged and not one_bug:
            found.wrong_merges.append(pair)
        if one_bug and not merged:
            found.missed_merges.append(pair)
        if one_bug and frozenset((left, right)) not in proposed:
            found.missed_candidates.append(pair)
    for proof in result.proofs:
        if proof.verdict is not Verdict.REPRODUCED:
            found.unproved.append(f"{program.name}: {proof.name} {proof.verdict} {proof.reason}")
    _judge_patches(program, result, found)
    return found


def _judge_patches(program: Program, result: ValidationResult, found: Score) -> None:
    measured = {patch.name: patch for patch in result.patches}
    for patch in program.patches:
        got = measured[patch.name]
        name = f"{program.name}: {patch.name} {got.verdict} {got.refusal} {list(got.reasons)[:3]}"
        proved = got.verdict is PatchVerdict.PROVED
        if patch.kind in (Kind.GOOD, Kind.BUNDLE):
            if not proved:
                found.refused_fixes.append(name)
        elif proved:
            found.accepted_nonfixes.append(name)
        elif patch.kind is Kind.NARROW:  # a person must look, unless the hunt found the other half by itself
            if got.refusal not in (None, "half"):
                found.misfiled.append(name)
        elif got.refusal != CLASS_OF[patch.kind]:
            found.misfiled.append(name)
