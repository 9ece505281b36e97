# SPDX-License-Identifier: Apache-2.0
"""One printable page for a board: what stands where, by model. Every number is the length of a list of records.

A number is never counted apart from what it leads to: `records` makes the list that the reader sees behind it, and the
board shows how long it is. Where a person may not see the records, there is no number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from statistics import median
from urllib.parse import urlencode

from django.urls import reverse

from proofhouse.law import Assessment, Result
from proofhouse.server.accounts.gate import visible
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.members.models import Notification
from proofhouse.server.obligations import bridge
from proofhouse.server.obligations.answers import View, assessments, grade_of
from proofhouse.server.obligations.models import AiModel, CalendarDate, ClockRun, Incident
from proofhouse.server.obligations.own_law import concerns_models
from proofhouse.server.obligations.queries import own_models, own_profile, valid_links
from proofhouse.server.releases.models import Acknowledgement
from proofhouse.server.reviews.models import Determination, Inquiry

ORGANISATION = ""
"""The name under which what belongs to no model stands."""
_SEE_REVIEWS = frozenset({Role.COMPLIANCE, Role.DEVELOPER})
_SEE_UPDATES = frozenset({Role.COMPLIANCE, Role.OPERATOR})

COUNTED: Mapping[str, str] = {
    "reviews": "Reviews",
    "determinations": "Determinations that may be shown",
    "findings": "Open findings and incidents",
    "clocks": "Dated clocks running",
    "duties": "Duties that appear to apply",
    "evidence": "… with valid evidence linked",
    "dates": "Dates within 90 days",
}
"""What is counted for each model, in the order of the columns."""

UPDATES = "patches"
"""What is measured for the house as a whole: hours from a notification to the first patch staged or applied after."""


@dataclass(frozen=True)
class Record:
    """One line behind a number."""

    title: str
    address: str
    detail: str = ""
    at: datetime | None = None
    hours: float | None = None


@dataclass(frozen=True)
class Number:
    """A number on the board and the address of its records; no number where they may not be seen."""

    text: str
    address: str


@dataclass(frozen=True)
class Row:
    """One model, or the organisation."""

    title: str
    address: str
    numbers: tuple[Number, ...]
    labels: str
    """What the determinations say."""
    next_date: Number


@dataclass
class Board:
    """What a person may see of the house, asked once for the page.

    Attributes:
        actor: Who looks.
        instant: When.
    """

    actor: Person
    instant: datetime
    _duties: dict[str, list[Assessment]] = field(default_factory=dict)

    @cached_property
    def models(self) -> dict[str, AiModel]:
        """The models that the desk has facts about."""
        return {model.name: model for model in own_models(self.actor)}

    @cached_property
    def names(self) -> list[str]:
        """Every model that is known here, those of reviews too; then the organisation."""
        reviewed = [*visible(self.actor, Inquiry).values_list("model_name", flat=True)]
        told = [*visible(self.actor, Determination).values_list("model_name", flat=True)]
        return [*sorted({*self.models, *reviewed, *told}), ORGANISATION]

    @property
    def day(self) -> date:
        """The day of the law."""
        return self.instant.date()

    def records(self, what: str, of: str) -> list[Record] | None:
        """The records behind one number; None where this person sees no such records.

        Args:
            what: A key of `COUNTED`, or `UPDATES`.
            of: Name of a model, or `ORGANISATION`.
        """
        if what in {"reviews", "determinations"} and not self.actor.roles & _SEE_REVIEWS:
            return None
        if what == UPDATES:
            return self._patches() if self.actor.roles & _SEE_UPDATES else None
        if what in {"duties", "evidence"} and of and of not in self.models:
            return None
        lists: Mapping[str, Callable[[str], Iterable[Record]]] = {
            "reviews": self._reviews,
            "determinations": self._determinations,
            "findings": self._findings,
            "clocks": self._clocks,
            "duties": self._duties_of,
            "evidence": self._evidence,
            "dates": self._dates,
        }
        return list(lists[what](of))

    def rows(self) -> list[Row]:
        """The board by model; every model of the house, then the organisation."""
        return [self._row(name) for name in self.names]

    def _row(self, name: str) -> Row:
        model = self.models.get(name)
        listing = reverse("obligations:list")
        address = (
            f"{listing}?model={model.id}" if model else reverse("obligations:profile") if name else listing
        )
        dates = self.records("dates", name) or []
        first = dates[0] if dates else None
        labels = [one.detail for one in self.records("determinations", name) or []]
        return Row(
            name or ("The organisation" if self.models else "The organisation, whatever the model"),
            address,
            tuple(self.number(what, name) for what in COUNTED),
            ", ".join(dict.fromkeys(labels)),
            Number(f"{first.at:%Y-%m-%d}", first.address) if first and first.at else Number("–", ""),
        )

    def number(self, what: str, of: str) -> Number:
        """How many records there are, with the way to them."""
        found = self.records(what, of)
        return Number("–", "") if found is None else Number(str(len(found)), records_address(what, of))

    def median_hours(self) -> Number:
        """The median of the latencies, with the way to each."""
        hours = [one.hours for one in self.records(UPDATES, ORGANISATION) or [] if one.hours is not None]
        return (
            Number(f"{median(hours):.1f}", records_address(UPDATES, ORGANISATION))
            if hours
            else Number("–", "")
        )

    def _reviews(self, of: str) -> Iterable[Record]:
        for row in visible(self.actor, Inquiry).filter(model_name=of).select_related("peer"):
            address = reverse("reviews:review", args=[row.id])
            yield Record(f"Review with {row.peer.title}", address, row.state, row.inquired_at)

    def _determinations(self, of: str) -> Iterable[Record]:
        cases = dict(visible(self.actor, Inquiry).values_list("case", "id"))
        for row in visible(self.actor, Determination).filter(model_name=of).select_related("entry"):
            if row.entry.in_force:
                case = cases.get(row.case)
                address = reverse("reviews:review", args=[case]) if case else reverse("reviews:register")
                yield Record(f"Determination by {row.decided_by}", address, row.label, row.decided_at)

    def _open(self, of: str) -> Iterable[Incident]:
        rows = visible(self.actor, Incident).filter(resolved=None).select_related("model")
        return [row for row in rows if (row.model.name if row.model else ORGANISATION) == of]

    def _findings(self, of: str) -> Iterable[Record]:
        for row in self._open(of):
            address = reverse("obligations:incident", args=[row.id])
            yield Record(row.title, address, "incident, not resolved", row.discovered)
        for one in bridge.candidates(self.actor):
            if one.kind == "finding" and one.model_name == of:
                address = f"{reverse('obligations:bridge')}#waiting"
                yield Record(f"{one.title}, from {one.sender}", address, "not decided about", one.at)

    def _clocks(self, of: str) -> Iterable[Record]:
        for row in self._open(of):
            for clock in visible(self.actor, ClockRun).filter(incident=row, running=True):
                due = clock.override_due if clock.overridden else clock.due
                if due is not None:
                    title = f"{row.title}: {clock.assessment['title']}"
                    detail = f"{clock.assessment['words']}, grade {clock.assessment['grade']}"
                    yield Record(title, reverse("obligations:clock", args=[clock.id]), detail, due)

    def _applying(self, of: str) -> list[Assessment]:
        if of not in self._duties:
            told = assessments(own_profile(self.actor, self.models.get(of)), View(self.day))
            found = [one for one in told if one.result is Result.APPLIES]
            if self.models:
                found = [one for one in found if concerns_models(one.obligation) is bool(of)]
            self._duties[of] = found
        return self._duties[of]

    def _duty_address(self, one: Assessment, of: str) -> str:
        model = self.models.get(of)
        address = reverse("obligations:duty", args=[one.obligation.id])
        return f"{address}?model={model.id}" if model else address

    def _duties_of(self, of: str) -> Iterable[Record]:
        for one in self._applying(of):
            told = f"appears to apply, {one.obligation.citation}, grade {one.obligation.grade.value}"
            yield Record(
                one.obligation.title, self._duty_address(one, of), told, one.due.at if one.due else None
            )

    def _evidence(self, of: str) -> Iterable[Record]:
        linked: dict[str, list[str]] = {}
        for link in valid_links(self.actor, self.day):
            linked.setdefault(link.obligation, []).append(f"{link.evidence.title}: {link.covers}")
        for one in self._applying(of):
            if one.obligation.id in linked:
                told = "; ".join(linked[one.obligation.id])
                yield Record(one.obligation.title, f"{self._duty_address(one, of)}#evidence-linked", told)

    def _dates(self, of: str) -> Iterable[Record]:
        origins = {f"incident:{row.id}" for row in self._open(of)}
        origins.add(f"model:{self.models[of].id}" if of in self.models else "" if of else "profile")
        last = self.instant.timestamp() + 90 * 86400
        for row in visible(self.actor, CalendarDate).filter(cancelled=False, at__gte=self.instant):
            if row.origin in origins and row.at.timestamp() <= last:
                address = reverse("obligations:duty", args=[row.obligation])
                kind, _, identity = row.origin.partition(":")
                if kind == "incident":
                    address = reverse("obligations:incident", args=[identity])
                grade = grade_of(row.obligation, self.day)
                yield Record(row.title, address, f"{row.obligation}, grade {grade}", row.at)

    def _patches(self) -> list[Record]:
        answers = list(visible(self.actor, Acknowledgement).filter(stage__in=["staged", "applied"]))
        found = []
        for told in visible(self.actor, Notification):
            after = [row for row in answers if row.received_at >= told.notified_at]
            first = min(after, key=lambda row: row.received_at) if after else None
            hours = (first.received_at - told.notified_at).total_seconds() / 3600 if first else None
            detail = "nothing staged or applied since"
            if first is not None and hours is not None:
                when = f"{first.received_at:%Y-%m-%d %H:%M} UTC"
                detail = f"{hours:.1f} h until {first.agent} answered {first.stage} at {when}"
            address = reverse("members:notification", args=[told.id])
            found.append(Record(f"{told.advisory}: {told.title}", address, detail, told.notified_at, hours))
        return found


def records_address(what: str, of: str) -> str:
    """Where the records behind a number are read."""
    return f"{reverse('obligations:governance-records', args=[what])}?{urlencode({'of': of})}"
