# SPDX-License-Identifier: Apache-2.0
"""Coming in: signing in and out, taking up an invitation, confirming. A demo house also offers its people."""

from __future__ import annotations

import json
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import record_authentication
from allauth.account.internal.flows.reauthentication import resume_request
from allauth.account.views import LoginView
from allauth.core import ratelimit
from allauth.mfa.adapter import get_adapter as get_mfa_adapter
from allauth.mfa.base.views import AuthenticateView, ReauthenticateView
from allauth.mfa.totp.internal.auth import clear_totp_secret
from allauth.mfa.webauthn.internal import auth as webauthn
from allauth.mfa.webauthn.views import LoginWebAuthnView, ReauthenticateWebAuthnView
from allauth.socialaccount.providers.openid_connect import views as openid_connect
from allauth.utils import get_request_param
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from proofhouse.server.accounts import emergencies, entering
from proofhouse.server.accounts.forms import PasskeyForm, PasswordAndCodeForm
from proofhouse.server.accounts.models import Invitation, Person
from proofhouse.server.elsewhere import PROVIDER
from proofhouse.server.engine.acts import ActError
from proofhouse.server.house import this_house


class SignIn(LoginView):  # type: ignore[misc]
    """Passkey, or e-mail and password and then a code, or an account elsewhere."""

    template_name = "accounts/sign_in.html"

    @method_decorator(login_not_required)
    def dispatch(self, request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponseBase:
        """In a demo house, let in who was clicked on; else as allauth does, with its limits."""
        if request.method == "POST" and "person" in request.POST and this_house().demo:
            person = get_object_or_404(Person, email=request.POST["person"], is_active=True)
            entering.enter(request, person, "click")
            return redirect(_next(request) or "web:home")
        response: HttpResponseBase = super().dispatch(request, *arguments, **named)
        return response

    def get_context_data(self, **named: Any) -> dict[str, Any]:
        """Who can be clicked on, and which other ways there are."""
        house = this_house()
        context: dict[str, Any] = super().get_context_data(**named)
        people = Person.objects.filter(is_active=True) if house.demo else Person.objects.none()
        return context | {
            "people": list(people.prefetch_related("memberships")),
            "provider": house.provider,
            "next": _next(self.request),
            "elsewhere": house.address if self.request.get_host() not in house.address else "",
        }


def _next(request: HttpRequest) -> str:
    address = get_request_param(request, "next") or ""
    return address if address and get_adapter(request).is_safe_url(address) else ""


class SignInByPasskey(LoginWebAuthnView):  # type: ignore[misc]
    """Hands out a challenge, and takes the passkey's answer."""

    def get(self, request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponse:
        """A challenge, as JSON."""
        return JsonResponse({"request_options": webauthn.begin_authentication(user=None)})

    def form_invalid(self, form: Any) -> HttpResponse:
        """Back to the door."""
        messages.error(self.request, "That passkey opens nothing here. Try another one, or ask a steward.")
        return redirect("account_login")


class SecondStep(AuthenticateView):  # type: ignore[misc]
    """After the password: a code, a recovery code or a passkey."""

    template_name = "accounts/second_step.html"

    def get_context_data(self, **named: Any) -> dict[str, Any]:
        """The challenge as text, for the static script."""
        context: dict[str, Any] = super().get_context_data(**named)
        return context | {"challenge": _as_text(context.get("js_data", {}))}


class ConfirmByPasskey(ReauthenticateWebAuthnView):  # type: ignore[misc]
    """Confirms with a passkey that it is still the same person, and goes on with what was asked for."""

    template_name = "accounts/confirm_passkey.html"

    def form_invalid(self, form: Any) -> HttpResponse:
        """Ask again."""
        messages.error(self.request, "That passkey is not yours here. Try another one.")
        return redirect(self.request.get_full_path())

    def get_context_data(self, **named: Any) -> dict[str, Any]:
        """The challenge as text, for the static script."""
        context: dict[str, Any] = super().get_context_data(**named)
        return context | {"challenge": _as_text(context["js_data"])}


class ConfirmByCode(ReauthenticateView):  # type: ignore[misc]
    """Confirms with a code."""

    template_name = "accounts/confirm_code.html"


def confirm_by_click(request: HttpRequest) -> HttpResponse:
    """Confirm by click, in a demonstration house only."""
    if not this_house().demo:
        raise Http404
    if request.method == "POST":
        record_authentication(request, request.user, "click", reauthenticated=True)
        return resume_request(request) or redirect("web:home")
    return render(request, "accounts/confirm_click.html", {"next": _next(request)})


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    logout(request)
    return redirect("account_login")


@login_not_required
@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, secret: str) -> HttpResponse:
    """Take up an invitation: choose how to sign in from now on."""
    row = entering.open_invitation(secret)
    if row is None:
        return render(request, "accounts/invitation_over.html", status=404)
    limited: HttpResponse | None = ratelimit.consume_or_429(request, action="login")
    if limited is not None:
        return limited
    if request.method != "POST":
        return _invitation_page(request, row)
    how = request.POST.get("how")
    if how == "passkey":
        return _take_up_with_passkey(request, row)
    if how == "elsewhere" and this_house().provider:
        entering.remember_invitation(request, row)
        return leave_for_provider(request)
    return _take_up_with_code(request, row)


def _take_up_with_passkey(request: HttpRequest, row: Invitation) -> HttpResponse:
    form = PasskeyForm(request.POST, user=entering.invited_person(row))
    if not form.is_valid():
        messages.error(request, "The passkey could not be enrolled. Try again, or use a password and a code.")
        return _invitation_page(request, row, status=422)
    prove = entering.with_passkey(form.cleaned_data["name"], form.cleaned_data["credential"])
    return _welcome(request, row, prove, type="webauthn", passwordless=True)


def _take_up_with_code(request: HttpRequest, row: Invitation) -> HttpResponse:
    form = PasswordAndCodeForm(request.POST, user=entering.invited_person(row))
    if not form.is_valid():
        return _invitation_page(request, row, form, status=422)
    prove = entering.with_password_and_code(form.cleaned_data["password"], form.secret)
    return _welcome(request, row, prove, type="totp")


def _welcome(request: HttpRequest, row: Invitation, prove: entering.Proof, **fields: Any) -> HttpResponse:
    try:
        person = entering.take_up(row, prove)
    except ActError:
        return render(request, "accounts/invitation_over.html", status=404)
    clear_totp_secret(request)
    entering.enter(request, person, "mfa", reauthenticated=True, **fields)
    return redirect("mfa_view_recovery_codes")


def _invitation_page(
    request: HttpRequest, row: Invitation, form: PasswordAndCodeForm | None = None, status: int = 200
) -> HttpResponse:
    person = entering.invited_person(row)
    form = form or PasswordAndCodeForm(user=person)
    address = get_mfa_adapter().build_totp_url(person, form.secret)
    context = {
        "row": row,
        "form": form,
        "open": form.is_bound,
        "picture": _picture(address),
        "key": form.secret,
        "challenge": _as_text({"creation_options": webauthn.begin_registration(person, True)}),
        "provider": this_house().provider,
        "elsewhere": this_house().address if request.get_host() not in this_house().address else "",
    }
    return render(request, "accounts/invitation.html", context, status=status)


def _picture(address: str) -> str:
    """The address of an authenticator app's key as a picture, in an address that needs no request."""
    import base64

    drawing: str = get_mfa_adapter().build_totp_svg(address)
    return f"data:image/svg+xml;base64,{base64.b64encode(drawing.encode()).decode('ascii')}"


def _as_text(challenge: dict[str, Any]) -> str:
    return json.dumps(challenge)


@login_not_required
@require_POST
def leave_for_provider(request: HttpRequest, provider_id: str = PROVIDER) -> HttpResponse:
    """Go to the provider of the house, by a page of its own: our policy lets no form lead elsewhere."""
    if this_house().provider is None:
        raise Http404
    answer: HttpResponse = openid_connect.login(request, provider_id)
    if answer.status_code != 302 or answer["Location"].startswith("/"):
        return answer
    page = render(
        request, "accounts/leave.html", {"address": answer["Location"], "provider": this_house().provider}
    )
    page["Refresh"] = f"0; url={answer['Location']}"
    return page


@login_not_required
def back_from_provider(request: HttpRequest, provider_id: str = PROVIDER) -> HttpResponse:
    """Take what the provider says about a person."""
    if this_house().provider is None:
        raise Http404
    answer: HttpResponse = openid_connect.callback(request, provider_id)
    return answer


@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def emergency(request: HttpRequest, secret: str) -> HttpResponse:
    """Open the one session of an emergency."""
    row = emergencies.emergency_of(secret)
    if row is None:
        return render(request, "accounts/invitation_over.html", status=404)
    if request.method == "POST":
        try:
            emergencies.open_session(request, row)
        except ActError:
            return render(request, "accounts/invitation_over.html", status=404)
        return redirect("web:home")
    return render(request, "accounts/emergency.html", {"row": row})
