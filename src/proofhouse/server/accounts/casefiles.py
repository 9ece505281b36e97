# SPDX-License-Identifier: Apache-2.0
"""What desks do with the file of a case as part of their own acts: mark it as a letter says, join it to another."""

from __future__ import annotations

from django.db.models import Q

from proofhouse.server.accounts.files import CaseFile
from proofhouse.server.accounts.marks import UNMARKED, Mark
from proofhouse.server.engine.acts import running
from proofhouse.server.engine.effects import when_in_force
from proofhouse.server.engine.models import LedgerEntry

MARKING = "case.mark"
"""The ledger kind of an act that changes a mark."""


def mark_of(case: str) -> Mark:
    """The mark that a case bears now; what leaves the house about it says so."""
    borne = CaseFile.objects.filter(key=case).values_list("mark", flat=True).first()
    return Mark(borne) if borne else UNMARKED


def keep_mark(case: str, mark: str) -> None:
    """Mark a case as the letter does that brought it; a mark that is narrower already stays."""
    running()
    borne = CaseFile.objects.filter(key=case).first()
    if borne is None and Mark(mark) is not UNMARKED:
        _put(case, Mark(mark))
    elif borne is not None and Mark(borne.mark) is not Mark(mark):
        put_mark(case, Mark.narrowest(Mark(borne.mark), Mark(mark)))


def join_case(part: str, whole: str) -> None:
    """Let a case be part of another: both bear the narrower mark.

    Whoever is named to the whole, or stands back from it, does so for the part as well.
    """
    running()
    root = CaseFile.objects.filter(key=whole).values_list("part_of", flat=True).first() or whole
    narrower = Mark.narrowest(mark_of(part), mark_of(root))
    _put(root, narrower)
    _put(part, narrower)
    CaseFile.objects.filter(Q(key=part) | Q(part_of=part)).update(part_of=root)
    CaseFile.objects.filter(part_of=root).update(mark=narrower)


def put_mark(case: str, mark: Mark) -> None:
    """Give a case and its parts a mark, as part of the act under way or as its effect."""
    _put(case, mark)
    CaseFile.objects.filter(part_of=case).update(mark=mark)


@when_in_force(MARKING)
def widen(entry: LedgerEntry) -> None:
    """A wider circle holds once the marking has its receipt, unless another marking came after it."""
    newest = LedgerEntry.objects.filter(kind=MARKING, case=entry.case).latest("id")
    if newest == entry:
        put_mark(entry.case, Mark(entry.record["mark"]))


def _put(case: str, mark: Mark) -> None:
    CaseFile.objects.update_or_create(key=case, defaults={"mark": mark})
