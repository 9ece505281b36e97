# SPDX-License-Identifier: Apache-2.0
"""One bug is what one minimal patch stops."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from proofhouse.validation import Cell, KillMatrix, merge_groups, minimal_patches

S, F = Cell.STOPPED, Cell.FIRES


def matrix(stopped: dict[str, str], proofs: str, silent: str = "") -> KillMatrix:
    """A matrix of patch → the proofs (one letter each) that it stops."""
    return KillMatrix(
        tuple(proofs),
        tuple(stopped),
        tuple(proof not in silent for proof in proofs),
        tuple(tuple(S if proof in stopped[patch] else F for patch in stopped) for proof in proofs),
    )


def groups(kills: KillMatrix) -> set[str]:
    return {"".join(group.proofs) for group in merge_groups(kills)}


def test_two_proofs_that_one_patch_stops_are_one_bug() -> None:
    assert groups(matrix({"p": "ab"}, "ab")) == {"ab"}


def test_three_bugs_with_a_patch_each_stay_apart() -> None:
    assert groups(matrix({"p": "a", "q": "b", "r": "c"}, "abc")) == {"a", "b", "c"}


def test_a_patch_that_mends_two_bugs_at_once_does_not_merge_them() -> None:
    kills = matrix({"p": "a", "q": "b", "r": "c", "both": "ab"}, "abc")
    assert groups(kills) == {"a", "b", "c"}
    assert minimal_patches(kills) == ("p", "q", "r")


def test_two_fixes_of_one_bug_merge_its_proofs_all_the_same() -> None:
    merged = merge_groups(matrix({"ours": "ab", "theirs": "ab"}, "abc"))
    assert [(group.proofs, group.patches) for group in merged] == [
        (("a", "b"), ("ours", "theirs")),
        (("c",), ()),
    ]


def test_patches_that_overlap_in_part_leave_the_judgement_to_a_person() -> None:
    assert groups(matrix({"p": "ab", "q": "bc"}, "abc")) == {"a", "b", "c"}


def test_a_proof_that_never_fired_is_merged_with_nothing() -> None:
    assert groups(matrix({"p": "ab"}, "ab", silent="b")) == {"a", "b"}


@pytest.mark.parametrize("cell", [Cell.UNSTABLE, Cell.UNKNOWN, Cell.FIRES])
def test_only_silence_in_every_run_counts_as_stopped(cell: Cell) -> None:
    kills = KillMatrix(("a", "b"), ("p",), (True, True), ((S,), (cell,)))
    assert groups(kills) == {"a", "b"}


def test_a_matrix_whose_parts_do_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="one cell for each patch"):
        KillMatrix(("a",), ("p", "q"), (True,), ((S,),))
    with pytest.raises(ValueError, match="one base result"):
        KillMatrix(("a",), ("p",), (), ((S,),))


@st.composite
def matrices(draw: st.DrawFn) -> KillMatrix:
    rows, columns = draw(st.integers(0, 6)), draw(st.integers(0, 5))
    cells = st.tuples(*[st.sampled_from(Cell)] * columns)
    return KillMatrix(
        tuple(f"proof{i}" for i in range(rows)),
        tuple(f"patch{j}" for j in range(columns)),
        draw(st.tuples(*[st.booleans()] * rows)),
        draw(st.tuples(*[cells] * rows)),
    )


@settings(max_examples=300, deadline=None)
@given(matrices())
def test_every_merge_has_one_patch_that_stops_all_and_proofs_that_fire_without_it(kills: KillMatrix) -> None:
    merged = merge_groups(kills)
    assert sorted(proof for group in merged for proof in group.proofs) == sorted(kills.proofs)
    for group in merged:
        for patch in group.patches:
            assert set(group.proofs) <= kills.stopped_by(patch)
        if len(group.proofs) > 1:
            assert group.patches
            assert all(kills.fires[kills.proofs.index(proof)] for proof in group.proofs)


@settings(max_examples=200, deadline=None)
@given(matrices(), st.randoms())
def test_the_order_of_proofs_and_patches_does_not_matter(kills: KillMatrix, chance: object) -> None:
    assert hasattr(chance, "sample")
    rows = chance.sample(range(len(kills.proofs)), len(kills.proofs))
    columns = chance.sample(range(len(kills.patches)), len(kills.patches))
    shuffled = KillMatrix(
        tuple(kills.proofs[i] for i in rows),
        tuple(kills.patches[j] for j in columns),
        tuple(kills.fires[i] for i in rows),
        tuple(tuple(kills.cells[i][j] for j in columns) for i in rows),
    )
    assert {frozenset(g.proofs) for g in merge_groups(shuffled)} == {
        frozenset(g.proofs) for g in merge_groups(kills)
    }


@settings(max_examples=300, deadline=None)
@given(matrices())
def test_deleting_the_feature_merges_nothing_while_a_narrower_patch_exists(kills: KillMatrix) -> None:
    firing = {proof for proof, fires in zip(kills.proofs, kills.fires, strict=True) if fires}
    assume(any(kills.stopped_by(patch) and kills.stopped_by(patch) < firing for patch in kills.patches))
    deleting = KillMatrix(
        kills.proofs, (*kills.patches, "delete"), kills.fires, tuple((*row, S) for row in kills.cells)
    )
    assert merge_groups(deleting) == merge_groups(kills)
