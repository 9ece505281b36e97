# SPDX-License-Identifier: Apache-2.0
"""The law book: the data loaded once, and the questions that can be put to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

from proofhouse.law.assessment import Asked, Assessment, Result, assess, strictness
from proofhouse.law.building import build_edition, build_gaps, build_instrument, build_watch
from proofhouse.law.calendars import Calendar
from proofhouse.law.deadlines import DueState
from proofhouse.law.errors import LawError, LawMalformed
from proofhouse.law.facts import FactSet, Incident, Moment, Profile, TriggerClass, Vocabulary
from proofhouse.law.golden import Case, read_cases
from proofhouse.law.model import Edition, Gap, Instrument, Obligation, Version, WatchItem
from proofhouse.law.predicates import Truth, truth_of
from proofhouse.law.reading import Documents, check_schema, law_directory, read_directory


@dataclass(frozen=True)
class Entry:
    """An obligation as it stands in the version chosen for two times."""

    instrument: Instrument
    version: Version
    obligation: Obligation


@dataclass(frozen=True)
class LawBook:
    """Every instrument, ready for questions; immutable."""

    edition: Edition
    vocabulary: Vocabulary
    instruments: Mapping[str, Instrument]
    calendars: Mapping[str, Calendar]
    watch: tuple[WatchItem, ...]
    gaps: tuple[Gap, ...]
    cases: tuple[Case, ...]
    """Golden cases that travel with the data."""

    @classmethod
    def load(cls, directory: Path | None = None) -> LawBook:
        """Read, check and build the law data.

        Args:
            directory: the law directory; None finds the packaged copy, or ``law/`` of the checkout.

        Raises:
            LawUnavailable: no data there.
            LawMalformed: a file breaks a rule.
        """
        return cls.from_documents(read_directory(law_directory(directory)))

    @classmethod
    def from_documents(cls, documents: Documents) -> LawBook:
        """Check and build parsed files.

        Args:
            documents: parsed files by path relative to the law directory.

        Raises:
            LawMalformed: a file breaks a rule or is missing.
        """
        for path, document in documents.items():
            check_schema(path, document)
        for name in ("edition.yaml", "facts.yaml", "watch.yaml", "gaps.yaml"):
            if name not in documents:
                raise LawMalformed(name, "is missing from the law directory")
        vocabulary = Vocabulary.from_document(documents["facts.yaml"])
        calendars = {
            document["id"]: Calendar.from_document(document)
            for path, document in documents.items()
            if path.startswith("calendars/")
        }
        instruments: dict[str, Instrument] = {}
        for path in documents:
            folder, _, name = path.rpartition("/")
            if name == "instrument.yaml":
                instrument = build_instrument(folder, documents, vocabulary, calendars)
                if instrument.id in instruments:
                    raise LawMalformed(path, f"a second instrument called {instrument.id}")
                instruments[instrument.id] = instrument
        return cls(
            edition=build_edition(documents["edition.yaml"]),
            vocabulary=vocabulary,
            instruments=instruments,
            calendars=calendars,
            watch=build_watch(documents["watch.yaml"]),
            gaps=build_gaps(documents["gaps.yaml"]),
            cases=tuple(
                case
                for path, document in documents.items()
                if path.endswith("/golden.yaml")
                for case in read_cases(document, path, vocabulary)
            ),
        )

    @cached_property
    def _entries(self) -> Mapping[str, tuple[Entry, ...]]:
        """Every obligation id with the versions that hold it, in order of law time."""
        found: dict[str, list[Entry]] = {}
        for instrument in self.instruments.values():
            for version in sorted(instrument.versions, key=lambda one: (one.valid.start, one.known.start)):
                for obligation in version.obligations.values():
                    found.setdefault(obligation.id, []).append(Entry(instrument, version, obligation))
        return {name: tuple(entries) for name, entries in found.items()}

    @property
    def obligation_ids(self) -> tuple[str, ...]:
        """Ids of all obligations, of superseded versions too."""
        return tuple(self._entries)

    def watching(self, instrument_id: str) -> tuple[WatchItem, ...]:
        """Return the open matters that would change an instrument."""
        return tuple(
            item
            for item in self.watch
            if any(fnmatchcase(instrument_id, pattern) for pattern in item.affects)
        )

    def knowledge(self, known_at: date | None) -> date:
        """Return the day in knowledge time that a question is put at; None means everything known so far."""
        return known_at if known_at is not None else date.max

    def entry(self, obligation_id: str, as_of: date, known_at: date | None = None) -> Entry | None:
        """Choose the version of an obligation for two times.

        Args:
            obligation_id: the obligation.
            as_of: day in law time.
            known_at: day in knowledge time; None is the latest.

        Returns:
            The version whose text is law on the day; failing that the last one before it, then the next one
            after it; None when nothing was known.

        Raises:
            LawError: no such obligation.
        """
        entries = self._entries.get(obligation_id)
        if entries is None:
            raise LawError(f"no obligation {obligation_id!r} in the law data; see `proofhouse law check`")
        day = self.knowledge(known_at)
        known = [entry for entry in entries if entry.version.known.holds(day)]
        if not known:
            return None
        current = [entry for entry in known if entry.version.valid.holds(as_of)]
        past = [entry for entry in known if entry.version.valid.start <= as_of]
        return (current or past or known[:1])[-1]

    def entries(self, as_of: date, known_at: date | None = None) -> Iterator[Entry]:
        """Yield the chosen version of every obligation known at a time, in the order of the data."""
        for name in self._entries:
            entry = self.entry(name, as_of, known_at)
            if entry is not None:
                yield entry

    def assess(
        self,
        obligation_id: str,
        *,
        facts: FactSet,
        as_of: date,
        times: Mapping[str, Moment] | None = None,
        known_at: date | None = None,
        event_given: bool = False,
        occurred: Truth = Truth.TRUE,
    ) -> Assessment | None:
        """Assess one obligation.

        Args:
            obligation_id: the obligation.
            facts: checked facts; those of an event among them only with ``event_given``.
            as_of: day in law time.
            times: anchor times.
            known_at: day in knowledge time; None is the latest.
            event_given: whether the qualification of an event is to be judged.
            occurred: whether the trigger's event took place.

        Returns:
            The assessment; None when the data did not know the obligation at ``known_at``.

        Raises:
            LawError: no such obligation.
        """
        entry = self.entry(obligation_id, as_of, known_at)
        if entry is None:
            return None
        asked = Asked(facts, times or {}, as_of, self.knowledge(known_at), event_given, occurred)
        return assess(entry.instrument, entry.version, entry.obligation, asked, self.calendars)

    def check(self, profile: Profile, as_of: date, known_at: date | None = None) -> tuple[Assessment, ...]:
        """Say what appears to apply to a profile.

        Args:
            profile: what the organisation told.
            as_of: day in law time.
            known_at: day in knowledge time; None is the latest.

        Returns:
            One assessment for each obligation known, in the order of the data.
        """
        asked = Asked(profile.facts, profile.times, as_of, self.knowledge(known_at))
        return tuple(
            assess(entry.instrument, entry.version, entry.obligation, asked, self.calendars)
            for entry in self.entries(as_of, known_at)
        )

    def incident_clocks(
        self, profile: Profile, incident: Incident, as_of: date, known_at: date | None = None
    ) -> tuple[Assessment, ...]:
        """Compute every clock that one incident starts, or may start, strictest first.

        A trigger of class *incident* that the record does not mention is unknown, so its clocks are shown
        with the question; a trigger of class *act* is looked at only when the record names it.

        Args:
            profile: the organisation.
            incident: the event.
            as_of: day in law time.
            known_at: day in knowledge time; None is the latest.

        Returns:
            Assessments except those that do not appear to apply: running and possible clocks by date, then
            the awaiting and undated ones, then law that does not bind on that day.
        """
        facts = profile.facts.joined(incident.facts)
        times = {**profile.times, **incident.times}
        day = self.knowledge(known_at)
        found = []
        for entry in self.entries(as_of, known_at):
            trigger = self.vocabulary.triggers[entry.obligation.trigger]
            said = incident.kinds.get(trigger.name)
            if trigger.kind is TriggerClass.STANDING or (trigger.kind is TriggerClass.ACT and not said):
                continue
            occurred = truth_of(said)
            asked = Asked(facts, times, as_of, day, event_given=True, occurred=occurred)
            one = assess(entry.instrument, entry.version, entry.obligation, asked, self.calendars)
            if one.result is not Result.DOES_NOT_APPLY:
                found.append(one)
        return tuple(sorted(found, key=_urgency))


def _urgency(one: Assessment) -> tuple[int, int, float, str]:
    bars = one.result not in {Result.APPLIES, Result.UNKNOWN}
    keys = [strictness(due) for due in one.dues if due.state is not DueState.ENDED]
    state, at = min(keys, default=(9, 0.0))
    return int(bars), state, at, one.obligation.id
