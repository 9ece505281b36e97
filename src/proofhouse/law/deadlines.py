# SPDX-License-Identifier: Apache-2.0
"""When something is due: a closed set of operators that law files choose from.

Rules of counting, the same for every law unless its record names another:

- hours are elapsed hours between UTC instants; weekends, holidays and clock changes do not move them;
- days leave out the day of the anchor and end with the last second of the last day where the recipient sits;
- business days follow the named, pinned calendar;
- months and years keep the day's number, clamped to the end of a shorter month;
- nothing is rolled later, except under Regulation (EEC, Euratom) 1182/71 Art. 3(4) where a record names it,
  and then never a period counted in hours;
- an anchor given only as a day counts from the first moment of that day when hours are counted.

A clock whose anchor is not known is *awaiting*, with the question to ask; it never disappears.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from proofhouse.law.calendars import Calendar
from proofhouse.law.counting import Unit, add_period, end_of, local_day, start_of
from proofhouse.law.errors import OutsideCalendar
from proofhouse.law.facts import FactSet, Moment
from proofhouse.law.predicates import Predicate, Truth


class DueState(enum.StrEnum):
    """How far a date is known."""

    DATED = "dated"
    AWAITING = "awaiting"
    """An anchor is not known yet."""
    UNDATED = "undated"
    """The law sets no countable date."""
    ENDED = "ended"
    """The series has come to its end."""
    UNCOUNTABLE = "uncountable"
    """A pinned calendar does not reach that far."""


class Meaning(enum.StrEnum):
    """What the date says."""

    DUE = "due"
    KEEP_UNTIL = "keep_until"
    ALLOWED_UNTIL = "allowed_until"
    OPENS = "opens"


@dataclass(frozen=True)
class Due:
    """One computed date, with its derivation."""

    state: DueState
    operator: str
    what: str = ""
    meaning: Meaning = Meaning.DUE
    at: datetime | None = None
    """The last instant, UTC; of a day, its last second."""
    day: date | None = None
    """The day where the recipient sits."""
    zone: str = "UTC"
    anchor: str = ""
    anchor_at: Moment | None = None
    awaiting: tuple[str, ...] = ()
    """Anchors not known; for an earliest-of with a date, those that could make it earlier."""
    steps: tuple[str, ...] = ()
    condition: Truth = Truth.TRUE
    """Whether this part applies at all."""
    condition_asks: tuple[str, ...] = ()
    locator: str = ""

    def local(self) -> datetime | None:
        """Return the instant in the recipient's zone."""
        return self.at.astimezone(ZoneInfo(self.zone)) if self.at else None


@dataclass(frozen=True)
class Setting:
    """What an operator may look at."""

    times: Mapping[str, Moment]
    zone: ZoneInfo
    calendars: Mapping[str, Calendar]
    as_of: date
    facts: FactSet


@dataclass(frozen=True)
class Value:
    """A number or day of the law, with the place it was read at."""

    value: Any
    locator: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Deadline:
    """Base of the operators."""

    what: str = ""
    when: Predicate | None = None
    """A condition on facts under which this part applies."""

    def resolve(self, setting: Setting) -> tuple[Due, ...]:
        """Compute the dates.

        Args:
            setting: anchors, zone, calendars, facts and the day of the question.

        Returns:
            One entry for each part; none whose condition is false.
        """
        if self.when is None:
            return self._dues(setting)
        truth = self.when.evaluate(setting.facts)
        if truth is Truth.FALSE:
            return ()
        asks = self.when.explain(setting.facts).open_questions()
        return tuple(replace(due, condition=truth, condition_asks=asks) for due in self._dues(setting))

    def _dues(self, setting: Setting) -> tuple[Due, ...]:
        try:
            return (self._due(setting),)
        except OutsideCalendar as error:
            return (
                Due(DueState.UNCOUNTABLE, self._name, self.what, zone=setting.zone.key, steps=(str(error),)),
            )

    def _due(self, setting: Setting) -> Due:
        raise NotImplementedError

    @property
    def _name(self) -> str:
        return NAMES[type(self)]

    def _awaiting(self, setting: Setting, *anchors: str) -> Due:
        return Due(
            DueState.AWAITING,
            self._name,
            self.what,
            zone=setting.zone.key,
            anchor=anchors[0],
            awaiting=anchors,
        )

    def anchors(self) -> tuple[str, ...]:
        """Return the names of all anchor times that this operator reads."""
        return ()

    def values(self) -> tuple[tuple[str, Value], ...]:
        """Return every number and day of this operator with its locator."""
        return ()


@dataclass(frozen=True, kw_only=True)
class Standing(Deadline):
    """A duty without a date: it holds all the time."""

    def _due(self, setting: Setting) -> Due:
        return Due(
            DueState.UNDATED, self._name, self.what, zone=setting.zone.key, steps=("holds at all times",)
        )


@dataclass(frozen=True, kw_only=True)
class NoDate(Deadline):
    """The source sets no date."""

    reason: str

    def _due(self, setting: Setting) -> Due:
        return Due(DueState.UNDATED, self._name, self.what, zone=setting.zone.key, steps=(self.reason,))


@dataclass(frozen=True, kw_only=True)
class ReasonableTime(Deadline):
    """Words such as *without undue delay*: no date can be counted."""

    wording: str
    anchor: str
    see: str = ""

    def _due(self, setting: Setting) -> Due:
        known = setting.times.get(self.anchor)
        step = f"{self.wording} from {self.anchor}" + (f"; see also {self.see}" if self.see else "")
        return Due(
            DueState.UNDATED,
            self._name,
            self.what,
            zone=setting.zone.key,
            anchor=self.anchor,
            anchor_at=known,
            awaiting=() if known is not None else (self.anchor,),
            steps=(step,),
        )

    def anchors(self) -> tuple[str, ...]:
        """Return the anchor."""
        return (self.anchor,)


@dataclass(frozen=True, kw_only=True)
class FixedDate(Deadline):
    """A day named by the law itself."""

    day: Value

    def _due(self, setting: Setting) -> Due:
        day: date = self.day.value
        return Due(
            DueState.DATED,
            self._name,
            self.what,
            at=end_of(day, setting.zone),
            day=day,
            zone=setting.zone.key,
            steps=(f"fixed by the law: {day}",),
            locator=self.day.locator,
        )

    def values(self) -> tuple[tuple[str, Value], ...]:
        """Return the day."""
        return (("date", self.day),)


@dataclass(frozen=True, kw_only=True)
class Relative(Deadline):
    """A period after an anchor."""

    anchor: str
    amount: Value
    unit: Unit
    calendar: str = ""
    roll: bool = False
    """Whether a last day that is no working day moves to the next one (Regulation 1182/71 Art. 3(4))."""
    meaning: Meaning = Meaning.DUE

    def _due(self, setting: Setting) -> Due:
        moment = setting.times.get(self.anchor)
        if moment is None:
            return replace(
                self._awaiting(setting, self.anchor), meaning=self.meaning, locator=self.amount.locator
            )
        amount: int = self.amount.value
        steps = [f"{amount} {self.unit.value.replace('_', ' ')} from {self.anchor} ({moment.isoformat()})"]
        if self.unit is Unit.HOURS:
            start = start_of(moment, setting.zone)
            if not isinstance(moment, datetime):
                steps.append("only the day is known, so hours run from its first moment")
            at = start + timedelta(hours=amount)
            day = local_day(at, setting.zone)
        else:
            day = self._last_day(local_day(moment, setting.zone), amount, setting, steps)
            at = end_of(day, setting.zone)
            steps.append(f"end of {day} in {setting.zone.key}")
        return Due(
            DueState.DATED,
            self._name,
            self.what,
            self.meaning,
            at,
            day,
            setting.zone.key,
            self.anchor,
            moment,
            steps=tuple(steps),
            locator=self.amount.locator,
        )

    def _last_day(self, start: date, amount: int, setting: Setting, steps: list[str]) -> date:
        if self.unit is Unit.BUSINESS_DAYS:
            steps.append(f"business days of calendar {self.calendar}; the anchor day is not counted")
            return setting.calendars[self.calendar].after(start, amount)
        day = add_period(start, amount, self.unit)
        if self.roll:
            rolled = setting.calendars[self.calendar].at_or_after(day)
            if rolled != day:
                steps.append(
                    f"{day} is no working day; Regulation 1182/71 Art. 3(4) ends the period on {rolled}"
                )
            return rolled
        return day

    def anchors(self) -> tuple[str, ...]:
        """Return the anchor."""
        return (self.anchor,)

    def values(self) -> tuple[tuple[str, Value], ...]:
        """Return the amount."""
        return (("amount", self.amount),)


@dataclass(frozen=True, kw_only=True)
class EarliestOf(Deadline):
    """The strictest of several clocks; one that has no anchor yet can only make it stricter."""

    options: tuple[Deadline, ...]

    def _due(self, setting: Setting) -> Due:
        dues = [due for option in self.options for due in option.resolve(setting)]
        awaiting = tuple(dict.fromkeys(name for due in dues for name in due.awaiting))
        dated = [due for due in dues if due.at is not None]
        if not dated:
            return self._awaiting(setting, *awaiting) if awaiting else dues[0]
        first = min(dated, key=_instant)
        steps = (*first.steps, f"earliest of {len(self.options)} clocks")
        if awaiting:
            steps = (*steps, f"could become earlier once known: {', '.join(awaiting)}")
        return replace(
            first, operator=self._name, what=self.what or first.what, awaiting=awaiting, steps=steps
        )

    def anchors(self) -> tuple[str, ...]:
        """Return the anchors of all options."""
        return tuple(name for option in self.options for name in option.anchors())

    def values(self) -> tuple[tuple[str, Value], ...]:
        """Return the values of all options."""
        return _values("options", self.options)


@dataclass(frozen=True, kw_only=True)
class LatestOf(Deadline):
    """The latest of several clocks; no date until all are known."""

    options: tuple[Deadline, ...]

    def _due(self, setting: Setting) -> Due:
        dues = [due for option in self.options for due in option.resolve(setting)]
        awaiting = tuple(dict.fromkeys(name for due in dues for name in due.awaiting))
        dated = [due for due in dues if due.at is not None]
        if awaiting:
            floor = max((due.day for due in dated if due.day), default=None)
            known = (f"not before {floor}",) if floor else ()
            return replace(self._awaiting(setting, *awaiting), steps=known)
        undated = [due for due in dues if due.at is None]
        if undated:
            return undated[0]
        last = max(dated, key=_instant)
        steps = (*last.steps, f"latest of {len(self.options)} clocks")
        return replace(last, operator=self._name, what=self.what or last.what, steps=steps)

    def anchors(self) -> tuple[str, ...]:
        """Return the anchors of all options."""
        return tuple(name for option in self.options for name in option.anchors())

    def values(self) -> tuple[tuple[str, Value], ...]:
        """Return the values of all options."""
        return _values("options", self.options)


@dataclass(frozen=True, kw_only=True)
class Recurring(Deadline):
    """A duty that comes again: a period after it was last done, or from a first day named by the law."""

    every: Value
    unit: Unit
    anchor: str = ""
    first: Value | None = None
    until: str = ""
    alternative: str = ""

    def _due(self, setting: Setting) -> Due:
        period = f"every {self.every.value} {self.unit.value}"
        moment = setting.times.get(self.anchor) if self.anchor else None
        if self.first is not None:
            day = self._next_from_first(self.first.value, setting.as_of)
            steps = [f"{period}, first on {self.first.value}"]
        elif moment is None:
            waiting = self._awaiting(setting, self.anchor)
            return replace(waiting, steps=(period,), locator=self.every.locator)
        else:
            day = add_period(local_day(moment, setting.zone), self.every.value, self.unit)
            steps = [f"{period} from {self.anchor} ({moment.isoformat()})"]
        at = end_of(day, setting.zone)
        if self.alternative:
            steps.append(f"or: {self.alternative}")
        end = setting.times.get(self.until) if self.until else None
        ended = end is not None and at > start_of(end, setting.zone)
        if ended:
            steps.append(f"ended with {self.until}")
        return Due(
            DueState.ENDED if ended else DueState.DATED,
            self._name,
            self.what,
            at=None if ended else at,
            day=None if ended else day,
            zone=setting.zone.key,
            anchor=self.anchor,
            anchor_at=moment,
            steps=tuple(steps),
            locator=self.every.locator,
        )

    def _next_from_first(self, first: date, as_of: date) -> date:
        count = 0
        day = first
        while day < as_of:
            count += 1
            day = add_period(first, count * self.every.value, self.unit)
        return day

    def anchors(self) -> tuple[str, ...]:
        """Return the anchor and the end, where named."""
        return tuple(name for name in (self.anchor, self.until) if name)

    def values(self) -> tuple[tuple[str, Value], ...]:
        """Return the period and the first day."""
        first = (("first", self.first),) if self.first else ()
        return (("every", self.every), *first)


@dataclass(frozen=True, kw_only=True)
class Before(Deadline):
    """A period counted back from an event."""

    event: str
    amount: Value
    unit: Unit
    calendar: str = ""

    def _due(self, setting: Setting) -> Due:
        moment = setting.times.get(self.event)
        if moment is None:
            return replace(self._awaiting(setting, self.event), locator=self.amount.locator)
        amount: int = self.amount.value
        steps = (f"{amount} {self.unit.value.replace('_', ' ')} before {self.event} ({moment.isoformat()})",)
        if self.unit is Unit.HOURS:
            at = start_of(moment, setting.zone) - timedelta(hours=amount)
            day = local_day(at, setting.zone)
        else:
            start = local_day(moment, setting.zone)
            if self.unit is Unit.BUSINESS_DAYS:
                day = setting.calendars[self.calendar].before(start, amount)
            else:
                day = add_period(start, -amount, self.unit)
            at = end_of(day, setting.zone)
        return Due(
            DueState.DATED,
            self._name,
            self.what,
            at=at,
            day=day,
            zone=setting.zone.key,
            anchor=self.event,
            anchor_at=moment,
            steps=steps,
            locator=self.amount.locator,
        )

    def anchors(self) -> tuple[str, ...]:
        """Return the event."""
        return (self.event,)

    def values(self) -> tuple[tuple[str, Value], ...]:
        """Return the amount."""
        return (("amount", self.amount),)


@dataclass(frozen=True, kw_only=True)
class AtEvent(Deadline):
    """Due no later than, or together with, an event."""

    event: str

    def _due(self, setting: Setting) -> Due:
        moment = setting.times.get(self.event)
        if moment is None:
            return self._awaiting(setting, self.event)
        return Due(
            DueState.DATED,
            self._name,
            self.what,
            at=start_of(moment, setting.zone),
            day=local_day(moment, setting.zone),
            zone=setting.zone.key,
            anchor=self.event,
            anchor_at=moment,
            steps=(f"{self._name.replace('_', ' ')}: {self.event} ({moment.isoformat()})",),
        )

    def anchors(self) -> tuple[str, ...]:
        """Return the event."""
        return (self.event,)


@dataclass(frozen=True, kw_only=True)
class NoLaterThanEvent(AtEvent):
    """Before or together with an event; a day stands for its first moment."""


@dataclass(frozen=True, kw_only=True)
class OnEvent(AtEvent):
    """At the moment of an event."""


@dataclass(frozen=True, kw_only=True)
class Window(Deadline):
    """A span that may open at most so many days before an event; nothing is due, and it never extends."""

    event: str
    amount: Value

    def _due(self, setting: Setting) -> Due:
        moment = setting.times.get(self.event)
        if moment is None:
            waiting = self._awaiting(setting, self.event)
            return replace(waiting, meaning=Meaning.OPENS, locator=self.amount.locator)
        day = local_day(moment, setting.zone) - timedelta(days=self.amount.value)
        return Due(
            DueState.DATED,
            self._name,
            self.what,
            Meaning.OPENS,
            start_of(day, setting.zone),
            day,
            setting.zone.key,
            self.event,
            moment,
            steps=(
                f"at most {self.amount.value} days before {self.event} ({moment.isoformat()}), ends with it",
            ),
            locator=self.amount.locator,
        )

    def anchors(self) -> tuple[str, ...]:
        """Return the event."""
        return (self.event,)

    def values(self) -> tuple[tuple[str, Value], ...]:
        """Return the length of the span."""
        return (("amount", self.amount),)


@dataclass(frozen=True, kw_only=True)
class Composite(Deadline):
    """Several dates in one duty."""

    parts: tuple[Deadline, ...]

    def _dues(self, setting: Setting) -> tuple[Due, ...]:
        return tuple(due for part in self.parts for due in part.resolve(setting))

    def anchors(self) -> tuple[str, ...]:
        """Return the anchors of all parts."""
        return tuple(name for part in self.parts for name in part.anchors())

    def values(self) -> tuple[tuple[str, Value], ...]:
        """Return the values of all parts."""
        return _values("parts", self.parts)


NAMES: Mapping[type[Deadline], str] = {
    Standing: "standing",
    NoDate: "none",
    ReasonableTime: "reasonable_time",
    FixedDate: "date",
    Relative: "relative",
    EarliestOf: "earliest_of",
    LatestOf: "latest_of",
    Recurring: "recurring",
    Before: "before",
    NoLaterThanEvent: "no_later_than_event",
    OnEvent: "on_event",
    Window: "window",
    Composite: "composite",
}
"""The closed set: operator classes and their names in law files."""


def _instant(due: Due) -> datetime:
    return due.at or datetime.max.replace(tzinfo=UTC)


def _values(name: str, parts: tuple[Deadline, ...]) -> tuple[tuple[str, Value], ...]:
    return tuple(
        (f"{name}/{index}/{path}", value) for index, part in enumerate(parts) for path, value in part.values()
    )
