# SPDX-License-Identifier: Apache-2.0
"""The kill matrix: every proof against every patch, and what it says about which reports are one bug."""

from dataclasses import dataclass
from enum import StrEnum


class Cell(StrEnum):
    """What happened to one proof on one patched build."""

    STOPPED = "stopped"
    """Silent in every run."""
    FIRES = "fires"
    """A sanitizer report in every run."""
    UNSTABLE = "unstable"
    """Neither: it depends on luck, or it hangs or dies without a report."""
    UNKNOWN = "unknown"
    """Not measured: the patch does not build, or the sandbox died."""


@dataclass(frozen=True)
class KillMatrix:
    """Rows are proofs, columns are patches.

    Attributes:
        proofs: row names.
        patches: column names.
        fires: for each row, whether the proof was reproduced without any patch.
        cells: `cells[i][j]` is proof i against patch j.
    """

    proofs: tuple[str, ...]
    patches: tuple[str, ...]
    fires: tuple[bool, ...]
    cells: tuple[tuple[Cell, ...], ...]

    def __post_init__(self) -> None:
        """Refuse a matrix whose parts do not fit together."""
        if len(self.fires) != len(self.proofs) or len(self.cells) != len(self.proofs):
            raise ValueError("one row and one base result for each proof")
        if any(len(row) != len(self.patches) for row in self.cells):
            raise ValueError("one cell for each patch in every row")

    def stopped_by(self, patch: str) -> frozenset[str]:
        """The proofs that fire without this patch and are silent with it."""
        column = self.patches.index(patch)
        return frozenset(
            proof
            for proof, fires, row in zip(self.proofs, self.fires, self.cells, strict=True)
            if fires and row[column] is Cell.STOPPED
        )


@dataclass(frozen=True)
class Group:
    """Proofs of one bug.

    Attributes:
        proofs: in the matrix' order.
        patches: the minimal patches that stop all of them; empty for a proof that stands alone without any.
    """

    proofs: tuple[str, ...]
    patches: tuple[str, ...]


def minimal_patches(matrix: KillMatrix) -> tuple[str, ...]:
    """The patches that stop something, and of which no other patch stops only a part.

    A patch that mends two bugs at once is not minimal beside the patches that mend one each.
    """
    stopped = {patch: matrix.stopped_by(patch) for patch in matrix.patches}
    return tuple(
        patch
        for patch in matrix.patches
        if stopped[patch] and not any(other and other < stopped[patch] for other in stopped.values())
    )


def merge_groups(matrix: KillMatrix) -> tuple[Group, ...]:
    """Partition the proofs into bugs.

    Two proofs are merged when each fires without a patch and the same minimal patches stop both; so one patch
    stops every member of a group. Where minimal patches overlap only in part, the proofs stay apart for a
    person to judge. A proof that was not reproduced is never merged. Give it only patches that you would
    accept: a fake that blocks one proof alone splits it from its twin.

    Returns:
        The groups, in the order of their first proof; every proof is in exactly one.
    """
    minimal = minimal_patches(matrix)
    stopped = {patch: matrix.stopped_by(patch) for patch in minimal}
    members: dict[tuple[str, ...], list[str]] = {}
    groups: list[tuple[list[str], tuple[str, ...]]] = []
    for proof in matrix.proofs:
        killers = tuple(patch for patch in minimal if proof in stopped[patch])
        if killers and killers in members:
            members[killers].append(proof)
            continue
        group = [proof]
        groups.append((group, killers))
        if killers:
            members[killers] = group
    return tuple(Group(tuple(group), killers) for group, killers in groups)
