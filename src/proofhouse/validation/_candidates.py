# SPDX-License-Identifier: Apache-2.0
"""Which reports may be one bug: T0 equal bytes, T1 likeness. A candidate is a question for the kill matrix, T2.

T1 has three signs: the normalised stack, as ClusterFuzz compares it; the kind of weakness and the function where it
shows; and fixes, or a fix and a crash, that meet in the same lines. Pure.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

from proofhouse.validation._crash import Crash, similar
from proofhouse.validation._diff import NEAR_LINES, FileChange


class Sign(StrEnum):
    """What makes two reports look alike."""

    SAME_BYTES = "same-bytes"
    """T0: the same inputs."""
    STACK = "stack"
    """T1: the same or nearly the same top frames."""
    WEAKNESS_AND_SINK = "weakness-and-sink"
    """T1: the same kind of weakness in the same function."""
    PATCHED_LINES = "patched-lines"
    """T1: their fixes change the same lines, or one's fix the lines where the other crashes."""


WEAKNESSES: Mapping[str, str] = {
    "heap-buffer-overflow": "CWE-119",
    "stack-buffer-overflow": "CWE-119",
    "stack-buffer-underflow": "CWE-119",
    "global-buffer-overflow": "CWE-119",
    "dynamic-stack-buffer-overflow": "CWE-119",
    "container-overflow": "CWE-119",
    "index-out-of-bounds": "CWE-119",
    "unknown-crash": "CWE-119",
    "negative-size-param": "CWE-119",
    "heap-use-after-free": "CWE-416",
    "stack-use-after-return": "CWE-416",
    "stack-use-after-scope": "CWE-416",
    "double-free": "CWE-415",
    "bad-free": "CWE-763",
    "alloc-dealloc-mismatch": "CWE-763",
    "null-pointer": "CWE-476",
    "SEGV": "CWE-476",
    "stack-overflow": "CWE-674",
    "signed-integer-overflow": "CWE-190",
    "unsigned-integer-overflow": "CWE-190",
    "allocation-size-too-big": "CWE-190",
    "bad-shift": "CWE-1335",
    "division-by-zero": "CWE-369",
    "FPE": "CWE-369",
    "out-of-memory": "CWE-400",
}
"""Crash class → the wide weakness (CWE list) that it is filed under; classes of one memory error share one."""


@dataclass(frozen=True)
class Seen:
    """One report, as it is compared.

    Attributes:
        name: what the caller calls it.
        sha256: digest of its inputs; empty for none.
        crash: what running it showed, if anything.
        fixes: what the patches offered for it change.
    """

    name: str
    sha256: str
    crash: Crash | None
    fixes: tuple[FileChange, ...] = ()


@dataclass(frozen=True)
class Candidate:
    """Two reports that may be one bug, and why."""

    left: str
    right: str
    signs: tuple[Sign, ...]

    @property
    def tier(self) -> str:
        """`T0` when the bytes are the same, else `T1`."""
        return "T0" if Sign.SAME_BYTES in self.signs else "T1"


def weakness(crash_class: str) -> str:
    """The wide CWE of a crash class; the class itself where none is known."""
    return WEAKNESSES.get(crash_class, crash_class)


def candidates(reports: Sequence[Seen]) -> tuple[Candidate, ...]:
    """All pairs of reports that share a sign, in the reports' order.

    Only reports that share bytes, a frame or a patched file are compared, so that thousands are quick.
    """
    found: list[Candidate] = []
    for left, right in _meetings(reports):
        signs = signs_of(left, right)
        if signs:
            found.append(Candidate(left.name, right.name, signs))
    return tuple(found)


def signs_of(left: Seen, right: Seen) -> tuple[Sign, ...]:
    """What two reports have in common."""
    a, b = left.crash, right.crash
    signs: list[Sign] = []
    if left.sha256 and left.sha256 == right.sha256:
        signs.append(Sign.SAME_BYTES)
    if a is not None and b is not None and similar(a.state, b.state):
        signs.append(Sign.STACK)
    if (
        a
        and b
        and a.state
        and a.state[:1] == b.state[:1]
        and weakness(a.crash_class) == weakness(b.crash_class)
    ):
        signs.append(Sign.WEAKNESS_AND_SINK)
    if _overlap(left.fixes, right.fixes) or _at(left.fixes, b) or _at(right.fixes, a):
        signs.append(Sign.PATCHED_LINES)
    return tuple(signs)


def _meetings(reports: Sequence[Seen]) -> Iterable[tuple[Seen, Seen]]:
    """Pairs that share a key under which a sign is possible, each once, in order."""
    places: dict[str, list[int]] = defaultdict(list)
    for index, report in enumerate(reports):
        for key in _keys(report):
            places[key].append(index)
    pairs = {pair for members in places.values() for pair in combinations(members, 2)}
    return ((reports[i], reports[j]) for i, j in sorted(pairs))


def _keys(report: Seen) -> set[str]:
    keys = {f"bytes {report.sha256}"} if report.sha256 else set()
    if report.crash is not None:
        keys |= {f"frame {frame}" for frame in report.crash.state}
        keys |= {f"like {frame[:4]}" for frame in report.crash.state[:1]}
        name = report.crash.location.rpartition(":")[0]
        keys |= {f"file {name}"} if name else set()
    return keys | {f"file {change.path.rpartition('/')[2]}" for change in report.fixes}


def _overlap(left: Iterable[FileChange], right: Sequence[FileChange]) -> bool:
    return any(
        a.path == b.path and any(abs(i - j) <= NEAR_LINES for i in a.lines for j in b.lines)
        for a in left
        for b in right
    )


def _at(fixes: Iterable[FileChange], crash: Crash | None) -> bool:
    name, _, line = crash.location.rpartition(":") if crash else ("", "", "")
    return line.isdigit() and any(
        change.path.rpartition("/")[2] == name and any(abs(n - int(line)) <= NEAR_LINES for n in change.lines)
        for change in fixes
    )
