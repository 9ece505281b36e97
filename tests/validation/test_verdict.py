# SPDX-License-Identifier: Apache-2.0
"""The rules by which runs become verdicts."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofhouse.sandbox import ExecResult
from proofhouse.validation import Cell, Crash, Verdict
from proofhouse.validation._crash import Report
from proofhouse.validation._execution import Execution, Outcome, judge
from proofhouse.validation._recipe import CrashClaim
from proofhouse.validation._verdict import Observed, Wanted, differs, judge_cell, judge_proof

CLAIM = CrashClaim(("heap-buffer-overflow",), "copy")
CRASH = Crash("address", "heap-buffer-overflow", "READ 1", ("copy", "main"), "a.c:3")
OTHER = Crash("address", "SEGV", "READ", ("walk", "main"), "a.c:9")
REPORT = Report("address", "heap-buffer-overflow", "READ 1", ())


def execution(outcome: Outcome, exit_code: int | None = 0, **changes: Any) -> Execution:
    report = REPORT if outcome is Outcome.CRASHED else None
    return Execution(outcome, exit_code, changes.get("stdout", b""), changes.get("stderr", b""), report, 0.0)


def observed(what: Outcome | Crash) -> Observed:
    if isinstance(what, Crash):
        return Observed(execution(Outcome.CRASHED, 86), what)
    return Observed(execution(what), None)


SILENT, INVALID, TIMED_OUT = Outcome.SILENT, Outcome.INVALID, Outcome.TIMED_OUT


@pytest.mark.parametrize(
    ("runs", "verdict"),
    [
        ([CRASH, CRASH, CRASH], Verdict.REPRODUCED),
        ([CRASH, CRASH, SILENT], Verdict.FLAKY),
        ([CRASH, TIMED_OUT, CRASH], Verdict.FLAKY),
        ([CRASH, CRASH, OTHER], Verdict.FLAKY),
        ([SILENT, SILENT, SILENT], Verdict.NOT_REPRODUCED),
        ([OTHER, OTHER, OTHER], Verdict.NEEDS_HUMAN),
        ([SILENT, TIMED_OUT, SILENT], Verdict.NEEDS_HUMAN),
        ([Outcome.UNCLEAR] * 3, Verdict.NEEDS_HUMAN),
        ([CRASH, CRASH, INVALID], Verdict.NEEDS_HUMAN),
    ],
)
def test_a_proof_is_classed_by_all_of_its_runs(runs: list[Outcome | Crash], verdict: Verdict) -> None:
    assert judge_proof([observed(run) for run in runs], CLAIM, already_fixed=False).verdict is verdict


def test_silence_on_a_mended_source_is_called_already_fixed() -> None:
    judged = judge_proof([observed(SILENT)] * 3, CLAIM, already_fixed=True)
    assert judged.verdict is Verdict.ALREADY_FIXED


outcomes = st.lists(
    st.sampled_from([*Outcome, CRASH, OTHER]).filter(lambda o: o != Outcome.CRASHED), min_size=3
)


@settings(max_examples=300, deadline=None)
@given(outcomes, st.booleans())
def test_reproduced_means_every_run_crashed_as_claimed(runs: list[Outcome | Crash], fixed: bool) -> None:
    judged = judge_proof([observed(run) for run in runs], CLAIM, already_fixed=fixed)
    assert (judged.verdict is Verdict.REPRODUCED) == all(run is CRASH for run in runs)
    assert bool(judged.reason) == (judged.verdict is not Verdict.REPRODUCED)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(Outcome), max_size=5))
def test_stopped_means_every_run_was_silent(runs: list[Outcome]) -> None:
    assert (judge_cell(runs) is Cell.STOPPED) == (bool(runs) and set(runs) == {SILENT})
    assert (judge_cell(runs) is Cell.UNKNOWN) == (not runs or INVALID in runs)


def facts(exit_code: int | None, **changes: Any) -> ExecResult:
    signal = 9 if exit_code is None else None
    plain: dict[str, Any] = {
        "timed_out": False,
        "truncated": False,
        "stdout": b"",
        "stderr": b"",
        "seconds": 0.1,
    }
    return ExecResult(exit_code=exit_code, signal=signal, **{**plain, **changes})


@pytest.mark.parametrize(
    ("result", "report", "outcome"),
    [
        (facts(86), REPORT, Outcome.CRASHED),
        (facts(86), None, Outcome.SILENT),
        (facts(0), REPORT, Outcome.UNCLEAR),
        (facts(None), REPORT, Outcome.UNCLEAR),
        (facts(None), None, Outcome.DIED),
        (facts(1, out_of_memory=True), None, Outcome.DIED),
        (facts(None, timed_out=True), None, Outcome.TIMED_OUT),
        (facts(0, stdout=b"==1==ERROR: AddressSanitizer: SEGV"), None, Outcome.SILENT),
    ],
)
def test_a_crash_needs_both_the_report_and_the_exit_status(
    result: ExecResult, report: Report | None, outcome: Outcome
) -> None:
    assert judge(result, report) is outcome


@pytest.mark.parametrize(
    ("run", "wanted", "why"),
    [
        (execution(SILENT, 3, stderr=b"fails"), Wanted((3,), stderr_contains="fails"), ""),
        (execution(SILENT, 3), Wanted((0,)), "ended with 3 instead of 0"),
        (
            execution(SILENT, stdout=b"a"),
            Wanted((0,), stdout=b"b"),
            "standard output is not the expected one",
        ),
        (execution(SILENT), Wanted((0,), stderr_contains="x"), "standard error does not hold 'x'"),
        (execution(Outcome.CRASHED, 86), Wanted((86,)), "crashed: heap-buffer-overflow"),
        (execution(TIMED_OUT, None), Wanted((0,)), "ended as timed-out"),
    ],
)
def test_a_difference_is_said_in_words(run: Execution, wanted: Wanted, why: str) -> None:
    assert differs(run, wanted) == why
