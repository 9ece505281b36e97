# SPDX-License-Identifier: Apache-2.0
"""The desk's forms: they turn what a person typed into the plain values that acts take."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms

from proofhouse.law.facts import FactType, TriggerClass
from proofhouse.server.obligations.models import AiModel, Evidence, Incident, ProfileFact
from proofhouse.server.obligations.own_law import law_book
from proofhouse.server.obligations.rules import MOMENTS, NARRATIVE

YES_NO = (("", "Not known"), ("yes", "Yes"), ("no", "No"))
ZONES = (
    "UTC", "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "Europe/Brussels",
)  # fmt: skip
_TRUTH: Mapping[str, bool | None] = {"": None, "yes": True, "no": False}


def _said(value: object) -> str:
    return {True: "yes", False: "no"}.get(value, "") if isinstance(value, bool) else ""


def _local(instant: object) -> str:
    return f"{instant:%Y-%m-%dT%H:%M}" if isinstance(instant, datetime) else ""


def _answer_field(name: str) -> forms.Field:
    """The field that takes the answer to one question of the law data."""
    fact = law_book().vocabulary.facts.get(name)
    if fact is None:
        return forms.DateField(required=False, widget=forms.DateInput(attrs={"type": "date"}))
    if fact.type is FactType.BOOL:
        return forms.ChoiceField(required=False, choices=YES_NO, widget=forms.RadioSelect)
    if fact.type in {FactType.INT, FactType.DOUBLE}:
        kind = forms.IntegerField if fact.type is FactType.INT else forms.FloatField
        return kind(required=False, min_value=0, widget=forms.TextInput(attrs={"inputmode": "decimal"}))
    if fact.type is FactType.LIST and fact.values:
        return forms.MultipleChoiceField(
            required=False,
            choices=[(value, value.replace("_", " ")) for value in fact.values],
            widget=forms.CheckboxSelectMultiple,
        )
    return forms.CharField(required=False, max_length=300)


@dataclass(frozen=True)
class Question:
    """One question of a page, with its four fields."""

    number: int
    name: str
    ask: str
    answer: forms.BoundField
    source: forms.BoundField
    since: forms.BoundField
    evidence: forms.BoundField
    current: ProfileFact | None


class ProfileForm(forms.Form):
    """Plain questions; one that is left empty is not known."""

    def __init__(
        self,
        data: Mapping[str, Any] | None,
        *,
        names: Sequence[str],
        current: Mapping[str, ProfileFact],
        evidence: Sequence[Evidence],
    ) -> None:
        self.names, self.current = names, current
        choices = [("", "None"), *((str(row.id), row.title) for row in evidence)]
        initial: dict[str, Any] = {}
        fields: dict[str, forms.Field] = {}
        for name in names:
            fields[f"answer:{name}"] = _answer_field(name)
            fields[f"source:{name}"] = forms.CharField(required=False, max_length=300, label="Source")
            fields[f"since:{name}"] = forms.DateField(
                required=False, label="Holds since", widget=forms.DateInput(attrs={"type": "date"})
            )
            fields[f"evidence:{name}"] = forms.ChoiceField(required=False, choices=choices, label="Evidence")
            if name in current:
                fact = current[name]
                initial[f"answer:{name}"] = self._shown(fact.value)
                initial[f"source:{name}"] = fact.source
                initial[f"since:{name}"] = fact.since.isoformat()
                initial[f"evidence:{name}"] = str(fact.evidence_id or "")
        super().__init__(data, initial=initial)
        self.fields.update(fields)

    @staticmethod
    def _shown(value: Any) -> Any:
        if isinstance(value, bool):
            return _said(value)
        if isinstance(value, float):
            return f"{value:g}"
        return value

    @property
    def questions(self) -> list[Question]:
        """The questions in order."""
        vocabulary = law_book().vocabulary
        return [
            Question(
                number,
                name,
                vocabulary.question(name),
                self[f"answer:{name}"],
                self[f"source:{name}"],
                self[f"since:{name}"],
                self[f"evidence:{name}"],
                self.current.get(name),
            )
            for number, name in enumerate(self.names, 1)
        ]

    def answers(self) -> list[dict[str, Any]]:
        """What was answered anew, as arguments of `set_fact`; what stayed the same is left out."""
        found = []
        for name in self.names:
            value = self._value(name)
            told = {
                "name": name,
                "value": value,
                "source": self.cleaned_data[f"source:{name}"] or "answered at the desk",
                "since": self.cleaned_data[f"since:{name}"],
                "evidence": self.cleaned_data[f"evidence:{name}"] or None,
            }
            before = self.current.get(name)
            if before is None and value is None:
                continue
            if before is None or self._differs(before, told):
                found.append(told)
        return found

    @staticmethod
    def _differs(before: ProfileFact, told: Mapping[str, Any]) -> bool:
        same = before.value == told["value"] and before.source == told["source"]
        since = told["since"] is None or told["since"] == before.since
        return not (same and since and str(before.evidence_id or "") == (told["evidence"] or ""))

    def _value(self, name: str) -> Any:
        typed = self.cleaned_data.get(f"answer:{name}")
        fact = law_book().vocabulary.facts.get(name)
        if typed in (None, "", []):
            return None
        if fact is None:
            return typed.isoformat()
        if fact.type is FactType.BOOL:
            return _TRUTH[typed]
        if fact.type is FactType.LIST and isinstance(typed, str):
            return [part.strip() for part in typed.replace(";", ",").split(",") if part.strip()]
        return typed


class IncidentForm(forms.Form):
    """One event, entered once: six moments, what it is, what happened."""

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        incident: Incident | None = None,
        models: Sequence[AiModel] = (),
        initial: Mapping[str, Any] | None = None,
    ) -> None:
        begin = _initial(incident) if incident else {"zone": "UTC", **(initial or {})}
        super().__init__(data, initial=begin)
        vocabulary = law_book().vocabulary
        if incident is None:
            self.fields["title"] = forms.CharField(max_length=200, label="What is it called in this house?")
            if models:
                self.fields["model"] = forms.ChoiceField(
                    required=False,
                    choices=[("", "none, or not known"), *((str(one.id), one.name) for one in models)],
                    label="With which model did it happen?",
                )
            self.fields["law_day"] = forms.DateField(
                required=False,
                label="Whose day's law is asked? (empty: today)",
                widget=forms.DateInput(attrs={"type": "date"}),
            )
        else:
            self.fields["reason"] = forms.CharField(max_length=300, label="What was learnt?")
        self.fields["zone"] = forms.ChoiceField(
            choices=[(zone, zone) for zone in ZONES], label="In which zone are the times below?"
        )
        for name, ask in MOMENTS.items():
            self.fields[f"moment:{name}"] = _instant(ask)
        for trigger in vocabulary.triggers.values():
            if trigger.kind is TriggerClass.INCIDENT:
                self.fields[f"kind:{trigger.name}"] = _choice(trigger.ask)
        for fact in vocabulary.facts.values():
            if fact.name.startswith("event.") and fact.type is FactType.BOOL:
                self.fields[fact.name] = _choice(fact.ask)
        for name, ask in NARRATIVE.items():
            self.fields[f"narrative:{name}"] = forms.CharField(
                required=False, label=ask, max_length=4000, widget=forms.Textarea(attrs={"rows": 3})
            )
        for name in _FURTHER:
            self.fields[f"time:{name}"] = _instant(vocabulary.times[name])

    def _fields(self, *prefixes: str) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name.startswith(prefixes)]

    @property
    def groups(self) -> list[tuple[str, list[forms.BoundField]]]:
        """The fields as the page shows them."""
        plain = [
            self[name] for name in ("title", "model", "reason", "law_day", "zone") if name in self.fields
        ]
        return [
            ("The incident", plain),
            ("Six moments, kept apart", self._fields("moment:")),
            ("What is it?", self._fields("kind:")),
            ("What happened?", self._fields("event.")),
            ("In your words", self._fields("narrative:")),
            ("Further moments", self._fields("time:")),
        ]

    def told(self) -> dict[str, Any]:
        """Arguments of `open_incident` or `amend_incident`."""
        typed, zone = self.cleaned_data, ZoneInfo(self.cleaned_data["zone"])

        def instant(name: str) -> str | None:
            value: datetime | None = typed[name]
            return value.replace(tzinfo=zone).isoformat() if value else None

        facts: dict[str, dict[str, Any]] = {"kinds": {}, "event": {}, "times": {}, "narrative": {}}
        for name in self.fields:
            root, _, rest = name.partition(":")
            if root == "kind" and typed[name]:
                facts["kinds"][rest] = _TRUTH[typed[name]]
            elif name.startswith("event.") and typed[name]:
                facts["event"][name.removeprefix("event.")] = _TRUTH[typed[name]]
            elif root == "time" and typed[name]:
                facts["times"][rest] = instant(name)
            elif root == "narrative":
                facts["narrative"][rest] = typed[name]
        moments = {name: instant(f"moment:{name}") for name in MOMENTS}
        rest_of_it: dict[str, Any] = {
            name: typed[name] for name in ("title", "law_day", "reason") if name in self.fields
        }
        if typed.get("model"):
            rest_of_it["model"] = typed["model"]
        return {"moments": moments, "facts": facts, **rest_of_it}


_FURTHER = (
    "aware", "discovered_imminent_risk", "materiality_determined", "corrective_measure_available",
    "notification_submitted", "last_report", "ransom_paid",
)  # fmt: skip


class _NaiveInstant(forms.CharField):
    """A wall-clock time; the form's zone makes it an instant."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        if not text:
            return None
        try:
            return datetime.fromisoformat(text).replace(tzinfo=None)
        except ValueError:
            raise forms.ValidationError("Write it as 2027-01-05T15:00.") from None


def _instant(ask: str) -> forms.Field:
    return _NaiveInstant(
        required=False, label=ask, widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )


def _choice(ask: str) -> forms.Field:
    return forms.ChoiceField(required=False, label=ask, choices=YES_NO)


def _initial(incident: Incident) -> dict[str, Any]:
    facts = incident.facts
    initial: dict[str, Any] = {"zone": "UTC"}
    initial |= {f"moment:{name}": _local(getattr(incident, name)) for name in MOMENTS}
    initial |= {f"kind:{name}": _said(value) for name, value in facts["kinds"].items()}
    initial |= {f"event.{name}": _said(value) for name, value in facts["event"].items()}
    initial |= {f"narrative:{name}": text for name, text in facts["narrative"].items()}
    for name, value in facts["times"].items():
        at = datetime.fromisoformat(value)
        initial[f"time:{name}"] = _local(at.astimezone(ZoneInfo("UTC")) if at.tzinfo else at)
    return initial


class OverrideForm(forms.Form):
    """Another date in the place of the computed one; it counts once a second person says the same."""

    due = _NaiveInstant(
        required=False,
        label="Other date in UTC (empty: the clock does not run)",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
    )
    reason = forms.CharField(max_length=300, label="Reason; both people give the same")

    def told(self) -> dict[str, Any]:
        """Arguments of `override_clock`."""
        due = self.cleaned_data["due"]
        at = due.replace(tzinfo=ZoneInfo("UTC")).isoformat() if due else None
        return {"due": at, "reason": self.cleaned_data["reason"]}


class FilingForm(forms.Form):
    """To whom, and which passages stay out for which reason."""

    def __init__(self, data: Mapping[str, Any] | None, *, recipients: Sequence[str]) -> None:
        super().__init__(data)
        self.fields["recipient"] = forms.ChoiceField(
            choices=[(name, name) for name in recipients], label="Recipient"
        )
        for name, ask in NARRATIVE.items():
            self.fields[f"redact:{name}"] = forms.CharField(
                required=False, max_length=300, label=f"Leave out “{ask}” because (empty: keep it)"
            )

    def told(self) -> dict[str, Any]:
        """Arguments of `draft_filing`."""
        typed = self.cleaned_data
        left_out = [
            {"field": name, "reason": typed[f"redact:{name}"]}
            for name in NARRATIVE
            if typed[f"redact:{name}"]
        ]
        return {"recipient": typed["recipient"], "redactions": left_out}


class EvidenceForm(forms.Form):
    """A document, stored once."""

    title = forms.CharField(max_length=200, label="What is it?")
    file = forms.FileField(label="File (at most 10 MiB)")
    valid_until = forms.DateField(
        required=False, label="Valid until", widget=forms.DateInput(attrs={"type": "date"})
    )

    def told(self) -> dict[str, Any]:
        """Arguments of `add_evidence`."""
        file = self.cleaned_data["file"]
        return {
            "title": self.cleaned_data["title"],
            "content": base64.b64encode(file.read()).decode("ascii"),
            "file_name": file.name,
            "valid_until": self.cleaned_data["valid_until"],
        }


class LinkForm(forms.Form):
    """Which evidence bears out which duty, and which part of it."""

    def __init__(
        self,
        data: Mapping[str, Any] | None,
        *,
        evidence: Sequence[Evidence],
        duties: Sequence[tuple[str, str]],
    ) -> None:
        super().__init__(data)
        self.fields["evidence"] = forms.ChoiceField(
            choices=[(str(row.id), row.title) for row in evidence], label="Evidence"
        )
        self.fields["obligation"] = forms.ChoiceField(choices=list(duties), label="Duty")
        self.fields["covers"] = forms.CharField(
            max_length=300, label="What does it cover, and what does it leave open?"
        )
