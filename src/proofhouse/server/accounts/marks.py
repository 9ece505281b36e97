# SPDX-License-Identifier: Apache-2.0
"""What is sensitive, and under which case it lies. Pure.

A mark belongs to a case, by the case's name in the ledger (`case:…`, `report:…`, `review:…`). Everything that lies
under the case bears its mark; `CASE_OF` is the one place that says which model lies under which case, by which column.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Mark(StrEnum):
    """Traffic Light Protocol 2.0 (FIRST, August 2022), narrowest circle first."""

    RED = "TLP:RED"
    AMBER_STRICT = "TLP:AMBER+STRICT"
    AMBER = "TLP:AMBER"
    GREEN = "TLP:GREEN"
    CLEAR = "TLP:CLEAR"

    @classmethod
    def narrowest(cls, *marks: Mark) -> Mark:
        """The mark that counts where several meet: the one with the smallest circle."""
        order = list(cls)
        return min(marks, key=order.index)


UNMARKED = Mark.AMBER
"""What a case bears that nobody has marked."""

SENSITIVE = frozenset({Mark.RED, Mark.AMBER_STRICT})
"""Whoever opens material with one of these leaves a row in the audit (`GateOpening`)."""


class Tie(StrEnum):
    """What binds a person to the material of a case; a person may have several ties to one case."""

    SIGNED_IN = "signed in"
    COMMUNITY = "has a role here or in a hosted organisation"
    PARTY = "of a hosted organisation that is party to the case"
    DESK = "works in this house, at the desk that keeps it"
    NAMED_INSIDE = "works in this house and is named by a grant"
    NAMED_OUTSIDE = "works elsewhere and is named by a grant"


OPENS: dict[Tie, frozenset[Mark]] = {
    Tie.SIGNED_IN: frozenset({Mark.CLEAR}),
    Tie.COMMUNITY: frozenset({Mark.CLEAR, Mark.GREEN}),
    Tie.PARTY: frozenset({Mark.CLEAR, Mark.GREEN, Mark.AMBER}),
    Tie.DESK: frozenset({Mark.CLEAR, Mark.GREEN, Mark.AMBER, Mark.AMBER_STRICT}),
    Tie.NAMED_INSIDE: frozenset(Mark),
    Tie.NAMED_OUTSIDE: frozenset(Mark) - {Mark.AMBER_STRICT},
}
"""Which marks a tie opens. RED is for people named one by one; AMBER+STRICT stays in the organisation, AMBER may go to
its clients on a need to know, GREEN to the community, CLEAR to everybody."""


@dataclass(frozen=True)
class Filed:
    """How the rows of a model lie under their case.

    Attributes:
        by: Lookup from the model to the case's name in the ledger.
        shared: Whether GREEN and CLEAR let it go to the community and to everybody. A letter, a report or a proof never
            goes further than to who works on the case and who is party to it.
        party: Whether a hosted organisation that is party to the case sees it.
        sealed: Whether a grant opens it only to who also works at its desk.
    """

    by: str
    shared: bool = False
    party: bool = False
    sealed: bool = False


CASE_OF: dict[str, Filed] = {
    "accounts.CaseFile": Filed("key"),
    "advisories.Advisory": Filed("case__entry__case"),
    "cases.Attachment": Filed("report__entry__case", party=True),
    "cases.Case": Filed("entry__case", shared=True, party=True),
    "cases.Patch": Filed("case__entry__case", party=True),
    "cases.Reading": Filed("report__entry__case"),
    "cases.Report": Filed("entry__case", party=True),
    "cases.ValidationRun": Filed("report__entry__case", party=True),
    "engine.Deadline": Filed("case"),
    "engine.LedgerEntry": Filed("case"),
    "engine.Letter": Filed("thread__case"),
    "engine.Thread": Filed("case"),
    "exams.ExamStatement": Filed("case", sealed=True),
    "exams.Seal": Filed("case", sealed=True),
    "releases.Release": Filed("entry__case"),
    "reviews.Agreement": Filed("inquiry__case", party=True),
    "reviews.Determination": Filed("case", party=True),
    "reviews.Inquiry": Filed("case", party=True),
    "reviews.Window": Filed("inquiry__case", party=True),
}
"""Every model that carries material of a case. A model that is not here is opened by the rules of its desk alone."""
