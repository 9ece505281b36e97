# SPDX-License-Identifier: Apache-2.0
"""The whole of one validation: source, builds, proofs, controls, patches, kill matrix, groups."""

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from proofhouse.attest import Signer, canonical, sha256_hex
from proofhouse.sandbox import Box, BoxSpec, Tier, open_box
from proofhouse.validation._bench import Bench, OnProgress, Progress
from proofhouse.validation._build import Builds, build
from proofhouse.validation._cache import storage_errors
from proofhouse.validation._candidates import Candidate, Seen, candidates
from proofhouse.validation._diff import read_diff
from proofhouse.validation._errors import BoxTooSmall, BuildFailed, RecipeError, SourceUnavailable
from proofhouse.validation._execution import OpenBox
from proofhouse.validation._matrix import KillMatrix, merge_groups
from proofhouse.validation._recipe import OtherVersion, Recipe
from proofhouse.validation._refusal import half_suspects
from proofhouse.validation._result import (
    GroupResult,
    PatchResult,
    PatchVerdict,
    ProofResult,
    SourceResult,
    Standing,
    ValidationResult,
    VersionResult,
)
from proofhouse.validation._source import Source, fetch_source
from proofhouse.validation._verdict import Verdict


def _silence(_: Progress) -> None:
    """Report to nobody."""


def at_tier(opener: OpenBox, tier: Tier) -> OpenBox:
    """An opener whose boxes all have one tier, whatever tier is asked for."""

    def open_at(spec: BoxSpec) -> Box:
        return opener(replace(spec, tier=tier))

    return open_at


def validate(
    recipe: Recipe,
    *,
    cache_dir: Path,
    signer: Signer | None = None,
    on_progress: OnProgress | None = None,
    offline: bool = False,
    opener: OpenBox = open_box,
    tier: Tier = "T0",
    workers: int | None = None,
) -> ValidationResult:
    """Prove a recipe's proofs and patches by running them.

    Args:
        recipe: what to prove.
        cache_dir: sources and builds are kept there by digest; made if absent.
        signer: signs the result as an in-toto test result, kept in `ValidationResult.envelope`.
        on_progress: told about each step.
        offline: use only sources that are in the cache.
        opener: opens boxes.
        tier: how strong every box of the validation is, builds included; `T1` for proofs from strangers. A
            recipe can raise it.
        workers: how many boxes are open at once; one for each processor, at most 4, when not said.

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
    tier = max(tier, recipe.tier)
    opener = at_tier(opener, tier)
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
    with Bench(recipe, builds, tell, opener, workers or min(os.cpu_count() or 1, 4)) as bench:
        mark = time.monotonic()
        proofs = bench.prove_all()
        seconds["prove"], mark = time.monotonic() - mark, time.monotonic()
        matrix, measured = bench.measure(proofs)
        patches = _without_halves(matrix, proofs, measured)
        seconds["patch"] = time.monotonic() - mark
    others = tuple(
        found
        for version in recipe.versions
        for found in _try_version(recipe, version, cache_dir, tell, opener, offline=offline)
    )
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
        groups=_groups(recipe, matrix, proofs, patches),
        candidates=_candidates(recipe, builds, proofs),
        other_versions=others,
        invalid_runs=bench.invalid_runs,
        versions={"compiler": builds.compiler, "recipe_format": "1"},
        tier=tier,
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


def _try_version(
    recipe: Recipe,
    version: OtherVersion,
    cache_dir: Path,
    tell: OnProgress,
    opener: OpenBox,
    *,
    offline: bool,
) -> tuple[VersionResult, ...]:
    """Every proof on another version as it stands; one that cannot be had or built is unknown, with the reason."""
    other = replace(recipe, source=version.source, patches=(), versions=(), minimise_s=0)
    tell(Progress("patch", f"no patch, but version {version.name}"))
    try:
        source = fetch_source(other, cache_dir, offline=offline)
        builds = build(other, source, cache_dir, on_step=lambda *_: None, opener=opener)
    except (SourceUnavailable, BuildFailed, BoxTooSmall, RecipeError) as error:
        return tuple(
            VersionResult(version.name, proof.name, Standing.UNKNOWN, str(error)) for proof in recipe.proofs
        )
    with Bench(other, builds, tell, opener, min(os.cpu_count() or 1, 4)) as bench:
        return tuple(
            VersionResult(
                version.name, proof.name, _STANDING.get(proof.verdict, Standing.UNKNOWN), proof.reason
            )
            for proof in bench.prove_all()
        )


_STANDING = {
    Verdict.REPRODUCED: Standing.AFFECTED,
    Verdict.OUT_OF_MODEL: Standing.AFFECTED,
    Verdict.NOT_REPRODUCED: Standing.NOT_AFFECTED,
    Verdict.ALREADY_FIXED: Standing.NOT_AFFECTED,
}


def _without_halves(
    matrix: KillMatrix, proofs: Sequence[ProofResult], patches: Sequence[PatchResult]
) -> tuple[PatchResult, ...]:
    """The patches, those that look like half a fix beside a whole one handed to a person."""
    crashes = {proof.name: proof.crash for proof in proofs if proof.crash is not None}
    proved = [patch.name for patch in patches if patch.verdict is PatchVerdict.PROVED]
    suspects = half_suspects(matrix, proved, crashes)
    return tuple(
        patch
        if patch.name not in suspects
        else replace(
            patch,
            verdict=PatchVerdict.NEEDS_HUMAN,
            reasons=(
                "leaves {}, which crashes at the same line; {} stops both, and nothing stops that one alone".format(
                    *suspects[patch.name]
                ),
            ),
        )
        for patch in patches
    )


def _candidates(recipe: Recipe, builds: Builds, proofs: Sequence[ProofResult]) -> tuple[Candidate, ...]:
    """T0 and T1: which of the proofs look alike."""
    changes = {name: read_diff(effect.diff, effect.strip) for name, effect in builds.trees.effects.items()}
    return candidates(
        [
            Seen(
                proof.name,
                proof.sha256,
                proof.crash,
                tuple(
                    c for patch in recipe.patches if proof.name in patch.stops for c in changes[patch.name]
                ),
            )
            for proof in proofs
        ]
    )


def _groups(
    recipe: Recipe, matrix: KillMatrix, proofs: Sequence[ProofResult], patches: Sequence[PatchResult]
) -> tuple[GroupResult, ...]:
    """Merge by the proved patches only: a fake that blocks one proof must not split it from its twin.

    What the product's model leaves out stands alone: it makes no bug of the product with others.
    """
    proved = [patch.verdict is PatchVerdict.PROVED for patch in patches]
    trusted = KillMatrix(
        matrix.proofs,
        tuple(name for name, good in zip(matrix.patches, proved, strict=True) if good),
        tuple(proof.verdict is Verdict.REPRODUCED for proof in proofs),
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
