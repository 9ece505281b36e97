# SPDX-License-Identifier: Apache-2.0
"""The law book and this house's facts, put together for a question."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from typing import Any

from proofhouse.law import Assessment, FactRefused, Incident, LawBook, Profile, Result
from proofhouse.server.engine.acts import ActError
from proofhouse.server.obligations import models
from proofhouse.server.obligations.rules import MOMENTS, law_incident

TEN_QUESTIONS = (
    "org.nexus",
    "org.roles",
    "org.trained_or_initiated_training",
    "model.training_ops",
    "org.group_revenue_usd_prev_calendar_year",
    "system.monthly_users",
    "org.eo14409_participating",
    "org.clearinghouse_member",
    "org.eu_cop_safety_signatory",
    "org.uses_ai_employment_decisions",
)
"""Those that decide most; every other question is asked where a duty cannot be told without it."""

NO_DATE = frozenset(Result) - {Result.APPLIES, Result.UNKNOWN, Result.DOES_NOT_APPLY}
"""Results of law that does not bind on the day of the question."""


@lru_cache(maxsize=1)
def law_book() -> LawBook:
    """The law data of this installation, read once."""
    return LawBook.load()


def profile_of(facts: Iterable[models.ProfileFact]) -> Profile:
    """The profile from the latest answer of each name.

    Args:
        facts: In the order in which they were set.
    """
    latest = {fact.name: fact for fact in facts}
    record: dict[str, Any] = {"sources": {}}
    for name, fact in latest.items():
        root, _, rest = name.partition(".")
        if fact.value is not None:
            record.setdefault(root, {})[rest] = fact.value
            if root != "times":
                record["sources"][name] = fact.source
    return Profile.from_mapping(record, law_book().vocabulary)


def check_fact(name: str, value: Any) -> None:
    """Refuse an answer that the law data does not ask for or that has the wrong type.

    Raises:
        ActError: See above; the message names the fact.
    """
    root, _, rest = name.partition(".")
    try:
        Profile.from_mapping({root: {rest: value}}, law_book().vocabulary)
    except FactRefused as refused:
        raise ActError(str(refused), "fact_refused") from None


def moments_of(incident: models.Incident) -> dict[str, Any]:
    """The six moments of an incident."""
    return {name: getattr(incident, name) for name in MOMENTS}


def read_incident(title: str, moments: dict[str, Any], facts: dict[str, Any]) -> Incident:
    """An incident for the law library.

    Raises:
        ActError: A fact is unknown or has the wrong type.
    """
    try:
        return Incident.from_mapping(law_incident(title, moments, facts), law_book().vocabulary)
    except FactRefused as refused:
        raise ActError(str(refused), "fact_refused") from None


def clocks_of(profile: Profile, incident: models.Incident, as_of: date) -> tuple[Assessment, ...]:
    """Every clock of an incident, strictest first."""
    event = read_incident(incident.title, moments_of(incident), incident.facts)
    return law_book().incident_clocks(profile, event, as_of)
