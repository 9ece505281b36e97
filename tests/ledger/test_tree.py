# SPDX-License-Identifier: Apache-2.0
"""The tree against RFC 6962's own definitions."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.makers import make_leaf, open_log
from ledger.naive import Tree as Naive
from proofhouse.ledger import NotProven
from proofhouse.ledger._tiles import Tree, tile_path
from proofhouse.ledger._tree import (
    EMPTY_ROOT,
    check_consistency,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root,
    root_from_inclusion,
)

SIZES = 301
LARGE = 66_000
NAIVE = Naive([f"entry {number}".encode() for number in range(SIZES)])

# The eight leaves and roots that Certificate Transparency implementations share as test values.
CT_LEAVES = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
CT_ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def hash_at(level: int, index: int) -> bytes:
    return NAIVE.mth(index << level, (index + 1) << level)


@pytest.mark.parametrize("size", CT_ROOTS)
def test_known_roots_come_out(size: int) -> None:
    tree = Naive([bytes.fromhex(leaf) for leaf in CT_LEAVES])
    assert root(size, lambda level, i: tree.mth(i << level, (i + 1) << level)).hex() == CT_ROOTS[size]


def test_every_root_and_inclusion_proof_to_size_300_is_the_standards() -> None:
    assert root(0, hash_at) == EMPTY_ROOT == NAIVE.mth(0, 0)
    for size in range(1, SIZES):
        expected = NAIVE.mth(0, size)
        assert root(size, hash_at) == expected
        for index in range(size):
            path = inclusion_proof(index, size, hash_at)
            assert path == NAIVE.path(index, 0, size)
            assert root_from_inclusion(index, size, leaf_hash(NAIVE.entries[index]), path) == expected


def test_every_consistency_proof_to_size_300_is_the_standards() -> None:
    for new in range(1, SIZES):
        check_consistency(0, new, EMPTY_ROOT, NAIVE.mth(0, new), consistency_proof(0, new, hash_at))
        for old in range(1, new + 1):
            proof = consistency_proof(old, new, hash_at)
            assert proof == NAIVE.proof(old, new)
            check_consistency(old, new, NAIVE.mth(0, old), NAIVE.mth(0, new), proof)


@st.composite
def spoilt(draw: st.DrawFn, proof: list[bytes]) -> list[bytes]:
    """A proof with one hash changed, lost, added or doubled."""
    ways = ["add"] if not proof else ["add", "change", "lose", "double"]
    way = draw(st.sampled_from(ways))
    place = draw(st.integers(0, max(len(proof) - 1, 0)))
    if way == "add":
        return [*proof[:place], bytes(32), *proof[place:]]
    if way == "change":
        bit = draw(st.integers(0, 255))
        number = int.from_bytes(proof[place]) ^ (1 << bit)
        return [*proof[:place], number.to_bytes(32), *proof[place + 1 :]]
    if way == "lose":
        return proof[:place] + proof[place + 1 :]
    return [*proof[: place + 1], *proof[place:]]


@given(st.data(), st.integers(1, SIZES - 1))
@settings(max_examples=300, deadline=None)
def test_a_spoilt_inclusion_proof_does_not_reach_the_root(data: st.DataObject, size: int) -> None:
    index = data.draw(st.integers(0, size - 1))
    wrong = data.draw(spoilt(NAIVE.path(index, 0, size)))
    try:
        reached = root_from_inclusion(index, size, leaf_hash(NAIVE.entries[index]), wrong)
    except NotProven:
        return
    assert reached != NAIVE.mth(0, size)


@given(st.data(), st.integers(1, SIZES - 1))
@settings(max_examples=300, deadline=None)
def test_a_spoilt_consistency_proof_is_refused(data: st.DataObject, new: int) -> None:
    old = data.draw(st.integers(0, new))
    wrong = data.draw(spoilt(NAIVE.proof(old, new) if old else []))
    with pytest.raises(NotProven):
        check_consistency(old, new, NAIVE.mth(0, old), NAIVE.mth(0, new), wrong)


@given(st.data(), st.integers(2, SIZES - 1))
@settings(max_examples=200, deadline=None)
def test_a_proof_for_another_root_size_or_index_is_refused(data: st.DataObject, size: int) -> None:
    old = data.draw(st.integers(1, size - 1))
    proof = NAIVE.proof(old, size)
    other = data.draw(st.integers(0, SIZES - 1).filter(lambda n: n != old))
    with pytest.raises(NotProven):
        check_consistency(old, size, NAIVE.mth(0, other), NAIVE.mth(0, size), proof)
    index = data.draw(st.integers(0, size - 1))
    elsewhere = data.draw(st.integers(-1, size).filter(lambda n: n != index))
    try:
        reached = root_from_inclusion(
            elsewhere, size, leaf_hash(NAIVE.entries[index]), NAIVE.path(index, 0, size)
        )
    except NotProven:
        return
    assert reached != NAIVE.mth(0, size)


def test_a_shrinking_tree_is_never_consistent() -> None:
    with pytest.raises(NotProven):
        check_consistency(3, 2, NAIVE.mth(0, 3), NAIVE.mth(0, 2), [])
    with pytest.raises(IndexError):
        consistency_proof(3, 2, hash_at)
    with pytest.raises(IndexError):
        inclusion_proof(2, 2, hash_at)


@pytest.mark.parametrize(
    ("level", "index", "width", "path"),
    [
        (0, 67, 256, "tile/0/067"),
        (0, 1067, 256, "tile/0/x001/067"),
        (0, 1234067, 256, "tile/0/x001/x234/067"),
        (2, 0, 1, "tile/2/000.p/1"),
        ("entries", 273, 112, "tile/entries/273.p/112"),
    ],
)
def test_tile_paths_are_those_of_the_specification(
    level: int | str, index: int, width: int, path: str
) -> None:
    assert str(tile_path(level, index, width)) == path


def test_a_tree_of_70000_has_the_tiles_that_the_specification_counts() -> None:
    tree = Tree(None, 70_000)  # type: ignore[arg-type]  # only sizes are asked, no file is read
    assert [len(tree.widths(level)) for level in range(4)] == [274, 2, 1, 0]
    assert [tree.widths(level)[-1] for level in range(3)] == [112, 17, 1]
    assert Tree(None, 256).widths(1) == [1]  # type: ignore[arg-type]  # as above


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tree, Naive]:
    directory = tmp_path_factory.mktemp("large")
    leaves = [make_leaf(number) for number in range(LARGE)]
    with open_log(directory) as log:
        for start, end in ((0, 1), (1, 255), (255, 513), (513, 65_536), (65_536, LARGE)):
            log.append(leaves[start:end])
    return Tree(directory, LARGE), Naive([bytes(leaf) for leaf in leaves])


def test_the_root_of_a_log_of_66000_entries_is_the_standards(large: tuple[Tree, Naive]) -> None:
    tree, naive = large
    assert tree.root() == naive.mth(0, LARGE)
    assert (tree.directory / "tile/2/000.p/1").is_file()


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_proofs_from_tiles_are_the_standards_at_any_size(
    large: tuple[Tree, Naive], data: st.DataObject
) -> None:
    tree, naive = large
    size = data.draw(st.integers(1, LARGE))
    old, index = data.draw(st.integers(1, size)), data.draw(st.integers(0, size - 1))
    assert root(size, tree.hash_at) == naive.mth(0, size)
    assert inclusion_proof(index, size, tree.hash_at) == naive.path(index, 0, size)
    assert tree.consistency_proof(old, size) == naive.proof(old, size)
    assert tree.entry(index) == naive.entries[index]
