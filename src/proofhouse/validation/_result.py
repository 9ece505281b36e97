# SPDX-License-Identifier: Apache-2.0
"""What a validation found, as a record and as a signed in-toto test result."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from proofhouse.attest import Envelope, JsonValue, Signer, sign_statement, statement
from proofhouse.validation._candidates import Candidate
from proofhouse.validation._crash import Crash
from proofhouse.validation._matrix import KillMatrix
from proofhouse.validation._minimise import Smaller
from proofhouse.validation._refusal import Refusal
from proofhouse.validation._verdict import Verdict

PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
EXTENSION = "https://proofhouse.dev/validation/v1"
RESULT_FORMAT = 1


class PatchVerdict(StrEnum):
    """What measuring a patch showed."""

    PROVED = "proved"
    NOT_PROVED = "not-proved"
    NEEDS_HUMAN = "needs-human"


class Standing(StrEnum):
    """Whether a version shows a flaw."""

    AFFECTED = "affected"
    NOT_AFFECTED = "not-affected"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class SourceResult:
    """Which source was built. `moved`: the archive no longer had the pinned version; `version` was taken."""

    kind: str
    name: str
    release: str
    version: str
    pinned_version: str
    moved: bool
    sha256: str
    """Digest over the names and digests of its files."""
    files: Mapping[str, str]
    """File name → SHA-256."""


@dataclass(frozen=True)
class ProofResult:
    """One proof on the vulnerable build."""

    name: str
    identifiers: tuple[str, ...]
    sha256: str
    """Digest over its inputs' names and digests."""
    verdict: Verdict
    reason: str
    runs: int
    crashes: int
    crash: Crash | None
    seconds: float
    """Longest of its runs."""
    minimised: tuple[Smaller, ...] = ()
    """Its inputs made smaller, where the recipe asks for it and it could be done."""


@dataclass(frozen=True)
class VersionResult:
    """One proof on another version of the program, as that stands."""

    version: str
    proof: str
    standing: Standing
    reason: str


@dataclass(frozen=True)
class CheckResult:
    """One test of the program's own, or one control input, on a patched build."""

    name: str
    ok: bool
    reason: str


@dataclass(frozen=True)
class MutationResult:
    """The hunt for a twin of one proof."""

    proof: str
    executions: int
    twin: Crash | None
    others: tuple[str, ...]


@dataclass(frozen=True)
class PatchResult:
    """One patch, measured."""

    name: str
    location: str
    sha256: str
    verdict: PatchVerdict
    refusal: Refusal | None
    """The class of what speaks against it, when it is not proved."""
    reasons: tuple[str, ...]
    """Empty when proved."""
    stopped: tuple[str, ...]
    tests: tuple[CheckResult, ...]
    controls: tuple[CheckResult, ...]
    mutations: tuple[MutationResult, ...]


@dataclass(frozen=True)
class GroupResult:
    """One bug: proofs that the same minimal patches stop."""

    proofs: tuple[str, ...]
    identifiers: tuple[str, ...]
    patches: tuple[str, ...]


@dataclass(frozen=True)
class ValidationResult:
    """Everything that one validation measured."""

    recipe: str
    recipe_sha256: str
    real: bool
    """The program is somebody's real one, not an example of ours."""
    ok: bool
    """Every proof was reproduced and every patch proved."""
    source: SourceResult
    proofs: tuple[ProofResult, ...]
    patches: tuple[PatchResult, ...]
    kill_matrix: KillMatrix
    groups: tuple[GroupResult, ...]
    candidates: tuple[Candidate, ...]
    """Pairs of proofs that look alike (T0, T1), whether or not the kill matrix made them one."""
    other_versions: tuple[VersionResult, ...]
    invalid_runs: int
    """Runs whose sandbox died in every attempt."""
    versions: Mapping[str, str]
    tier: str
    build_cached: bool
    seconds: Mapping[str, float]
    """Elapsed time of `source`, `build`, `prove`, `patch` and `total`."""
    started: datetime
    finished: datetime
    envelope: Envelope | None = None
    """The signed statement, when a signer was given; not part of the record."""

    def to_record(self) -> dict[str, JsonValue]:
        """The result as JSON values; times are RFC 3339 UTC with microseconds."""
        record = {"format": RESULT_FORMAT, **_json(self)}
        del record["envelope"]
        return record

    def to_statement(self) -> dict[str, Any]:
        """The result as an in-toto Statement v1 with the test-result predicate v0.1.

        Subjects are the source, each patch and each proof. The whole record travels as an extension field,
        named by its type URI as the attestation framework asks.
        """
        subjects = [(f"source/{self.source.name}", self.source.sha256)]
        subjects += [(f"patch/{patch.name}", patch.sha256) for patch in self.patches if patch.sha256]
        subjects += [(f"proof/{proof.name}", proof.sha256) for proof in self.proofs]
        checks = {f"proof/{proof.name}": proof.verdict is Verdict.REPRODUCED for proof in self.proofs}
        checks |= {f"patch/{patch.name}": patch.verdict is PatchVerdict.PROVED for patch in self.patches}
        predicate = {
            "result": "PASSED" if self.ok else "FAILED",
            "configuration": [
                {
                    "name": f"recipe/{self.recipe}",
                    "digest": {"sha256": self.recipe_sha256},
                    "annotations": {**self.versions, "tier": self.tier},
                }
            ],
            "passedTests": [name for name, passed in checks.items() if passed],
            "warnedTests": [],
            "failedTests": [name for name, passed in checks.items() if not passed],
            EXTENSION: self.to_record(),
        }
        return statement(
            [{"name": name, "digest": {"sha256": digest}} for name, digest in subjects],
            PREDICATE_TYPE,
            predicate,
        )

    def signed(self, signer: Signer) -> "ValidationResult":
        """The same result with its statement in a signed DSSE envelope."""
        return dataclasses.replace(self, envelope=sign_statement(self.to_statement(), [signer]))


def _json(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: _json(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_json(item) for item in value]
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, float):
        return round(value, 3)
    return str(value) if isinstance(value, StrEnum) else value
