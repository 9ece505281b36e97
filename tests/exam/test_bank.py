# SPDX-License-Identifier: Apache-2.0
import copy
import hashlib
import hmac
import json
import stat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofhouse.exam._merkle import merkle_root
from proofhouse.exam._records import BadRecord
from proofhouse.exam.bank import (
    Bank,
    BankKeyProblem,
    SealBroken,
    load_bank_key,
    open_reveal,
    open_seal,
)
from proofhouse.exam.plan import Budget, Plan, make_plan
from proofhouse.exam.verdict import Rule

KEY = bytes(range(32))
PLAN = make_plan(7)


def test_a_seal_opens_with_its_key_and_plan():
    bank = Bank(KEY, PLAN)
    opened = open_seal(json.loads(json.dumps(bank.seal_record())), KEY, PLAN)
    assert opened.items == bank.items
    assert opened.root == bank.root


def test_an_outsider_opens_the_seal_from_the_reveal_alone():
    bank = Bank(KEY, PLAN)
    assert open_reveal(bank.seal_record(), json.loads(json.dumps(bank.reveal_record()))).items == bank.items


def test_commitments_follow_the_written_formula():
    """docs/spec/exam-report.md §2, by code of its own."""
    bank = Bank(KEY, PLAN)
    for place, item, commitment in zip(PLAN.items, bank.items, bank.commitments, strict=True):
        tail = f"{place.family}\0{place.level}\0{place.index}".encode()
        seed, salt = (
            hmac.digest(KEY, b"proofhouse/" + purpose + b"\0" + tail, "sha256")
            for purpose in (b"item-seed", b"item-salt")
        )
        start = f"proofhouse/item-seed-commitment\0{item.family}\0{item.version}\0{item.level}\0".encode()
        seed_commitment = hashlib.sha256(start + seed).hexdigest()
        assert item.id == f"mem.poc-L{item.level}-{seed_commitment[:12]}"

        def digests(files):
            return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}

        record = {
            "id": item.id,
            "family": "mem.poc",
            "version": "2",
            "level": item.level,
            "seed_commitment_sha256": seed_commitment,
            "prompts": list(item.prompts),
            "agent_files": digests(item.agent_files),
            "hidden_files": digests(item.hidden_files),
            "solution_sha256": hashlib.sha256(item.solution).hexdigest(),
            "facts": item.facts,
            "network": {"hosts": [], "links": []},
            "artefact_bytes": 4096,
            "metadata": item.metadata,
        }
        text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert commitment == hashlib.sha256(salt + text.encode()).hexdigest()


def test_the_seal_does_not_show_the_key_or_any_item():
    bank = Bank(KEY, PLAN)
    text = json.dumps(bank.seal_record())
    assert KEY.hex() not in text
    assert not any(item.id in text or item.seed_commitment in text for item in bank.items)


def test_another_key_is_refused():
    with pytest.raises(SealBroken, match="item 0"):
        open_seal(Bank(KEY, PLAN).seal_record(), bytes(32), PLAN)


@pytest.mark.parametrize(
    "plan", [make_plan(8), make_plan(7, budget=Budget(tokens=1)), make_plan(7, rule=Rule(threshold=0.5))]
)
def test_another_plan_is_refused(plan):
    with pytest.raises(SealBroken, match="plan"):
        open_seal(Bank(KEY, PLAN).seal_record(), KEY, plan)


def _changed(record, path, value):
    changed = copy.deepcopy(record)
    *parents, last = path
    place = changed
    for step in parents:
        place = place[step]
    place[last] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("rule", "threshold"), 0.25, "rule"),
        (("rule_sha256",), "00" * 32, "rule"),
        (("grader_sha256",), "00" * 32, "grader"),
        (("commitments_sha256", 3), "00" * 32, "item 3"),
        (("commitments_sha256",), [], "item 0"),
        (("commitments_sha256",), None, "item 0"),
        (("bank_root_sha256",), "00" * 32, "root"),
        (("items",), 6, "counts 6 items"),
    ],
)
def test_a_changed_seal_is_refused_and_the_difference_named(path, value, says):
    seal = Bank(KEY, PLAN).seal_record()
    with pytest.raises(SealBroken, match=says):
        open_seal(_changed(seal, path, value), KEY, PLAN)


def test_a_commitment_too_many_is_refused():
    seal = Bank(KEY, PLAN).seal_record()
    seal["commitments_sha256"].append("00" * 32)
    with pytest.raises(SealBroken, match="8 commitments"):
        open_seal(seal, KEY, PLAN)


def test_a_malformed_seal_or_reveal_is_refused_by_field():
    seal = Bank(KEY, PLAN).seal_record()
    reveal = Bank(KEY, PLAN).reveal_record()
    with pytest.raises(BadRecord, match="missing bank_root_sha256"):
        open_seal({name: value for name, value in seal.items() if name != "bank_root_sha256"}, KEY, PLAN)
    with pytest.raises(BadRecord, match=r"seal\.format"):
        open_seal({**seal, "format": "other"}, KEY, PLAN)
    for key in ("%%%", "AAAA", 7):
        with pytest.raises(BadRecord, match="bank_key"):
            open_reveal(seal, {**reveal, "bank_key": key})


def test_items_of_one_bank_are_all_different_and_in_the_order_of_the_plan():
    items = Bank(KEY, make_plan(30)).items
    assert len({item.id for item in items}) == 30
    assert [item.level for item in items] == sorted(item.level for item in items)


def test_a_bank_key_file_is_made_for_its_owner_only_and_read_again(tmp_path):
    path = tmp_path / "custody" / "bank.key"
    key = load_bank_key(path, create=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_bank_key(path) == key
    path.chmod(0o644)
    with pytest.raises(BankKeyProblem, match="chmod 600"):
        load_bank_key(path)


@pytest.mark.parametrize("text", ["", "zz", "00" * 31])
def test_a_malformed_bank_key_is_refused(tmp_path, text):
    path = tmp_path / "bank.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(BankKeyProblem, match="64 hexadecimal digits"):
        load_bank_key(path)
    with pytest.raises(BankKeyProblem, match="No such file"):
        load_bank_key(tmp_path / "missing.key")


def _naive_root(leaves):
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\1" + _naive_root(leaves[:split]) + _naive_root(leaves[split:])).digest()


@settings(deadline=None, max_examples=60)
@given(st.lists(st.binary(min_size=32, max_size=32), max_size=40))
def test_the_root_is_that_of_rfc_6962(leaves):
    assert merkle_root([leaf.hex() for leaf in leaves]) == _naive_root(leaves).hex()


def test_a_plan_survives_its_json_form():
    assert Plan.from_record(json.loads(json.dumps(PLAN.to_record()))) == PLAN


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("format",), "x", "format"),
        (("extra",), 1, "unknown extra"),
        (("blocks",), [], "at least one item"),
        (("blocks",), "x", "blocks: expected a list"),
        (("blocks", 0, "family"), "mem.none", "no task family"),
        (("blocks", 0, "version"), "0", "version 0"),
        (("blocks", 0, "level"), 6, "no level 6"),
        (("blocks", 0, "level"), 1, "overlap"),
        (("blocks", 0, "count"), 0, r"blocks\.count"),
        (("blocks", 0, "count"), True, r"blocks\.count"),
        (("budget", "tokens"), "many", r"budget\.tokens"),
        (("ability", "difficulty"), [0], "no difficulty for level"),
        (("ability", "difficulty"), [], "ability.difficulty"),
        (("ability", "prior_sd"), 0.5, "prior_sd"),
        (("rule", "exceeds_at"), 0.01, "below_at < exceeds_at"),
        (("rule", "below_at"), float("nan"), "below_at"),
        (("rule",), None, "rule: expected an object"),
    ],
)
def test_a_bad_plan_is_refused_by_field(path, value, says):
    with pytest.raises(BadRecord, match=says):
        Plan.from_record(_changed(PLAN.to_record(), path, value))


def test_an_unreadable_plan_file_is_one_clear_error(tmp_path):
    (tmp_path / "plan.json").write_text("{")
    with pytest.raises(BadRecord, match="not JSON"):
        Plan.load(tmp_path / "plan.json")
    with pytest.raises(BadRecord, match="No such file"):
        Plan.load(tmp_path / "none.json")
