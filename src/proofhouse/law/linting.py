# SPDX-License-Identifier: Apache-2.0
"""The citation linter and its companions: what the schema cannot see.

Rules of severity ``error`` must always hold. Rules of severity ``release`` hold back a release of the data:
a binding record that nobody has read, a record whose re-check is overdue, a calendar that runs out. Known
ones are listed in ``gaps.yaml``; a listed gap that has closed is an error, so the list only shrinks.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from fnmatch import fnmatchcase
from typing import Any

from proofhouse.law.book import LawBook
from proofhouse.law.deadlines import Composite, Deadline, EarliestOf, LatestOf
from proofhouse.law.golden import run_case
from proofhouse.law.model import EventKind, Grade, Instrument, Obligation, Source, Version

CALENDAR_REACH = timedelta(days=2 * 365)
_RANK = {grade: rank for rank, grade in enumerate(Grade)}
_OPENING = {
    "signed": EventKind.SIGNED,
    "adopted": EventKind.ADOPTED,
    "effective": EventKind.EFFECTIVE,
    "proposed": EventKind.PROPOSED,
}
_FORBIDDEN = re.compile(r"\bcompliant\b", re.IGNORECASE)


class Severity(enum.StrEnum):
    """How much a finding weighs."""

    ERROR = "error"
    RELEASE = "release"


@dataclass(frozen=True)
class Finding:
    """One broken rule."""

    severity: Severity
    rule: str
    place: str
    message: str


def lint(book: LawBook, today: date) -> tuple[Finding, ...]:
    """Check the whole book.

    Args:
        book: the law book; its files have met their schemas already.
        today: the day against which re-checks are overdue.

    Returns:
        The findings, errors first.
    """
    findings: list[Finding] = []
    for instrument in book.instruments.values():
        findings.extend(lint_instrument(book, instrument))
    findings.extend(_vocabulary(book))
    findings.extend(_watch(book))
    findings.extend(_weak(book, today))
    findings.extend(
        Finding(Severity.ERROR, "golden", case.path, wrong)
        for case in book.cases
        for wrong in run_case(book, case)
    )
    findings.extend(_calendar_reach(book, today))
    return tuple(
        sorted(findings, key=lambda one: (one.severity is not Severity.ERROR, one.place, one.message))
    )


def lint_instrument(book: LawBook, instrument: Instrument) -> Iterator[Finding]:
    """Check one instrument: citations, history, knowledge, wording and terms."""
    yield from _citations(instrument)
    yield from _history(instrument)
    yield from _knowledge(book, instrument)
    yield from _wording(instrument)
    for version in instrument.versions:
        yield from _idle_terms(version)


def _error(rule: str, place: str, message: str) -> Finding:
    return Finding(Severity.ERROR, rule, place, message)


def _cited(value: Any, source: str) -> Iterator[tuple[str, str]]:
    """Yield every (source, locator) pair in a document; the nearest ``source`` above a locator counts."""
    if isinstance(value, Mapping):
        inner = value.get("source", source)
        for key in ("locator", "citation"):
            if isinstance(value.get(key), str):
                yield inner, value[key]
        for child in value.values():
            yield from _cited(child, inner)
    elif isinstance(value, list):
        for child in value:
            yield from _cited(child, source)


def _citations(instrument: Instrument) -> Iterator[Finding]:
    used: set[tuple[str, str]] = set()
    for version in instrument.versions:
        for source, locator in _cited(version.document, ""):
            used.add((source, locator))
            yield from _resolve(instrument, version.path, source, locator)
        for obligation in version.obligations.values():
            yield from _grade(instrument, version, obligation)
    place = f"{instrument.folder}/instrument.yaml"
    pairs = [(event.on.source, event.on.locator) for event in instrument.events]
    if instrument.equivalence.locator:
        pairs.append((instrument.equivalence.source, instrument.equivalence.locator))
    for source, locator in pairs:
        used.add((source, locator))
        yield from _resolve(instrument, place, source, locator)
    for known in instrument.sources.values():
        yield from _source(instrument, known, used)


def _resolve(instrument: Instrument, place: str, source: str, locator: str) -> Iterator[Finding]:
    known = instrument.sources.get(source)
    if known is None:
        yield _error(
            "phantom-source", place, f"{locator!r} cites source {source!r}, which sources.yaml lacks"
        )
    elif locator not in known.locators:
        yield _error("phantom-locator", place, f"{locator!r} is not among the places of source {source!r}")


def _source(instrument: Instrument, source: Source, used: set[tuple[str, str]]) -> Iterator[Finding]:
    place = f"{instrument.folder}/sources.yaml"
    for locator in sorted(source.locators):
        if (source.id, locator) not in used:
            yield _error("idle-locator", place, f"nothing cites {locator!r} of source {source.id!r}")
    if source.grade is Grade.PRIMARY_READ and not source.sha256:
        yield _error("unfixed-text", place, f"source {source.id!r} was read as a text but has no sha256")


def _grade(instrument: Instrument, version: Version, obligation: Obligation) -> Iterator[Finding]:
    source = instrument.sources.get(obligation.source)
    if source is not None and _RANK[obligation.grade] < _RANK[source.grade]:
        yield _error(
            "grade",
            version.path,
            f"{obligation.id} is graded {obligation.grade}, its source only {source.grade}",
        )


def _history(instrument: Instrument) -> Iterator[Finding]:
    """Versions must begin and end with events, and must not overlap in both times."""
    for version in instrument.versions:
        yield from _span_of(instrument, version)
    for index, one in enumerate(instrument.versions):
        for other in instrument.versions[index + 1 :]:
            both = set(one.obligations) & set(other.obligations)
            if both and _overlap(one, other):
                yield _error("history", other.path, f"overlaps {one.path} in both times: {min(both)}")
    yield from _idle_events(instrument)


def _span_of(instrument: Instrument, version: Version) -> Iterator[Finding]:
    marks = {(event.kind, event.on.value) for event in instrument.events}
    ends = {day for kind, day in marks if kind in {EventKind.SUPERSEDED, EventKind.DELAYED}}
    starts = {day for kind, day in marks if kind is EventKind.EFFECTIVE}
    stem = version.path.rsplit("/", 1)[-1].removeprefix("v").removesuffix(".yaml").split(".k")[0]
    if stem != version.dated.isoformat():
        yield _error("history", version.path, "the file is not named after its version")
    if version.dated != version.valid.start:
        yield _error("history", version.path, "the version and the start of its validity differ")
    opening = _OPENING[version.dated_by]
    if not {(opening, version.dated), (EventKind.DELAYED, version.dated)} & marks:
        yield _error("history", version.path, f"no event {opening} on {version.dated} in instrument.yaml")
    if version.valid.end is not None and version.valid.end not in ends:
        yield _error("history", version.path, f"no event explains its end on {version.valid.end}")
    for obligation in version.obligations.values():
        start = obligation.effective_from
        if version.valid.end is None and start is not None and start.value not in starts:
            yield _error("history", version.path, f"{obligation.id}: no effective event on {start.value}")


def _idle_events(instrument: Instrument) -> Iterator[Finding]:
    bounds = {day for version in instrument.versions for day in (version.valid.start, version.valid.end)}
    effective = {
        obligation.effective_from.value
        for version in instrument.versions
        for obligation in version.obligations.values()
        if obligation.effective_from
    }
    bounding = {
        EventKind.SIGNED,
        EventKind.ADOPTED,
        EventKind.PROPOSED,
        EventKind.DELAYED,
        EventKind.SUPERSEDED,
    }
    place = f"{instrument.folder}/instrument.yaml"
    dated = {version.dated for version in instrument.versions}
    duties = {name for version in instrument.versions for name in version.obligations}
    for event in instrument.events:
        day = event.on.value
        for missing in sorted(map(str, (event.versions - dated) | (event.obligations - duties))):
            yield _error(
                "history", place, f"{event.kind} on {day} is limited to {missing}, which is not here"
            )
        if event.kind in bounding and day not in bounds:
            yield _error("history", place, f"{event.kind} on {day} opens or closes no version")
        if event.kind is EventKind.EFFECTIVE and day not in effective:
            yield _error("history", place, f"nothing takes effect on {day}")


def _knowledge(book: LawBook, instrument: Instrument) -> Iterator[Finding]:
    """What the data holds changes only when an edition is published."""
    spans = [(version.path, version.known) for version in instrument.versions]
    spans += [(f"{instrument.folder}/instrument.yaml", event.known) for event in instrument.events]
    for place, span in spans:
        for day in (span.start, span.end):
            if day is not None and day not in book.edition.days:
                yield _error("knowledge", place, f"{day} is not the day of an edition (edition.yaml)")


def _overlap(one: Version, other: Version) -> bool:
    return all(
        (a.end is None or b.start < a.end) and (b.end is None or a.start < b.end)
        for a, b in ((one.valid, other.valid), (one.known, other.known))
    )


def _wording(instrument: Instrument) -> Iterator[Finding]:
    for version in instrument.versions:
        for text in _texts(version.document):
            if _FORBIDDEN.search(text):
                yield _error("wording", version.path, f"promises too much: {text[:80]!r}")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for child in value.values():
            yield from _texts(child)
    elif isinstance(value, list):
        for child in value:
            yield from _texts(child)


def _idle_terms(version: Version) -> Iterator[Finding]:
    texts = " ".join(_texts(version.document))
    for prefix, names in (("v", version.values), ("d", version.definitions)):
        for name in names:
            if not re.search(rf"\b{prefix}\.{name}\b", texts):
                yield _error("idle-term", version.path, f"nothing uses {prefix}.{name}")


def _operators(deadline: Deadline) -> Iterator[Deadline]:
    yield deadline
    if isinstance(deadline, Composite):
        parts = deadline.parts
    elif isinstance(deadline, (EarliestOf, LatestOf)):
        parts = deadline.options
    else:
        return
    for part in parts:
        yield from _operators(part)


def _calendar_reach(book: LawBook, today: date) -> Iterator[Finding]:
    for calendar in book.calendars.values():
        if calendar.last < today + CALENDAR_REACH:
            message = f"pinned only to {calendar.last}; extend it"
            yield Finding(Severity.RELEASE, "calendar", f"calendars/{calendar.id}.yaml", message)
        for day in calendar.holidays:
            if not calendar.first <= day <= calendar.last:
                yield _error("calendar", f"calendars/{calendar.id}.yaml", f"{day} lies outside its own span")


def _vocabulary(book: LawBook) -> Iterator[Finding]:
    facts: set[str] = set()
    times: set[str] = set()
    triggers: set[str] = {"standing"}
    for instrument in book.instruments.values():
        for version in instrument.versions:
            for definition in version.definitions.values():
                facts.update(definition.predicate.facts)
            for obligation in version.obligations.values():
                facts.update(obligation.applies_when.facts)
                facts.update(obligation.trigger_when.facts if obligation.trigger_when else ())
                for operator in _operators(obligation.deadline):
                    facts.update(operator.when.facts if operator.when else ())
                times.update(obligation.deadline.anchors())
                triggers.add(obligation.trigger)
    for kind, known, used in (
        ("fact", book.vocabulary.facts, facts),
        ("time", book.vocabulary.times, times),
        ("trigger", book.vocabulary.triggers, triggers),
    ):
        for name in known:
            if name not in used:
                yield _error("vocabulary", "facts.yaml", f"no law file uses {kind} {name}")


def _watch(book: LawBook) -> Iterator[Finding]:
    for item in book.watch:
        for pattern in item.affects:
            if not any(fnmatchcase(name, pattern) for name in book.instruments):
                yield _error("watch", "watch.yaml", f"{item.id} affects {pattern!r}, which is no instrument")


def _weak(book: LawBook, today: date) -> Iterator[Finding]:
    """Background and overdue records must be listed as gaps, and listed gaps must still be open."""
    found: dict[tuple[str, str], str] = {}
    for instrument in book.instruments.values():
        place = f"{instrument.folder}/instrument.yaml"
        current = [version for version in instrument.versions if version.valid.end is None]
        if instrument.grade is Grade.BACKGROUND and current:
            found[instrument.id, "background"] = place
        if instrument.next_check < today:
            found[instrument.id, "overdue"] = place
        for version in current:
            for obligation in version.obligations.values():
                if obligation.binding and obligation.grade is Grade.BACKGROUND:
                    found[obligation.id, "background"] = version.path
    listed = {(gap.record, gap.gap) for gap in book.gaps}
    for (record, gap), place in found.items():
        if (record, gap) not in listed:
            message = (
                f"{record}: {'nobody has read its text' if gap == 'background' else 're-check is overdue'}"
            )
            yield Finding(Severity.RELEASE, gap, place, message)
    for record, gap in sorted(listed - set(found)):
        yield _error("gap-closed", "gaps.yaml", f"{record}: {gap} no longer holds; take the line out")
