# SPDX-License-Identifier: Apache-2.0
"""Taking up an invitation, and everything that opens a session.

Taking one up is an act of the house itself, like the answer to a letter: whoever holds the link is nobody here yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import record_authentication
from allauth.core.internal.datakit import parse_bool_safely
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from allauth.mfa.webauthn.internal.auth import WebAuthn
from allauth.socialaccount.models import SocialAccount, SocialLogin
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from proofhouse.server.accounts import sessions
from proofhouse.server.accounts.minting import Kind, digest_of
from proofhouse.server.accounts.models import Invitation, Membership, Person
from proofhouse.server.engine.acts import ActError, one_transaction
from proofhouse.server.engine.clock import now
from proofhouse.server.engine.record import record

Proof = Callable[[Person], str]
"""Enrols what a person will sign in with, and says what it was."""

_PENDING = "accounts.invitation"


def open_invitation(secret: str) -> Invitation | None:
    """The invitation behind a link, while it can be taken up."""
    digest = digest_of(secret, Kind.INVITATION)
    row = Invitation.objects.select_related("organisation").filter(secret_sha256=digest).first()
    return row if row is not None and row.open else None


def invited_person(invitation: Invitation) -> Person:
    """Who is invited: somebody who is here, or who will be."""
    return Person.objects.filter(id=invitation.person_id).first() or Person(
        id=invitation.person_id, email=invitation.email, name=invitation.name
    )


def take_up(invitation: Invitation, prove: Proof) -> Person:
    """Make the invited person somebody who can sign in. What they signed in with before counts no more.

    Raises:
        ActError: Somebody was quicker, or the invitation is over.
    """
    with one_transaction("accounts.take_up"):
        row = Invitation.objects.select_for_update().get(id=invitation.id)
        if not row.open:
            raise ActError("this invitation is over", "invitation_over")
        person = invited_person(row)
        person.is_active = True
        person.set_unusable_password()
        person.save()
        Authenticator.objects.filter(user=person).delete()
        SocialAccount.objects.filter(user=person).delete()
        sessions.end_all(person)
        for role in row.roles:
            Membership.objects.get_or_create(person=person, organisation=row.organisation, role=role)
        means = prove(person)
        row.settled_at, row.taken_up = now(), True
        row.save(update_fields=["settled_at", "taken_up"])
        told = {"organisation": row.organisation_id, "roles": row.roles, "means": means}
        record("person.join", f"person:{person.id}", told)
    return person


def with_passkey(name: str, credential: dict[str, Any]) -> Proof:
    """Enrol a passkey, and recovery codes for the day when it is lost."""

    def prove(person: Person) -> str:
        WebAuthn.add(person, name, credential)
        RecoveryCodes.activate(person)
        return "passkey"

    return prove


def with_password_and_code(password: str, secret: str) -> Proof:
    """Enrol a password together with an authenticator app, and recovery codes."""

    def prove(person: Person) -> str:
        person.set_password(password)
        person.save(update_fields=["password"])
        TOTP.activate(person, secret)
        RecoveryCodes.activate(person)
        return "password and code"

    return prove


def remember_invitation(request: HttpRequest, invitation: Invitation) -> None:
    """Keep in the session which invitation is being taken up with an account elsewhere."""
    request.session[_PENDING] = str(invitation.id)


def by_provider(request: HttpRequest, sociallogin: SocialLogin) -> HttpResponse:
    """Answer an account elsewhere that is linked to nobody: link it to who was invited at its verified address."""
    pending = request.session.pop(_PENDING, None)
    row = Invitation.objects.filter(id=pending).first() if pending else None
    if row is None or not row.open:
        messages.error(
            request, "That account belongs to nobody here. People come to this house by invitation."
        )
        return redirect("account_login")
    if row.email.lower() not in _verified_addresses(sociallogin):
        messages.error(request, f"The invitation is for {row.email}, and that account is not known by it.")
        return redirect("account_login")
    account = sociallogin.account

    def prove(person: Person) -> str:
        SocialAccount.objects.create(user=person, provider=account.provider, uid=account.uid)
        return "account elsewhere"

    try:
        person = take_up(row, prove)
    except ActError as refused:
        messages.error(request, f"Not done: {refused}.")
        return redirect("account_login")
    enter(request, person, "socialaccount", provider=account.provider, uid=account.uid)
    return redirect("web:home")


def _verified_addresses(sociallogin: SocialLogin) -> set[str]:
    kept = sociallogin.account.extra_data
    claims = kept.get("userinfo") or kept.get("id_token") or kept
    address = str(claims.get("email", "")).lower()
    return {address} if address and parse_bool_safely(claims.get("email_verified")) else set()


def enter(request: HttpRequest, person: Person, method: str, **fields: Any) -> None:
    """Open a session for a person who has just proved who they are."""
    get_adapter(request).login(request, person)
    record_authentication(request, person, method, **fields)
    UserSession.objects.purge_and_list(person)
    UserSession.objects.create_from_request(request)
