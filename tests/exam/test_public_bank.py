# SPDX-License-Identifier: Apache-2.0
"""The public bank: an interrupted admission goes on where it was; the page is what the command makes of the record."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from proofhouse.exam import admission
from proofhouse.exam._records import BadRecord
from proofhouse.exam.admission import admit_missing
from proofhouse.exam.bank_cli import bank
from proofhouse.exam.grader import Grader
from proofhouse.exam.public_bank import PUBLIC_KEY, bank_page, public_items, public_plan
from proofhouse.exam.register import Admission, Register

DOCS = Path(__file__).parents[2] / "docs"
RECORD, PAGE = DOCS / "bank.json", DOCS / "bank.md"
ITEMS = public_items()[:5]


class Interrupted(Exception):
    """The run was ended from outside."""


def known(item, **findings):
    return Admission(item.id, item.family, item.version, item.level, **findings)


@pytest.fixture
def gate(monkeypatch):
    """The gate's place is taken by one that admits all, and counts: what is tried here is the order of work."""
    seen = []

    def admit(items, grader, log_dir, on_step=None, **settings):
        if len(seen) == 1 and settings.get("interrupt"):
            raise Interrupted
        seen.append([item.id for item in items])
        return [known(item) for item in items]

    monkeypatch.setattr(admission, "admit", admit)
    monkeypatch.setattr(admission, "BATCH", 2)
    return seen


def test_an_interrupted_admission_goes_on_where_it_was(gate, tmp_path):
    path = tmp_path / "bank.json"
    with pytest.raises(Interrupted):
        admit_missing(ITEMS, Register(path), Grader(tmp_path), tmp_path, interrupt=True)
    assert list(Register.open(path).known) == [item.id for item in ITEMS[:2]]
    found = admit_missing(ITEMS, Register.open(path), Grader(tmp_path), tmp_path)
    assert [each.item for each in found] == [item.id for item in ITEMS]
    assert sorted(item for batch in gate for item in batch) == sorted(item.id for item in ITEMS)


def test_what_the_bank_has_no_more_is_forgotten(gate, tmp_path):
    register = Register(tmp_path / "bank.json")
    register.keep([known(item) for item in ITEMS], ITEMS)
    admit_missing(ITEMS[1:], register, Grader(tmp_path), tmp_path)
    assert ITEMS[0].id not in Register.open(register.path).known
    assert gate == []


def test_a_finding_survives_the_file(tmp_path):
    register = Register(tmp_path / "bank.json", "ab" * 32)
    findings = [
        known(ITEMS[0], fuzzed="pass", fuzz_s=12.5),
        known(ITEMS[1], rejected=["null passes"], fuzzed="fail"),
    ]
    register.keep(findings, ITEMS)
    assert list(Register.open(register.path).known.values()) == findings


@pytest.mark.parametrize("spoil", [lambda r: r.pop("items"), lambda r: r["items"][0].pop("level")])
def test_a_spoilt_record_is_refused(tmp_path, spoil):
    register = Register(tmp_path / "bank.json")
    register.keep([known(ITEMS[0])], ITEMS)
    record = json.loads(register.path.read_text())
    spoil(record)
    register.path.write_text(json.dumps(record))
    with pytest.raises(BadRecord):
        Register.open(register.path)


def test_the_page_lists_rejects_with_their_reason_and_tags_what_a_fuzzer_solves(tmp_path):
    register = Register(tmp_path / "bank.json")
    register.keep(
        [known(ITEMS[0], fuzzed="pass", fuzz_s=3.2), known(ITEMS[1], rejected=["corpus passes"])], ITEMS
    )
    page = bank_page(register)
    assert f"- `{ITEMS[0].id}`: 3.2 s" in page
    assert f"- `{ITEMS[1].id}`: corpus passes" in page
    assert "**1 of 2 items admitted" in page


def test_the_public_bank_is_large_and_begins_with_a_cross_section():
    items = public_items()
    assert len(items) >= 200
    assert len({item.id for item in items}) == len(items)
    families = {block.family for block in public_plan().blocks}
    assert len(families) >= 10
    first = items[: len(public_plan().blocks)]
    assert {item.family for item in first} == families


def test_one_asks_for_the_public_bank_or_for_a_plan(tmp_path):
    arguments = ["admit", "--out", str(tmp_path / "a.json"), "--logs", str(tmp_path)]
    assert CliRunner().invoke(bank, arguments).exit_code == 2
    assert CliRunner().invoke(bank, [*arguments, "--public", "--bank-key", "k"]).exit_code == 2


@pytest.mark.skipif(not RECORD.exists(), reason="the public bank was not admitted yet")
def test_the_page_in_docs_is_what_the_command_makes_of_the_record(tmp_path):
    made = tmp_path / "bank.md"
    done = CliRunner().invoke(bank, ["page", str(RECORD), "--out", str(made)])
    assert done.exit_code == 0, done.output
    assert made.read_text() == PAGE.read_text()
    by_id = {item.id for item in public_items()}
    assert set(Register.open(RECORD).known) <= by_id
    assert bytes(32) == PUBLIC_KEY
