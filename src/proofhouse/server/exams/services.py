# SPDX-License-Identifier: Apache-2.0
"""Sealing a bank before access, opening it afterwards, and taking in signed exam reports."""

from __future__ import annotations

import base64
from typing import Any

from proofhouse.server.accounts.gate import access
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Permission
from proofhouse.server.engine.acts import ActError, act
from proofhouse.server.engine.blobs import put_blob
from proofhouse.server.engine.clock import now
from proofhouse.server.engine.keys import public_keys
from proofhouse.server.engine.record import record
from proofhouse.server.exams.evidence import read_report
from proofhouse.server.exams.models import ExamStatement, Seal


@act(Permission.AUTHORITY_BANK_SEAL)
def seal_bank(*, actor: Person, case: str, commitments: dict[str, Any]) -> Seal:
    """Fix an item bank and the threshold rule in the ledger, before anybody has access to the model.

    Args:
        actor: Who holds the authority's role.
        case: The review's case, `review:<inquiry>`.
        commitments: What `proofhouse exam seal` wrote: plan, grader and rule digests, and the root over the items.

    Raises:
        ActError: The case has a seal already; a second one could be chosen from later.
    """
    if Seal.objects.filter(case=case).exists():
        raise ActError("this case has a sealed bank already", "sealed_already")
    entry = record("bank.seal", case, commitments | {"by": actor.email})
    return Seal.objects.create(
        case=case,
        commitments=commitments,
        rule_sha256=commitments["rule_sha256"],
        items=commitments["items"],
        entry=entry,
        sealed_at=now(),
    )


@act(Permission.EXAMS_STATEMENT_ACCEPT)
def accept_statement(*, actor: Person, seal: str, case: str, envelope: str) -> ExamStatement:
    """Verify a signed exam report and store it.

    Args:
        actor: A reviewer.
        seal: Id of the seal under which the exam ran.
        case: The review that it belongs to, or `model:…` for a model that nobody submitted.
        envelope: The DSSE envelope, base64.

    Raises:
        ActError: The report is not signed by this house's exam key, or ran under another plan or bank.
    """
    sealed = access(actor, Seal, id=seal)
    content = base64.b64decode(envelope, validate=True)
    report = read_report(content, public_keys("exam"))
    for name in ("plan_sha256", "rule_sha256", "bank_root_sha256"):
        if report[name] != sealed.commitments[name]:
            raise ActError(f"the report's {name} is not the sealed one", "not_the_sealed_exam")
    digest = put_blob(content)
    outcomes = report["outcomes"]
    entry = record(
        "statement.accept",
        case,
        {
            "statement_sha256": digest,
            "verdict": report["verdict"],
            "subject_sha256": report["subject_sha256"],
            "outcomes": outcomes,
            "seal": str(sealed.id),
            "by": actor.email,
        },
    )
    return ExamStatement.objects.create(
        sha256=digest,
        case=case,
        model_name=report["model"],
        subject_sha256=report["subject_sha256"],
        seal=sealed,
        verdict=report["verdict"],
        ability=report["estimate"]["ability"],
        ability_low=report["estimate"]["low"],
        ability_high=report["estimate"]["high"],
        outcomes=outcomes,
        tier=report["tier"],
        entry=entry,
        accepted_at=now(),
    )


@act(Permission.AUTHORITY_BANK_OPEN)
def open_seal(*, actor: Person, seal: str, opening: dict[str, Any]) -> Seal:
    """Open a seal after the determinations, so that an inspector can regenerate every item.

    Args:
        actor: Who holds the authority's role.
        seal: Id of the seal.
        opening: What `proofhouse exam open-seal` wrote: the bank's key and the plan.

    Raises:
        ActError: It is open already.
    """
    sealed = access(actor, Seal, id=seal)
    if sealed.opening is not None:
        raise ActError("this seal is open already", "open_already")
    sealed.opening = record(
        "bank.open", sealed.case, {"seal": str(sealed.id), "opening": opening, "by": actor.email}
    )
    sealed.opened_at = now()
    sealed.save(update_fields=["opening", "opened_at"])
    return sealed
