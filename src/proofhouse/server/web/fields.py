# SPDX-License-Identifier: Apache-2.0
"""The fields that forms of every desk are made of, as the design system draws them."""

from __future__ import annotations

from django import forms

TEXT = {"class": "usa-input"}


def area(rows: int) -> dict[str, str | int]:
    """The attributes of an input for words of several lines."""
    return {"class": "usa-textarea", "rows": rows}


def line(label: str, *, required: bool = True, length: int = 200, hint: str = "") -> forms.CharField:
    """A field for one line."""
    return forms.CharField(
        label=label, required=required, max_length=length, help_text=hint, widget=forms.TextInput(attrs=TEXT)
    )


def prose(
    label: str, hint: str = "", *, required: bool = True, length: int = 4000, rows: int = 6
) -> forms.CharField:
    """A field for words of several lines."""
    return forms.CharField(
        label=label,
        required=required,
        max_length=length,
        help_text=hint,
        widget=forms.Textarea(attrs=area(rows)),
    )


def choice(
    label: str, choices: list[tuple[str, str]], *, required: bool = True, hint: str = ""
) -> forms.ChoiceField:
    """A field for one of several."""
    return forms.ChoiceField(
        label=label,
        choices=choices,
        required=required,
        help_text=hint,
        widget=forms.Select(attrs={"class": "usa-select"}),
    )
