# SPDX-License-Identifier: Apache-2.0
"""Turn schema-checked documents into the model: predicates compiled, operators typed, names resolved."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from proofhouse.law.counting import Unit
from proofhouse.law.deadlines import (
    Before,
    Composite,
    Deadline,
    EarliestOf,
    FixedDate,
    LatestOf,
    Meaning,
    NoDate,
    NoLaterThanEvent,
    OnEvent,
    ReasonableTime,
    Recurring,
    Relative,
    Value,
    Window,
)
from proofhouse.law.deadlines import Standing as StandingDuty
from proofhouse.law.errors import LawMalformed, PredicateRefused
from proofhouse.law.facts import Vocabulary
from proofhouse.law.model import (
    Definition,
    Edition,
    Equivalence,
    EventKind,
    Gap,
    Grade,
    Instrument,
    Obligation,
    Penalty,
    PrivateAction,
    Recipient,
    Source,
    Span,
    StatusEvent,
    Version,
    WatchItem,
)
from proofhouse.law.predicates import Predicate
from proofhouse.law.reading import Document, Documents

MAX_OPERATORS = 24


def _day(text: str, path: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise LawMalformed(path, f"{text!r} is not a day of the calendar") from error


def _span(record: Mapping[str, Any], path: str) -> Span:
    span = Span(_day(record["from"], path), _day(record["to"], path) if record["to"] else None)
    if span.end is not None and span.end <= span.start:
        raise LawMalformed(path, f"the span from {span.start} ends on or before its start")
    return span


def _dated(record: Mapping[str, Any], source: str, path: str) -> Value:
    return Value(_day(record["value"], path), record["locator"], record.get("source", source))


class _Version:
    """Builds one version file."""

    def __init__(
        self, document: Document, path: str, vocabulary: Vocabulary, calendars: Collection[str]
    ) -> None:
        self._document = document
        self._path = path
        self._vocabulary = vocabulary
        self._calendars = calendars
        self._numbers: dict[str, float | int] = {}
        self._predicates: dict[str, Predicate] = {}
        self._owner = ""
        self._source = ""
        self._operators = 0

    def _refuse(self, reason: str) -> LawMalformed:
        return LawMalformed(self._path, f"{self._owner}: {reason}" if self._owner else reason)

    def build(self) -> Version:
        document = self._document
        values = {
            name: Value(entry["value"], entry["locator"], entry.get("source", ""))
            for name, entry in document.get("values", {}).items()
        }
        self._numbers = {name: value.value for name, value in values.items()}
        definitions: dict[str, Definition] = {}
        for name, entry in document.get("definitions", {}).items():
            predicate = self._predicate(entry["expr"], f"definitions/{name}")
            self._predicates[name] = predicate
            definitions[name] = Definition(
                name, predicate, entry["locator"], entry["source"], entry.get("note", "")
            )
        obligations: dict[str, Obligation] = {}
        for entry in document["obligations"]:
            if entry["id"] in obligations:
                raise LawMalformed(self._path, f"obligation {entry['id']} occurs twice")
            obligations[entry["id"]] = self._obligation(entry)
        return Version(
            dated=_day(document["version"], self._path),
            instrument=document["of"],
            dated_by=document["dated_by"],
            valid=_span(document["valid"], self._path),
            known=_span(document["known"], self._path),
            values=values,
            definitions=definitions,
            obligations=obligations,
            path=self._path,
            document=document,
        )

    def _predicate(self, text: str, place: str) -> Predicate:
        try:
            return Predicate(text, self._vocabulary, self._numbers, self._predicates)
        except PredicateRefused as error:
            raise LawMalformed(self._path, f"{place}: {error}") from error

    def _obligation(self, entry: Mapping[str, Any]) -> Obligation:
        name = entry["id"]
        if entry["trigger"] not in self._vocabulary.triggers:
            raise LawMalformed(self._path, f"{name}: trigger {entry['trigger']!r} is not in facts.yaml")
        source = entry["source"]
        self._owner, self._source, self._operators = name, source, 0
        effective = entry["effective"]
        trigger_when = entry.get("trigger_when")
        return Obligation(
            id=name,
            title=entry["title"],
            family=entry["family"],
            binding=entry["binding"],
            who=entry["who"],
            applies_when=self._predicate(entry["applies_when"], name),
            trigger=entry["trigger"],
            trigger_when=self._predicate(trigger_when, name) if trigger_when else None,
            duty=entry["duty"],
            deadline=self._deadline(entry["deadline"]),
            recipients=tuple(self._recipient(recipient) for recipient in entry["recipients"]),
            content=tuple(entry.get("content", ())),
            exemptions=tuple(entry.get("exemptions", ())),
            penalty=_penalty(entry.get("penalty"), source),
            effective_from=_dated(effective["from"], source, self._path) if effective["from"] else None,
            effective_to=_dated(effective["to"], source, self._path) if effective["to"] else None,
            confidentiality=entry.get("confidentiality", ""),
            interplay=entry.get("interplay", ""),
            review_link=entry.get("review_link", ""),
            evidence_types=tuple(entry["evidence_types"]),
            citation=entry["citation"],
            source=source,
            grade=Grade(entry["grade"]),
            confidence=entry["confidence"],
            notes=entry.get("notes", ""),
        )

    def _recipient(self, entry: Mapping[str, Any]) -> Recipient:
        try:
            return Recipient(entry["name"], ZoneInfo(entry["zone"]))
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise LawMalformed(self._path, f"no time zone {entry['zone']!r}") from error

    def _anchor(self, name: str) -> str:
        if name not in self._vocabulary.times:
            raise self._refuse(f"anchor {name!r} is not in facts.yaml")
        return name

    def _deadline(self, entry: Mapping[str, Any]) -> Deadline:
        self._operators += 1
        if self._operators > MAX_OPERATORS:
            raise self._refuse(f"more than {MAX_OPERATORS} deadline operators")
        when = entry.get("when")
        common: dict[str, Any] = {
            "what": entry.get("what", ""),
            "when": self._predicate(when, self._owner) if when else None,
        }
        make, particular = self._parts_of(entry)
        return make(**common, **particular)

    def _parts_of(self, entry: Mapping[str, Any]) -> tuple[type[Deadline], dict[str, Any]]:
        """Return the operator class of an entry and the arguments that only it takes."""
        kind: str = entry["type"]
        if kind in _PARTS:
            make, field = _PARTS[kind]
            return make, {field: tuple(self._deadline(part) for part in entry[field])}
        if kind in _AT_EVENT:
            return _AT_EVENT[kind], {"event": self._anchor(entry["event"])}
        simple: dict[str, Any] = {
            "standing": lambda: (StandingDuty, {}),
            "none": lambda: (NoDate, {"reason": entry["reason"]}),
            "date": lambda: (FixedDate, {"day": _dated(entry["date"], self._source, self._path)}),
            "reasonable_time": lambda: (ReasonableTime, self._reasonable_time(entry)),
            "relative": lambda: (Relative, self._relative(entry)),
            "recurring": lambda: (Recurring, self._recurring(entry)),
            "before": lambda: (Before, {"event": self._anchor(entry["event"]), **self._counted(entry)}),
            "window": lambda: (
                Window,
                {"event": self._anchor(entry["event"]), "amount": self._value(entry["amount"])},
            ),
        }
        made: tuple[type[Deadline], dict[str, Any]] = simple[kind]()
        return made

    def _value(self, entry: Mapping[str, Any]) -> Value:
        return Value(entry["value"], entry["locator"], entry.get("source", self._source))

    def _counted(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        unit = Unit(entry["unit"])
        calendar = entry.get("calendar", "")
        if unit is Unit.BUSINESS_DAYS and not calendar:
            raise self._refuse("business days need a named calendar")
        if calendar and calendar not in self._calendars:
            raise self._refuse(f"no calendar {calendar!r} in calendars/")
        return {"amount": self._value(entry["amount"]), "unit": unit, "calendar": calendar}

    def _relative(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        counted = self._counted(entry)
        roll = "roll" in entry
        if roll and (counted["unit"] is Unit.HOURS or not counted["calendar"]):
            raise self._refuse("a roll needs a calendar and a period that is not counted in hours")
        meaning = Meaning(entry.get("meaning", "due"))
        return {"anchor": self._anchor(entry["from"]), "roll": roll, "meaning": meaning, **counted}

    def _recurring(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        if ("from" in entry) == ("first" in entry):
            raise self._refuse("a recurring duty has either an anchor or a first day")
        return {
            "every": self._value(entry["every"]),
            "unit": Unit(entry["unit"]),
            "anchor": self._anchor(entry["from"]) if "from" in entry else "",
            "first": _dated(entry["first"], self._source, self._path) if "first" in entry else None,
            "until": self._anchor(entry["until"]) if "until" in entry else "",
            "alternative": entry.get("alternative", ""),
        }

    def _reasonable_time(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "wording": entry["wording"],
            "anchor": self._anchor(entry["from"]),
            "see": entry.get("see", ""),
        }


_PARTS: Mapping[str, tuple[type[Deadline], str]] = {
    "earliest_of": (EarliestOf, "options"),
    "latest_of": (LatestOf, "options"),
    "composite": (Composite, "parts"),
}
_AT_EVENT: Mapping[str, type[Deadline]] = {"no_later_than_event": NoLaterThanEvent, "on_event": OnEvent}


def _penalty(entry: Mapping[str, Any] | None, source: str) -> Penalty | None:
    if entry is None:
        return None
    cure = entry.get("cure_days")
    return Penalty(
        amounts=tuple(entry.get("amounts", ())),
        remedy=entry.get("remedy", ""),
        enforcer=entry.get("enforcer", ""),
        reaches=entry.get("reaches", ""),
        private_action=PrivateAction(entry["private_action"]),
        cure_days=Value(cure["value"], cure["locator"], cure.get("source", source)) if cure else None,
        notes=tuple(entry[key] for key in ("also", "cure_note") if key in entry),
    )


def _source(entry: Mapping[str, Any], path: str) -> Source:
    return Source(
        id=entry["id"],
        title=entry["title"],
        url=entry["url"],
        retrieved_on=_day(entry["retrieved_on"], path),
        grade=Grade(entry["grade"]),
        reader=entry["reader"],
        locators=frozenset(entry["locators"]),
        copy=entry.get("copy", ""),
        sha256=entry.get("sha256", ""),
    )


def _event(entry: Mapping[str, Any], source: str, path: str) -> StatusEvent:
    return StatusEvent(
        kind=EventKind(entry["event"]),
        on=_dated(entry["date"], source, path),
        known=_span(entry["known"], path),
        versions=frozenset(_day(day, path) for day in entry.get("versions", ())),
        obligations=frozenset(entry.get("obligations", ())),
        note=entry.get("note", ""),
    )


def build_instrument(
    folder: str, documents: Documents, vocabulary: Vocabulary, calendars: Collection[str]
) -> Instrument:
    """Build the instrument that lies in a folder.

    Args:
        folder: relative path of the folder.
        documents: all documents, schema-checked.
        vocabulary: facts, times and triggers that may be named.
        calendars: ids of the pinned calendars that may be named.

    Raises:
        LawMalformed: a name, an expression or a date does not hold up.
    """
    path = f"{folder}/instrument.yaml"
    record = documents[path]
    sources_path = f"{folder}/sources.yaml"
    if sources_path not in documents:
        raise LawMalformed(path, "has no sources.yaml beside it")
    names = sorted(name for name in documents if name.startswith(f"{folder}/v"))
    versions = tuple(_Version(documents[name], name, vocabulary, calendars).build() for name in names)
    for one in versions:
        if one.instrument != record["id"]:
            raise LawMalformed(
                one.path, f"belongs to {one.instrument}, but lies in the folder of {record['id']}"
            )
    equivalence = record["federal_equivalence"]
    enforcement = record["enforcement"]
    return Instrument(
        id=record["id"],
        name=record["name"],
        jurisdiction=record["jurisdiction"],
        nature=record["nature"],
        binding=record["binding"],
        events=tuple(_event(entry, record["source"], path) for entry in record["events"]),
        enforcers=tuple(enforcement["enforcers"]),
        private_action=PrivateAction(enforcement["private_action"]),
        who_may_sue=enforcement.get("note", ""),
        civil_rights=record["civil_rights"]["duties"],
        civil_rights_note=record["civil_rights"].get("note", ""),
        equivalence=Equivalence(
            scope=equivalence["scope"],
            route=equivalence.get("route", ""),
            designated=tuple(equivalence["designated"]),
            locator=equivalence.get("locator", ""),
            source=equivalence.get("source", ""),
        ),
        source=record["source"],
        grade=Grade(record["grade"]),
        next_check=_day(record["next_check"], path),
        supersedes=record.get("supersedes", ""),
        notes=record.get("notes", ""),
        versions=versions,
        sources={entry["id"]: _source(entry, sources_path) for entry in documents[sources_path]["sources"]},
        folder=folder,
    )


def build_edition(document: Document) -> Edition:
    """Build the edition record of ``edition.yaml``."""
    return Edition(
        title=document["title"],
        days=tuple(_day(day, "edition.yaml") for day in document["editions"]),
        horizon_statutes=_day(document["horizon"]["statute_texts"], "edition.yaml"),
        horizon_secondary=_day(document["horizon"]["secondary"], "edition.yaml"),
        disclaimer=document["disclaimer"],
        grades=document["grades"],
    )


def build_watch(document: Document) -> tuple[WatchItem, ...]:
    """Build the watch items of ``watch.yaml``."""
    return tuple(
        WatchItem(
            id=entry["id"],
            what=entry["what"],
            status=entry["status"],
            effect_if_enacted=entry.get("effect_if_enacted", ""),
            affects=tuple(entry["affects"]),
            confidence=entry["confidence"],
            source_url=entry.get("source_url", ""),
        )
        for entry in document["watch"]
    )


def build_gaps(document: Document) -> tuple[Gap, ...]:
    """Build the gap list of ``gaps.yaml``."""
    return tuple(
        Gap(entry["record"], entry["gap"], _day(entry["since"], "gaps.yaml")) for entry in document["gaps"]
    )
