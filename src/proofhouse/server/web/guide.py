# SPDX-License-Identifier: Apache-2.0
"""Samples for the style guide: every component in every state, with invented content."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from django import forms

from proofhouse.server.web import charts
from proofhouse.server.web.pages import Cell, Chart, Moment, Step, Table, steps

_DAY = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)


class _Course(StrEnum):
    ASKED = "asked"
    AGREED = "terms-agreed"
    OPEN = "access-open"
    CLOSED = "closed"


class _SampleForm(forms.Form):
    name = forms.CharField(
        label="Name of the model",
        help_text="As the developer writes it.",
        widget=forms.TextInput(attrs={"class": "usa-input"}),
    )
    days = forms.IntegerField(
        label="Days of access",
        max_value=30,
        widget=forms.NumberInput(attrs={"class": "usa-input usa-input--small"}),
    )
    basis = forms.ChoiceField(
        label="Basis",
        choices=[("review", "Review"), ("public-access", "Public access")],
        widget=forms.Select(attrs={"class": "usa-select"}),
    )
    remarks = forms.CharField(
        label="Remarks", required=False, widget=forms.Textarea(attrs={"class": "usa-textarea", "rows": 3})
    )


def samples() -> dict[str, Any]:
    """The context of the style guide's template."""
    return {
        "alerts": [
            ("info", "For your information", "A window that ends is closed, and no finding is implied."),
            ("success", "Done", "The determination is in force."),
            ("warning", "Wait", "Two letters are on their way."),
            ("error", "Not done", "The planned release to partners is over; there is no window before it."),
        ],
        "tags": [
            Cell("in force, leaf 7", mark="ok"),
            Cell("pending, no receipt", mark="wait"),
            Cell("failed", mark="alert"),
            Cell("vendor-notified", mark="plain"),
        ],
        "facts": [
            ("Plain text", Cell("Valley Clinic")),
            ("Link", Cell("Register", "/reviews/register/")),
            ("Tag", Cell("in force, leaf 7", mark="ok")),
            ("Long word", Cell("0123456789abcdef" * 6)),
        ],
        "counts": [("Ledger entries in force", 12), ("Entries waiting for a receipt", 0)],
        "table": Table(
            "Sample",
            ["Model", "With", "State", "Since"],
            [
                [
                    Cell("Example-1", "/reviews/"),
                    Cell("Meridian Lab"),
                    Cell("access-open", mark="plain"),
                    Cell("2026-11-02 09:30 UTC"),
                ],
                [
                    Cell("Example-2", "/reviews/"),
                    Cell("Another lab with a long name"),
                    Cell("pending, no receipt", mark="wait"),
                    Cell("2026-11-03 10:00 UTC"),
                ],
            ],
        ),
        "nothing": Table("Sample", ["Model"], []),
        "courses": [steps(list(_Course), each) for each in (_Course.ASKED, _Course.OPEN, _Course.CLOSED)],
        "untouched": [Step(each.replace("-", " ").capitalize()) for each in _Course],
        "moments": [
            Moment(_DAY, "bank.seal", "receipt: leaf 4 of the ledger", "ledger"),
            Moment(_DAY + timedelta(hours=1), "inquiry", "from Meridian Lab, received", "received"),
            Moment(
                _DAY + timedelta(hours=2), "access-offer", "to Meridian Lab, queued", "sent", pending=True
            ),
            Moment(
                _DAY + timedelta(hours=3), "window.open", "pending: no receipt yet", "ledger", pending=True
            ),
        ],
        "charts": _charts(),
        "form": _SampleForm(),
        "refused": _refused(),
    }


def _refused() -> _SampleForm:
    form = _SampleForm({"name": "", "days": "31", "basis": "review"}, auto_id="refused_%s")
    form.is_valid()
    for name in form.errors:
        widget = form.fields[name].widget
        widget.attrs["class"] += " usa-input--error"
    return form


def _charts() -> list[Chart]:
    estimates = [
        charts.Estimate("Example-1", -1.01, -2.51, 0.42),
        charts.Estimate("Example-2", 3.81, 1.88, 6.17),
        charts.Estimate("Example-3 with a name that is long", 0.9, -0.2, 2.0),
    ]
    opens = _DAY
    title = "Ability with its interval"
    window = "Window of access"
    counts = {
        "Example-1": {"pass": 4, "fail": 8, "refused": 0},
        "Example-2": {"pass": 12, "fail": 0, "refused": 0},
    }
    return [
        Chart(
            title,
            charts.interval_bars(title, estimates, threshold=1.0, unit="logits"),
            Table(
                title,
                ["Model", "Ability", "From", "To"],
                [
                    [
                        Cell(each.label),
                        *(Cell(f"{value:+.2f}") for value in (each.value, each.low, each.high)),
                    ]
                    for each in estimates
                ],
            ),
        ),
        Chart(
            window,
            charts.window_line(
                window,
                opens_at=opens,
                closes_at=opens + timedelta(days=30),
                ended_at=opens + timedelta(days=12),
                release_at=opens + timedelta(days=45),
            ),
            Table(window, ["What", "When"], [[Cell("Opens"), Cell(f"{opens:%Y-%m-%d}")]]),
        ),
        Chart(
            "Outcomes",
            charts.small_multiples("Outcomes", counts),
            Table(
                "Outcomes",
                ["Model", "Outcome", "Items"],
                [
                    [Cell(model), Cell(name), Cell(str(count))]
                    for model, outcomes in counts.items()
                    for name, count in outcomes.items()
                ],
            ),
        ),
    ]
