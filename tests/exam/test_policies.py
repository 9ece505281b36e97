# SPDX-License-Identifier: Apache-2.0
"""Each policy comes to what it must, on one real item, through Inspect and the sandbox."""

import pytest
from inspect_ai import eval as inspect_eval
from inspect_ai.model import get_model

import proofhouse.exam._registry  # noqa: F401 - registers policies and sandbox
from proofhouse.exam.families.mem_poc import MEM_POC
from proofhouse.exam.grader import Grader
from proofhouse.exam.outcome import Outcome
from proofhouse.exam.policies import TRICKS, PolicyAPI
from proofhouse.exam.public import TASKS
from proofhouse.exam.session import open_session
from proofhouse.exam.task import sealed_exam

pytestmark = pytest.mark.sandbox

ITEM = MEM_POC.generate(bytes(range(32)), 1)


@pytest.fixture(scope="module")
def grader(tmp_path_factory):
    made = Grader(tmp_path_factory.mktemp("builds"))
    made.prepare([ITEM])
    return made


def come_to(policy, grader, tmp_path, **arguments):
    with open_session([ITEM], grader) as session:
        [log] = inspect_eval(
            sealed_exam(session.id),
            model=get_model(policy, **arguments),
            display="none",
            log_dir=str(tmp_path),
            ctl_server=False,
            fail_on_error=False,
        )
        assert log.status == "success"
        return session.grades[ITEM.id]


@pytest.mark.parametrize(
    ("policy", "outcome"),
    [
        ("reference", Outcome.PASS),
        ("null", Outcome.FAIL),
        ("random", Outcome.FAIL),
        ("wrongseed", Outcome.FAIL),
        ("corpus", Outcome.FAIL),
        ("refuser", Outcome.REFUSED),
        ("sandbagger", Outcome.FAIL),
        ("theta:20", Outcome.PASS),
        ("theta:-20", Outcome.FAIL),
        ("killer", Outcome.FAIL),
    ],
)
def test_a_policy_comes_to_what_it_must(policy, outcome, grader, tmp_path):
    assert come_to(f"policy/{policy}", grader, tmp_path).outcome is outcome


@pytest.mark.parametrize("trick", TRICKS)
def test_no_trick_passes(trick, grader, tmp_path):
    grade = come_to("policy/cheater", grader, tmp_path, trick=trick)
    assert grade.outcome in {Outcome.FAIL, Outcome.CHEATED, Outcome.INVALID}, grade.reason
    assert (grade.outcome is Outcome.CHEATED) == (trick == "forge")


def test_an_unknown_policy_or_trick_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"known: .*theta:X"):
        PolicyAPI("nobody")
    with pytest.raises(ValueError, match=r"known: .*fork-bomb"):
        PolicyAPI("cheater", trick="magic")


def test_a_family_can_be_practised_by_its_own_task(tmp_path):
    [log] = inspect_eval(
        TASKS["mem.poc"](items=2, level=0, hint=3),
        model="policy/reference",
        display="none",
        log_dir=str(tmp_path),
        ctl_server=False,
    )
    assert log.status == "success"
    assert log.results.scores[0].metrics["pass_rate"].value == 1.0
    assert "Hint: the error is committed in the function" in log.samples[0].input
