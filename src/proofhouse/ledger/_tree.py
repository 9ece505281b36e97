# SPDX-License-Identifier: Apache-2.0
"""The Merkle tree of RFC 6962 §2.1: hashes, proofs, and their checks. Pure; knows no files.

A subtree that is complete (a power of two of leaves, aligned) is named by `(level, index)`: it covers the
leaves `index * 2**level` up to `(index + 1) * 2**level`. Whoever can give those hashes can have any proof.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from proofhouse.ledger._errors import NotProven

EMPTY_ROOT = hashlib.sha256(b"").digest()
"""Root of the tree without leaves."""

HashAt = Callable[[int, int], bytes]
"""Gives the hash of the complete subtree `(level, index)`."""


def leaf_hash(entry: bytes) -> bytes:
    """Hash of a leaf: SHA-256 of 0x00 and the entry."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: SHA-256 of 0x01 and both children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """Root of a perfect subtree whose leaves (2**n of them) have these hashes."""
    level = list(hashes)
    while len(level) > 1:
        level = [node_hash(level[i], level[i + 1]) for i in range(0, len(level), 2)]
    return level[0]


def root(size: int, hash_at: HashAt) -> bytes:
    """Root of the tree with `size` leaves."""
    return _range_hash(0, size, hash_at) if size else EMPTY_ROOT


def root_of(leaf_hashes: Sequence[bytes]) -> bytes:
    """Root of the tree over a small list of leaf hashes."""
    return root(len(leaf_hashes), within(leaf_hashes))


def within(leaf_hashes: Sequence[bytes]) -> HashAt:
    """`HashAt` over a list of leaf hashes held in memory."""
    return lambda level, index: fold(leaf_hashes[index << level : (index + 1) << level])


def inclusion_proof(index: int, size: int, hash_at: HashAt) -> list[bytes]:
    """Audit path of leaf `index` in the tree of `size` leaves, from its sibling upwards (RFC 6962 §2.1.1).

    Raises:
        IndexError: The tree has no such leaf.
    """
    if not 0 <= index < size:
        raise IndexError(f"no leaf {index} in a tree of {size}")
    start, end = 0, size
    path = []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range_hash(middle, end, hash_at))
            end = middle
        else:
            path.append(_range_hash(start, middle, hash_at))
            start = middle
    return path[::-1]


def consistency_proof(old: int, new: int, hash_at: HashAt) -> list[bytes]:
    """Proof that the tree of `old` leaves is a prefix of the tree of `new` leaves (RFC 6962 §2.1.2).

    Empty for `old == 0` and `old == new`.

    Raises:
        IndexError: `old` lies outside the tree.
    """
    if not 0 <= old <= new:
        raise IndexError(f"no tree of {old} within a tree of {new}")
    if old == 0:
        return []
    start, end = 0, new
    proof = []
    while end != old:
        middle = start + _split(end - start)
        if old <= middle:
            proof.append(_range_hash(middle, end, hash_at))
            end = middle
        else:
            proof.append(_range_hash(start, middle, hash_at))
            start = middle
    if start > 0:
        proof.append(_range_hash(start, end, hash_at))
    return proof[::-1]


def root_from_inclusion(index: int, size: int, hash_of_leaf: bytes, path: Sequence[bytes]) -> bytes:
    """The root that an audit path leads to (RFC 9162 §2.1.3.2).

    Raises:
        NotProven: The path has the wrong length for this index and size.
    """
    if not 0 <= index < size:
        raise NotProven(f"index {index} lies outside a tree of {size}")
    here, last = index, size - 1
    value = hash_of_leaf
    for sibling in path:
        if last == 0:
            raise NotProven("the inclusion proof is too long")
        if here & 1 or here == last:
            value = node_hash(sibling, value)
            here, last = _climb(here, last)
        else:
            value = node_hash(value, sibling)
        here, last = here >> 1, last >> 1
    if last:
        raise NotProven("the inclusion proof is too short")
    return value


def check_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Check a consistency proof (RFC 9162 §2.1.4.2).

    Raises:
        NotProven: The tree of `new` leaves does not extend the tree of `old` leaves, or the proof is wrong.
    """
    if not 0 <= old <= new:
        raise NotProven(f"a tree of {old} cannot be a prefix of a tree of {new}")
    if old in (0, new):
        expected = EMPTY_ROOT if old == 0 else new_root
        if proof or old_root != expected or (new == 0 and new_root != EMPTY_ROOT):
            raise NotProven("the two trees differ, or the proof should be empty")
        return
    hashes = list(proof)
    if old & (old - 1) == 0:
        hashes.insert(0, old_root)
    if not hashes:
        raise NotProven("the consistency proof is empty")
    here, last = old - 1, new - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    old_value = new_value = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise NotProven("the consistency proof is too long")
        if here & 1 or here == last:
            old_value = node_hash(sibling, old_value)
            new_value = node_hash(sibling, new_value)
            here, last = _climb(here, last)
        else:
            new_value = node_hash(new_value, sibling)
        here, last = here >> 1, last >> 1
    if last or old_value != old_root or new_value != new_root:
        raise NotProven(f"the tree of {new} does not extend the tree of {old}")


def _climb(here: int, last: int) -> tuple[int, int]:
    """Skip the levels where the node on the right edge has no sibling."""
    while here and not here & 1:
        here, last = here >> 1, last >> 1
    return here, last


def _split(count: int) -> int:
    """Largest power of two below `count` (at least 2)."""
    return 1 << ((count - 1).bit_length() - 1)


def _range_hash(start: int, end: int, hash_at: HashAt) -> bytes:
    """Hash of the leaves `start` to `end`, a range that RFC 6962's splitting reaches."""
    count = end - start
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return hash_at(level, start >> level)
    middle = start + _split(count)
    return node_hash(_range_hash(start, middle, hash_at), _range_hash(middle, end, hash_at))
