# SPDX-License-Identifier: Apache-2.0
"""Holding an exam: self-test, builds, reference gate, subject, one retry of invalid samples, signed report.

This module imports Inspect, which takes a second or two; the rest of the package does not.
"""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from inspect_ai import eval as inspect_eval
from inspect_ai.log import EvalLog
from inspect_ai.model import Model, get_model

import proofhouse.exam._registry  # noqa: F401 - registers policies and sandbox, also in a source tree
from proofhouse.attest import JsonValue, Signer, canonical, sha256_hex, sign_statement, statement
from proofhouse.exam.bank import Bank, grader_digest, open_seal
from proofhouse.exam.build import BuildFailed, compiler_version
from proofhouse.exam.errors import ExamError, GateFailed, ModelUnavailable, SandboxUnfit
from proofhouse.exam.grader import Grader
from proofhouse.exam.item import Item
from proofhouse.exam.outcome import Grade, Outcome
from proofhouse.exam.plan import Plan
from proofhouse.exam.report import (
    PREDICATE_TYPE,
    REPORT_NAME,
    ReportRefused,
    SampleResult,
    conclude,
    count_outcomes,
    headline,
    read_report,
    samples_root,
)
from proofhouse.exam.session import open_session
from proofhouse.exam.task import sealed_exam
from proofhouse.sandbox import SandboxError, SelfTest, Tier, self_test

Phase = Literal["build", "gate", "exam", "retry"]
POLICY_PREFIX = "policy/"
ABORTED = "aborted-"
_MARKUP = re.compile(r"\[/?bold\]")  # Inspect's messages are meant for rich
GATE = {"policy/reference": Outcome.PASS, "policy/null": Outcome.FAIL}
"""What each policy must score on every item before a subject is measured."""


@dataclass(frozen=True)
class Progress:
    """How far an exam is."""

    phase: Phase
    done: int
    total: int


@dataclass(frozen=True)
class ExamResult:
    """A finished exam."""

    statement: bytes
    """The DSSE envelope of the report."""
    summary: dict[str, JsonValue]
    """The short of it, for people and scripts."""


@dataclass(frozen=True)
class _Run:
    """One subject over some items."""

    grades: dict[str, Grade]
    artefacts: dict[str, bytes]
    log: Path


def run_exam(
    plan: Plan,
    bank_key: bytes,
    model: str,
    out_dir: Path,
    signer: Signer,
    on_progress: Callable[[Progress], None] | None = None,
    *,
    subject_sha256: str | None = None,
    seal: JsonValue = None,
    cache: Path | None = None,
    frontier: bool = False,
    tier: Tier = "T0",
    parallel: int | None = None,
) -> ExamResult:
    """Hold an exam and sign its report.

    Where `out_dir` holds the finished report of this very exam, that is the result and nothing runs again. What an
    unfinished attempt left there is set aside, and the report says how many such attempts there were.

    Args:
        plan: the pre-registered plan.
        bank_key: 32 bytes; with the plan it decides every item.
        model: an Inspect model string, or `policy/NAME`.
        out_dir: made if missing, for its owner only. Gets `report.dsse.json`, `plan.json`, Inspect's logs and
            the submitted artefacts. The logs hold sealed items and, of the gate, their solutions.
        signer: signs the report.
        on_progress: called as work is done, from worker threads.
        subject_sha256: digest that identifies the subject (weights or endpoint); that of the model string
            unless told.
        seal: record that the plan and key must open before anything runs.
        cache: where builds are kept; the user's cache unless told.
        frontier: the subject is a frontier model, for which tier T0 is refused.
        tier: how strongly the subject and what it hands in are isolated; exactly this tier is used, or none.
        parallel: samples at once; the number of processors unless told.

    Returns:
        The signed report and its summary.

    Raises:
        ModelUnavailable: the model string cannot be used.
        SandboxUnfit: no sandbox, a failed self-test, or a tier too weak for the subject.
        GateFailed: reference or null policy did not score as they must; nothing was measured.
        SealBroken: plan or key do not belong to `seal`.
        ExamError: a build failed, or the output directory cannot be written.
    """
    started = _now()
    bank = Bank(bank_key, plan)
    if seal is not None:
        open_seal(seal, bank_key, plan)
    subject_sha256 = subject_sha256 or sha256_hex(model.encode())
    identity = {
        "model": model,
        "subject_sha256": subject_sha256,
        "plan_sha256": plan.digest(),
        "bank_root_sha256": bank.root,
    }
    finished = _find_report(out_dir, identity, signer)
    if finished is not None:
        return finished
    subject_model = resolve_model(model, plan)
    tested = _test_sandbox(tier, frontier=frontier)
    logs, aborted = _prepare_directory(out_dir)
    parallel = parallel or os.cpu_count() or 1
    grader = Grader(cache, workers=parallel, tier=tier)
    report_progress = on_progress or (lambda _progress: None)

    try:
        grader.prepare(bank.items, lambda done, total: report_progress(Progress("build", done, total)))
    except (BuildFailed, SandboxError) as error:
        raise ExamError(f"the items could not be built: {error}") from error

    def hold(subject: Model, items: Sequence[Item], phase: Phase, before: int = 0, total: int = 0) -> _Run:
        return _hold(
            subject,
            items,
            grader,
            plan,
            tier,
            logs / phase,
            parallel,
            lambda done, count: report_progress(Progress(phase, before + done, total or count)),
        )

    gate = {}
    for number, (policy, expected) in enumerate(GATE.items()):
        count = len(bank.items)
        run = hold(get_model(policy), bank.items, "gate", before=number * count, total=len(GATE) * count)
        gate[policy.removeprefix(POLICY_PREFIX)] = _require_gate(policy, expected, bank.items, run)

    first = hold(subject_model, bank.items, "exam")
    runs = [first]
    invalid = [item for item in bank.items if first.grades[item.id].outcome is Outcome.INVALID]
    if invalid:
        runs.append(hold(subject_model, invalid, "retry"))
    samples = [_settle(item, runs) for item in bank.items]
    artefacts = {name: content for run in runs for name, content in run.artefacts.items()}
    _keep_artefacts(out_dir / "artefacts", artefacts)

    treatments, verdict = conclude(plan, [(sample.level, sample.outcome) for sample in samples])
    records = [sample.to_record() for sample in samples]
    outcomes = count_outcomes(sample.outcome for sample in samples)
    predicate = {
        **identity,
        "plan": plan.to_record(),
        "rule_sha256": plan.rule.digest(),
        "grader_sha256": grader_digest(),
        "samples": records,
        "samples_root_sha256": samples_root(records),
        "outcomes": outcomes,
        "estimate": headline(treatments.as_failures),
        "estimates": treatments.to_record(),
        "verdict": verdict.conclusion.value,
        "verdict_reason": verdict.reason,
        "p_exceeds": verdict.p_exceeds,
        "p_below": verdict.p_below,
        "gate": gate,
        "tier": tested.tier,
        "self_test": tested.to_record(),
        "versions": _versions(),
        "logs": {run.log.parent.name: sha256_hex(run.log.read_bytes()) for run in runs},
        "aborted_attempts": aborted,
        "started_at": started,
        "ended_at": _now(),
    }
    subject = [{"name": model, "digest": {"sha256": subject_sha256}}]
    envelope = sign_statement(statement(subject, PREDICATE_TYPE, predicate), [signer]).to_json()
    try:
        (out_dir / "plan.json").write_bytes(canonical(plan.to_record()))
        unfinished = logs / REPORT_NAME
        unfinished.write_bytes(envelope)
        unfinished.replace(out_dir / REPORT_NAME)
    except OSError as error:
        raise ExamError(f"{out_dir}: {error.strerror}") from error
    return ExamResult(envelope, _summarise(predicate))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _versions() -> dict[str, str]:
    return {
        "proofhouse": version("proofhouse"),
        "inspect_ai": version("inspect_ai"),
        "python": platform.python_version(),
        "compiler": compiler_version(),
    }


def resolve_model(model: str, plan: Plan | None = None) -> Model:
    """Turn a model string into a model, before anything costs time.

    Args:
        model: an Inspect model string, or `policy/NAME`.
        plan: whose budget the fuzzer policy has.

    Raises:
        ModelUnavailable: it cannot be used here.
    """
    arguments: dict[str, Any] = {}
    if plan is not None and model == "policy/fuzzer":
        arguments["fuzz_runs"] = plan.budget.fuzz_runs
    try:
        return get_model(model, **arguments)
    except Exception as error:  # every provider raises its own kind
        said = " ".join(_MARKUP.sub("", str(error)).split()) or type(error).__name__
        raise ModelUnavailable(
            f"the model {model!r} cannot be used: {said}. Expected an Inspect model string such as "
            "openai-api/NAME/MODEL with its key in the environment, or policy/fuzzer"
        ) from error


def _test_sandbox(tier: Tier, *, frontier: bool) -> SelfTest:
    if frontier and tier == "T0":
        raise SandboxUnfit("a frontier model needs tier T1 (gVisor), and T0 was asked for: add --tier T1")
    try:
        tested = self_test(tier=tier)
    except SandboxError as error:
        raise SandboxUnfit(str(error)) from error
    if not tested.ok:
        failed = ", ".join(check.name for check in tested.checks if not check.ok)
        raise SandboxUnfit(f"the sandbox failed its self-test, so nothing was run: {failed}")
    return tested


def _prepare_directory(out_dir: Path) -> tuple[Path, int]:
    """Make the directory and set an unfinished attempt in it aside.

    Returns:
        The directory for logs, and how many unfinished attempts lie in `out_dir`.
    """
    try:
        out_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        left = {path.name for path in out_dir.iterdir()}
        aborted = {name for name in left if name.startswith(ABORTED)}
        unfinished = left & {"logs", "artefacts", "plan.json"}
        if left - aborted - unfinished:
            raise ExamError(f"{out_dir} holds other files; name a new directory for each exam")
        count = len(aborted)
        if unfinished:
            count += 1
            aside = out_dir / f"{ABORTED}{count}"
            aside.mkdir(mode=0o700)
            for name in unfinished:
                (out_dir / name).rename(aside / name)
        logs = out_dir / "logs"
        logs.mkdir(mode=0o700)
    except OSError as error:
        raise ExamError(f"{out_dir}: {error.strerror}") from error
    return logs, count


def _find_report(out_dir: Path, expected: dict[str, str], signer: Signer) -> ExamResult | None:
    """The finished report in `out_dir`, if it is that of this very exam."""
    path = out_dir / REPORT_NAME
    if not path.exists():
        return None
    try:
        content = path.read_bytes()
        predicate = read_report(content, [signer.public])
    except (OSError, ReportRefused) as error:
        raise ExamError(f"{path} is there and cannot be relied on: {error}") from error
    for name, value in expected.items():
        if predicate[name] != value:
            raise ExamError(f"{path} is the report of another exam ({name} differs); name a new directory")
    return ExamResult(content, _summarise(predicate))


def _summarise(predicate: dict[str, Any]) -> dict[str, JsonValue]:
    names = (
        "model",
        "outcomes",
        "gate",
        "estimate",
        "verdict",
        "verdict_reason",
        "tier",
        "bank_root_sha256",
    )
    return {name: predicate[name] for name in names} | {
        "items": len(predicate["samples"]),
        "threshold": predicate["plan"]["rule"]["threshold"],
    }


def _hold(
    subject: Model,
    items: Sequence[Item],
    grader: Grader,
    plan: Plan,
    tier: Tier,
    log_dir: Path,
    parallel: int,
    on_sample: Callable[[int, int], None],
) -> _Run:
    """Put items to a subject; every item gets a grade."""
    budget = plan.budget
    with open_session(items, grader, on_sample, hint=plan.hint) as session:
        [log] = inspect_eval(
            sealed_exam(session.id, budget.command_s, tier),
            model=subject,
            display="none",
            log_dir=str(log_dir),
            log_level="error",
            fail_on_error=False,
            score_display=False,
            ctl_server=False,
            log_realtime=False,
            message_limit=budget.messages,
            token_limit=budget.tokens,
            time_limit=budget.time_s,
            max_samples=parallel,
        )
        if log.status != "success":
            said = log.error.message if log.error else "it was interrupted"
            raise ExamError(f"the run over {subject} ended early: {said}; run the exam again")
        grades = {item.id: session.grades.get(item.id) or _ungraded(log, item.id) for item in items}
        return _Run(grades, dict(session.artefacts), Path(log.location.removeprefix("file://")))


def _ungraded(log: EvalLog, item_id: str) -> Grade:
    """A sample that never reached the scorer says nothing about the subject."""
    said = "the sample did not finish"
    for sample in log.samples or []:
        if sample.id == item_id and sample.error:
            said = sample.error.message
    return Grade(Outcome.INVALID, f"the harness failed: {said.splitlines()[0][:200]}")


def _require_gate(policy: str, expected: Outcome, items: Sequence[Item], run: _Run) -> dict[str, int]:
    graded = [(item.id, run.grades[item.id]) for item in items]
    wrong = [(item_id, grade) for item_id, grade in graded if grade.outcome is not expected]
    if wrong:
        item_id, grade = wrong[0]
        raise GateFailed(
            f"the reference gate stopped the exam: {policy} must {expected.value} every item, "
            f"but {len(wrong)} of {len(items)} came out otherwise, "
            f"first {item_id}: {grade.outcome.value} ({grade.reason})"
        )
    return count_outcomes(grade.outcome for grade in run.grades.values())


def _settle(item: Item, runs: Sequence[_Run]) -> SampleResult:
    """The last grade of an item: that of the retry where there was one."""
    grades = [run.grades[item.id] for run in runs if item.id in run.grades]
    grade = grades[-1]
    record: dict[str, Any] = grade.to_record()
    return SampleResult(
        item=item.id,
        family=item.family,
        level=item.level,
        outcome=grade.outcome,
        reason=grade.reason,
        artefact_sha256=grade.artefact_sha256,
        attempts=len(grades),
        crashes=tuple(record["crashes"]),
        milestones=grade.milestones,
    )


def _keep_artefacts(directory: Path, artefacts: dict[str, bytes]) -> None:
    """Keep what was submitted, so that it can be graded again without the model."""
    directory.mkdir(mode=0o700)
    for item_id, content in artefacts.items():
        (directory / f"{item_id}.bin").write_bytes(content)


def load_seal(path: Path) -> JsonValue:
    """Read a seal file.

    Raises:
        ExamError: it cannot be read or is not JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise ExamError(f"seal {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ExamError(f"seal {path}: not JSON") from error
