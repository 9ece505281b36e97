# SPDX-License-Identifier: Apache-2.0
"""Forms of signing in and of the steward's desk."""

from __future__ import annotations

from typing import Any

from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.webauthn.forms import SignupWebAuthnForm
from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from proofhouse.server.accounts.models import Organisation
from proofhouse.server.accounts.permissions import Permission, Role
from proofhouse.server.accounts.tokens import LONGEST, Scope

_INPUT = {"class": "usa-input"}
_SELECT = {"class": "usa-select"}


class PasskeyForm(SignupWebAuthnForm):  # type: ignore[misc]
    """A new passkey: one that the device itself can find and that checks its owner, so that it can sign in alone."""

    def clean(self) -> dict[str, Any]:
        """Mark the ceremony as one without a password, so that allauth asks for the owner's check."""
        self.cleaned_data["passwordless"] = True
        cleaned: dict[str, Any] = super().clean()
        return cleaned


class PasswordAndCodeForm(ActivateTOTPForm):  # type: ignore[misc]
    """A password and an authenticator app, for who has no passkey."""

    password = forms.CharField(
        label="Password",
        help_text="At least 12 characters. A sentence is good.",
        widget=forms.PasswordInput(attrs={**_INPUT, "autocomplete": "new-password"}),
    )
    again = forms.CharField(
        label="The same password again",
        widget=forms.PasswordInput(attrs={**_INPUT, "autocomplete": "new-password"}),
    )
    field_order = ("password", "again", "code")

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        dress(self)

    def clean_password(self) -> str:
        """Refuse a weak one."""
        password: str = self.cleaned_data["password"]
        validate_password(password, self.user)
        return password

    def clean(self) -> dict[str, Any]:
        """Both are the same."""
        cleaned: dict[str, Any] = super().clean() or {}
        if "password" in cleaned and cleaned.get("again") != cleaned["password"]:
            raise ValidationError({"again": "The two passwords are not the same."})
        return cleaned


class InviteForm(forms.Form):
    """Somebody to invite."""

    name = forms.CharField(label="Name", max_length=120, widget=forms.TextInput(attrs=_INPUT))
    email = forms.EmailField(label="E-mail", widget=forms.EmailInput(attrs=_INPUT))
    organisation = forms.ModelChoiceField(
        Organisation.objects.none(),
        label="Organisation",
        empty_label=None,
        widget=forms.Select(attrs=_SELECT),
    )
    roles = forms.MultipleChoiceField(
        label="Roles",
        help_text="None for somebody who is here already: the link is then a way back in.",
        required=False,
        choices=[(role.value, role.value.capitalize()) for role in Role],
        widget=forms.CheckboxSelectMultiple(attrs={"class": "usa-checkbox__input"}),
    )

    def __init__(self, *arguments: Any, organisations: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.fields["organisation"].queryset = organisations  # type: ignore[attr-defined]


class RoleForm(forms.Form):
    """A role to give."""

    organisation = forms.ModelChoiceField(
        Organisation.objects.none(),
        label="Organisation",
        empty_label=None,
        widget=forms.Select(attrs=_SELECT),
    )
    role = forms.ChoiceField(
        label="Role",
        choices=[(role.value, role.value.capitalize()) for role in Role],
        widget=forms.Select(attrs=_SELECT),
    )

    def __init__(self, *arguments: Any, organisations: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.fields["organisation"].queryset = organisations  # type: ignore[attr-defined]


class OrganisationForm(forms.Form):
    """An organisation without a house, to be hosted here."""

    name = forms.SlugField(
        label="Short name",
        max_length=31,
        help_text="Lower-case letters, digits and dashes.",
        widget=forms.TextInput(attrs=_INPUT),
    )
    title = forms.CharField(label="Title", max_length=120, widget=forms.TextInput(attrs=_INPUT))
    contact = forms.EmailField(
        label="Contact", required=False, widget=forms.EmailInput(attrs={**_INPUT, "autocomplete": "off"})
    )


class TokenForm(forms.Form):
    """A token for a machine."""

    name = forms.CharField(label="Name of the machine", max_length=80, widget=forms.TextInput(attrs=_INPUT))
    organisation = forms.ModelChoiceField(
        Organisation.objects.none(),
        label="Organisation",
        empty_label=None,
        widget=forms.Select(attrs=_SELECT),
    )
    days = forms.IntegerField(
        label="Days until it ends",
        min_value=1,
        max_value=LONGEST.days,
        initial=90,
        widget=forms.NumberInput(attrs={"class": "usa-input usa-input--small"}),
    )
    scopes = forms.MultipleChoiceField(
        label="What it may do", widget=forms.CheckboxSelectMultiple(attrs={"class": "usa-checkbox__input"})
    )

    def __init__(
        self, *arguments: Any, organisations: Any, permissions: list[Permission], **named: Any
    ) -> None:
        super().__init__(*arguments, **named)
        self.fields["organisation"].queryset = organisations  # type: ignore[attr-defined]
        self.fields["scopes"].choices = [  # type: ignore[attr-defined]
            (Scope.READ.value, "Read what you may read"),
            *((permission.value, permission.value) for permission in permissions),
        ]


def dress(form: forms.BaseForm) -> None:
    """Give the fields of a form that is not ours the classes of the design system."""
    for field in form.fields.values():
        field.widget.attrs.setdefault("class", "usa-input")
        field.widget.attrs.pop("placeholder", None)
