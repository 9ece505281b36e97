# SPDX-License-Identifier: Apache-2.0
"""The rules by which runs become verdicts. Pure: executions in, closed classes and reasons out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from proofhouse.validation._crash import Crash
from proofhouse.validation._execution import Execution, Outcome
from proofhouse.validation._matrix import Cell
from proofhouse.validation._recipe import CrashClaim, Exclusion


class Verdict(StrEnum):
    """What running a proof showed."""

    REPRODUCED = "reproduced"
    """The same crash, as claimed, in every run."""
    FLAKY = "flaky"
    """It crashed in some runs only, or differently from run to run."""
    NOT_REPRODUCED = "not-reproduced"
    """Silent in every run."""
    ALREADY_FIXED = "already-fixed"
    """Silent in every run, and the source as shipped holds the fix."""
    OUT_OF_MODEL = "out-of-model"
    """Reproduced, and the product's stated model does not promise otherwise; the reason says what it says."""
    NEEDS_HUMAN = "needs-human"
    """Something happened that the rules cannot class; the reason says what."""


SHOWN = frozenset({Verdict.REPRODUCED, Verdict.OUT_OF_MODEL})
"""The proof does what it claims in every run, whatever the product promises."""


@dataclass(frozen=True)
class Observed:
    """One run on a build, with its crash named."""

    execution: Execution
    crash: Crash | None


@dataclass(frozen=True)
class Judgement:
    """A verdict and, where it is not the good one, why."""

    verdict: Verdict
    reason: str = ""


def matches(crash: Crash, claim: CrashClaim) -> bool:
    """Whether a crash is of a claimed class and, where a frame is claimed, has it among its top frames."""
    return crash.crash_class in claim.classes and (claim.frame is None or claim.frame in crash.state)


def judge_proof(runs: Sequence[Observed], claim: CrashClaim, *, already_fixed: bool) -> Judgement:
    """Class a proof by its runs on the vulnerable build.

    Args:
        runs: at least one, each from a fresh box.
        claim: what the recipe says must happen.
        already_fixed: the source as shipped already holds a patch that claims to stop this proof.
    """
    outcomes = [run.execution.outcome for run in runs]
    crashes = [run.crash for run in runs if run.crash is not None]
    if Outcome.INVALID in outcomes:
        return Judgement(Verdict.NEEDS_HUMAN, "the sandbox died in every attempt of a run")
    if not crashes:
        odd = [outcome for outcome in outcomes if outcome is not Outcome.SILENT]
        if odd:
            return Judgement(Verdict.NEEDS_HUMAN, f"no sanitizer report, but a run ended as {odd[0]}")
        if already_fixed:
            return Judgement(Verdict.ALREADY_FIXED, "silent in every run; the source already holds the fix")
        return Judgement(Verdict.NOT_REPRODUCED, "silent in every run")
    if len(crashes) < len(runs):
        return Judgement(Verdict.FLAKY, f"crashed in {len(crashes)} of {len(runs)} runs")
    if len({(crash.crash_class, crash.state) for crash in crashes}) > 1:
        return Judgement(Verdict.FLAKY, "crashed differently from run to run")
    if not matches(crashes[0], claim):
        frame = f" in {claim.frame}" if claim.frame else ""
        place = crashes[0].state[0] if crashes[0].state else "unknown code"
        claimed = f"{' or '.join(claim.classes)}{frame}"
        return Judgement(
            Verdict.NEEDS_HUMAN,
            f"crashed as {crashes[0].crash_class} in {place}, where {claimed} was claimed",
        )
    return Judgement(Verdict.REPRODUCED)


def is_left_out(exclusion: Exclusion, crash: Crash | None) -> bool:
    """Whether what a proof showed is of the kind that an exclusion names; its trusted inputs are another question."""
    if crash is None:
        return not (exclusion.classes or exclusion.frames or exclusion.files)
    return (
        (not exclusion.classes or crash.crash_class in exclusion.classes)
        and (not exclusion.frames or bool(set(exclusion.frames) & set(crash.state)))
        and (not exclusion.files or crash.location.rpartition(":")[0] in exclusion.files)
    )


def judge_cell(outcomes: Sequence[Outcome]) -> Cell:
    """Class a proof against a patch by its runs on the patched build."""
    if not outcomes or Outcome.INVALID in outcomes:
        return Cell.UNKNOWN
    if all(outcome is Outcome.SILENT for outcome in outcomes):
        return Cell.STOPPED
    if all(outcome is Outcome.CRASHED for outcome in outcomes):
        return Cell.FIRES
    return Cell.UNSTABLE


@dataclass(frozen=True)
class Wanted:
    """An `Expected` with its files read."""

    exit_codes: tuple[int, ...]
    stdout: bytes | None = None
    stderr: bytes | None = None
    stdout_contains: str | None = None
    stderr_contains: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    http_status: int | None = None


def differs(execution: Execution, wanted: Wanted) -> str:
    """How a run differs from what was wanted; empty when it does not."""
    if execution.outcome is Outcome.CRASHED and execution.report is not None:
        return f"crashed: {execution.report.crash_class}"
    if execution.outcome is not Outcome.SILENT:
        return f"ended as {execution.outcome}"
    if execution.exit_code not in wanted.exit_codes:
        return f"ended with {execution.exit_code} instead of {' or '.join(map(str, wanted.exit_codes))}"
    for name, found, whole, part in (
        ("standard output", execution.stdout, wanted.stdout, wanted.stdout_contains),
        ("standard error", execution.stderr, wanted.stderr, wanted.stderr_contains),
    ):
        if whole is not None and found != whole:
            return f"{name} is not the expected one"
        if part is not None and part.encode() not in found:
            return f"{name} does not hold {part!r}"
    if wanted.http_status is not None and execution.http_status != wanted.http_status:
        return f"answered with {execution.http_status} instead of {wanted.http_status}"
    return _files_differ(execution.files, wanted)


def _files_differ(found: Mapping[str, bytes], wanted: Wanted) -> str:
    for path, text in wanted.files.items():
        if path not in found:
            return f"left no file {path}"
        if text.encode() not in found[path]:
            return f"left a file {path} without {text!r}"
    return next((f"left a file {path}" for path in wanted.absent if path in found), "")


def judge_shown(runs: Sequence[Execution], shows: Wanted, fixed: Wanted, *, already_fixed: bool) -> Judgement:
    """Class a proof that no sanitizer reports: every run must show what is claimed, or every one the mended way."""
    if any(run.outcome is Outcome.INVALID for run in runs):
        return Judgement(Verdict.NEEDS_HUMAN, "the sandbox died in every attempt of a run")
    shown = [not differs(run, shows) for run in runs]
    if all(shown):
        return Judgement(Verdict.REPRODUCED)
    if any(shown):
        return Judgement(Verdict.FLAKY, f"showed what is claimed in {sum(shown)} of {len(runs)} runs")
    if all(not differs(run, fixed) for run in runs):
        if already_fixed:
            return Judgement(
                Verdict.ALREADY_FIXED, "as mended in every run; the source already holds the fix"
            )
        return Judgement(Verdict.NOT_REPRODUCED, "as mended in every run")
    return Judgement(Verdict.NEEDS_HUMAN, f"neither as claimed nor as mended: {differs(runs[0], shows)}")


def judge_shown_cell(runs: Sequence[Execution], shows: Wanted, fixed: Wanted) -> Cell:
    """Class such a proof against a patch."""
    if not runs or any(run.outcome is Outcome.INVALID for run in runs):
        return Cell.UNKNOWN
    if all(not differs(run, shows) for run in runs):
        return Cell.FIRES
    return Cell.STOPPED if all(not differs(run, fixed) for run in runs) else Cell.UNSTABLE
