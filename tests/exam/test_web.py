# SPDX-License-Identifier: Apache-2.0
"""Web weaknesses: the application runs on a host of its own, and only its secret of this run counts."""

import ast
import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exam.families_common import come_to
from exam.stage_play import evidence_of, grade_of
from proofhouse.exam.bench import Bench
from proofhouse.exam.families.web import FIXED, SOURCE, WEB, WEB_SQLI, WEB_SSRF
from proofhouse.exam.grader import Grader
from proofhouse.exam.item import Evidence, Nonces
from proofhouse.exam.outcome import Outcome

SEEDS = st.binary(min_size=32, max_size=32)
EVERY = [(family, level) for family in WEB for level in family.levels]
NAMED = pytest.mark.parametrize(
    ("family", "level"), EVERY, ids=[f"{family.name}-L{level}" for family, level in EVERY]
)
GOLDEN = {
    "web.idor": "e14dc79391791695",
    "web.session": "dd8921d1318b1f2b",
    "web.sqli": "67b281fc30b81576",
    "web.ssrf": "88e0bb943dfe9ec6",
    "web.ssti": "3790c74df30b35b1",
}


def content_of(item):
    files = b"".join(item.hidden_files[name] for name in sorted(item.hidden_files))
    return hashlib.sha256(files + str(item.facts["script"]).encode() + item.prompts[3].encode()).hexdigest()


@pytest.mark.parametrize("family", WEB, ids=[family.name for family in WEB])
def test_an_item_never_changes_within_a_family_version(family):
    contents = [content_of(family.generate(bytes(range(32)), level)) for level in family.levels]
    assert (family.version, hashlib.sha256("".join(contents).encode()).hexdigest()[:16]) == (
        "1",
        GOLDEN[family.name],
    )


@settings(deadline=None, max_examples=40)
@given(SEEDS, st.sampled_from(EVERY))
def test_every_seed_gives_programs_that_parse_and_whose_mended_form_is_another(seed, made):
    family, level = made
    item = family.generate(seed, level)
    assert item == family.generate(seed, level)
    for name, content in item.hidden_files.items():
        ast.parse(content, name)
    assert item.hidden_files[SOURCE] != item.hidden_files[FIXED]
    assert item.metadata["canary"].encode() in b"".join(item.agent_files.values())
    assert "$" not in item.prompts[3]


@settings(deadline=None, max_examples=30)
@given(SEEDS, st.sampled_from(EVERY))
def test_what_the_subject_sees_names_neither_seed_nor_reference_nor_secret(seed, made):
    family, level = made
    item = family.generate(seed, level)
    nonces = Nonces.fresh()
    shown = item.prompts[3].encode() + b"".join(item.agent_files.values()) + repr(item).encode()
    staged = family.stage(item, nonces)
    assert "default" not in staged.files
    assert any(nonces.token("secret").encode() in files.values() for files in staged.files.values())
    last = str(item.facts["script"]).strip().splitlines()[-1]
    for hidden in (nonces.token("secret"), seed.hex(), last):
        assert hidden.encode() not in shown


def test_without_source_the_subject_gets_none():
    for family in WEB:
        assert SOURCE not in family.generate(bytes(32), 3).agent_files


def test_seeds_differ_in_names_routes_and_filters():
    items = [WEB_SQLI.generate(bytes([number]) * 32, 1) for number in range(40)]
    assert len({item.agent_files[SOURCE] for item in items}) == 40
    assert len({item.prompts[1].split("Hint:")[1] for item in items}) == 3


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=300))
def test_no_other_bytes_pass(artefact):
    item = WEB_SQLI.generate(bytes(32), 0)
    grade = WEB_SQLI.judge(item, Evidence(artefact, Nonces(b"x" * 32)), Bench())
    assert (grade.outcome, grade.milestones) == (Outcome.FAIL, ())


@pytest.mark.slow
@pytest.mark.sandbox
@pytest.mark.parametrize("family", WEB, ids=[family.name for family in WEB])
def test_the_reference_brings_this_runs_secret_home_and_none_from_the_mended_application(family):
    item = family.generate(bytes(range(32)), 0)
    assert grade_of(item).outcome is Outcome.PASS
    assert grade_of(family.twin(item)).outcome is Outcome.FAIL


@pytest.mark.slow
@pytest.mark.sandbox
def test_a_secret_of_another_run_fails():
    item = WEB_SQLI.generate(bytes(range(32)), 0)
    told = evidence_of(item, WEB_SQLI.play(item))
    late = Evidence(told.artefact, Nonces.fresh(), told.answer, told.calls)
    assert WEB_SQLI.judge(item, late, Bench()).outcome is Outcome.FAIL


@pytest.mark.slow
@pytest.mark.sandbox
def test_policies_come_to_what_they_must_through_inspect(tmp_path):
    items = [WEB_SSRF.generate(bytes(range(32)), 1)]
    grader = Grader(tmp_path / "builds")
    assert come_to("reference", items, grader, tmp_path)[items[0].id].outcome is Outcome.PASS
    assert come_to("wrongseed", items, grader, tmp_path)[items[0].id].outcome is Outcome.FAIL


@pytest.mark.slow
@pytest.mark.sandbox
@NAMED
def test_at_every_level_the_reference_passes_and_the_mended_application_yields_nothing(family, level):
    for number in range(3):
        item = family.generate(bytes([number + 1]) * 32, level)
        assert grade_of(item).outcome is Outcome.PASS, item.id
        assert grade_of(family.twin(item)).outcome is Outcome.FAIL, item.id


@pytest.mark.slow
@pytest.mark.sandbox
@pytest.mark.timeout(900)
@pytest.mark.parametrize("policy", ["null", "random", "wrongseed", "corpus", "killer", "cheater"])
def test_no_other_policy_passes(policy, tmp_path):
    items = [family.generate(bytes(range(32)), level) for family, level in EVERY]
    grades = come_to(policy, items, Grader(tmp_path / "builds"), tmp_path)
    assert {grade.outcome for grade in grades.values()} <= {Outcome.FAIL, Outcome.INVALID}
