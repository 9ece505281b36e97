# SPDX-License-Identifier: Apache-2.0
"""Profiles and events for the tests: one that meets every test, and generated ones."""

import random
from datetime import date
from typing import Any

from hypothesis import strategies as st

from proofhouse.law import FactSet, LawBook
from proofhouse.law.facts import FactType, read_facts

PLACES = [
    "EU",
    "US-CA",
    "US-CO",
    "US-CT",
    "US-ID",
    "US-IL",
    "US-ME",
    "US-NY",
    "US-NY-NYC",
    "US-OR",
    "US-TX",
    "US-UT",
    "US-WA",
]
NUMBERS: dict[str, list[float | int]] = {
    "model.training_ops": [0.0, 1.0e25, 1.1e25, 1.0e26, 1.0000001e26, 2.0e26],
    "model.training_compute_cost_usd": [0.0, 1.0e8, 2.0e8],
    "org.group_revenue_usd_prev_calendar_year": [0.0, 5.0e8, 500000000.01, 2.0e9],
    "system.monthly_users": [0, 1_000_000, 1_000_001, 5_000_000],
}


def everything(book: LawBook) -> dict[str, Any]:
    """Return facts under which every obligation's profile test is met."""
    values: dict[str, Any] = {}
    for name, fact in book.vocabulary.facts.items():
        if fact.type is FactType.BOOL:
            values[name] = name != "org.established_in_eu" and name != "event.in_elicitation_evaluation"
        elif fact.type in {FactType.INT, FactType.DOUBLE}:
            values[name] = NUMBERS[name][-1]
        elif name == "org.nexus":
            values[name] = PLACES
        elif fact.type is FactType.LIST:
            values[name] = list(fact.values)
        else:
            values[name] = "commercial_use"
    return values


def nested(values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return dotted facts as maps by root."""
    groups: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        root, _, rest = name.partition(".")
        groups.setdefault(root, {})[rest] = value
    return groups


def facts(book: LawBook, values: dict[str, Any]) -> FactSet:
    """Return checked facts from dotted names."""
    return read_facts(nested(values), book.vocabulary)


def _choices(book: LawBook, name: str) -> list[Any]:
    fact = book.vocabulary.facts[name]
    if fact.type is FactType.BOOL:
        return [True, False]
    if fact.type in {FactType.INT, FactType.DOUBLE}:
        return NUMBERS[name]
    return list(fact.values)


def random_values(book: LawBook, rng: random.Random) -> dict[str, Any]:
    """Return random facts, each left out one time in four; the numbers stand at the thresholds."""
    values: dict[str, Any] = {}
    for name, fact in book.vocabulary.facts.items():
        if rng.random() < 0.25:
            continue
        if fact.type is FactType.LIST:
            pool = PLACES if name == "org.nexus" else list(fact.values)
            values[name] = rng.sample(pool, rng.randint(0, min(len(pool), 8)))
        else:
            values[name] = rng.choice(_choices(book, name))
    return values


def value_sets(book: LawBook) -> st.SearchStrategy[dict[str, Any]]:
    """Generate facts by seed: quick, and each example is reproducible."""
    return st.integers(0, 2**32).map(lambda seed: random_values(book, random.Random(seed)))


def day(text: str) -> date:
    """Return a day from its text."""
    return date.fromisoformat(text)
