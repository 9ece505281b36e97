# SPDX-License-Identifier: Apache-2.0
"""Claims about letters as a file: whole or refused, with one message that says what is wrong with it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from letters.correspondents import Correspondents
from proofhouse.letters import Batch, BatchRefused, Limits, read_batch, write_batch


@pytest.fixture
def batch(houses: Correspondents) -> Batch:
    letters = [houses.letter("report"), *(houses.letter(sequence=number) for number in range(2, 6))]
    made_at = "2026-11-24T09:30:00.000000Z"
    return Batch("lab", "office", made_at, tuple(letters))


@pytest.fixture
def file(batch: Batch, tmp_path: Path) -> Path:
    write_batch(tmp_path / "lab.letters", batch)
    return tmp_path / "lab.letters"


def refusal(file: Path, content: bytes) -> str:
    file.write_bytes(content)
    with pytest.raises(BatchRefused) as refused:
        read_batch(file)
    assert str(refused.value).startswith(file.name)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_letters_survive_the_air_gap(batch: Batch, file: Path) -> None:
    assert read_batch(file) == batch
    assert [path.name for path in file.parent.iterdir()] == ["lab.letters"], "no partial file stays"
    write_batch(file, batch)
    assert read_batch(file) == batch


def test_an_empty_batch_is_a_batch(batch: Batch, tmp_path: Path) -> None:
    empty = Batch(batch.sender, batch.recipient, batch.made_at, ())
    write_batch(tmp_path / "none.letters", empty)
    assert read_batch(tmp_path / "none.letters") == empty


def test_a_file_that_was_cut_short_names_the_first_letter_that_is_not_whole(batch: Batch, file: Path) -> None:
    whole = file.read_bytes()
    ends = [position + 1 for position, byte in enumerate(whole) if byte == 10]
    third = batch.letters[2].id
    assert f"cut short: line 4 of 6, letter {third}, is missing" in refusal(file, whole[: ends[2]])
    assert f"cut short: line 4 of 6, letter {third}, is not complete" in refusal(file, whole[: ends[2] + 99])
    for length in range(0, len(whole), 211):
        refusal(file, whole[:length])


def test_a_file_with_one_changed_byte_is_refused_whichever_it_is(file: Path) -> None:
    whole = file.read_bytes()
    chance = random.Random(14409)
    for position in chance.sample(range(len(whole)), 80):
        changed = bytearray(whole)
        changed[position] ^= 1
        file.write_bytes(changed)
        try:
            read = read_batch(file)
        except BatchRefused:
            continue
        assert position < whole.index(b"\n"), "who made the file, and when, is not signed; the letters say it"
        assert len(read.letters) == 5


def test_letters_in_another_order_or_from_another_file_are_refused(batch: Batch, file: Path) -> None:
    head, *letters = file.read_bytes().splitlines(keepends=True)
    assert f"line 2 holds letter {batch.letters[1].id}, not {batch.letters[0].id}" in refusal(
        file, b"".join([head, letters[1], letters[0], *letters[2:]])
    )
    assert "goes on after its last letter" in refusal(file, b"".join([head, *letters, letters[0]]))


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"[]\n", b"{}\n", b"\xff" * 50, b"not a batch\n", b"[" * 5000]
)
def test_what_is_no_batch_says_so(file: Path, content: bytes) -> None:
    assert "is no batch of letters" in refusal(file, content)


def test_a_link_and_a_letter_over_the_limit_are_refused(file: Path) -> None:
    link = file.with_name("link.letters")
    link.symlink_to(file)
    with pytest.raises(BatchRefused, match=r"link\.letters is not a regular file"):
        read_batch(link)
    with pytest.raises(BatchRefused, match="line 2"):
        read_batch(file, Limits(letter_bytes=500))


def test_what_a_killed_process_left_beside_a_batch_goes_with_the_next(batch: Batch, tmp_path: Path) -> None:
    (tmp_path / ".lab.letters.partial").write_bytes(b"half of it")
    write_batch(tmp_path / "lab.letters", batch)
    assert [file.name for file in tmp_path.iterdir()] == ["lab.letters"]
