# SPDX-License-Identifier: Apache-2.0
"""Where bytes are kept: with the act that stores them while they are few, and whole in any case."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proofhouse.attest import sha256_hex
from proofhouse.server.engine import blobs
from proofhouse.server.engine.acts import one_transaction
from proofhouse.server.engine.blobs import ROW_BYTES, get_blob, put_blob
from proofhouse.server.engine.models import Blob
from proofhouse.server.house import House

pytestmark = pytest.mark.django_db


def files(house: House) -> set[str]:
    return {path.name for path in (house.blobs / "sha256").rglob("*") if path.is_file()}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=300))
def test_bytes_come_back_however_they_were_stored(house: House, content: bytes) -> None:
    with one_transaction("store"):
        inside = put_blob(content)
    assert get_blob(inside) == content
    assert put_blob(content) == inside == sha256_hex(content)
    assert get_blob(inside) == content


def test_what_an_act_stores_is_there_only_if_the_act_is(house: House) -> None:
    def fails() -> None:
        with one_transaction("store"):
            assert get_blob(put_blob(b"few")) == b"few", "the act itself reads it"
            raise RuntimeError("it fails")

    with pytest.raises(RuntimeError, match="it fails"):
        fails()
    with pytest.raises(FileNotFoundError):
        get_blob(sha256_hex(b"few"))
    assert not files(house)


@pytest.mark.parametrize(("length", "row"), [(0, True), (ROW_BYTES, True), (ROW_BYTES + 1, False)])
def test_few_bytes_are_a_row_and_many_a_file(house: House, length: int, row: bool) -> None:
    with one_transaction("store"):
        digest = put_blob(bytes(length))
    assert Blob.objects.filter(sha256=digest).exists() is row
    assert files(house) == (set() if row else {digest})
    assert get_blob(digest) == bytes(length)


def test_outside_an_act_bytes_are_a_file_and_an_act_stores_them_no_second_time(house: House) -> None:
    digest = put_blob(b"left by a job")
    assert files(house) == {digest}
    with one_transaction("store"):
        assert put_blob(b"left by a job") == digest
    assert not Blob.objects.exists()


def test_a_row_that_was_altered_is_not_handed_out(house: House) -> None:
    with one_transaction("store"):
        digest = put_blob(b"as it came")
    Blob.objects.filter(sha256=digest).update(content=b"otherwise")
    with pytest.raises(ValueError, match="altered"):
        get_blob(digest)


def test_a_name_that_is_no_digest_reaches_no_file(house: House) -> None:
    for name in ("../house.toml", "A" * 64, ""):
        with pytest.raises(ValueError, match="not a SHA-256"):
            blobs.get_blob(name)
