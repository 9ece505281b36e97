# SPDX-License-Identifier: Apache-2.0
"""The admission gate: no item enters a bank until policies of known behaviour agree about it.

For each item: the reference passes three times of three, nothing else passes (null, random, another seed's solution,
the sample input, each of the cheater's tricks, the killer), the impossible twin yields to nobody, two builds are alike
bit by bit, and what a fuzzer makes of it is written down. What is rejected is listed with the reason, never dropped
unseen.

A bank goes through in batches, and what is known of an item is written down after its batch: an interrupted run goes
on where it was, and a bank that has grown is admitted only as far as it is new.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from inspect_ai import eval as inspect_eval
from inspect_ai.model import get_model

import proofhouse.exam._registry  # noqa: F401 - registers policies and sandbox, also in a source tree
from proofhouse.exam.bench import Bench
from proofhouse.exam.build import BuildFailed
from proofhouse.exam.families import get_family
from proofhouse.exam.grader import Grader
from proofhouse.exam.item import Item
from proofhouse.exam.outcome import Grade, Outcome
from proofhouse.exam.policies import TRICKS
from proofhouse.exam.register import Admission, Register
from proofhouse.exam.session import open_session
from proofhouse.exam.task import sealed_exam
from proofhouse.sandbox import SandboxError

REFERENCE_RUNS = 3
BATCH = 12
"""Items at once: so many, at most, are tried again after an interruption."""
LOSERS = ("null", "random", "wrongseed", "corpus", "killer")
"""Policies that must not pass any item, beside the cheater's tricks."""


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
        self.admissions = {
            item.id: Admission(item.id, item.family, item.version, item.level) for item in items
        }

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
        """Once for keeps and once from nothing: what both leave behind must be the same bytes."""
        with ThreadPoolExecutor(self._parallel) as pool:
            for item, reason in zip(self._items, pool.map(self._difference, self._items), strict=True):
                if reason:
                    self._reject(item, reason)

    def _difference(self, item: Item) -> str:
        family, kept = get_family(item.family), self._grader.bench
        with tempfile.TemporaryDirectory() as place:
            fresh = Bench(Path(place))
            try:
                family.prepare(item, kept)
                family.prepare(item, fresh)
            except (BuildFailed, SandboxError) as error:
                return f"it cannot be built: {error}"
            made = {path.relative_to(place): path for path in Path(place).rglob("*") if path.is_file()}
            alike = all(
                (kept.cache / name).is_file() and (kept.cache / name).read_bytes() == path.read_bytes()
                for name, path in made.items()
            )
        return "" if alike else "two builds differ"

    def _reference(self) -> None:
        found = self._put("policy/reference", self._living())
        again = [item for item, grade in found if grade.outcome is Outcome.INVALID]
        found = [each for each in found if each[0] not in again] + self._put("policy/reference", again)
        for item, grade in found:
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
                log_realtime=False,
                max_samples=self._parallel,
                max_sandboxes=self._parallel,
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


def admit_missing(
    items: Sequence[Item],
    register: Register,
    grader: Grader,
    log_dir: Path,
    on_step: Callable[[str, int, int], None] | None = None,
    **settings: object,
) -> list[Admission]:
    """Put the items of a bank that `register` does not know through the gate, batch by batch.

    Returns:
        One admission for each item of the bank, in order.
    """
    missing = register.missing(items)
    register.keep([], items)
    for start in range(0, len(missing), BATCH):
        register.keep(admit(missing[start : start + BATCH], grader, log_dir, on_step, **settings), items)
        if on_step is not None:
            on_step("items known", len(items) - len(register.missing(items)), len(items))
    return [register.known[item.id] for item in items]
