# SPDX-License-Identifier: Apache-2.0
"""What changed between two days, in law time, in knowledge time or both; field by field, for a profile."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from proofhouse.law.assessment import Asked, Result, assess, standing_of
from proofhouse.law.book import Entry, LawBook
from proofhouse.law.facts import Profile
from proofhouse.law.model import Grade, Standing


class ChangeKind(enum.StrEnum):
    """What happened to an obligation between the two days."""

    ADDED = "added"
    """The data did not know it before."""
    REMOVED = "removed"
    """The data no longer holds it."""
    STANDING = "standing"
    """It stands differently: started, ended, enjoined."""
    TEXT = "text"
    """Another version holds it, with other values."""
    RESULT = "result"
    """Only the answer for the profile differs."""


@dataclass(frozen=True)
class FieldChange:
    """One value that differs; None where it is absent."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Change:
    """One obligation that differs between the two days."""

    obligation: str
    instrument: str
    title: str
    grade: Grade
    """How the later record was verified."""
    kinds: tuple[ChangeKind, ...]
    standing_before: Standing | None
    standing_after: Standing | None
    result_before: Result | None
    """For the profile; None without one."""
    result_after: Result | None
    fields: tuple[FieldChange, ...]


@dataclass(frozen=True)
class Viewpoint:
    """A day in law time and a day in knowledge time."""

    as_of: date
    known_at: date | None = None


@dataclass(frozen=True)
class _State:
    entry: Entry
    standing: Standing
    result: Result | None


def compare(
    book: LawBook, before: Viewpoint, after: Viewpoint, profile: Profile | None = None
) -> tuple[Change, ...]:
    """Compare the law at two points of the two times.

    Args:
        book: the law book.
        before: the earlier question.
        after: the later question.
        profile: limits the answer to obligations that matter to it, before or after, and adds the results.

    Returns:
        The changed obligations in the order of the data.
    """
    old, new = _states(book, before, profile), _states(book, after, profile)
    changes = []
    for name in dict.fromkeys([*old, *new]):
        change = _change(name, old.get(name), new.get(name))
        if change is not None and (profile is None or _matters(change)):
            changes.append(change)
    return tuple(changes)


def _matters(change: Change) -> bool:
    no = {None, Result.DOES_NOT_APPLY}
    return change.result_before not in no or change.result_after not in no


def _states(book: LawBook, view: Viewpoint, profile: Profile | None) -> dict[str, _State]:
    known_at = book.knowledge(view.known_at)
    states = {}
    for entry in book.entries(view.as_of, view.known_at):
        result = None
        if profile is not None:
            asked = Asked(profile.facts, profile.times, view.as_of, known_at)
            one = assess(entry.instrument, entry.version, entry.obligation, asked, book.calendars)
            standing, result = one.standing, one.result
        else:
            standing = standing_of(entry.instrument, entry.version, entry.obligation, view.as_of, known_at)
        states[entry.obligation.id] = _State(entry, standing, result)
    return states


def _change(name: str, old: _State | None, new: _State | None) -> Change | None:
    kinds: list[ChangeKind] = []
    fields: tuple[FieldChange, ...] = ()
    if old is None or new is None:
        kinds.append(ChangeKind.ADDED if old is None else ChangeKind.REMOVED)
    else:
        if old.standing is not new.standing:
            kinds.append(ChangeKind.STANDING)
        fields = tuple(_fields(old.entry, new.entry))
        if fields:
            kinds.append(ChangeKind.TEXT)
        if not kinds and old.result is not new.result:
            kinds.append(ChangeKind.RESULT)
    if not kinds:
        return None
    shown = new or old
    assert shown is not None
    return Change(
        obligation=name,
        instrument=shown.entry.instrument.id,
        title=shown.entry.obligation.title,
        grade=shown.entry.obligation.grade,
        kinds=tuple(kinds),
        standing_before=old.standing if old else None,
        standing_after=new.standing if new else None,
        result_before=old.result if old else None,
        result_after=new.result if new else None,
        fields=fields,
    )


def _fields(old: Entry, new: Entry) -> Iterator[FieldChange]:
    """Yield the values that differ: of the obligation, and of the definitions and values it stands on."""
    if old.version is new.version:
        return
    before, after = _flat(_record(old)), _flat(_record(new))
    for path in sorted({*before, *after}):
        if before.get(path) != after.get(path):
            yield FieldChange(path, before.get(path), after.get(path))


def _record(entry: Entry) -> Mapping[str, Any]:
    document = entry.version.document
    obligation = next(one for one in document["obligations"] if one["id"] == entry.obligation.id)
    # The whole test in plain CEL shows a changed definition or value wherever it lies.
    return {**obligation, "test": entry.obligation.applies_when.cel}


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, Mapping):
        items: Iterator[tuple[str, Any]] = ((str(key), child) for key, child in value.items())
    elif isinstance(value, list):
        items = ((str(index), child) for index, child in enumerate(value))
    else:
        return {path: value}
    return {
        leaf: found
        for key, child in items
        for leaf, found in _flat(child, f"{path}/{key}" if path else key).items()
    }
