# SPDX-License-Identifier: Apache-2.0
"""What a house tells the engine: a vocabulary of typed facts, and checked profiles and incidents.

A wrong name or type is refused, never ignored: a misspelt role would otherwise read as "you do not play that
role". A fact that is absent, or null, is unknown.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Any, Final

import cel

from proofhouse.law.errors import FactRefused
from proofhouse.law.places import read_places, require_states

ROOTS: Final = ("org", "model", "system", "event")
NEXUS: Final = "org.nexus"

Moment = date | datetime
"""A day, or an aware instant."""


class FactType(enum.StrEnum):
    """Types that facts and values have in predicates."""

    BOOL = "bool"
    INT = "int"
    DOUBLE = "double"
    STRING = "string"
    LIST = "list"


@dataclass(frozen=True)
class Fact:
    """One entry of the vocabulary."""

    name: str
    """Dotted name, such as ``org.nexus``."""
    type: FactType
    ask: str
    """The question that fills it."""
    values: tuple[str, ...] = ()
    """The only values allowed, where the list is closed."""


class TriggerClass(enum.StrEnum):
    """How a duty is woken."""

    STANDING = "standing"
    """Always there."""
    INCIDENT = "incident"
    """By something that happened to the organisation; asked about for each incident."""
    ACT = "act"
    """By something the organisation does; looked at only when an incident record names it."""


@dataclass(frozen=True)
class Trigger:
    """A kind of event that duties hang on."""

    name: str
    kind: TriggerClass
    ask: str


@dataclass(frozen=True)
class Vocabulary:
    """Every fact, anchor time and trigger that the law data may speak of."""

    facts: Mapping[str, Fact]
    times: Mapping[str, str]
    """Question for each anchor time."""
    triggers: Mapping[str, Trigger]

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Vocabulary:
        """Read ``facts.yaml`` (already schema-checked)."""
        return cls(
            facts={
                name: Fact(name, FactType(entry["type"]), entry["ask"], tuple(entry.get("values", ())))
                for name, entry in document["facts"].items()
            },
            times=dict(document["times"]),
            triggers={
                name: Trigger(name, TriggerClass(entry["class"]), entry["ask"])
                for name, entry in document["triggers"].items()
            },
        )

    def type_of(self, name: str) -> FactType | None:
        """Return the type of a dotted fact name, or None when there is no such fact."""
        fact = self.facts.get(name)
        return fact.type if fact else None

    def question(self, name: str) -> str:
        """Return the question that fills a fact, a trigger (``trigger.…``) or an anchor (``times.…``)."""
        root, _, rest = name.partition(".")
        if root == "times":
            return self.times[rest]
        if root == "trigger":
            return self.triggers[rest].ask
        return self.facts[name].ask


class FactSet:
    """Checked facts, ready for the engine.

    Args:
        values: facts by dotted name; only facts that are known.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def has(self, name: str) -> bool:
        """Say whether the fact is known."""
        return name in self._values

    def get(self, name: str) -> Any:
        """Return the value of a known fact."""
        return self._values[name]

    def names(self) -> tuple[str, ...]:
        """Return the dotted names of all known facts."""
        return tuple(self._values)

    def nested(self) -> dict[str, dict[str, Any]]:
        """Return the facts as maps by root; every root is present."""
        roots: dict[str, dict[str, Any]] = {root: {} for root in ROOTS}
        for name, value in self._values.items():
            root, _, rest = name.partition(".")
            roots[root][rest] = value
        return roots

    @cached_property
    def context(self) -> cel.Context:
        """The facts in the engine's own form, built once."""
        return cel.Context(variables=self.nested())

    def joined(self, other: FactSet) -> FactSet:
        """Return these facts with another set's laid over them."""
        return FactSet({**self._values, **other._values})


def _number(fact: Fact, value: Any) -> float | int:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise FactRefused(fact.name, f"must be a number, not {value!r} (write 2.1e+26, with point and sign)")
    if value < 0 or value != value or value == float("inf"):
        raise FactRefused(fact.name, f"must be a finite number of at least zero, not {value!r}")
    if fact.type is FactType.DOUBLE:
        return float(value)
    if not isinstance(value, int):
        raise FactRefused(fact.name, f"must be a whole number, not {value!r}")
    if value >= 2**63:
        raise FactRefused(fact.name, "is too large")
    return value


def _text(fact: Fact, value: Any) -> str:
    if not isinstance(value, str):
        raise FactRefused(fact.name, f"must be text, not {value!r}")
    if fact.values and value not in fact.values:
        raise FactRefused(fact.name, f"{value!r} is not one of: {', '.join(fact.values)}")
    return value


def _value(fact: Fact, value: Any) -> Any:
    if fact.type is FactType.BOOL:
        if not isinstance(value, bool):
            raise FactRefused(fact.name, f"must be true or false, not {value!r}")
        return value
    if fact.type in {FactType.INT, FactType.DOUBLE}:
        return _number(fact, value)
    if fact.type is FactType.STRING:
        return _text(fact, value)
    if not isinstance(value, list):
        raise FactRefused(fact.name, f"must be a list, not {value!r}")
    items = [_text(fact, item) for item in value]
    return read_places(fact.name, items) if fact.name == NEXUS else items


def read_facts(groups: Mapping[str, Any], vocabulary: Vocabulary) -> FactSet:
    """Check facts given as maps by root.

    Args:
        groups: ``{"org": {"nexus": [...]}, ...}``; null means unknown.
        vocabulary: what may be said.

    Returns:
        The known facts.

    Raises:
        FactRefused: an unknown name or a wrong value; the message names the field.
    """
    values: dict[str, Any] = {}
    for root, entries in groups.items():
        if root not in ROOTS:
            raise FactRefused(root, f"is not one of {', '.join(ROOTS)}")
        if not isinstance(entries, Mapping):
            raise FactRefused(root, "must be a map of facts")
        for key, value in entries.items():
            name = f"{root}.{key}"
            fact = vocabulary.facts.get(name)
            if fact is None:
                raise FactRefused(name, "is not in the fact vocabulary; see facts.yaml of the law data")
            if value is not None:
                values[name] = _value(fact, value)
    return FactSet(values)


def read_moment(field_name: str, value: Any) -> Moment:
    """Read a day (``2027-01-05``) or an instant with its offset (RFC 3339).

    Raises:
        FactRefused: neither, or an instant without an offset.
    """
    if isinstance(value, datetime):
        moment: Moment = value
    elif isinstance(value, date):
        moment = value
    elif isinstance(value, str):
        try:
            moment = date.fromisoformat(value) if len(value) == 10 else datetime.fromisoformat(value)
        except ValueError as error:
            raise FactRefused(field_name, f"{value!r} is neither a day nor an RFC 3339 instant") from error
    else:
        raise FactRefused(field_name, f"{value!r} is neither a day nor an RFC 3339 instant")
    if not 1990 <= moment.year <= 2200:
        raise FactRefused(field_name, f"{value!r} lies outside the years 1990 to 2200")
    if isinstance(moment, datetime) and moment.tzinfo is None:
        raise FactRefused(field_name, f"{value!r} lacks its offset from UTC; write 2027-01-05T15:00:00-05:00")
    return moment


def read_times(entries: Any, vocabulary: Vocabulary) -> dict[str, Moment]:
    """Check anchor times; null means unknown.

    Raises:
        FactRefused: an unknown anchor, or a value that is no moment.
    """
    if not isinstance(entries, Mapping):
        raise FactRefused("times", "must be a map of anchor times")
    times: dict[str, Moment] = {}
    for name, value in entries.items():
        if name not in vocabulary.times:
            raise FactRefused(f"times.{name}", "is not a known anchor; see facts.yaml of the law data")
        if value is not None:
            times[name] = read_moment(f"times.{name}", value)
    return times


@dataclass(frozen=True)
class Profile:
    """An organisation with one model or system, as far as it has told us."""

    facts: FactSet
    times: Mapping[str, Moment] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    """Where each fact comes from, by dotted name, in the organisation's own words."""

    @classmethod
    def from_mapping(cls, record: Mapping[str, Any], vocabulary: Vocabulary) -> Profile:
        """Check a profile record.

        Args:
            record: ``org``, ``model``, ``system`` (facts), ``times`` (anchors), ``sources`` (texts by fact).
            vocabulary: what may be said.

        Raises:
            FactRefused: anything else, or a wrong value.
        """
        groups = {key: value for key, value in record.items() if key not in {"times", "sources"}}
        if "event" in groups:
            raise FactRefused("event", "belongs in an incident, not in a profile")
        facts = read_facts(groups, vocabulary)
        if facts.has(NEXUS):
            require_states(NEXUS, facts.get(NEXUS))
        sources = record.get("sources", {})
        if not isinstance(sources, Mapping):
            raise FactRefused("sources", "must be a map from fact name to text")
        for name, text in sources.items():
            if name not in vocabulary.facts or not isinstance(text, str):
                raise FactRefused(f"sources.{name}", "must name a fact and hold text")
        return cls(facts, read_times(record.get("times", {}), vocabulary), dict(sources))


@dataclass(frozen=True)
class Incident:
    """One event, entered once, from which every clock is computed."""

    kinds: Mapping[str, bool]
    """Triggers that the event is known to be, or not to be; an absent one is unknown."""
    facts: FactSet
    times: Mapping[str, Moment]
    title: str = ""

    @classmethod
    def from_mapping(cls, record: Mapping[str, Any], vocabulary: Vocabulary) -> Incident:
        """Check an incident record.

        Args:
            record: ``title``, ``kinds`` (a list of triggers, or a map from trigger to yes or no), ``event``
                (facts), ``times`` (anchors).
            vocabulary: what may be said.

        Raises:
            FactRefused: anything else, or a wrong value.
        """
        for key in record:
            if key not in {"title", "kinds", "event", "times"}:
                raise FactRefused(str(key), "is not a part of an incident (title, kinds, event, times)")
        given = record.get("kinds", {})
        if isinstance(given, list):
            given = dict.fromkeys(given, True)
        if not isinstance(given, Mapping):
            raise FactRefused("kinds", "must be a list of triggers, or a map from trigger to true or false")
        kinds: dict[str, bool] = {}
        for name, value in given.items():
            trigger = vocabulary.triggers.get(name)
            if trigger is None or trigger.kind is TriggerClass.STANDING:
                raise FactRefused(f"kinds.{name}", "is not a known trigger; see facts.yaml of the law data")
            if value is not None and not isinstance(value, bool):
                raise FactRefused(f"kinds.{name}", f"must be true, false or null, not {value!r}")
            if value is not None:
                kinds[name] = value
        return cls(
            kinds=kinds,
            facts=read_facts({"event": record.get("event", {})}, vocabulary),
            times=read_times(record.get("times", {}), vocabulary),
            title=str(record.get("title", "")),
        )
