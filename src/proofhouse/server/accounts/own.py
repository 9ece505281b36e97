# SPDX-License-Identifier: Apache-2.0
"""One's own account: passkeys, codes, sessions, and tokens for machines."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from allauth.account.views import PasswordChangeView
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.views import GenerateRecoveryCodesView, ViewRecoveryCodesView
from allauth.mfa.totp.views import ActivateTOTPView, DeactivateTOTPView
from allauth.mfa.webauthn.internal import auth as webauthn
from allauth.mfa.webauthn.views import AddWebAuthnView, RemoveWebAuthnView
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from proofhouse.server.accounts import services, sessions
from proofhouse.server.accounts.forms import PasskeyForm, TokenForm, dress
from proofhouse.server.accounts.gate import NotAllowed, NotFound, may_do, visible
from proofhouse.server.accounts.minting import Kind, mint
from proofhouse.server.accounts.models import MachineToken, Membership, Organisation, Person, own_organisation
from proofhouse.server.accounts.permissions import Permission
from proofhouse.server.engine.acts import ActError
from proofhouse.server.web.cells import at, plain, state
from proofhouse.server.web.pages import Table, person_of


@never_cache
@require_http_methods(["GET", "HEAD"])
def account(request: HttpRequest) -> HttpResponse:
    """Who I am here, what I sign in with, and where I am signed in."""
    person = person_of(request)
    held = list(Authenticator.objects.filter(user=person).order_by("created_at"))
    memberships = Membership.objects.filter(person=person).select_related("organisation")
    context = {
        "person": person,
        "memberships": Table(
            "Roles",
            ["Organisation", "Role"],
            [
                [plain(row.organisation.title), plain(row.role)]
                for row in memberships.order_by("organisation", "role")
            ],
        ),
        "passkeys": [each for each in held if each.type == Authenticator.Type.WEBAUTHN],
        "code": next((each for each in held if each.type == Authenticator.Type.TOTP), None),
        "recovery": next((each for each in held if each.type == Authenticator.Type.RECOVERY_CODES), None),
        "bare": not held,
        "sessions": sessions.sessions_of(person),
        "here": request.session.session_key,
    }
    return render(request, "accounts/account.html", context)


class AddPasskey(AddWebAuthnView):  # type: ignore[misc]
    """One more passkey."""

    form_class = PasskeyForm
    template_name = "accounts/add_passkey.html"

    def get_context_data(self, **named: Any) -> dict[str, Any]:
        """The challenge as text, for the static script; such a passkey can sign in alone."""
        context: dict[str, Any] = super().get_context_data(**named)
        options = webauthn.begin_registration(person_of(self.request), True)
        return context | {"challenge": json.dumps({"creation_options": options})}


class RemovePasskey(RemoveWebAuthnView):  # type: ignore[misc]
    """Takes a passkey away, unless it is the last proof."""

    template_name = "accounts/remove.html"
    success_url = reverse_lazy("mfa_index")

    def form_valid(self, form: Any) -> HttpResponse:
        """Keep the last one."""
        from allauth.mfa.adapter import get_adapter

        if not get_adapter().can_delete_authenticator(self.get_object()):
            return render(self.request, "accounts/remove.html", {"last": True}, status=422)
        response: HttpResponse = super().form_valid(form)
        return response


class AddCode(ActivateTOTPView):  # type: ignore[misc]
    """An authenticator app beside a passkey."""

    template_name = "accounts/add_code.html"

    def get_form(self, form_class: Any = None) -> Any:
        """With the classes of the design system."""
        form = super().get_form(form_class)
        dress(form)
        return form


class RemoveCode(DeactivateTOTPView):  # type: ignore[misc]
    """Takes the authenticator app away, unless it is the last proof."""

    template_name = "accounts/remove.html"
    success_url = reverse_lazy("mfa_index")


class RecoveryCodes(ViewRecoveryCodesView):  # type: ignore[misc]
    """The recovery codes that are left."""

    template_name = "accounts/recovery_codes.html"


class NewRecoveryCodes(GenerateRecoveryCodesView):  # type: ignore[misc]
    """Ten new codes in the place of the old ones."""

    template_name = "accounts/new_recovery_codes.html"


class ChangePassword(PasswordChangeView):  # type: ignore[misc]
    """Another password, for who has one."""

    template_name = "accounts/change_password.html"
    success_url = reverse_lazy("mfa_index")

    def dispatch(self, request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponseBase:
        """Whoever signs in without a password has none to change."""
        if isinstance(request.user, Person) and not request.user.has_usable_password():
            raise Http404
        response: HttpResponseBase = super().dispatch(request, *arguments, **named)
        return response

    def get_form(self, form_class: Any = None) -> Any:
        """With the classes of the design system."""
        form = super().get_form(form_class)
        dress(form)
        return form


@require_POST
def end_session(request: HttpRequest, session: int) -> HttpResponse:
    """End one of my sessions."""
    try:
        sessions.end_own(person_of(request), session)
    except NotFound:
        raise Http404 from None
    return redirect("mfa_index")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """Tokens that I made, for a steward all; and making one, whose secret is shown this once."""
    person = person_of(request)
    held = [each for each in Permission if may_do(person, each) and not each.needs_fresh]
    form = TokenForm(
        request.POST or None,
        organisations=Organisation.objects.filter(Q(own=True) | Q(pk__in=person.organisations)),
        permissions=held,
        initial={"organisation": own_organisation(), "days": 90},
    )
    minted, problem = None, ""
    if request.method == "POST" and form.is_valid():
        minted, problem = _make(person, form)
    rows = visible(person, MachineToken).select_related("organisation", "person")
    context = {
        "form": form,
        "minted": minted,
        "problem": problem,
        "may_make": may_do(person, Permission.ACCOUNTS_TOKEN_MAKE),
        "rows": [(row, _standing(row), at(row.used_at)) for row in rows],
    }
    return render(request, "accounts/tokens.html", context, status=422 if problem or form.errors else 200)


def _make(person: Person, form: TokenForm) -> tuple[str | None, str]:
    secret = mint(Kind.TOKEN)
    told = form.cleaned_data
    try:
        services.make_token(
            actor=person,
            secret=secret.text,
            name=told["name"],
            scopes=told["scopes"],
            days=told["days"],
            organisation=told["organisation"].name,
        )
    except (ActError, NotAllowed) as refused:
        return None, str(refused)
    return secret.text, ""


def _standing(row: MachineToken) -> Any:
    if row.revoked_at:
        return state("revoked", bad=frozenset({"revoked"}))
    return state("in use" if row.good else "ended", good=frozenset({"in use"}))


@require_POST
def revoke_token(request: HttpRequest, token: UUID) -> HttpResponse:
    """Let a token count no more."""
    try:
        services.revoke_token(actor=person_of(request), token=str(token))
    except (NotFound, NotAllowed):
        raise Http404 from None
    return redirect("accounts:tokens")
