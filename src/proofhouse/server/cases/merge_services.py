# SPDX-License-Identifier: Apache-2.0
"""What people say about likeness (T3): that a report repeats another, or does not. Either is taken back by the other.

Bytes decide at once whether a report repeats another (T0), running decides which reports one fix mends (T2); a person
may know better than the first. What was sent, and what running or reading it showed, stays as it is.
"""

from __future__ import annotations

from proofhouse.server.accounts.casefiles import join_case
from proofhouse.server.accounts.gate import access, visible
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Permission
from proofhouse.server.cases.models import Attachment, Reading, Report, ValidationRun
from proofhouse.server.cases.prove_services import run_if_benched
from proofhouse.server.cases.rules import ReportState, agreed, may_repeat, set_apart
from proofhouse.server.cases.submission import SubmissionRefused
from proofhouse.server.engine.acts import ActError, act
from proofhouse.server.engine.models import LedgerEntry
from proofhouse.server.engine.record import record


@act(Permission.CASES_CASE_COORDINATE)
def merge_report(*, actor: Person, report: str, first: str, reason: str) -> Report:
    """Say that a report shows the flaw that another showed first; its finder shares the credit.

    Args:
        actor: A coordinator; nobody judges a report of their own.
        report: Id of the report that repeats.
        first: Id of the report that it repeats.
        reason: Why they are one flaw.

    Raises:
        ActError: One of them is the other, repeats another itself, is repeated, or has a case already.
        SubmissionRefused: There is no reason.
    """
    row, root = access(actor, Report, id=report), access(actor, Report, id=first)
    if row.pk == root.pk or root.state == ReportState.DUPLICATE:
        raise ActError("the first report is another one, and repeats none itself", "not_a_first")
    if not may_repeat(ReportState(row.state)) or row.duplicates.exists():
        raise ActError("a report that repeats another, or is repeated, is taken apart first", "not_alone")
    if row.case_id is not None:
        raise ActError("a report that has a case keeps it", "has_a_case")
    _say(actor, row, "report.merge", reason, {"first": str(root.pk)})
    row.state, row.duplicate_of, row.case = ReportState.DUPLICATE, root, root.case
    row.save(update_fields=["state", "duplicate_of", "case"])
    if root.case is not None:
        join_case(row.entry.case, root.case.entry.case)
    return row


@act(Permission.CASES_CASE_COORDINATE)
def split_report(*, actor: Person, report: str, reason: str) -> Report:
    """Take a report apart from the one that it repeats: it stands for itself, and waits for what it waited for before.

    Args:
        actor: A coordinator; nobody judges a report of their own.
        report: Id of the report.
        reason: Why it shows another flaw.

    Raises:
        ActError: It repeats none.
        SubmissionRefused: There is no reason.
    """
    row = access(actor, Report, id=report)
    if row.state != ReportState.DUPLICATE:
        raise ActError(f"a report that is {row.state} repeats none", "not_a_duplicate")
    entry = _say(actor, row, "report.split", reason, {"first": str(row.duplicate_of_id)})
    readings = visible(actor, Reading).filter(report=row).values_list("reader", "finding")
    verdicts = visible(actor, ValidationRun).filter(report=row).values_list("verdict", flat=True)
    row.state = set_apart(
        [ReportState(shown) for shown in verdicts],
        agreed((reader, ReportState(said)) for reader, said in readings),
        shows=visible(actor, Attachment).filter(report=row, recipe=False).exists(),
    )
    row.duplicate_of = row.case = None
    row.save(update_fields=["state", "duplicate_of", "case"])
    if row.state == ReportState.QUEUED:
        run_if_benched(row, after=entry)
    return row


def _say(actor: Person, row: Report, kind: str, reason: str, facts: dict[str, str]) -> LedgerEntry:
    if row.submitter_id == actor.pk:
        raise ActError("who sent a report judges it for nobody else", "own_report")
    if not reason.strip():
        raise SubmissionRefused("reason: say why, for whoever looks at it again")
    return record(kind, row.entry.case, {**facts, "reason": reason.strip()[:1000], "by": actor.email})
