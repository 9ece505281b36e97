# SPDX-License-Identifier: Apache-2.0
import itertools
import json
import stat

import pytest
from click.testing import CliRunner

from proofhouse.exam._records import BadRecord
from proofhouse.exam.cli import cli
from proofhouse.exam.custody import (
    CustodyProblem,
    Holder,
    join_key,
    key_commitment,
    make_holder,
    open_share,
    split_key,
)

KEY = bytes(range(32))


@pytest.fixture
def holders(tmp_path):
    return [make_holder(name, tmp_path / f"{name}.pem") for name in ("ada", "ben", "cy")]


@pytest.fixture
def words(tmp_path, holders):
    shares = split_key(KEY, holders, 2)
    return [
        open_share(share, tmp_path / f"{holder.name}.pem")
        for share, holder in zip(shares, holders, strict=True)
    ]


def test_any_two_of_three_open_the_bank_and_one_does_not(words):
    for pair in itertools.permutations(words, 2):
        assert join_key(pair, key_commitment(KEY)) == KEY
    with pytest.raises(CustodyProblem, match="do not make a key"):
        join_key(words[:1], key_commitment(KEY))


def test_a_share_opens_for_its_holder_only(tmp_path, holders):
    share = split_key(KEY, holders, 2)[0]
    with pytest.raises(CustodyProblem, match="not sealed to"):
        open_share(share, tmp_path / "ben.pem")


def test_a_share_cannot_be_passed_off_as_anothers(tmp_path, holders):
    share = split_key(KEY, holders, 2)[0]
    for name, value in (("holder", "mallory"), ("key_commitment_sha256", "00" * 32)):
        with pytest.raises(CustodyProblem, match="not sealed to"):
            open_share({**share, name: value}, tmp_path / "ada.pem")


def test_shares_of_two_splits_do_not_mix(tmp_path, holders, words):
    other = [
        open_share(share, tmp_path / f"{h.name}.pem")
        for share, h in zip(split_key(KEY, holders, 2), holders, strict=True)
    ]
    with pytest.raises(CustodyProblem):
        join_key([words[0], other[1]], key_commitment(KEY))


def test_a_damaged_share_is_noticed(words):
    broken = words[0].rsplit(" ", 1)[0] + " academic"
    with pytest.raises(CustodyProblem):
        join_key([broken, words[1]], key_commitment(KEY))


def test_another_key_is_noticed(words):
    with pytest.raises(CustodyProblem, match="another key"):
        join_key(words[:2], key_commitment(bytes(32)))


@pytest.mark.parametrize("threshold", [0, 1, 4])
def test_a_threshold_that_protects_nothing_or_never_opens_is_refused(holders, threshold):
    with pytest.raises(CustodyProblem):
        split_key(KEY, holders, threshold)


def test_two_holders_of_one_name_are_refused(holders):
    with pytest.raises(CustodyProblem, match="same name"):
        split_key(KEY, [holders[0], holders[0]], 2)


@pytest.mark.parametrize("record", [[], {}, {"format": "x", "holder": "a", "x25519": "AA=="}])
def test_what_is_no_holder_is_refused(record):
    with pytest.raises(BadRecord):
        Holder.from_record(record)


def test_from_key_to_shares_to_key_on_the_command_line(tmp_path):
    def call(*arguments):
        done = CliRunner().invoke(cli, ["custody", *map(str, arguments)])
        assert done.exit_code == 0, done.output

    (tmp_path / "bank.key").write_text(KEY.hex())
    (tmp_path / "bank.key").chmod(0o600)
    for name in ("ada", "ben", "cy"):
        call("make-holder", name, "--key", tmp_path / f"{name}.pem", "--out", tmp_path / f"{name}.json")
        assert stat.S_IMODE((tmp_path / f"{name}.pem").stat().st_mode) == 0o600
    records = [part for name in ("ada", "ben", "cy") for part in ("--holder", tmp_path / f"{name}.json")]
    call(
        "split", "--bank-key", tmp_path / "bank.key", *records, "--threshold", 2, "--out", tmp_path / "shares"
    )
    assert KEY.hex() not in "".join(path.read_text() for path in (tmp_path / "shares").iterdir())
    opened = []
    for name in ("ben", "cy"):
        opened.append(tmp_path / f"{name}.words")
        share = tmp_path / "shares" / f"{name}.share.json"
        call("unseal", share, "--key", tmp_path / f"{name}.pem", "--out", opened[-1])
    call("join", *opened, "--record", tmp_path / "shares" / "ada.share.json", "--out", tmp_path / "again.key")
    assert (tmp_path / "again.key").read_text().strip() == KEY.hex()
    share = json.loads((tmp_path / "shares" / "ada.share.json").read_text())
    assert share["key_commitment_sha256"] == key_commitment(KEY)
