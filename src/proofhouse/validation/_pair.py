# SPDX-License-Identifier: Apache-2.0
"""A real program with and without one fix, for whoever puts it to somebody else: the exam's `real.debian`.

A recipe with one patch, one proof and one control. The same source, build, boxes, reports and rules as in a validation;
what is tried here is a stranger's input instead of the recipe's.
"""

from dataclasses import dataclass
from pathlib import Path

from proofhouse.sandbox import SandboxDead, open_box
from proofhouse.validation._build import build, show_source
from proofhouse.validation._crash import Crash, name_crash
from proofhouse.validation._errors import BuildFailed, RecipeError
from proofhouse.validation._execution import (
    RUNS,
    Command,
    Execution,
    OpenBox,
    Outcome,
    execute,
    run_command,
    symbolise,
)
from proofhouse.validation._recipe import ControlSpec, ProofSpec, Recipe
from proofhouse.validation._source import fetch_source
from proofhouse.validation._trees import NotBuilt
from proofhouse.validation._verdict import Observed, Verdict, judge_proof


@dataclass(frozen=True)
class Pair:
    """The two builds of a recipe and the source of the first."""

    recipe: Recipe
    vulnerable: bytes
    """Tar of the build's outputs."""
    fixed: bytes
    source: bytes
    """Compressed tar of the vulnerable source, without the distribution's own files."""
    proof: bytes
    """The recipe's own input that crashes the vulnerable build."""
    sample: bytes
    """The recipe's own input that does not."""


@dataclass(frozen=True)
class Trial:
    """What an input did to a pair."""

    reason: str
    """Why it proves nothing; empty if it proves the claimed error."""
    crashes: tuple[Crash, ...]


def build_pair(recipe: Recipe, sources_dir: Path, cache_dir: Path) -> Pair:
    """Both builds and the source, from the caches where they are there.

    Args:
        recipe: one patch, one proof and one control, with one input.
        sources_dir: downloads are kept there by digest.
        cache_dir: builds are kept there by digest.

    Raises:
        RecipeError: the recipe has more than one of anything.
        ValidationError: as for `validate`: no source in reach, no compiler, no build.
        SandboxUnavailable: no box can be opened.
    """
    counts = [len(each) for each in (recipe.patches, recipe.proofs, recipe.controls, recipe.run.inputs)]
    if counts != [1, 1, 1, 1]:
        raise RecipeError("recipe", "a pair has one patch, one proof, one control and one input")
    source = fetch_source(recipe, sources_dir)
    built = build(recipe, source, cache_dir, on_step=_silence)
    made = built.trees.patched[recipe.patches[0].name]
    if isinstance(made, NotBuilt):
        raise BuildFailed((recipe.name,), made.reason, made.output)

    def only(case: ProofSpec | ControlSpec) -> bytes:
        [ref] = case.inputs.values()
        return built.content(ref)

    return Pair(
        recipe,
        built.trees.base,
        made.program,
        show_source(recipe, source, cache_dir, on_step=_silence),
        only(recipe.proofs[0]),
        only(recipe.controls[0]),
    )


def try_pair(pair: Pair, content: bytes, opener: OpenBox = open_box) -> Trial:
    """Run an input three times on the vulnerable build and once on the fixed one, each in a fresh box.

    Args:
        pair: both builds.
        content: the input, a stranger's.
        opener: opens the boxes; whoever judges strangers decides of which tier.

    Raises:
        SandboxDead: a box died in every attempt.
        SandboxUnavailable: no box can be opened.
    """
    runs = [_run(pair, pair.vulnerable, content, opener) for _ in range(RUNS)]
    names = {run.report: crash_of(pair.vulnerable, run) for run in runs if run.report is not None}
    observed = [
        Observed(run, None if run.report is None or run.outcome is not Outcome.CRASHED else names[run.report])
        for run in runs
    ]
    crashes = tuple(seen.crash for seen in observed if seen.crash is not None)
    claim = pair.recipe.proofs[0].crash
    if claim is None:
        raise RecipeError("proof[0].crash", "a pair is judged by a sanitizer's report")
    judged = judge_proof(observed, claim, already_fixed=False)
    if judged.verdict is not Verdict.REPRODUCED:
        return Trial(f"the vulnerable build: {judged.reason or judged.verdict.value}", crashes)
    fixed = _run(pair, pair.fixed, content, opener)
    if fixed.outcome is not Outcome.SILENT:
        return Trial(f"the fixed build did not end normally: it {fixed.outcome.value}", crashes)
    return Trial("", crashes)


def repeating(program: bytes, command: Command) -> Crash | None:
    """The crash of a command that crashes alike three times out of three, each time in a fresh box.

    Raises:
        SandboxDead: a box died in every attempt.
        SandboxUnavailable: no box can be opened.
    """
    runs = []
    for _ in range(RUNS):
        run = _executed(program, command, open_box)
        if run.outcome is not Outcome.CRASHED:
            return None
        runs.append(run)
    crashes = [crash_of(program, run) for run in runs]
    return crashes[0] if len({(each.crash_class, each.state) for each in crashes}) == 1 else None


def _run(pair: Pair, program: bytes, content: bytes, opener: OpenBox) -> Execution:
    run = pair.recipe.proofs[0].run
    [(name, ref)] = pair.recipe.proofs[0].inputs.items()
    command = run_command(run.argv, run.stdin, run.timeout_s, {name: (ref.path, content)})
    return _executed(program, command, opener)


def _executed(program: bytes, command: Command, opener: OpenBox) -> Execution:
    found = execute(program, command, opener=opener)
    if found.outcome is Outcome.INVALID:
        raise SandboxDead("the box of a program died in every attempt")
    return found


def crash_of(program: bytes, run: Execution) -> Crash:
    """The crash of a run that a sanitizer ended, with the names of its functions.

    Raises:
        ValueError: no sanitizer wrote a report in that run.
    """
    if run.report is None:
        raise ValueError("only a run with a report has a crash to name")
    return name_crash(run.report, symbolise(program, run.report.stack))


def _silence(what: str, step: str) -> None:
    del what, step
