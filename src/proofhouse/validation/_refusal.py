# SPDX-License-Identifier: Apache-2.0
"""Why a patch is not a fix, in closed classes. Pure: what was measured in, classes and reasons out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from proofhouse.validation._crash import Crash
from proofhouse.validation._diff import masks, read_diff, removed_tests, rewritten_test, unbounded
from proofhouse.validation._matrix import Cell, KillMatrix


class Refusal(StrEnum):
    """Classes of patches that are not proved, the plainest first."""

    DOES_NOT_APPLY = "does-not-apply"
    DOES_NOT_BUILD = "does-not-build"
    UNBOUNDED = "unbounded"
    """Too large to be reviewed as one fix."""
    TEST_REMOVED = "test-removed"
    """It takes a test away."""
    COSMETIC = "cosmetic"
    """Every proof that it claims still fires."""
    HALF = "half"
    """It stops a part: another proof, or a change of the same one, still fires."""
    MASKING = "masking"
    """The proof is silent, but because the crash is hidden, the check switched off or the feature gone."""
    UNPROVEN = "unproven"
    """What it claims to stop was not reproduced without it."""


@dataclass(frozen=True)
class Finding:
    """One thing that speaks against a patch."""

    refusal: Refusal
    reason: str


def read_patch(content: bytes, strip: int, test_files: Iterable[PurePosixPath]) -> tuple[Finding, ...]:
    """What the text of a patch alone says against it."""
    changes = read_diff(content, strip)
    found = (
        (Refusal.UNBOUNDED, unbounded(changes)),
        (Refusal.TEST_REMOVED, removed_tests(changes, test_files)),
        (Refusal.MASKING, masks(changes)),
    )
    return tuple(Finding(refusal, why) for refusal, why in found if why)


def asks_a_person(content: bytes, strip: int, test_files: Iterable[PurePosixPath]) -> str:
    """What in the text of a stranger's patch only a person can judge; empty when nothing is."""
    return rewritten_test(read_diff(content, strip), test_files)


def judge_claims(cells: Mapping[str, Cell]) -> tuple[Finding, ...]:
    """What the kill matrix says against a patch.

    Args:
        cells: claimed proof, reproduced without the patch → what it does with the patch.
    """
    fire = [name for name, cell in cells.items() if cell is Cell.FIRES]
    odd = [name for name, cell in cells.items() if cell is Cell.UNSTABLE]
    lost = [name for name, cell in cells.items() if cell is Cell.UNKNOWN]
    stopped = any(cell is Cell.STOPPED for cell in cells.values())
    still = Refusal.HALF if stopped else Refusal.COSMETIC
    return (
        *(Finding(still, f"proof {name} with the patch: {Cell.FIRES}") for name in fire),
        *(Finding(Refusal.MASKING, f"proof {name} with the patch: {Cell.UNSTABLE}") for name in odd),
        *(Finding(Refusal.UNPROVEN, f"proof {name} with the patch: {Cell.UNKNOWN}") for name in lost),
    )


_ORDER = {refusal: place for place, refusal in enumerate(Refusal)}


def main_refusal(findings: Sequence[Finding]) -> Refusal | None:
    """The class that a refused patch is filed under: what its text shows, then the plainest.

    Args:
        findings: those of `read_patch` first.
    """
    if not findings:
        return None
    shown = findings[0]
    if shown.refusal is Refusal.MASKING:
        return shown.refusal
    return min((finding.refusal for finding in findings), key=_ORDER.__getitem__)


def half_suspects(
    matrix: KillMatrix, proved: Iterable[str], crashes: Mapping[str, Crash]
) -> dict[str, tuple[str, str]]:
    """Patches that look like one half of a fix although they stop all that they claim.

    A patch leaves a proof that crashes at the same line with the same class; a wider proved patch stops both; and no
    proved patch stops that other proof alone. Were there one, the two could be mended apart, and would be two bugs.

    Args:
        matrix: every proof against every patch.
        proved: patches that nothing else speaks against.
        crashes: reproduced proof → its crash without a patch.

    Returns:
        Patch → (the proof that it leaves, the wider patch).
    """
    stopped = {patch: matrix.stopped_by(patch) for patch in proved}
    suspects: dict[str, tuple[str, str]] = {}
    for patch, mine in stopped.items():
        for wider, both in stopped.items():
            if not mine or not mine < both:
                continue
            for left in sorted(both - mine):
                apart = any(left in other and not other & mine for other in stopped.values())
                if not apart and any(_same_place(crashes.get(left), crashes.get(a)) for a in mine):
                    suspects.setdefault(patch, (left, wider))
    return suspects


def _same_place(left: Crash | None, right: Crash | None) -> bool:
    return (
        left is not None
        and right is not None
        and left.crash_class == right.crash_class
        and left.state[:1] == right.state[:1]
        and bool(left.location)
        and left.location == right.location
    )
