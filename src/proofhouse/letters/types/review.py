# SPDX-License-Identifier: Apache-2.0
"""Letters of the review: inquiry, agreement, access, window, notice of a determination.

Taking part is the developer's choice and ends when the developer says so. A window ends because its term
ended, its work was done or the developer withdrew; none of these implies a finding (EO 14409 §3(c), DESIGN
rule 1).
"""

from __future__ import annotations

from proofhouse.letters._schema import (
    DATE,
    HOUSE,
    MODEL,
    SHA256,
    TIME,
    UUID,
    line,
    many,
    many_different,
    one_of,
    or_null,
    record,
    text,
    whole_number,
)
from proofhouse.letters.types._spec import LetterType

_MODEL_EXAMPLE = {"name": "Example-1", "version": "2026-11", "digest": {"sha256": "a" * 64}}
_AGREEMENT = "0192f0c1-2a3b-7c4d-8e5f-000000000001"
_WINDOW = "0192f0c1-2a3b-7c4d-8e5f-000000000002"

_PROTECTIONS = record(
    {
        "confidentiality": text(2000),
        "cybersecurity": text(2000),
        "insider_risk": text(2000),
        "intellectual_property": text(2000),
        "use": text(2000),
        "nondisclosure": text(2000),
    }
)

INQUIRY = LetterType(
    name="inquiry",
    version=1,
    summary=(
        "A developer asks whether a model is a covered frontier model; it may withdraw the question at any "
        "time."
    ),
    body=record(
        {"inquiry": UUID, "model": MODEL},
        {"capabilities": text(4000), "planned_partner_release": DATE, "contact": line()},
    ),
    example={
        "inquiry": "0192f0c1-2a3b-7c4d-8e5f-000000000000",
        "model": _MODEL_EXAMPLE,
        "capabilities": "Writes and debugs C; finds memory errors in small parsers.",
        "planned_partner_release": "2026-12-20",
    },
)

AGREEMENT = LetterType(
    name="agreement",
    version=1,
    summary=(
        "One party proposes a version of the terms under which access is given; each change is a new version."
    ),
    body=record(
        {
            "agreement": UUID,
            "version": whole_number(1, 1000),
            "supersedes": or_null(SHA256),
            "parties": many_different(HOUSE, 2, 8),
            "model": MODEL,
            "terms": record(
                {
                    "access_days": whole_number(1, 30),
                    "uses": many(line(500), 1, 20),
                    "protections": _PROTECTIONS,
                    "deletion_days": whole_number(0, 3650),
                    "withdrawal": {"const": "at-any-time"},
                }
            ),
        }
    ),
    example={
        "agreement": _AGREEMENT,
        "version": 1,
        "supersedes": None,
        "parties": ["lab", "office"],
        "model": _MODEL_EXAMPLE,
        "terms": {
            "access_days": 30,
            "uses": ["Measure cyber capability with the sealed bank named in the ledger."],
            "protections": {
                "confidentiality": "Prompts and answers stay in the enclave.",
                "cybersecurity": "Default-deny network; each run in its own sandbox.",
                "insider_risk": "Two people for each key.",
                "intellectual_property": "No copy of weights; no training on outputs.",
                "use": "Only the exam named here.",
                "nondisclosure": "Reviewers sign before access.",
            },
            "deletion_days": 30,
            "withdrawal": "at-any-time",
        },
    },
)

AGREEMENT_ACCEPTANCE = LetterType(
    name="agreement-acceptance",
    version=1,
    summary="The other party agrees to exactly the version of the terms whose letter it names.",
    body=record(
        {
            "agreement": UUID,
            "version": whole_number(1, 1000),
            "letter_sha256": SHA256,
            "signatory": record({"name": line(), "role": line()}),
        }
    ),
    example={
        "agreement": _AGREEMENT,
        "version": 1,
        "letter_sha256": "b" * 64,
        "signatory": {"name": "R. Example", "role": "General counsel"},
    },
)

ACCESS_OFFER = LetterType(
    name="access-offer",
    version=1,
    summary="A developer offers access to a model under an agreement, for at most thirty days.",
    body=record(
        {
            "agreement": UUID,
            "model": MODEL,
            "interface": one_of("api", "hosted-weights", "on-premises"),
            "days": whole_number(1, 30),
        },
        {"earliest": TIME, "restrictions": text(4000)},
    ),
    example={"agreement": _AGREEMENT, "model": _MODEL_EXAMPLE, "interface": "api", "days": 14},
)

ACCESS_GRANT = LetterType(
    name="access-grant",
    version=1,
    summary="A developer opens access for a window; the credential itself travels by another channel.",
    body=record(
        {
            "agreement": UUID,
            "window": UUID,
            "model": MODEL,
            "inspect_model": line(300),
            "not_before": TIME,
            "not_after": TIME,
        },
        {"credential_sha256": SHA256},
    ),
    example={
        "agreement": _AGREEMENT,
        "window": _WINDOW,
        "model": _MODEL_EXAMPLE,
        "inspect_model": "openai-api/lab/example-1",
        "not_before": "2026-11-24T00:00:00.000000Z",
        "not_after": "2026-12-08T00:00:00.000000Z",
        "credential_sha256": "c" * 64,
    },
)

WINDOW_OPENED = LetterType(
    name="window-opened",
    version=1,
    summary=(
        "The review office says from when until when it works with the model, and what was sealed before."
    ),
    body=record(
        {
            "window": UUID,
            "agreement": UUID,
            "model": MODEL,
            "opens_at": TIME,
            "closes_at": TIME,
            "seals": many(
                record(
                    {
                        "kind": one_of("item-bank", "threshold-rule", "grader", "plan"),
                        "ledger_origin": line(300),
                        "index": whole_number(0, 2**53 - 1),
                        "leaf_sha256": SHA256,
                    }
                ),
                1,
                16,
            ),
        }
    ),
    example={
        "window": _WINDOW,
        "agreement": _AGREEMENT,
        "model": _MODEL_EXAMPLE,
        "opens_at": "2026-11-24T00:00:00.000000Z",
        "closes_at": "2026-12-08T00:00:00.000000Z",
        "seals": [
            {
                "kind": "item-bank",
                "ledger_origin": "proofhouse.example/office",
                "index": 4,
                "leaf_sha256": "d" * 64,
            },
            {
                "kind": "threshold-rule",
                "ledger_origin": "proofhouse.example/office",
                "index": 5,
                "leaf_sha256": "e" * 64,
            },
        ],
    },
)

WINDOW_CLOSED = LetterType(
    name="window-closed",
    version=1,
    summary="The review office says that its access has ended and why; no finding is implied.",
    body=record(
        {
            "window": UUID,
            "closed_at": TIME,
            "reason": one_of("term-ended", "work-done", "developer-withdrew", "office-ended"),
        }
    ),
    example={"window": _WINDOW, "closed_at": "2026-12-01T12:00:00.000000Z", "reason": "work-done"},
)

NOTICE = LetterType(
    name="notice",
    version=1,
    summary=(
        "The authority tells a developer which label was determined for its model, by which rule, and how "
        "to ask again."
    ),
    body=record(
        {
            "determination": UUID,
            "model": MODEL,
            "label": one_of("covered-frontier-model", "not-covered", "undetermined"),
            "evidence": one_of("developer-access", "public-access"),
            "verdict": one_of("exceeds", "below", "inconclusive"),
            "benchmark_version": line(100),
            "determined_at": TIME,
            "register_entry": line(100),
            "reconsideration": text(2000),
        },
        {
            "statement_sha256": SHA256,
            "ledger": record({"origin": line(300), "index": whole_number(0, 2**53 - 1)}),
        },
    ),
    example={
        "determination": "0192f0c1-2a3b-7c4d-8e5f-000000000003",
        "model": _MODEL_EXAMPLE,
        "label": "covered-frontier-model",
        "evidence": "developer-access",
        "verdict": "exceeds",
        "benchmark_version": "mem.poc/2026-11",
        "determined_at": "2026-12-02T09:00:00.000000Z",
        "register_entry": "PH-2026-000001",
        "reconsideration": "Write a letter in this thread; new evidence is measured by the same rule.",
        "statement_sha256": "f" * 64,
        "ledger": {"origin": "proofhouse.example/office", "index": 9},
    },
)

TYPES = (
    INQUIRY,
    AGREEMENT,
    AGREEMENT_ACCEPTANCE,
    ACCESS_OFFER,
    ACCESS_GRANT,
    WINDOW_OPENED,
    WINDOW_CLOSED,
    NOTICE,
)
