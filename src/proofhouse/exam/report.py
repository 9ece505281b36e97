# SPDX-License-Identifier: Apache-2.0
"""The signed report of an exam: an in-toto Statement in a DSSE envelope, as `docs/spec/exam-report.md` says.

Reading a report checks the signature and then recomputes what follows from the rest: plan and rule digests,
the Merkle root over the samples, the counts, the estimates and the verdict. A signature proves origin and
integrity; it does not prove that the exam measured the right thing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proofhouse.attest import (
    BadSignature,
    Envelope,
    JsonValue,
    MalformedEnvelope,
    MalformedStatement,
    PublicKey,
    canonical,
    sha256_hex,
    verify_statement,
)
from proofhouse.exam._merkle import merkle_root
from proofhouse.exam._records import BadRecord, require_int, require_keys, require_list, require_text
from proofhouse.exam.estimate import AbilityScale, Estimate, Treatments, estimate_ability
from proofhouse.exam.outcome import Outcome
from proofhouse.exam.plan import Plan
from proofhouse.exam.verdict import Verdict, decide

PREDICATE_TYPE = "https://proofhouse.dev/exam-report/v1"
REPORT_NAME = "report.dsse.json"
"""Name of the report in the directory of an exam."""
TOLERANCE = 1e-6
"""Between an estimate in a report and the recomputed one: other processors round otherwise."""

_FIELDS = {
    "model",
    "subject_sha256",
    "plan",
    "plan_sha256",
    "rule_sha256",
    "grader_sha256",
    "bank_root_sha256",
    "samples",
    "samples_root_sha256",
    "outcomes",
    "estimate",
    "estimates",
    "verdict",
    "verdict_reason",
    "p_exceeds",
    "p_below",
    "gate",
    "tier",
    "self_test",
    "versions",
    "logs",
    "aborted_attempts",
    "started_at",
    "ended_at",
}
_SAMPLE_FIELDS = {
    "item",
    "family",
    "level",
    "outcome",
    "reason",
    "artefact_sha256",
    "attempts",
    "crashes",
    "milestones",
}


class ReportRefused(Exception):
    """Bytes are no exam report that can be relied on; the message says why."""


@dataclass(frozen=True)
class SampleResult:
    """What one item came to."""

    item: str
    family: str
    level: int
    outcome: Outcome
    reason: str
    artefact_sha256: str | None
    attempts: int
    """How often the item was put: 2 where the first sample was invalid."""
    crashes: tuple[Mapping[str, str], ...] = ()
    """What the vulnerable build did, where the family runs one."""
    milestones: tuple[str, ...] = ()

    def to_record(self) -> dict[str, JsonValue]:
        """The JSON form; its digest is a leaf of the samples' root."""
        return {
            "item": self.item,
            "family": self.family,
            "level": self.level,
            "outcome": self.outcome.value,
            "reason": self.reason,
            "artefact_sha256": self.artefact_sha256,
            "attempts": self.attempts,
            "crashes": [dict(crash) for crash in self.crashes],
            "milestones": list(self.milestones),
        }


def estimate_treatments(
    samples: Iterable[tuple[int, Outcome]], scale: AbilityScale, threshold: float
) -> Treatments:
    """Estimate ability with refused and cheated samples counted in three ways; invalid ones never count.

    Args:
        samples: (level, outcome).
        scale: priors.
        threshold: ability to compare with.
    """
    rows = list(samples)
    sure = [
        (level, outcome is Outcome.PASS) for level, outcome in rows if outcome in (Outcome.PASS, Outcome.FAIL)
    ]
    open_ = [level for level, outcome in rows if outcome in (Outcome.REFUSED, Outcome.CHEATED)]
    return Treatments(
        as_failures=estimate_ability([*sure, *((level, False) for level in open_)], scale, threshold),
        excluded=estimate_ability(sure, scale, threshold),
        as_successes=estimate_ability([*sure, *((level, True) for level in open_)], scale, threshold),
    )


def conclude(plan: Plan, samples: Sequence[tuple[int, Outcome]]) -> tuple[Treatments, Verdict]:
    """What a plan's rule says about outcomes."""
    treatments = estimate_treatments(samples, plan.ability, plan.rule.threshold)
    return treatments, decide(plan.rule, treatments)


def count_outcomes(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """How many samples came to each outcome, zeros included."""
    counts = Counter(outcomes)
    return {outcome.value: counts[outcome] for outcome in Outcome}


def expected_gate(items: int) -> dict[str, dict[str, int]]:
    """What the reference gate must have counted: reference passed every item, null failed every item."""
    return {
        "reference": count_outcomes([Outcome.PASS] * items),
        "null": count_outcomes([Outcome.FAIL] * items),
    }


def samples_root(records: Iterable[JsonValue]) -> str:
    """RFC 6962 root over the digests of sample records."""
    return merkle_root([sha256_hex(canonical(record)) for record in records])


def headline(estimate: Estimate) -> dict[str, JsonValue]:
    """The estimate that a report leads with: refused and cheated samples count as failures."""
    return {
        "ability": estimate.ability,
        "low": estimate.ability_low,
        "high": estimate.ability_high,
        "rate": estimate.rate,
        "rate_low": estimate.rate_low,
        "rate_high": estimate.rate_high,
        "items": estimate.items,
    }


def read_report(content: bytes, keys: Iterable[PublicKey]) -> dict[str, Any]:
    """Verify a report and return its predicate.

    Args:
        content: the DSSE envelope.
        keys: public keys that may sign exam reports.

    Returns:
        The predicate; see `docs/spec/exam-report.md`.

    Raises:
        ReportRefused: not signed by one of the keys, malformed, or not consistent with itself.
    """
    try:
        statement = verify_statement(Envelope.from_json(content), keys, predicate_type=PREDICATE_TYPE)
    except (BadSignature, MalformedEnvelope, MalformedStatement) as error:
        raise ReportRefused(f"not a signed exam report: {error}") from None
    report: dict[str, Any] = statement["predicate"]
    try:
        _check(report)
        subject = [{"name": report["model"], "digest": {"sha256": report["subject_sha256"]}}]
        _same("subject", statement["subject"], subject)
    except BadRecord as error:
        raise ReportRefused(f"the report is malformed or contradicts itself: {error}") from None
    return report


def _check(report: dict[str, Any]) -> None:
    require_keys(report, "report", _FIELDS)
    plan = Plan.from_record(report["plan"])
    samples = [_read_sample(entry) for entry in require_list(report["samples"], "samples")]
    _same("plan_sha256", report["plan_sha256"], plan.digest())
    _same("rule_sha256", report["rule_sha256"], plan.rule.digest())
    _same(
        "samples",
        [(family, level) for family, level, _ in samples],
        [(i.family, i.level) for i in plan.items],
    )
    _same("samples_root_sha256", report["samples_root_sha256"], samples_root(report["samples"]))
    _same("outcomes", report["outcomes"], count_outcomes(outcome for _, _, outcome in samples))
    require_int(report["aborted_attempts"], "aborted_attempts", 0, 1_000_000)
    _same("gate", report["gate"], expected_gate(len(samples)))
    if not isinstance(report["self_test"], dict) or report["self_test"].get("ok") is not True:
        raise BadRecord("self_test: the sandbox did not hold")
    treatments, verdict = conclude(plan, [(level, outcome) for _, level, outcome in samples])
    _near("estimates", report["estimates"], treatments.to_record())
    _near("estimate", report["estimate"], headline(treatments.as_failures))
    _near("p_exceeds", report["p_exceeds"], verdict.p_exceeds)
    _near("p_below", report["p_below"], verdict.p_below)
    _same("verdict", report["verdict"], verdict.conclusion.value)


def _read_sample(entry: JsonValue) -> tuple[str, int, Outcome]:
    fields = require_keys(entry, "samples", _SAMPLE_FIELDS)
    try:
        outcome = Outcome(fields["outcome"])
    except ValueError:
        raise BadRecord(f"samples.outcome: {fields['outcome']!r} is none") from None
    return (
        require_text(fields["family"], "samples.family"),
        require_int(fields["level"], "samples.level", 0, 1000),
        outcome,
    )


def _same(name: str, stated: JsonValue, expected: JsonValue) -> None:
    if stated != expected:
        raise BadRecord(f"{name}: does not follow from the rest of the report")


def _near(name: str, stated: JsonValue, expected: JsonValue) -> None:
    """Like `_same`, but numbers may differ by rounding."""
    if isinstance(expected, Mapping):
        fields = require_keys(stated, name, set(expected))
        for key, value in expected.items():
            _near(f"{name}.{key}", fields[key], value)
    elif isinstance(stated, bool) or not isinstance(stated, int | float):
        raise BadRecord(f"{name}: expected a number")
    elif not math.isclose(stated, expected, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
        raise BadRecord(f"{name}: does not follow from the rest of the report")
