# SPDX-License-Identifier: Apache-2.0
"""What applies and why, as records that pages and exports share; each carries grade, horizon and disclaimer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from proofhouse.law import Assessment, Profile, Result, check_record
from proofhouse.law.difference import Viewpoint
from proofhouse.server.accounts.models import Person
from proofhouse.server.house import this_house
from proofhouse.server.obligations.own_law import NO_DATE, law_book
from proofhouse.server.obligations.queries import own_profile
from proofhouse.server.obligations.rules import NOT_ADVICE

LISTS: tuple[tuple[str, str, frozenset[Result]], ...] = (
    ("applies", "Appears to apply", frozenset({Result.APPLIES})),
    ("unknown", "Cannot tell", frozenset({Result.UNKNOWN})),
    ("not", "Does not appear to apply", frozenset({Result.DOES_NOT_APPLY})),
    ("no_law", "Not binding on this day", NO_DATE),
)
"""Three answers, and beside them what is not law on the day asked about."""


@dataclass(frozen=True)
class View:
    """What is asked about: a day in law time, and what the data held on a day."""

    as_of: date
    known_at: date | None = None

    @property
    def point(self) -> Viewpoint:
        """As the law library takes it."""
        return Viewpoint(self.as_of, self.known_at)


def foot() -> str:
    """The sentence that stands on every page and in every export."""
    edition = law_book().edition
    return (
        f"{NOT_ADVICE} Statute texts read to {edition.horizon_statutes}, other sources to "
        f"{edition.horizon_secondary}; nothing later is covered. Each line shows its grade of verification."
    )


def assessments(profile: Profile, view: View) -> tuple[Assessment, ...]:
    """The answer for every duty known."""
    return law_book().check(profile, view.as_of, view.known_at)


def answer(actor: Person, view: View) -> dict[str, Any]:
    """The whole answer as a JSON record."""
    profile = own_profile(actor)
    record = check_record(law_book(), profile, view.point, assessments(profile, view))
    return {"house": this_house().name, "note": NOT_ADVICE, **record}


def in_list(rows: Sequence[dict[str, Any]], results: frozenset[Result]) -> list[dict[str, Any]]:
    """The rows of one list."""
    return [row for row in rows if Result(row["result"]) in results]


def why(row: dict[str, Any]) -> str:
    """One line of reason: the facts that decide, or the question to answer."""
    if row["missing"]:
        return "Answer: " + " ".join(one["ask"] for one in row["missing"][:2])
    return "; ".join(f"{one['fact']} = {one['value']}" for one in row["facts"][:4]) or "no fact is needed"
