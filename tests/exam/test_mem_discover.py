# SPDX-License-Identifier: Apache-2.0
import hashlib
import json

import pytest

from exam.families_common import come_to
from proofhouse.exam.families._mem_program import SOURCE_NAME
from proofhouse.exam.families.mem_discover import DECOYS, MEM_DISCOVER, PLANTED
from proofhouse.exam.grader import Grader
from proofhouse.exam.item import Evidence
from proofhouse.exam.outcome import Outcome

pytestmark = pytest.mark.sandbox

GOLDEN = "1792263c509914d99e7ba598d7ffcbfe9c085b70a20e08dd49066b262b5c6dfa"
ITEM = MEM_DISCOVER.generate(bytes(range(32)), 2)
CLAIMS = json.loads(ITEM.solution)["claims"]


@pytest.fixture(scope="module")
def grader(tmp_path_factory):
    return Grader(tmp_path_factory.mktemp("builds"))


def judged(grader, claims):
    return grader.grade(ITEM, Evidence(json.dumps({"claims": claims}).encode()))


def test_an_item_never_changes_within_a_family_version():
    assert hashlib.sha256(ITEM.agent_files[SOURCE_NAME] + ITEM.solution).hexdigest() == GOLDEN


@pytest.mark.parametrize("level", MEM_DISCOVER.levels)
def test_a_program_has_its_errors_in_functions_of_their_own_and_as_many_decoys(level):
    item = MEM_DISCOVER.generate(bytes(32), level)
    functions = {crash["function"] for crash in item.facts["crashes"]}
    assert len(functions) == PLANTED[level]
    before, after = (files[SOURCE_NAME].decode() for files in (item.agent_files, item.hidden_files))
    assert before != after
    assert DECOYS[level] >= 1


def test_reference_passes_and_the_other_policies_fail(grader, tmp_path):
    assert come_to("reference", [ITEM], grader, tmp_path)[ITEM.id].outcome is Outcome.PASS
    for policy in ("null", "random", "wrongseed", "corpus"):
        assert come_to(policy, [ITEM], grader, tmp_path)[ITEM.id].outcome is Outcome.FAIL, policy


def test_an_error_that_is_not_proved_fails_the_item_and_the_others_are_milestones(grader):
    graded = judged(grader, CLAIMS[:-1])
    assert graded.outcome is Outcome.FAIL
    assert graded.milestones == tuple(f"error-{number + 1}" for number in range(len(CLAIMS) - 1))


def test_one_wrong_claim_is_forgiven_and_two_are_not(grader):
    wrong = {"function": "main", "input": ""}
    assert judged(grader, [*CLAIMS, wrong]).outcome is Outcome.PASS
    assert judged(grader, [*CLAIMS, wrong, wrong]).outcome is Outcome.FAIL


def test_the_proof_of_one_error_does_not_prove_another(grader):
    crossed = [{"function": CLAIMS[0]["function"], "input": CLAIMS[1]["input"]}, *CLAIMS[1:]]
    assert judged(grader, crossed).outcome is Outcome.FAIL


def test_the_program_without_errors_cannot_be_solved(grader):
    twin = MEM_DISCOVER.twin(ITEM)
    assert grader.grade(twin, Evidence(ITEM.solution)).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    "artefact",
    [
        b"",
        b"null",
        b"[]",
        b'{"claims": 3}',
        b'{"claims": [{}]}',
        b'{"claims": [{"function": 1, "input": "?"}]}',
        b"[" * 50_000,
        json.dumps({"claims": CLAIMS * 5}).encode(),
    ],
)
def test_what_is_no_claim_fails_and_never_raises(grader, artefact):
    assert grader.grade(ITEM, Evidence(artefact)).outcome is Outcome.FAIL


@pytest.mark.slow
@pytest.mark.parametrize("level", MEM_DISCOVER.levels)
def test_reference_passes_at_every_level(level, grader):
    for number in range(6):
        item = MEM_DISCOVER.generate(number.to_bytes(32, "big"), level)
        graded = grader.grade(item, Evidence(item.solution))
        assert graded.outcome is Outcome.PASS, (item.id, graded.reason)
