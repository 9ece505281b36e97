# SPDX-License-Identifier: Apache-2.0
"""Likeness proposes; it never merges."""

import pytest

from proofhouse.validation import Candidate, Cell, Crash, KillMatrix, Seen, Sign, candidates, weakness
from proofhouse.validation._diff import read_diff
from proofhouse.validation._refusal import half_suspects
from validation.programs import diff

BODY = "".join(f"line {number};\n" for number in range(60))


def crash(crash_class: str, *state: str, location: str = "") -> Crash:
    return Crash("address", crash_class, "READ 1", state, location)


def seen(name: str, sha256: str = "", found: Crash | None = None, fix: str = "") -> Seen:
    return Seen(name, sha256, found, read_diff(fix.encode()))


def fix_at(line: int, path: str = "src/a.c") -> str:
    return diff(BODY, BODY.replace(f"line {line};\n", f"line {line}, mended;\n"), path)


def test_the_same_bytes_are_the_same_report() -> None:
    (found,) = candidates([seen("a", "11"), seen("b", "22"), seen("c", "11")])
    assert found == Candidate("a", "c", (Sign.SAME_BYTES,))
    assert found.tier == "T0"


def test_two_frames_in_common_make_a_candidate_whatever_the_class() -> None:
    (found,) = candidates(
        [
            seen("a", "1", crash("SEGV", "copy", "parse", "main")),
            seen("b", "2", crash("heap-use-after-free", "parse", "main")),
            seen("c", "3", crash("SEGV", "other", "main")),
        ]
    )
    assert (found.left, found.right, found.signs) == ("a", "b", (Sign.STACK,))
    assert found.tier == "T1"


def test_one_weakness_in_one_function_makes_a_candidate() -> None:
    reports = [
        seen("a", "1", crash("heap-buffer-overflow", "copy", "one", "main")),
        seen("b", "2", crash("index-out-of-bounds", "copy", "two", "start")),
        seen("c", "3", crash("double-free", "copy", "three", "begin")),
    ]
    assert [(each.left, each.right) for each in candidates(reports)] == [("a", "b")]


@pytest.mark.parametrize(("line", "alike"), [(12, True), (40, False)])
def test_fixes_that_meet_in_the_same_lines_make_a_candidate(line: int, alike: bool) -> None:
    reports = [seen("a", fix=fix_at(10)), seen("b", fix=fix_at(line)), seen("c", fix=fix_at(10, "src/b.c"))]
    assert [(each.left, each.right) for each in candidates(reports)] == ([("a", "b")] if alike else [])


def test_a_fix_where_the_other_crashes_makes_a_candidate() -> None:
    reports = [seen("a", fix=fix_at(10)), seen("b", found=crash("SEGV", "walk", location="a.c:14"))]
    assert candidates(reports) == (Candidate("a", "b", (Sign.PATCHED_LINES,)),)


def test_a_class_without_a_known_weakness_stands_for_itself() -> None:
    assert weakness("stack-buffer-overflow") == "CWE-119"
    assert weakness("novel-crash") == "novel-crash"


S, F = Cell.STOPPED, Cell.FIRES
PLACE = crash("heap-buffer-overflow", "put", "main", location="a.c:9")


def suspects(stopped: dict[str, str], proofs: str, elsewhere: str = "") -> set[str]:
    matrix = KillMatrix(
        tuple(proofs),
        tuple(stopped),
        (True,) * len(proofs),
        tuple(tuple(S if proof in stopped[patch] else F for patch in stopped) for proof in proofs),
    )
    other = crash("heap-buffer-overflow", "put", "main", location="a.c:90")
    return set(half_suspects(matrix, stopped, {p: other if p in elsewhere else PLACE for p in proofs}))


def test_a_narrow_fix_beside_a_whole_one_at_the_same_line_looks_like_half() -> None:
    assert suspects({"half": "a", "whole": "ab"}, "ab") == {"half"}


def test_two_fixes_that_each_mend_one_proof_alone_are_two_bugs() -> None:
    assert suspects({"one": "a", "two": "b", "helper": "ab"}, "ab") == set()


def test_a_fix_beside_a_bundle_for_another_place_is_whole() -> None:
    assert suspects({"one": "a", "bundle": "ab"}, "ab", elsewhere="b") == set()
