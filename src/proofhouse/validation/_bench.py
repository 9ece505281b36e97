# SPDX-License-Identifier: Apache-2.0
"""The bench: runs what one recipe asks for on its builds, and remembers every run on every build."""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from types import TracebackType

from proofhouse.attest import canonical, sha256_hex
from proofhouse.validation._ahead import BoxesAhead
from proofhouse.validation._build import Builds
from proofhouse.validation._conversation import HttpTalk
from proofhouse.validation._crash import CodeAddress, Crash, Frame, name_crash
from proofhouse.validation._execution import (
    RUNS,
    Command,
    Execution,
    OpenBox,
    Outcome,
    box_for,
    execute,
    is_checked,
    run_command,
    symbolise,
)
from proofhouse.validation._matrix import Cell, KillMatrix
from proofhouse.validation._minimise import Smaller, minimise
from proofhouse.validation._mutation import Inputs, hunt
from proofhouse.validation._recipe import (
    ControlSpec,
    Expected,
    FileRef,
    PatchSpec,
    ProofSpec,
    Recipe,
    SourcePath,
)
from proofhouse.validation._refusal import (
    Finding,
    Refusal,
    asks_a_person,
    judge_claims,
    main_refusal,
    read_patch,
)
from proofhouse.validation._result import (
    CheckResult,
    MutationResult,
    PatchResult,
    PatchVerdict,
    ProofResult,
)
from proofhouse.validation._trees import Artifact, NotBuilt
from proofhouse.validation._verdict import (
    SHOWN,
    Judgement,
    Observed,
    Verdict,
    Wanted,
    differs,
    is_left_out,
    judge_cell,
    judge_proof,
    judge_shown,
    judge_shown_cell,
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


class Bench:
    """Runs proofs, controls and tests of one recipe, several at once, each in a fresh box.

    Use it as a context manager: its threads end with it.

    Args:
        recipe: what is asked for.
        builds: what was made of it.
        tell: told about each step.
        opener: opens boxes.
        workers: how many boxes are open at once.
    """

    def __init__(
        self, recipe: Recipe, builds: Builds, tell: OnProgress, opener: OpenBox, workers: int
    ) -> None:
        self._recipe = recipe
        self._builds = builds
        self._tell = tell
        self._opener = opener
        self._workers = workers
        self._pool = ThreadPoolExecutor(workers, "proofhouse-bench")
        self._openings = ThreadPoolExecutor(workers, "proofhouse-boxes")
        self._controls: dict[str, Execution] = {}
        self._patched_runs: dict[tuple[str, str], tuple[Execution, ...]] = {}
        self._frames: dict[tuple[str, CodeAddress], tuple[Frame, ...]] = {}
        self.invalid_runs = 0

    def __enter__(self) -> "Bench":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._openings.shutdown(cancel_futures=True)

    def prove_all(self) -> tuple[ProofResult, ...]:
        """Every control, then every proof, on the vulnerable build."""
        base = self._builds.trees.base
        noisy = ""
        for control in self._recipe.controls:
            self._tell(Progress("prove", f"control {control.name} on the vulnerable build"))
        asked = [(base, self._command(control)) for control in self._recipe.controls]
        for control, run in zip(self._recipe.controls, self.run_all(asked), strict=True):
            self._controls[control.name] = run
            why = differs(run, self._wanted(control.expected))
            if why:
                noisy = noisy or f"control {control.name} {why} on the vulnerable build"
        for proof in self._recipe.proofs:
            self._tell(Progress("prove", f"{proof.name}, {RUNS} runs"))
        asked = [(base, self._command(p)) for p in self._recipe.proofs for _ in range(RUNS)]
        runs = self.run_all(asked)
        return tuple(
            self._prove(proof, base, runs[index * RUNS : (index + 1) * RUNS], noisy)
            for index, proof in enumerate(self._recipe.proofs)
        )

    def _prove(self, proof: ProofSpec, base: bytes, runs: Sequence[Execution], noisy: str) -> ProofResult:
        observed = [
            Observed(run, self._name(base, run) if run.outcome is Outcome.CRASHED else None) for run in runs
        ]
        fixed = any(
            patch.name in self._builds.trees.already_applied and proof.name in patch.stops
            for patch in self._recipe.patches
        )
        fires = sum(each.crash is not None for each in observed)
        if proof.crash is not None:
            judged = judge_proof(observed, proof.crash, already_fixed=fixed)
        else:
            shows, mended = self._oracle(proof)
            judged = judge_shown(runs, shows, mended, already_fixed=fixed)
            fires = sum(not differs(run, shows) for run in runs)
        if noisy and judged.verdict is Verdict.REPRODUCED:
            judged = Judgement(Verdict.NEEDS_HUMAN, noisy)
        crashes = [each.crash for each in observed if each.crash is not None]
        if judged.verdict is Verdict.REPRODUCED:
            judged = self._within_model(proof, base, crashes) or judged
        return ProofResult(
            name=proof.name,
            identifiers=proof.identifiers,
            sha256=self._proof_digest(proof),
            verdict=judged.verdict,
            reason=judged.reason,
            runs=len(observed),
            crashes=fires,
            crash=crashes[0] if crashes else None,
            seconds=max(each.execution.seconds for each in observed),
            minimised=self._minimise(proof, base, judged, crashes),
        )

    def _within_model(self, proof: ProofSpec, base: bytes, crashes: Sequence[Crash]) -> Judgement | None:
        """The first exclusion of the product's model that a reproduced proof falls under."""
        for exclusion in self._recipe.exclusions:
            left_out = is_left_out(exclusion, crashes[0] if crashes else None)
            if left_out and (not exclusion.trusts or self._needs_trusted(proof, base, set(exclusion.trusts))):
                return Judgement(Verdict.OUT_OF_MODEL, f"{exclusion.name}: {exclusion.reason}")
        return None

    def _needs_trusted(self, proof: ProofSpec, base: bytes, trusts: Set[str]) -> bool:
        """Whether a proof shows nothing any more once its trusted inputs are those of a control, of whichever."""
        inputs = self._inputs(proof)
        names = trusts & set(inputs)
        likes = [self._inputs(each) for each in self._recipe.controls if names <= set(each.inputs)]
        if not names or not likes:
            return False
        asked = [
            (base, self._command(proof, {**inputs, **{name: like[name] for name in names}}))
            for like in likes
            for _ in range(RUNS)
        ]
        self._tell(Progress("prove", f"{proof.name} with the trusted inputs of controls"))
        runs = self.run_all(asked)
        if proof.crash is None:
            shows, _ = self._oracle(proof)
            return all(run.outcome is not Outcome.INVALID and differs(run, shows) for run in runs)
        return all(run.outcome is Outcome.SILENT for run in runs)

    def _minimise(
        self, proof: ProofSpec, base: bytes, judged: Judgement, crashes: Sequence[Crash]
    ) -> tuple[Smaller, ...]:
        if not self._recipe.minimise_s or judged.verdict not in SHOWN or not crashes:
            return ()
        self._tell(Progress("prove", f"{proof.name}, made smaller"))
        inputs = self._inputs(proof)

        def run(contents: Mapping[str, bytes]) -> Execution:
            given = {name: (path, contents[name]) for name, (path, _) in inputs.items()}
            return execute(base, self._command(proof, given), opener=self._opener)

        contents = {name: content for name, (_, content) in inputs.items()}
        name = partial(self._name, base)
        return minimise(contents, crashes[0], run, name, seconds=self._recipe.minimise_s)

    def measure(self, proofs: tuple[ProofResult, ...]) -> tuple[KillMatrix, tuple[PatchResult, ...]]:
        """Every patch against the proofs that it claims; what is proved then, against every proof.

        A cell of a refused patch and a proof that it does not claim stays unknown: nothing depends on it.
        """
        claimed = {
            (proof.name, patch.name)
            for patch in self._recipe.patches
            for proof in proofs
            if proof.name in patch.stops
        }
        self._measure(claimed)
        matrix = self._matrix(proofs)
        patches = tuple(self._prove_patch(patch, proofs, matrix) for patch in self._recipe.patches)
        kept = [patch.name for patch in patches if patch.verdict is not PatchVerdict.NOT_PROVED]
        self._measure({(proof.name, name) for proof in proofs for name in kept} - claimed)
        matrix = self._matrix(proofs)
        return matrix, tuple(
            replace(patch, stopped=tuple(n for n in matrix.proofs if n in matrix.stopped_by(patch.name)))
            for patch in patches
        )

    def _measure(self, wanted: Set[tuple[str, str]]) -> None:
        """Run proofs against patched builds, each pair in three fresh boxes."""
        pairs: list[tuple[str, str]] = []
        asked: list[tuple[bytes, Command]] = []
        for spec in self._recipe.proofs:
            command = self._command(spec)
            for patch in self._recipe.patches:
                made = self._builds.trees.patched[patch.name]
                if (spec.name, patch.name) in wanted and isinstance(made, Artifact):
                    self._tell(Progress("patch", f"{spec.name} against {patch.name}"))
                    pairs.append((spec.name, patch.name))
                    asked += [(made.program, command)] * RUNS
        runs = self.run_all(asked)
        for index, pair in enumerate(pairs):
            self._patched_runs[pair] = tuple(runs[index * RUNS : (index + 1) * RUNS])

    def _matrix(self, proofs: tuple[ProofResult, ...]) -> KillMatrix:
        return KillMatrix(
            tuple(proof.name for proof in proofs),
            tuple(patch.name for patch in self._recipe.patches),
            tuple(proof.verdict in SHOWN for proof in proofs),
            tuple(
                tuple(
                    self._cell(spec, self._patched_runs.get((spec.name, patch.name), ()))
                    for patch in self._recipe.patches
                )
                for spec in self._recipe.proofs
            ),
        )

    def _cell(self, proof: ProofSpec, runs: Sequence[Execution]) -> Cell:
        if proof.crash is not None:
            return judge_cell([run.outcome for run in runs])
        return judge_shown_cell(runs, *self._oracle(proof))

    def _oracle(self, proof: ProofSpec) -> tuple[Wanted, Wanted]:
        """What a proof without a sanitizer's report shows, and what it shows when mended."""
        if proof.shows is None:
            raise ValueError(f"{proof.name} claims a crash, not something seen")
        return self._wanted(proof.shows), self._wanted(proof.fixed)

    def _prove_patch(
        self, patch: PatchSpec, proofs: tuple[ProofResult, ...], matrix: KillMatrix
    ) -> PatchResult:
        """Judge one patch: it applies, builds, stops what it claims, keeps tests and controls, no twin is near."""
        effect = self._builds.trees.effects[patch.name]
        made = self._builds.trees.patched[patch.name]
        test_files = self._recipe.build.test_files
        findings = list(read_patch(effect.diff, effect.strip, test_files))
        shipped = isinstance(patch.location, SourcePath)
        person = "" if shipped else asks_a_person(effect.diff, effect.strip, test_files)
        unknown = False
        tests: tuple[CheckResult, ...] = ()
        controls: tuple[CheckResult, ...] = ()
        mutations: tuple[MutationResult, ...] = ()
        invalid_before = self.invalid_runs
        if isinstance(made, NotBuilt):
            findings = [Finding(Refusal(made.reason), f"{made.reason}: {made.output}")]
        else:
            claims, unknown = self._claims(patch, proofs, matrix)
            findings += claims
            if is_checked(self._builds.trees.base) and not is_checked(made.program):
                findings.append(
                    Finding(Refusal.MASKING, "the patched program is built without the sanitizer")
                )
            tests = self._run_tests(patch, made)
            controls = self._run_controls(patch, made)
            findings += [Finding(Refusal.MASKING, f"test {t.name} {t.reason}") for t in tests if not t.ok]
            findings += [
                Finding(Refusal.MASKING, f"control {c.name} {c.reason}") for c in controls if not c.ok
            ]
            if not findings and self._recipe.mutation_s:
                mutations = self._hunt(patch, made, {proof.name: proof for proof in proofs})
                findings += [
                    Finding(Refusal.HALF, f"a change of {each.proof} still crashes: {each.twin.crash_class}")
                    for each in mutations
                    if each.twin
                ]
        verdict = PatchVerdict.NOT_PROVED if findings else PatchVerdict.PROVED
        if unknown or self.invalid_runs > invalid_before or (person and not findings):
            verdict = PatchVerdict.NEEDS_HUMAN
        return PatchResult(
            name=patch.name,
            location=effect.found,
            sha256=effect.sha256,
            verdict=verdict,
            refusal=main_refusal(findings) if verdict is PatchVerdict.NOT_PROVED else None,
            reasons=(*(finding.reason for finding in findings), *([person] if person else [])),
            stopped=(),
            tests=tests,
            controls=controls,
            mutations=mutations,
        )

    def _claims(
        self, patch: PatchSpec, proofs: tuple[ProofResult, ...], matrix: KillMatrix
    ) -> tuple[list[Finding], bool]:
        """What stands against the claims of a patch, and whether any of it is only a dead sandbox."""
        findings: list[Finding] = []
        column = matrix.patches.index(patch.name)
        claimed: dict[str, Cell] = {}
        for row, proof in enumerate(proofs):
            if proof.name not in patch.stops:
                continue
            if proof.verdict in SHOWN:
                claimed[proof.name] = matrix.cells[row][column]
            else:
                why = f"proof {proof.name} is {proof.verdict} without the patch, so stopping it shows nothing"
                findings.append(Finding(Refusal.UNPROVEN, why))
        findings += judge_claims(claimed)
        for spec in self._recipe.proofs:
            if claimed.get(spec.name) is Cell.STOPPED:
                wanted = self._wanted(spec.fixed)
                found = (differs(run, wanted) for run in self._patched_runs[spec.name, patch.name])
                findings += [
                    Finding(Refusal.MASKING, f"proof {spec.name} {why} with the patch")
                    for why in dict.fromkeys(found)
                    if why
                ]
        return findings, Cell.UNKNOWN in claimed.values()

    def _run_tests(self, patch: PatchSpec, made: Artifact) -> tuple[CheckResult, ...]:
        asked: list[tuple[bytes, Command]] = []
        for test in self._recipe.tests:
            self._tell(Progress("patch", f"test {test.name} with {patch.name}"))
            asked.append((made.tests, Command(test.argv, {}, b"", test.timeout_s)))
        results: list[CheckResult] = []
        for test, run in zip(self._recipe.tests, self.run_all(asked), strict=True):
            why = differs(run, self._wanted(test.expected))
            results.append(CheckResult(test.name, not why, why))
        return tuple(results)

    def _run_controls(self, patch: PatchSpec, made: Artifact) -> tuple[CheckResult, ...]:
        asked: list[tuple[bytes, Command]] = []
        for control in self._recipe.controls:
            self._tell(Progress("patch", f"control {control.name} with {patch.name}"))
            asked.append((made.program, self._command(control)))
        results: list[CheckResult] = []
        for control, run in zip(self._recipe.controls, self.run_all(asked), strict=True):
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
                partial(self._command, proof),
                partial(self._name, made.program),
                seconds=self._recipe.mutation_s / len(claimed),
                seed=f"{self._recipe.sha256}/{proof.name}/{patch.name}",
                opener=self._opener,
            )
            results.append(MutationResult(proof.name, found.executions, found.twin, found.others))
        return tuple(results)

    def run_all(self, asked: Iterable[tuple[bytes, Command]]) -> list[Execution]:
        """Run commands on programs, as many at once as there are workers; results in the order asked."""
        jobs = list(asked)
        specs = [box_for(command) for _, command in jobs]
        with BoxesAhead(self._opener, specs, self._openings, self._workers) as boxes:
            runs = list(self._pool.map(lambda n: execute(*jobs[n], opener=boxes.opener(n)), range(len(jobs))))
        self.invalid_runs += sum(run.outcome is Outcome.INVALID for run in runs)
        return runs

    def _command(self, case: ProofSpec | ControlSpec, inputs: Inputs | None = None) -> Command:
        """What to start for a proof or control, with its own inputs or others in their place."""
        run, inputs = case.run, inputs or self._inputs(case)
        expected = (case.fixed, case.shows) if isinstance(case, ProofSpec) else (case.expected,)
        talk = None
        if run.http is not None:
            said = tuple(inputs[name][1] for name in run.http.requests)
            talk = HttpTalk(run.http.port, said, run.http.ask)
        return replace(
            run_command(run.argv, run.stdin, run.timeout_s, inputs),
            looks_at=frozenset(path for each in expected if each is not None for path in each.paths),
            http=talk,
        )

    def _inputs(self, case: ProofSpec | ControlSpec) -> Inputs:
        return {name: (ref.path, self._builds.content(ref)) for name, ref in case.inputs.items()}

    def _wanted(self, expected: Expected) -> Wanted:
        def whole(ref: FileRef | None) -> bytes | None:
            return None if ref is None else self._builds.content(ref)

        return Wanted(
            expected.exit_codes,
            whole(expected.stdout),
            whole(expected.stderr),
            expected.stdout_contains,
            expected.stderr_contains,
            expected.files,
            expected.absent,
            expected.http_status,
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
