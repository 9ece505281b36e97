# SPDX-License-Identifier: Apache-2.0
"""The admission gate admits a good item and rejects each kind of bad one with its reason."""

from dataclasses import replace

import pytest

from proofhouse.exam.admission import Gate, admit
from proofhouse.exam.families import FAMILIES
from proofhouse.exam.families.mem_poc import MEM_POC, SOURCE_NAME, MemPoc
from proofhouse.exam.grader import Grader

pytestmark = pytest.mark.sandbox

GOOD = MEM_POC.generate(bytes(range(32)), 1)


@pytest.fixture(scope="module")
def grader(tmp_path_factory):
    return Grader(tmp_path_factory.mktemp("builds"))


def test_a_good_item_is_admitted_and_its_fuzz_baseline_written_down(grader, tmp_path):
    steps = []
    [found] = admit(
        [GOOD],
        grader,
        tmp_path,
        lambda name, number, total: steps.append(name),
        fuzz_runs=100_000,
        tricks=("forge", "symlink"),
    )
    assert found.rejected == []
    assert found.fuzzed in {"pass", "fail"}
    assert "impossible twins" in steps
    assert found.to_record()["admitted"] is True


def run(gate, *names):
    for name, do in gate.steps():
        if name.startswith(names):
            do()
    return next(iter(gate.admissions.values())).rejected


def test_an_item_whose_reference_is_wrong_is_rejected(grader, tmp_path):
    gate = Gate([replace(GOOD, solution=b"wrong")], grader, tmp_path)
    [reason] = run(gate, "builds", "reference, run 1")
    assert reason.startswith("the reference comes to fail")


def test_an_item_that_does_not_build_is_rejected(grader, tmp_path):
    gate = Gate([replace(GOOD, agent_files={SOURCE_NAME: b"int main("})], grader, tmp_path)
    [reason] = run(gate, "builds")
    assert reason.startswith("it cannot be built: clang failed")


class Giveaway(MemPoc):
    """A family whose sample input is the solution."""

    def corpus(self, item):
        return item.solution


def test_an_item_that_gives_its_answer_away_is_rejected(grader, tmp_path, monkeypatch):
    monkeypatch.setitem(FAMILIES, "mem.poc", Giveaway())
    assert run(Gate([GOOD], grader, tmp_path), "builds", "corpus") == ["corpus passes"]


class BadTwin(MemPoc):
    """A family whose impossible twin can be solved."""

    def twin(self, item):
        return item


def test_an_item_whose_twin_can_be_solved_is_rejected(grader, tmp_path, monkeypatch):
    monkeypatch.setitem(FAMILIES, "mem.poc", BadTwin())
    gate = Gate([GOOD], grader, tmp_path, fuzz_runs=0)
    assert run(gate, "builds", "impossible") == ["reference passes the impossible twin"]
