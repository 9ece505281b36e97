# SPDX-License-Identifier: Apache-2.0
"""What people fill in around scan leases."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from django import forms

from proofhouse.server.cases.lease_rules import Mandate, Method
from proofhouse.server.engine.clock import wire
from proofhouse.server.web.fields import choice, line, prose

_METHODS = [
    (Method.FUZZING, "Fuzzing"),
    (Method.STATIC_ANALYSIS, "Static analysis"),
    (Method.AI_AGENT, "An AI agent"),
    (Method.BY_HAND, "By hand"),
    (Method.OTHER, "Something else"),
]


def _instant(label: str) -> forms.DateTimeField:
    return forms.DateTimeField(
        label=label,
        help_text="UTC.",
        widget=forms.DateTimeInput(attrs={"class": "usa-input", "type": "datetime-local"}),
    )


class LeaseForm(forms.Form):
    """What somebody means to scan."""

    product = line("Product")
    subsystem = line(
        "Part of it, as a path", required=False, hint="For instance src/parser. Empty for all of it."
    )
    commit_from = line("First commit or version", required=False, length=80)
    commit_to = line("Last commit or version", required=False, length=80)
    method = choice("How", [(each.value, words) for each, words in _METHODS])
    mandate = choice(
        "On whose word",
        [
            (Mandate.OWNER, "Who makes or runs the product asked for it"),
            (Mandate.PUBLIC_DUTY, "A law or an authority's order asks for it"),
            (Mandate.CONTRACT, "A member asked for it for what it uses"),
            (Mandate.RESEARCH, "Nobody asked; its source is open"),
        ],
    )
    starts_at = _instant("From")
    ends_at = _instant("Until")
    mandated_by = line("Who allowed it", hint="Name and office.")
    mandated_on = forms.DateField(
        label="On which day", widget=forms.DateInput(attrs={"class": "usa-input", "type": "date"})
    )
    mandate_terms = prose("What was allowed", "In their words.", length=2000)

    def arguments(self) -> dict[str, Any]:
        """What the act takes."""
        said = dict(self.cleaned_data)
        for name in ("starts_at", "ends_at"):
            said[name] = wire(said[name].astimezone(UTC))
        said["mandated_on"] = said["mandated_on"].isoformat()
        return said


class RulesForm(forms.Form):
    """What a product's owner asks of whoever scans it."""

    product = line("Product")
    owner = line("Owner")
    methods = forms.MultipleChoiceField(
        label="Methods that the owner wants",
        help_text="None for any.",
        required=False,
        choices=[(each.value, words) for each, words in _METHODS],
        widget=forms.SelectMultiple(attrs={"class": "usa-select", "size": 5}),
    )
    longest_days = forms.IntegerField(
        label="A lease lasts at most, in days",
        required=False,
        min_value=1,
        max_value=30,
        widget=forms.NumberInput(attrs={"class": "usa-input"}),
    )
    security_model = prose("What the product promises, and what it does not", required=False)

    def arguments(self) -> dict[str, Any]:
        """What the act takes."""
        return dict(self.cleaned_data)


class QuestionForm(forms.Form):
    """Is this already known?"""

    fingerprint = line("Fingerprint", length=64, hint="From: proofhouse report fingerprint CLASS PLACE")


class EndForm(forms.Form):
    """Nothing to fill in."""
