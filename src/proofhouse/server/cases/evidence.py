# SPDX-License-Identifier: Apache-2.0
"""Reading a signed validation statement into what the case desk needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from proofhouse.attest import Envelope, PublicKey, verify_statement
from proofhouse.server.cases.rules import ReportState
from proofhouse.validation import EXTENSION, PREDICATE_TYPE


@dataclass(frozen=True)
class ProvedProof:
    """What running one proof showed."""

    identifiers: tuple[str, ...]
    verdict: ReportState
    reason: str
    """Why, where it is not plainly reproduced."""
    crash_class: str
    frame: str
    runs: int
    crashes: int


@dataclass(frozen=True)
class ProvedPatch:
    """What measuring one patch showed."""

    name: str
    sha256: str
    proved: bool


@dataclass(frozen=True)
class ProvedBug:
    """Identifiers that the same patches mend."""

    identifiers: tuple[str, ...]
    patches: tuple[str, ...]
    """Names of the smallest patches that do; none for one that stands alone."""


@dataclass(frozen=True)
class Evidence:
    """One validation statement, verified."""

    real: bool
    proofs: tuple[ProvedProof, ...]
    patches: tuple[ProvedPatch, ...]
    bugs: tuple[ProvedBug, ...]


def read_evidence(envelope: bytes, keys: Sequence[PublicKey]) -> Evidence:
    """Verify a statement and read it.

    Raises:
        BadSignature, MalformedEnvelope, MalformedStatement: It is not a validation that one of the keys signed.
    """
    content = verify_statement(Envelope.from_json(envelope), keys, predicate_type=PREDICATE_TYPE)
    result = content["predicate"][EXTENSION]
    return Evidence(
        real=result["real"],
        proofs=tuple(
            ProvedProof(
                identifiers=tuple(proof["identifiers"]),
                verdict=ReportState(proof["verdict"]),
                reason=proof.get("reason", "")[:600],
                crash_class=proof["crash"]["crash_class"] if proof["crash"] else "",
                frame=next(iter(proof["crash"]["state"]), "") if proof["crash"] else "",
                runs=proof["runs"],
                crashes=proof["crashes"],
            )
            for proof in result["proofs"]
        ),
        patches=tuple(
            ProvedPatch(patch["name"], patch["sha256"], patch["verdict"] == "proved")
            for patch in result["patches"]
        ),
        bugs=tuple(
            ProvedBug(tuple(group["identifiers"]), tuple(group.get("patches", ())))
            for group in result["groups"]
        ),
    )
