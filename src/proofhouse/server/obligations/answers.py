# SPDX-License-Identifier: Apache-2.0
"""What applies and why, as records that pages and exports share; each carries grade, horizon and disclaimer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from proofhouse.law import WORDS, Assessment, Profile, Result, assessment_record, check_record, value_text
from proofhouse.law.difference import Viewpoint
from proofhouse.law.records import envelope
from proofhouse.server.accounts.models import Person
from proofhouse.server.house import this_house
from proofhouse.server.obligations.models import AiModel
from proofhouse.server.obligations.own_law import NO_DATE, concerns_models, law_book
from proofhouse.server.obligations.queries import own_models, own_profile
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
        f"{edition.horizon_secondary}; nothing later is covered. Each line shows its grade of verification. "
        "Results say “appears to apply”, never more."
    )


def grade_of(obligation: str, day: date) -> str:
    """The grade of verification of a duty's record."""
    entry = law_book().entry(obligation, day)
    return entry.obligation.grade.value if entry else "–"


def assessments(profile: Profile, view: View) -> tuple[Assessment, ...]:
    """The answer for every duty known."""
    return law_book().check(profile, view.as_of, view.known_at)


def answer(actor: Person, view: View, model: AiModel | None = None) -> dict[str, Any]:
    """The whole answer as a JSON record.

    Args:
        actor: Somebody of the own side.
        view: The two times.
        model: For this model alone; None for the organisation with all its models, where each duty shows the gravest
            answer that it has for any of them, and `models` says which answer for which.
    """
    models = [] if model else own_models(actor)
    if models:
        record = _over_models(actor, view, models)
    else:
        profile = own_profile(actor, model)
        record = check_record(law_book(), profile, view.point, assessments(profile, view))
    of = model.name if model else None
    return {"house": this_house().name, "note": NOT_ADVICE, "model": of, **record}


_GRAVITY = {Result.APPLIES: 0, Result.UNKNOWN: 1, Result.DOES_NOT_APPLY: 3}


def _gravity(one: Assessment) -> tuple[int, datetime]:
    due = one.due.at if one.due and one.due.at else datetime.max.replace(tzinfo=UTC)
    return _GRAVITY.get(one.result, 2), due


def _over_models(actor: Person, view: View, models: Sequence[AiModel]) -> dict[str, Any]:
    """Ask once for each model and put the answers together; not known for one is never no for all."""
    profiles = {model: own_profile(actor, model) for model in models}
    found: dict[str, list[tuple[Assessment, AiModel]]] = {}
    for model, profile in profiles.items():
        for one in assessments(profile, view):
            found.setdefault(one.obligation.id, []).append((one, model))
    rows = []
    for given in found.values():
        gravest, model = min(given, key=lambda pair: _gravity(pair[0]))
        row = assessment_record(law_book(), gravest, profiles[model].sources)
        told = [
            {"model": of.name, "result": one.result.value, "words": WORDS[one.result]} for one, of in given
        ]
        rows.append({**row, "models": told if concerns_models(gravest.obligation) else []})
    return envelope(law_book(), view.point, assessments=rows)


def in_list(rows: Sequence[dict[str, Any]], results: frozenset[Result]) -> list[dict[str, Any]]:
    """The rows of one list."""
    return [row for row in rows if Result(row["result"]) in results]


def for_whom(row: dict[str, Any]) -> str:
    """The models for which a duty has the answer that its row shows; empty where it is the organisation's."""
    given = row.get("models", [])
    of = [one["model"] for one in given if one["result"] == row["result"]]
    return ", ".join(of) + (
        "" if len(of) == len(given) or not of else f" ({len(given) - len(of)} others differ)"
    )


def why(row: dict[str, Any]) -> str:
    """One line of reason: the facts that decide, or the question to answer."""
    if row["missing"]:
        return "Answer: " + " ".join(one["ask"] for one in row["missing"][:2])
    return (
        "; ".join(f"{one['fact']} = {value_text(one['value'])}" for one in row["facts"][:4])
        or "no fact is needed"
    )
