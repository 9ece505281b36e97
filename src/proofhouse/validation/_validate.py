# SPDX-License-Identifier: Apache-2.0
"""The whole of one validation: source, builds, proofs, controls, patches, kill matrix, groups."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from proofhouse.attest import Signer, canonical, sha256_hex
from proofhouse.sandbox import BoxSpec, open_box
from proofhouse.validation._build import Artifact, Builds, NotBuilt, build
from proofhouse.validation._cache import storage_errors
from proofhouse.validation._crash import CodeAddress, Crash, Frame, name_crash
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
from proofhouse.validation._matrix import Cell, KillMatrix, merge_groups
from proofhouse.validation._mutation import Inputs, hunt
from proofhouse.validation._recipe import ControlSpec, Expected, FileRef, PatchSpec, ProofSpec, Recipe
from proofhouse.validation._result import (
    CheckResult,
    GroupResult,
    MutationResult,
    PatchResult,
    PatchVerdict,
    ProofResult,
    SourceResult,
    ValidationResult,
)
from proofhouse.validation._source import Source, fetch_source
from proofhouse.validation._verdict import (
    Judgement,
    Observed,
    Verdict,
    Wanted,
    differs,
    judge_cell,
    judge_proof,
)


@dataclass(frozen=True)
class Progress:
    """One step that begins.

    Attributes:
        stage: `source`, `build`, `prove` or `patch`.
        detail: what is being done, in a few words.
    """

    stage: str
    detail: str


OnProgress = Callable[[Progress], None]


def _silence(_: Progress) -> None:
    """Report to nobody."""


def validate(
    recipe: Recipe,
    *,
    cache_dir: Path,
    signer: Signer | None = None,
    on_progress: OnProgress | None = None,
    offline: bool = False,
    opener: OpenBox = open_box,
) -> ValidationResult:
    """Prove a recipe's proofs and patches by running them.

    Args:
        recipe: what to prove.
        cache_dir: sources and builds are kept there by digest; made if absent.
        signer: signs the result as an in-toto test result, kept in `ValidationResult.envelope`.
        on_progress: told about each step.
        offline: use only sources that are in the cache.
        opener: opens boxes.

    Raises:
        SourceUnavailable: no archive in reach; a caller may fall back to an example of its own.
        ToolMissing: a compiler or another program is not installed.
        BuildFailed: the vulnerable tree does not build.
        PatchDoesNotApply: a patch that is part of the source cannot be reversed.
        StorageFull: the cache cannot be written.
        SandboxUnavailable: no box can be opened on this machine.
    """
    started, clock = datetime.now(UTC), time.monotonic()
    tell = on_progress or _silence
    seconds: dict[str, float] = {}
    with storage_errors(cache_dir):
        cache_dir.mkdir(parents=True, exist_ok=True)
    tell(Progress("source", f"fetch {recipe.name}"))
    source = fetch_source(recipe, cache_dir, offline=offline)
    seconds["source"] = time.monotonic() - clock
    builds = build(
        recipe,
        source,
        cache_dir,
        on_step=lambda what, step: tell(Progress("build", f"{what}: {step}")),
        opener=opener,
    )
    seconds["build"] = builds.seconds
    bench = _Bench(recipe, builds, tell, opener)
    mark = time.monotonic()
    proofs = bench.prove_all()
    seconds["prove"], mark = time.monotonic() - mark, time.monotonic()
    matrix = bench.measure_matrix(proofs)
    patches = tuple(bench.prove_patch(patch, proofs, matrix) for patch in recipe.patches)
    seconds["patch"] = time.monotonic() - mark
    seconds["total"] = time.monotonic() - clock
    result = ValidationResult(
        recipe=recipe.name,
        recipe_sha256=recipe.sha256,
        real=source.real,
        ok=all(proof.verdict is Verdict.REPRODUCED for proof in proofs)
        and all(patch.verdict is PatchVerdict.PROVED for patch in patches),
        source=_source_result(source),
        proofs=proofs,
        patches=patches,
        kill_matrix=matrix,
        groups=_groups(recipe, matrix, patches),
        invalid_runs=bench.invalid_runs,
        versions={"compiler": builds.compiler, "recipe_format": "1"},
        tier=BoxSpec().tier,
        build_cached=builds.cached,
        seconds=seconds,
        started=started,
        finished=datetime.now(UTC),
    )
    return result.signed(signer) if signer else result


def _source_result(source: Source) -> SourceResult:
    files = {file.name: file.sha256 for file in source.files}
    return SourceResult(
        kind=source.kind,
        name=source.name,
        release=source.release,
        version=source.version,
        pinned_version=source.pinned_version,
        moved=source.moved,
        sha256=sha256_hex(canonical(files)),
        files=files,
    )


def _groups(recipe: Recipe, matrix: KillMatrix, patches: tuple[PatchResult, ...]) -> tuple[GroupResult, ...]:
    """Merge by the proved patches only: a fake that blocks one proof must not split it from its twin."""
    proved = [patch.verdict is PatchVerdict.PROVED for patch in patches]
    trusted = KillMatrix(
        matrix.proofs,
        tuple(name for name, good in zip(matrix.patches, proved, strict=True) if good),
        matrix.fires,
        tuple(tuple(cell for cell, good in zip(row, proved, strict=True) if good) for row in matrix.cells),
    )
    identifiers = {proof.name: proof.identifiers for proof in recipe.proofs}
    return tuple(
        GroupResult(
            group.proofs,
            tuple(dict.fromkeys(i for proof in group.proofs for i in identifiers[proof])),
            group.patches,
        )
        for group in merge_groups(trusted)
    )


class _Bench:
    """Runs what one recipe asks for on its builds, and remembers every run on every build."""

    def __init__(self, recipe: Recipe, builds: Builds, tell: OnProgress, opener: OpenBox) -> None:
        self._recipe = recipe
        self._builds = builds
        self._tell = tell
        self._opener = opener
        self._controls: dict[str, Execution] = {}
        self._patched_runs: dict[tuple[str, str], tuple[Execution, ...]] = {}
        self._frames: dict[tuple[str, CodeAddress], tuple[Frame, ...]] = {}
        self.invalid_runs = 0

    def prove_all(self) -> tuple[ProofResult, ...]:
        """Every control, then every proof, on the vulnerable build."""
        base = self._builds.trees.base
        noisy = ""
        for control in self._recipe.controls:
            self._tell(Progress("prove", f"control {control.name} on the vulnerable build"))
            run = self._execute(base, self._command(self._inputs(control)))
            self._controls[control.name] = run
            why = differs(run, self._wanted(control.expected))
            if why:
                noisy = noisy or f"control {control.name} {why} on the vulnerable build"
        return tuple(self._prove(proof, base, noisy) for proof in self._recipe.proofs)

    def _prove(self, proof: ProofSpec, base: bytes, noisy: str) -> ProofResult:
        command = self._command(self._inputs(proof))
        observed: list[Observed] = []
        for number in range(1, RUNS + 1):
            self._tell(Progress("prove", f"{proof.name}, run {number} of {RUNS}"))
            run = self._execute(base, command)
            crashed = run.outcome is Outcome.CRASHED
            observed.append(Observed(run, self._name(base, run) if crashed else None))
        fixed = any(
            patch.name in self._builds.trees.already_applied and proof.name in patch.stops
            for patch in self._recipe.patches
        )
        judged = judge_proof(observed, proof.crash, already_fixed=fixed)
        if noisy and judged.verdict is Verdict.REPRODUCED:
            judged = Judgement(Verdict.NEEDS_HUMAN, noisy)
        crashes = [each.crash for each in observed if each.crash is not None]
        return ProofResult(
            name=proof.name,
            identifiers=proof.identifiers,
            sha256=self._proof_digest(proof),
            verdict=judged.verdict,
            reason=judged.reason,
            runs=len(observed),
            crashes=len(crashes),
            crash=crashes[0] if crashes else None,
            seconds=max(each.execution.seconds for each in observed),
        )

    def measure_matrix(self, proofs: tuple[ProofResult, ...]) -> KillMatrix:
        """Every proof against every patched build, three fresh boxes each."""
        cells: list[tuple[Cell, ...]] = []
        for proof in self._recipe.proofs:
            command = self._command(self._inputs(proof))
            row: list[Cell] = []
            for patch in self._recipe.patches:
                made = self._builds.trees.patched[patch.name]
                runs: tuple[Execution, ...] = ()
                if isinstance(made, Artifact):
                    self._tell(Progress("patch", f"{proof.name} against {patch.name}"))
                    runs = tuple(self._execute(made.program, command) for _ in range(RUNS))
                self._patched_runs[proof.name, patch.name] = runs
                row.append(judge_cell([run.outcome for run in runs]))
            cells.append(tuple(row))
        return KillMatrix(
            tuple(proof.name for proof in proofs),
            tuple(patch.name for patch in self._recipe.patches),
            tuple(proof.verdict is Verdict.REPRODUCED for proof in proofs),
            tuple(cells),
        )

    def prove_patch(
        self, patch: PatchSpec, proofs: tuple[ProofResult, ...], matrix: KillMatrix
    ) -> PatchResult:
        """Judge one patch: it builds, stops what it claims, keeps tests and controls, and no twin is near."""
        location, content = self._builds.trees.patches[patch.name]
        made = self._builds.trees.patched[patch.name]
        reasons: list[str] = []
        unknown = False
        tests: tuple[CheckResult, ...] = ()
        controls: tuple[CheckResult, ...] = ()
        mutations: tuple[MutationResult, ...] = ()
        stopped = matrix.stopped_by(patch.name)
        invalid_before = self.invalid_runs
        if isinstance(made, NotBuilt):
            reasons.append(f"{made.reason}: {made.output}")
        else:
            claims_reasons, unknown = self._claims(patch, proofs, matrix)
            reasons += claims_reasons
            tests = self._run_tests(patch, made)
            controls = self._run_controls(patch, made)
            reasons += [f"test {test.name} {test.reason}" for test in tests if not test.ok]
            reasons += [f"control {control.name} {control.reason}" for control in controls if not control.ok]
            if not reasons and self._recipe.mutation_s:
                mutations = self._hunt(patch, made, {proof.name: proof for proof in proofs})
                reasons += [
                    f"a change of {each.proof} still crashes: {each.twin.crash_class}"
                    for each in mutations
                    if each.twin
                ]
        verdict = PatchVerdict.NOT_PROVED if reasons else PatchVerdict.PROVED
        return PatchResult(
            name=patch.name,
            location=location,
            sha256=sha256_hex(content),
            verdict=PatchVerdict.NEEDS_HUMAN if unknown or self.invalid_runs > invalid_before else verdict,
            reasons=tuple(reasons),
            stopped=tuple(name for name in matrix.proofs if name in stopped),
            tests=tests,
            controls=controls,
            mutations=mutations,
        )

    def _claims(
        self, patch: PatchSpec, proofs: tuple[ProofResult, ...], matrix: KillMatrix
    ) -> tuple[list[str], bool]:
        """What stands against the claims of a patch, and whether any of it is only a dead sandbox."""
        reasons: list[str] = []
        unknown = False
        column = matrix.patches.index(patch.name)
        for row, (proof, spec) in enumerate(zip(proofs, self._recipe.proofs, strict=True)):
            if proof.name not in patch.stops:
                continue
            cell = matrix.cells[row][column]
            unknown = unknown or cell is Cell.UNKNOWN
            if proof.verdict is not Verdict.REPRODUCED:
                reasons.append(
                    f"proof {proof.name} is {proof.verdict} without the patch, so stopping it shows nothing"
                )
            elif cell is not Cell.STOPPED:
                reasons.append(f"proof {proof.name} with the patch: {cell}")
            else:
                wanted = self._wanted(spec.fixed)
                found = (differs(run, wanted) for run in self._patched_runs[proof.name, patch.name])
                reasons += [f"proof {proof.name} {why} with the patch" for why in dict.fromkeys(found) if why]
        return reasons, unknown

    def _run_tests(self, patch: PatchSpec, made: Artifact) -> tuple[CheckResult, ...]:
        results: list[CheckResult] = []
        for test in self._recipe.tests:
            self._tell(Progress("patch", f"test {test.name} with {patch.name}"))
            run = self._execute(made.tests, Command(test.argv, {}, b"", test.timeout_s))
            why = differs(run, self._wanted(test.expected))
            results.append(CheckResult(test.name, not why, why))
        return tuple(results)

    def _run_controls(self, patch: PatchSpec, made: Artifact) -> tuple[CheckResult, ...]:
        results: list[CheckResult] = []
        for control in self._recipe.controls:
            self._tell(Progress("patch", f"control {control.name} with {patch.name}"))
            run = self._execute(made.program, self._command(self._inputs(control)))
            before = self._controls[control.name]
            why = differs(run, self._wanted(control.expected))
            if not why and (run.exit_code, run.stdout, run.stderr) != (
                before.exit_code,
                before.stdout,
                before.stderr,
            ):
                why = "answers otherwise than without the patch"
            results.append(CheckResult(control.name, not why, why))
        return tuple(results)

    def _hunt(
        self, patch: PatchSpec, made: Artifact, proofs: Mapping[str, ProofResult]
    ) -> tuple[MutationResult, ...]:
        results: list[MutationResult] = []
        claimed = [proof for proof in self._recipe.proofs if proof.name in patch.stops]
        for proof in claimed:
            known = proofs[proof.name].crash
            if known is None:
                continue
            self._tell(Progress("patch", f"changes of {proof.name} against {patch.name}"))
            found = hunt(
                made.program,
                self._inputs(proof),
                known,
                self._command,
                partial(self._name, made.program),
                seconds=self._recipe.mutation_s / len(claimed),
                seed=f"{self._recipe.sha256}/{proof.name}/{patch.name}",
                opener=self._opener,
            )
            results.append(MutationResult(proof.name, found.executions, found.twin, found.others))
        return tuple(results)

    def _execute(self, program: bytes, command: Command) -> Execution:
        run = execute(program, command, opener=self._opener)
        self.invalid_runs += run.outcome is Outcome.INVALID
        return run

    def _command(self, inputs: Inputs) -> Command:
        run = self._recipe.run
        return run_command(run.argv, run.stdin, run.timeout_s, inputs)

    def _inputs(self, case: ProofSpec | ControlSpec) -> Inputs:
        return {name: (ref.path, self._builds.content(ref)) for name, ref in case.inputs.items()}

    def _wanted(self, expected: Expected) -> Wanted:
        def whole(ref: FileRef | None) -> bytes | None:
            return None if ref is None else self._builds.content(ref)

        return Wanted(
            expected.exit_code,
            whole(expected.stdout),
            whole(expected.stderr),
            expected.stdout_contains,
            expected.stderr_contains,
        )

    def _name(self, program: bytes, run: Execution) -> Crash:
        """A crash's signature; each address of each build is symbolised once."""
        if run.report is None:
            raise ValueError("only a run with a report has a crash to name")
        build_digest = sha256_hex(program)
        unknown = [address for address in run.report.stack if (build_digest, address) not in self._frames]
        found = symbolise(program, unknown, opener=self._opener) if unknown else {}
        self._frames.update({(build_digest, address): found.get(address, ()) for address in unknown})
        return name_crash(
            run.report, {address: self._frames[build_digest, address] for address in run.report.stack}
        )

    def _proof_digest(self, proof: ProofSpec) -> str:
        return sha256_hex(
            canonical({name: sha256_hex(self._builds.content(ref)) for name, ref in proof.inputs.items()})
        )
