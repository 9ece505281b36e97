# SPDX-License-Identifier: Apache-2.0
"""Leaves, commitments, openings, and the search for everything of one case."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.makers import LOG_KEY, make_leaves, open_log
from proofhouse.attest import NotCanonical, canonical
from proofhouse.ledger import (
    BrokenLog,
    Leaf,
    Malformed,
    NotProven,
    Opening,
    Policy,
    commit,
    inspection_tag,
    leaf,
    new_key,
    open_fields,
    scan,
)

KEY, INSPECTOR = bytes(range(32)), bytes(range(32, 64))
RECORD = {
    "criteria_sha256": "ab" * 32,
    "model": "m-1",
    "slot": 3,
    "score": 0.25,
    "notes": None,
    "ö": ["x", {}],
}

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
records = st.dictionaries(st.text(max_size=12), values, min_size=1, max_size=9)


def by_hand(record: dict[str, Any], key: bytes) -> bytes:
    """The commitment as docs/spec/ledger.md describes it, written a second time."""
    row = []
    for name in sorted(record, key=lambda text: text.encode()):
        salt = hmac.new(key, name.encode(), hashlib.sha256).digest()
        row.append(hashlib.sha256(b"\x00CHv1" + salt + canonical([name, record[name]])).digest())

    def mth(hashes: list[bytes]) -> bytes:
        if len(hashes) == 1:
            return hashes[0]
        k = 1
        while k * 2 < len(hashes):
            k *= 2
        return hashlib.sha256(b"\x01" + mth(hashes[:k]) + mth(hashes[k:])).digest()

    return mth(row)


@given(records, st.binary(min_size=32, max_size=32), st.data())
@settings(max_examples=120, deadline=None)
def test_any_fields_of_any_record_open_and_nothing_else_is_shown(
    record: dict[str, Any], key: bytes, data: st.DataObject
) -> None:
    made = leaf("run.result", "case-1", record, key, INSPECTOR)
    assert made.commitment == by_hand(record, key)
    names = data.draw(st.sets(st.sampled_from(sorted(record))))
    opening = Opening.from_record(json.loads(json.dumps(open_fields(record, key, names).to_record())))
    assert opening.verify(made) == {name: record[name] for name in names}
    assert opening.complete == (len(names) == len(record))
    assert open_fields(record, key).verify(made) == record


@given(records, records, st.data())
@settings(max_examples=80, deadline=None)
def test_another_value_name_or_place_does_not_open(
    record: dict[str, Any], other: dict[str, Any], data: st.DataObject
) -> None:
    made = leaf("run.result", "case-1", record, KEY, INSPECTOR)
    opening = open_fields(record, KEY)
    place = data.draw(st.integers(0, len(record) - 1))
    field = opening.fields[place]
    changes: list[dict[str, Any]] = [
        {"value": [field.value]},
        {"name": field.name + "x"},
        {"salt": bytes(32)},
        {"index": field.index + 1},
        {"path": (*field.path, bytes(32))},
    ]
    for change in changes:
        spoilt = replace(opening, fields=(replace(field, **change),))
        with pytest.raises(NotProven):
            spoilt.verify(made)
    if canonical(other) != canonical(record):
        with pytest.raises(NotProven):
            open_fields(other, KEY).verify(made)


def test_an_opening_never_shows_a_field_twice_and_never_claims_more_than_it_has() -> None:
    made = leaf("a", "b", RECORD, KEY, INSPECTOR)
    opening = open_fields(RECORD, KEY, ["model"])
    with pytest.raises(NotProven, match="twice"):
        replace(opening, fields=opening.fields * 2).verify(made)
    with pytest.raises(NotProven):
        replace(opening, size=1).verify(made)
    with pytest.raises(KeyError):
        open_fields(RECORD, KEY, ["unknown"])


def test_a_leaf_hides_what_an_equal_record_with_another_key_says() -> None:
    assert commit(RECORD, KEY) == commit(dict(reversed(RECORD.items())), KEY)
    assert commit(RECORD, KEY).root != commit(RECORD, new_key()).root


def test_the_tag_is_bound_to_key_kind_and_case() -> None:
    tag = inspection_tag(INSPECTOR, "criteria.commit", "case-1")
    assert tag == hmac.new(INSPECTOR, b"criteria.commit\0case-1", hashlib.sha256).digest()[:16]
    others = [(KEY, "criteria.commit", "case-1"), (INSPECTOR, "criteria.open", "case-1")]
    assert tag not in {
        inspection_tag(*other) for other in [*others, (INSPECTOR, "criteria.commit", "case-2")]
    }
    with pytest.raises(ValueError, match="NUL"):
        inspection_tag(INSPECTOR, "a\0b", "c")


@pytest.mark.parametrize(
    ("record", "key", "error"),
    [
        ({}, KEY, ValueError),
        (RECORD, KEY[:31], ValueError),
        ({"a": float("nan")}, KEY, NotCanonical),
        ({"a": 2**60}, KEY, NotCanonical),
        ({"a": object()}, KEY, NotCanonical),
    ],
)
def test_what_cannot_be_committed_is_refused(
    record: dict[str, Any], key: bytes, error: type[Exception]
) -> None:
    with pytest.raises(error):
        commit(record, key)


def test_a_leaf_is_fifty_bytes_of_one_version() -> None:
    made = leaf("a", "b", RECORD, KEY, INSPECTOR)
    content = bytes(made)
    assert (len(content), content[:2], Leaf.from_bytes(content)) == (50, b"\x01\x00", made)
    for wrong in (b"", content[:-1], content + b"\0", b"\x02" + content[1:], b"\x01\x01" + content[2:]):
        with pytest.raises(Malformed):
            Leaf.from_bytes(wrong)


@pytest.mark.parametrize(
    "record",
    [
        None,
        {},
        {"size": 1},
        {"size": "1", "fields": []},
        {"size": 1, "fields": [{}]},
        {"size": 1, "fields": [7]},
    ],
)
def test_what_is_no_opening_is_refused(record: Any) -> None:
    with pytest.raises(Malformed):
        Opening.from_record(record)


def test_an_inspector_finds_every_commitment_of_a_case_and_only_those(tmp_path: Path) -> None:
    wanted = [
        leaf("criteria.commit", "case-1", {"set": number}, new_key(), INSPECTOR) for number in range(20)
    ]
    others = [leaf("criteria.commit", "case-2", {"set": 0}, new_key(), INSPECTOR)]
    others += [leaf("criteria.open", "case-1", {"set": 0}, new_key(), INSPECTOR)]
    others += [leaf("criteria.commit", "case-1", {"set": 0}, new_key(), KEY)]
    with open_log(tmp_path) as log:
        for number, one in enumerate(wanted):
            log.append([*make_leaves(number * 30, number * 30 + 30), one])
        log.append(others)
    policy = Policy.require(LOG_KEY)
    found = scan(tmp_path, INSPECTOR, "criteria.commit", "case-1", policy=policy)
    assert [entry for _, entry in found] == wanted
    assert [index for index, _ in found] == [31 * number + 30 for number in range(20)]
    assert scan(tmp_path, INSPECTOR, "criteria.commit", "case-3") == []
    bundle = tmp_path / "tile/entries/000"
    bundle.write_bytes(bundle.read_bytes().replace(bytes(wanted[2]), bytes(others[0])))
    with pytest.raises(BrokenLog):
        scan(tmp_path, INSPECTOR, "criteria.commit", "case-1", policy=policy)
