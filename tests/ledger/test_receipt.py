# SPDX-License-Identifier: Apache-2.0
"""Receipts: what they prove, and that nothing in them can be changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.makers import LOG_KEY, make_leaf, make_leaves, open_log, serving, signer
from proofhouse.ledger import Leaf, Malformed, NotProven, Policy, Receipt, log_key, verify_receipt


@pytest.fixture(scope="module")
def witnessed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[bytes, Policy]]:
    directory = tmp_path_factory.mktemp("receipt")
    with serving(directory / "witness") as witness, open_log(directory / "log", witness) as log:
        log.append(make_leaves(0, 40))
        yield bytes(log.receipt(17)), log.policy


def test_every_changed_bit_of_a_receipt_is_found(witnessed: tuple[bytes, Policy]) -> None:
    content, policy = witnessed
    verify_receipt(Receipt.from_bytes(content), make_leaf(17), policy)
    for place in range(len(content)):
        for bit in range(8):
            changed = bytearray(content)
            changed[place] ^= 1 << bit
            with pytest.raises(NotProven):
                verify_receipt(Receipt.from_bytes(bytes(changed)), make_leaf(17), policy)


def test_every_shortened_receipt_is_refused(witnessed: tuple[bytes, Policy]) -> None:
    content, policy = witnessed
    for end in range(len(content)):
        with pytest.raises(NotProven):
            verify_receipt(Receipt.from_bytes(content[:end]), make_leaf(17), policy)


def test_a_receipt_proves_its_own_leaf_only(witnessed: tuple[bytes, Policy]) -> None:
    content, policy = witnessed
    leaf = bytes(make_leaf(17))
    for place in range(2, len(leaf)):
        changed = bytearray(leaf)
        changed[place] ^= 1
        with pytest.raises(NotProven, match="does not hold this leaf"):
            verify_receipt(Receipt.from_bytes(content), Leaf.from_bytes(bytes(changed)), policy)
    with pytest.raises(NotProven):
        verify_receipt(replace(Receipt.from_bytes(content), index=16), make_leaf(17), policy)


def test_a_receipt_without_the_quorum_is_none(witnessed: tuple[bytes, Policy]) -> None:
    content, policy = witnessed
    bare = content[: content.rstrip(b"\n").rindex(b"\n") + 1]
    verify_receipt(Receipt.from_bytes(bare), make_leaf(17), Policy.require(LOG_KEY))
    with pytest.raises(NotProven, match="quorum"):
        verify_receipt(Receipt.from_bytes(bare), make_leaf(17), policy)


def test_a_receipt_of_another_log_is_not_accepted(witnessed: tuple[bytes, Policy]) -> None:
    content, _ = witnessed
    foreign = Policy.require(log_key("elsewhere.example/log", signer(1).public))
    with pytest.raises(NotProven, match="does not know the log"):
        verify_receipt(Receipt.from_bytes(content), make_leaf(17), foreign)
    same_name = Policy.require(log_key(LOG_KEY.name, signer(3).public))
    with pytest.raises(NotProven, match="not signed by the log"):
        verify_receipt(Receipt.from_bytes(content), make_leaf(17), same_name)


def test_extra_data_of_others_is_read_over(witnessed: tuple[bytes, Policy]) -> None:
    content, policy = witnessed
    head, rest = content.split(b"\n", 1)
    with_extra = head + b"\nextra aGVsbG8=\n" + rest
    verify_receipt(Receipt.from_bytes(with_extra), make_leaf(17), policy)
    with pytest.raises(Malformed):
        Receipt.from_bytes(head + b"\nextra hello!\n" + rest)


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_refused_by_type(content: bytes) -> None:
    for head in (b"", b"c2sp.org/tlog-proof@v1\n", b"c2sp.org/tlog-proof@v1\nindex 0\n\n"):
        with pytest.raises(Malformed):
            Receipt.from_bytes(head + content)


@pytest.mark.parametrize(
    "change",
    [
        (b"index 17", b"index 017"),
        (b"index 17", b"index -1"),
        (b"index 17", b"index 99"),
        (b"index 17\n", b""),
        (b"tlog-proof@v1", b"tlog-proof@v2"),
        (b"index 17\n", b"index 17\n" + b"A" * 43 + b"=\n"),
        (b"index 17\n", b"index 17\n" + (b"A" * 43 + b"=\n") * 64),
    ],
)
def test_other_spellings_are_refused(change: tuple[bytes, bytes], witnessed: tuple[bytes, Policy]) -> None:
    content, policy = witnessed
    assert change[0] in content
    with pytest.raises(NotProven):
        verify_receipt(Receipt.from_bytes(content.replace(*change)), make_leaf(17), policy)
