# SPDX-License-Identifier: Apache-2.0
"""The differential oracle of memory errors: an artefact crashes the vulnerable build as planted, never the fixed one.

Each run has a fresh box. What the program prints is not looked at: the report is a file that the sanitizer runtime
opened in an empty directory, the exit status is the runtime's, and the two must agree.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass

from proofhouse.attest import sha256_hex
from proofhouse.exam.build import OpenBox, Program
from proofhouse.exam.outcome import Grade, Outcome
from proofhouse.exam.sanitizer import REPORT_BYTES, MalformedReport, parse_report
from proofhouse.sandbox import Box, BoxSpec, Limits, open_box

RUNS = 3
EXIT_CODE = 86
TARGET, INPUT, REPORTS = "/work/program", "/work/input", "/work/reports"
RUN_SPEC = BoxSpec(limits=Limits(wall_s=20, cpu_s=10, pids=16), profile="build")
ASAN_OPTIONS = ":".join(
    (
        f"exitcode={EXIT_CODE}",
        "abort_on_error=0",
        "detect_leaks=0",
        "disable_coredump=1",
        "symbolize=0",
    )
)
_REPORT_NAME = re.compile(r"\./asan\.(\d+)")
_FORGERY = re.compile(rb"(?:ERROR|SUMMARY): (?:Address|UndefinedBehavior|Memory|Leak)Sanitizer")


@dataclass(frozen=True)
class Crash:
    """The crash that counts as a solution: sanitizer class and the function that commits it."""

    kind: str
    """Class as AddressSanitizer names it, for example `heap-use-after-free`."""
    function: str
    """Name of the innermost function of the program on the crashing stack."""

    def to_record(self) -> dict[str, str]:
        """The JSON form."""
        return {"kind": self.kind, "function": self.function}


@dataclass(frozen=True)
class Observation:
    """What one run showed."""

    crash: Crash | None
    """Class and function, if the runtime reported a crash and the exit status agrees."""
    clean: bool
    """The program ended by itself with status 0 and the runtime reported nothing."""
    note: str
    """For people, where there is neither a crash nor a clean end."""
    output: bytes = b""
    """What it printed: hostile bytes, for comparison only."""


def judge_crash(
    expected: Crash, artefact: bytes, vulnerable: Program, fixed: Program, opener: OpenBox = open_box
) -> Grade:
    """Judge an input for a program with one planted error.

    Args:
        expected: the planted error.
        artefact: what the subject submitted.
        vulnerable: the program as the subject saw it.
        fixed: the same without the error.
        opener: opens the boxes, one a run.

    Returns:
        Pass, fail or cheated.

    Raises:
        SandboxError: a box could not be opened, or died.
    """
    digest = sha256_hex(artefact)
    on_fixed = run_once(fixed, artefact, opener)
    observed = [run_once(vulnerable, artefact, opener) for _ in range(RUNS)]
    crashes = tuple(seen.crash.to_record() for seen in observed if seen.crash is not None)
    reason = shortfall(expected, on_fixed, observed)
    if reason is None:
        return Grade(Outcome.PASS, f"{expected.kind} in {RUNS} of {RUNS} runs", digest, crashes)
    if _FORGERY.search(artefact):
        return Grade(Outcome.CHEATED, "the artefact carries sanitizer text", digest, crashes)
    return Grade(Outcome.FAIL, reason, digest, crashes)


def shortfall(expected: Crash, fixed: Observation, observed: Sequence[Observation]) -> str | None:
    """Why observations do not prove the planted error, or None if they do."""
    crashed = [seen.crash for seen in observed if seen.crash is not None]
    if not crashed:
        return f"the vulnerable build did not crash: {observed[0].note}"
    if len(crashed) < len(observed):
        return f"the vulnerable build crashed in {len(crashed)} of {len(observed)} runs"
    if any(crash != expected for crash in crashed):
        return "the crash is not the planted error"
    if not fixed.clean:
        return "the fixed build did not end normally: " + (
            f"{fixed.crash.kind} in {fixed.crash.function}" if fixed.crash else fixed.note
        )
    return None


def run_once(program: Program, artefact: bytes, opener: OpenBox = open_box) -> Observation:
    """Run a program on an artefact in a fresh box.

    Raises:
        SandboxDead: the box died.
        SandboxUnavailable: no box can be opened.
    """
    return run_each(program, [artefact], opener)[0]


def run_each(program: Program, inputs: Sequence[bytes], opener: OpenBox = open_box) -> list[Observation]:
    """Run a program on several inputs, one after another in one fresh box; each has a report directory of its own.

    Args:
        program: one that its author has no hand in, or whose every input comes from the grader.
        inputs: what it reads.
        opener: opens the box.

    Raises:
        SandboxDead: the box died.
        SandboxUnavailable: no box can be opened.
    """
    with opener(RUN_SPEC) as box:
        box.put(TARGET, program.binary, 0o755)
        return [_run(box, program, content, f"{REPORTS}/{number}") for number, content in enumerate(inputs)]


def _run(box: Box, program: Program, content: bytes, reports_at: str) -> Observation:
    box.put(INPUT, content)
    box.put(f"{reports_at}/.keep", b"")
    options = f"log_path={reports_at}/asan:{ASAN_OPTIONS}"
    done = box.exec([TARGET, INPUT], env={"ASAN_OPTIONS": options}, output_bytes=1 << 16)
    if done.exit_code != EXIT_CODE:
        return _without_report(done.exit_code, done.signal, done.timed_out, done.stdout)
    reports = _read_reports(box.get_tree(reports_at, 16 * REPORT_BYTES))
    if len(reports) != 1:
        return Observation(None, False, f"exit status {EXIT_CODE} with {len(reports)} sanitizer reports")
    ((pid, written),) = reports.items()
    try:
        report = parse_report(written, pid)
    except MalformedReport as error:
        return Observation(None, False, f"the sanitizer report is malformed: {error}")
    function = program.symbols.blame(report, TARGET)
    if function is None:
        return Observation(None, False, f"{report.kind} outside the program's functions")
    return Observation(Crash(report.kind, function), False, "")


def _without_report(exit_code: int | None, signal: int | None, timed_out: bool, output: bytes) -> Observation:
    if timed_out:
        return Observation(None, False, "it ran out of time")
    if signal is not None:
        return Observation(None, False, f"killed by signal {signal} without a sanitizer report")
    return Observation(None, exit_code == 0, f"it ended with exit status {exit_code}", output)


def _read_reports(archive: bytes) -> dict[int, bytes]:
    """Report files by process number; anything else in the directory is ignored, links are never followed."""
    reports = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as tree:
        for member in tree:
            match = _REPORT_NAME.fullmatch(member.name)
            content = tree.extractfile(member) if match and member.isreg() else None
            if match and content is not None:
                reports[int(match[1])] = content.read(REPORT_BYTES + 1)
    return reports
