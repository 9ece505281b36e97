# SPDX-License-Identifier: Apache-2.0
"""Reports that nothing here can run (closed products, devices, firmware): read by two people, on stated grounds.

Their state says so for good: `read-real` is not `reproduced`.
"""

from __future__ import annotations

from proofhouse.server.accounts.casefiles import join_case
from proofhouse.server.accounts.gate import access, visible
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Permission
from proofhouse.server.cases.lease_services import forget_prints
from proofhouse.server.cases.models import Case, Reading, Report
from proofhouse.server.cases.rules import READABLE, ReportState, Standard, agreed, step_report
from proofhouse.server.cases.submission import SubmissionRefused
from proofhouse.server.engine.acts import ActError, act
from proofhouse.server.engine.clock import now
from proofhouse.server.engine.ids import uuid7
from proofhouse.server.engine.record import record


@act(Permission.CASES_CASE_COORDINATE)
def read_report(*, actor: Person, report: str, finding: str, standard: str, grounds: str) -> Report:
    """Say what reading a report shows that nothing here can run. It is settled once two people found the same.

    Args:
        actor: A coordinator; nobody is both readers.
        report: Id of the report.
        finding: `read-real`, `read-unfounded` or `out-of-model`.
        standard: On what the reading stands; one of `Standard`.
        grounds: What the reader saw, so that the second can look at the same.

    Raises:
        ActError: The report waits for no reader, or its own finder would read it.
        SubmissionRefused: Finding or standard are none, or there are no grounds.
    """
    row = access(actor, Report, id=report)
    try:
        found, stands = ReportState(finding), Standard(standard)
    except ValueError as wrong:
        raise SubmissionRefused(str(wrong)) from None
    if found not in READABLE:
        raise SubmissionRefused(f"finding: one of {', '.join(sorted(READABLE))}")
    if (stands is Standard.CONTRADICTED) is (found is ReportState.READ_REAL):
        raise SubmissionRefused(f"standard: {stands.value} does not carry {found.value}")
    if not grounds.strip():
        raise SubmissionRefused("grounds: say what you saw; the second reader looks at the same")
    if row.state != ReportState.NEEDS_HUMAN:
        raise ActError(f"a report that is {row.state} waits for no reader", "not_to_be_read")
    if row.submitter_id == actor.pk:
        raise ActError("who sent a report reads it for nobody else", "own_report")
    entry = record(
        "report.read",
        row.entry.case,
        {"finding": found.value, "standard": stands.value, "by": actor.email},
    )
    Reading.objects.create(
        report=row, reader=actor, finding=found, standard=stands, grounds=grounds.strip()[:4000], entry=entry,
        read_at=now(),
    )  # fmt: skip
    readings = row.readings.values_list("reader", "finding")
    settled = agreed((reader, ReportState(said)) for reader, said in readings)
    if settled is not None:
        row.state = step_report(ReportState(row.state), settled)
        row.save(update_fields=["state"])
        if settled is ReportState.READ_UNFOUNDED:
            forget_prints(row)
    return row


@act(Permission.CASES_CASE_COORDINATE)
def open_read_case(*, actor: Person, report: str) -> Case:
    """Open a case for a report that two people have read and found real; the ledger says that nothing was run.

    Args:
        actor: A coordinator.
        report: Id of the report.

    Raises:
        ActError: Two people have not found it real, or it has a case already.
    """
    row = access(actor, Report, id=report)
    if row.state != ReportState.READ_REAL or row.case_id is not None:
        raise ActError("a case is opened once, for a report that two people found real", "not_read_real")
    identity = uuid7()
    identifiers = [row.identifier] if row.identifier else []
    entry = record(
        "case.open",
        f"case:{identity}",
        {"identifiers": identifiers, "reports": [str(row.id)], "stands_on": "reading", "by": actor.email},
    )
    case = Case.objects.create(
        id=identity,
        title=row.title or row.identifier,
        product=row.product,
        identifiers=identifiers,
        entry=entry,
        opened_at=now(),
    )
    for each in (row, *visible(actor, Report).filter(duplicate_of=row).select_related("entry")):
        each.case = case
        each.save(update_fields=["case"])
        join_case(each.entry.case, entry.case)
    return case
