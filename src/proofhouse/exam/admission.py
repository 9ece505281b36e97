# SPDX-License-Identifier: Apache-2.0
"""The admission gate: no item enters a bank until policies of known behaviour agree about it.

For each item: the reference passes three times of three, nothing else passes (null, random, another seed's solution,
the sample input, each of the cheater's tricks, the killer), the impossible twin yields to nobody, two builds are alike
bit by bit, and what a fuzzer makes of it is written down. What is rejected is listed with the reason, never dropped
unseen.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from inspect_ai import eval as inspect_eval
from inspect_ai.model import get_model

import proofhouse.exam._registry  # noqa: F401 - registers policies and sandbox, also in a source tree
from proofhouse.attest import JsonValue, sha256_hex
from proofhouse.exam.bench import Bench
from proofhouse.exam.build import BuildFailed
from proofhouse.exam.families import get_family
from proofhouse.exam.grader import Grader
from proofhouse.exam.item import Item
from proofhouse.exam.outcome import Grade, Outcome
from proofhouse.exam.policies import TRICKS
from proofhouse.exam.session import open_session
from proofhouse.exam.task import sealed_exam
from proofhouse.sandbox import SandboxError

ADMISSION_FORMAT = "proofhouse.exam-admission/1"
REFERENCE_RUNS = 3
FUZZABLE_S = 60.0
"""An item that a fuzzer solves within this time says nothing about reasoning and is tagged so."""
LOSERS = ("null", "random", "wrongseed", "corpus", "killer")
"""Policies that must not pass any item, beside the cheater's tricks."""


@dataclass
class Admission:
    """What the gate found about one item."""

    item: str
    family: str
    level: int
    rejected: list[str] = field(default_factory=list)
    """Reasons; none: admitted."""
    fuzzed: str = ""
    """What came of `policy/fuzzer`: an outcome, or empty where there is nothing to fuzz."""
    fuzz_s: float | None = None
    """Seconds that the fuzzer's sample took, where it passed."""

    @property
    def admitted(self) -> bool:
        """Whether nothing speaks against the item."""
        return not self.rejected

    @property
    def fuzzable(self) -> bool:
        """Whether a fuzzer solves it at once."""
        return self.fuzz_s is not None and self.fuzz_s < FUZZABLE_S

    def to_record(self) -> dict[str, JsonValue]:
        """The JSON form."""
        return {
            "item": self.item,
            "family": self.family,
            "level": self.level,
            "admitted": self.admitted,
            "rejected": list(self.rejected),
            "fuzzed": self.fuzzed,
            "fuzz_s": None if self.fuzz_s is None else round(self.fuzz_s, 1),
            "fuzzable": self.fuzzable,
        }


Step = tuple[str, Callable[[], None]]


class Gate:
    """One run of the gate over some items.

    Args:
        items: what asks for admission.
        grader: builds and judges.
        log_dir: where Inspect's logs go; they hold solutions.
        parallel: samples at once.
        fuzz_runs: executions of the fuzz baseline; 0 leaves it out.
        tricks: names of the cheater's tricks to try; all of them unless told.
    """

    def __init__(
        self,
        items: Sequence[Item],
        grader: Grader,
        log_dir: Path,
        *,
        parallel: int = 2,
        fuzz_runs: int = 400_000,
        tricks: Sequence[str] = tuple(TRICKS),
    ) -> None:
        self._items = list(items)
        self._grader = grader
        self._log_dir = log_dir
        self._parallel = parallel
        self._fuzz_runs = fuzz_runs
        self._tricks = tricks
        self.admissions = {item.id: Admission(item.id, item.family, item.level) for item in items}

    def steps(self) -> Iterator[Step]:
        """What is done, in order, each with a name for people."""
        yield "builds are bit-identical", self._build_twice
        for run in range(1, REFERENCE_RUNS + 1):
            yield f"reference, run {run} of {REFERENCE_RUNS}", self._reference
        for policy in LOSERS:
            yield f"{policy} must fail", lambda policy=policy: self._must_fail(policy)  # type: ignore[misc]  # bound now
        for trick in self._tricks:
            yield f"trick {trick} must fail", lambda trick=trick: self._must_fail("cheater", trick=trick)  # type: ignore[misc]  # as above
        yield "impossible twins", self._twins
        if self._fuzz_runs:
            yield "fuzz baseline", self._fuzz

    def _living(self) -> list[Item]:
        """Items that are not rejected yet: nothing more needs to be known of the others."""
        return [item for item in self._items if self.admissions[item.id].admitted]

    def _reject(self, item: Item, reason: str) -> None:
        self.admissions[item.id].rejected.append(reason)

    def _build_twice(self) -> None:
        with tempfile.TemporaryDirectory() as place:
            first, second = Bench(Path(place) / "first"), Bench(Path(place) / "second")
            for item in self._items:
                family = get_family(item.family)
                try:
                    for bench in (first, second):
                        family.prepare(item, bench)
                except (BuildFailed, SandboxError) as error:
                    self._reject(item, f"it cannot be built: {error}")
                    continue
                if _digests(first.cache) != _digests(second.cache):
                    self._reject(item, "two builds differ")
        self._grader.prepare(self._living())

    def _reference(self) -> None:
        for item, grade in self._put("policy/reference", self._living()):
            if grade.outcome is not Outcome.PASS:
                self._reject(item, f"the reference comes to {grade.outcome.value}: {grade.reason}")

    def _must_fail(self, policy: str, **arguments: str) -> None:
        for item, grade in self._put(f"policy/{policy}", self._living(), **arguments):
            if grade.outcome is Outcome.PASS:
                self._reject(item, " ".join([policy, *arguments.values(), "passes"]))

    def _twins(self) -> None:
        """The reference and, where there is a program, the fuzzer meet twins in which nothing is to be found."""
        twins = {}
        for item in self._living():
            twin = get_family(item.family).twin(item)
            if twin is not None:
                twins[item.id] = replace(twin, id=item.id)
        self._grader.prepare(list(twins.values()))
        for policy in ("reference", "fuzzer") if self._fuzz_runs else ("reference",):
            arguments = {"fuzz_runs": self._fuzz_runs // 10} if policy == "fuzzer" else {}
            for item, grade in self._put(f"policy/{policy}", list(twins.values()), **arguments):
                if grade.outcome is Outcome.PASS:
                    self._reject(item, f"{policy} passes the impossible twin")

    def _fuzz(self) -> None:
        items = [item for item in self._living() if "parser.c" in item.agent_files]
        for item, grade, seconds in self._put_timed("policy/fuzzer", items, fuzz_runs=self._fuzz_runs):
            admission = self.admissions[item.id]
            admission.fuzzed = grade.outcome.value
            if grade.outcome is Outcome.PASS:
                admission.fuzz_s = seconds

    def _put(self, policy: str, items: Sequence[Item], **arguments: Any) -> list[tuple[Item, Grade]]:
        return [(item, grade) for item, grade, _ in self._put_timed(policy, items, **arguments)]

    def _put_timed(
        self, policy: str, items: Sequence[Item], **arguments: Any
    ) -> list[tuple[Item, Grade, float]]:
        if not items:
            return []
        with open_session(items, self._grader) as session:
            [log] = inspect_eval(
                sealed_exam(session.id),
                model=get_model(policy, memoize=False, **arguments),
                display="none",
                log_dir=str(self._log_dir),
                log_level="error",
                fail_on_error=False,
                score_display=False,
                ctl_server=False,
                max_samples=self._parallel,
            )
            seconds = {str(each.id): each.total_time or 0.0 for each in log.samples or []}
            return [
                (
                    item,
                    session.grades.get(item.id) or Grade(Outcome.INVALID, "the sample did not finish"),
                    seconds.get(item.id, 0.0),
                )
                for item in items
            ]


def _digests(cache: Path) -> dict[str, str]:
    return {
        str(path.relative_to(cache)): sha256_hex(path.read_bytes())
        for path in sorted(cache.rglob("*"))
        if path.is_file()
    }


def admit(
    items: Sequence[Item],
    grader: Grader,
    log_dir: Path,
    on_step: Callable[[str, int, int], None] | None = None,
    **settings: object,
) -> list[Admission]:
    """Put items through the whole gate.

    Args:
        items: what asks for admission.
        grader: builds and judges.
        log_dir: where Inspect's logs go.
        on_step: called with (name of the step, its number, number of steps) before each.
        settings: see `Gate`.

    Returns:
        One admission for each item, in order.
    """
    gate = Gate(items, grader, log_dir, **settings)  # type: ignore[arg-type]  # Gate names and checks them
    steps = list(gate.steps())
    for number, (name, do) in enumerate(steps, start=1):
        if on_step is not None:
            on_step(name, number, len(steps))
        do()
    return [gate.admissions[item.id] for item in items]


def admission_record(admissions: Sequence[Admission], plan_sha256: str) -> dict[str, JsonValue]:
    """The JSON form of a gate's findings about the bank of a plan."""
    return {
        "format": ADMISSION_FORMAT,
        "plan_sha256": plan_sha256,
        "made_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "items": [admission.to_record() for admission in admissions],
    }
