# SPDX-License-Identifier: Apache-2.0
"""The law book and this house's facts, put together for a question."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from typing import Any

from proofhouse.law import Assessment, FactRefused, Incident, LawBook, Obligation, Profile, Result
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


def belongs_to_a_model(name: str) -> bool:
    """Whether an answer may differ from model to model; what is asked of the organisation never does."""
    return not name.startswith("org.")


def latest(
    facts: Iterable[models.ProfileFact], model: models.AiModel | None
) -> dict[str, models.ProfileFact]:
    """The answers that count for a model, or for the organisation.

    Args:
        facts: In the order in which they were set.
        model: Its own answers go before those that were given without a model; None for the organisation.
    """
    given = list(facts)
    found = {fact.name: fact for fact in given if fact.model_id is None}
    if model is not None:
        found |= {fact.name: fact for fact in given if fact.model_id == model.id}
    return found


def profile_of(facts: Iterable[models.ProfileFact], model: models.AiModel | None = None) -> Profile:
    """The profile of the organisation with one of its models; see `latest`."""
    record: dict[str, Any] = {"sources": {}}
    for name, fact in latest(facts, model).items():
        root, _, rest = name.partition(".")
        if fact.value is not None:
            record.setdefault(root, {})[rest] = fact.value
            if root != "times":
                record["sources"][name] = fact.source
    return Profile.from_mapping(record, law_book().vocabulary)


def concerns_models(obligation: Obligation) -> bool:
    """Whether a duty's test looks at a model or system, so that its answer may differ between models."""
    predicates = [one for one in (obligation.applies_when, obligation.trigger_when) if one is not None]
    return any(name.startswith(("model.", "system.")) for one in predicates for name in one.facts)


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
