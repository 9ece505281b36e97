# SPDX-License-Identifier: Apache-2.0
"""What this house asks of django-allauth: nobody signs up, passkeys belong to the house's name, secrets are sealed.

allauth does the ceremonies (passkeys, codes, OpenID Connect); these adapters say who they are for.
"""

from __future__ import annotations

import base64
import time
from typing import Any, ClassVar
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from proofhouse.server.accounts import freshness
from proofhouse.server.accounts.models import Person
from proofhouse.server.house import this_house

STRONG = (Authenticator.Type.WEBAUTHN, Authenticator.Type.TOTP)
"""What proves a person; recovery codes stand in for one of these."""


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Signing in and confirming."""

    error_messages: ClassVar[dict[str, Any]] = {
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": "E-mail and password do not belong together.",
        "too_many_login_attempts": "Too many attempts. Wait five minutes, then try again.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Never: people come by invitation."""
        return False

    def add_message(self, request: HttpRequest, level: int, *args: Any, **kwargs: Any) -> None:
        """Say what went wrong; allauth's own small talk is left out."""
        if level >= messages.WARNING and "message" in kwargs:
            super().add_message(request, level, *args, **kwargs)

    def pre_login(self, request: HttpRequest, user: Any, **named: Any) -> HttpResponse | None:
        """A password alone opens nothing: whoever has no passkey or code beside it is sent back."""
        stopped: HttpResponse | None = super().pre_login(request, user, **named)
        if stopped is not None:
            return stopped
        used = {record["method"] for record in get_authentication_records(request, user)}
        if used <= {"password"} and not Authenticator.objects.filter(user=user, type__in=STRONG).exists():
            messages.error(
                request, "A password alone opens nothing here. Ask a steward for a new invitation."
            )
            return redirect("account_login")
        return None

    def respond_user_inactive(self, request: HttpRequest, user: Any) -> HttpResponse:
        """Who was stopped is told so, and only after proving who they are."""
        messages.error(
            request, "You can no longer sign in to this house. Ask a steward for a new invitation."
        )
        return redirect("account_login")

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        """How a person can confirm that it is still them: passkey first, then code; a click in a demonstration."""
        if not isinstance(user, Person):
            return []
        held = set(Authenticator.objects.filter(user=user).values_list("type", flat=True))
        methods = []
        if Authenticator.Type.WEBAUTHN in held:
            methods.append(_method("webauthn", "Use a passkey", "mfa_reauthenticate_webauthn"))
        if held - {Authenticator.Type.WEBAUTHN}:
            methods.append(_method("code", "Use a code", "mfa_reauthenticate"))
        if this_house().demo:
            methods.append(_method("click", "Confirm by click", "accounts:confirm-click"))
        return methods or [_method("none", "Add a passkey", "mfa_index")]

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Not within minutes of a confirmation, nor for the first passkey of somebody who has just signed in."""
        request = context.request
        if freshness.is_fresh(request):
            return False
        held = Authenticator.objects.filter(user=request.user).exists()
        return held or not _just_signed_in(request)


def _method(name: str, description: str, route: str) -> dict[str, Any]:
    return {"id": name, "description": description, "url": reverse(route)}


def _just_signed_in(request: HttpRequest) -> bool:
    records = get_authentication_records(request, request.user)
    return any(0 <= time.time() - record["at"] < freshness.MAX_AGE_S for record in records)


class MfaAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Passkeys, codes and their secrets."""

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """The name that passkeys are bound to is the house's own, whatever a request says."""
        return {"id": urlsplit(this_house().address).hostname or "localhost", "name": this_house().title}

    def get_totp_issuer(self) -> str:
        """What an authenticator app shows beside the code."""
        return this_house().title

    def generate_authenticator_name(self, user: Any, type: Any) -> str:  # noqa: A002 - allauth's name
        """A name for a passkey whose owner gave none."""
        return f"Passkey {Authenticator.objects.filter(user_id=user.pk, type=type).count() + 1}"

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        """The last proof stays until there is another."""
        others = Authenticator.objects.filter(user=authenticator.user, type__in=STRONG)
        return bool(others.exclude(pk=authenticator.pk).exists())

    def encrypt(self, text: str) -> str:
        """Seal a secret that the database keeps, with a key that it does not."""
        return _seal().encrypt(text.encode()).decode("ascii")

    def decrypt(self, encrypted_text: str) -> str:
        """Open it again."""
        return _seal().decrypt(encrypted_text.encode("ascii")).decode()


def _seal() -> Fernet:
    key = HKDF(SHA256(), 32, salt=None, info=b"proofhouse/accounts/authenticators").derive(
        settings.SECRET_KEY.encode()
    )
    return Fernet(base64.urlsafe_b64encode(key))


class SocialAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """OpenID Connect: an account there opens a person here, and only for who took up an invitation with it."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """Never."""
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Let in who is linked; link who is taking up an invitation; turn away everybody else."""
        from proofhouse.server.accounts import entering

        if not sociallogin.is_existing:
            raise ImmediateHttpResponse(entering.by_provider(request, sociallogin))

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: Any = None,
        exception: Any = None,
        extra_context: Any = None,
    ) -> None:
        """Back to the door, with a sentence."""
        messages.error(request, "Signing in with your organisation's account did not work. Try again.")
        raise ImmediateHttpResponse(redirect("account_login"))
