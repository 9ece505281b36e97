# SPDX-License-Identifier: Apache-2.0
"""Addresses under the names that django-allauth looks for. Only these of its pages are here; nobody can sign up."""

from collections.abc import Callable

from django.http import HttpResponseBase
from django.urls import path
from django.views.decorators.http import require_http_methods

from proofhouse.server.accounts import own, views
from proofhouse.server.elsewhere import PROVIDER

_Pages = Callable[..., HttpResponseBase]
_form: Callable[[_Pages], _Pages] = require_http_methods(["GET", "HEAD", "POST"])
_read: Callable[[_Pages], _Pages] = require_http_methods(["GET", "HEAD"])
_provider = {"provider_id": PROVIDER}

urlpatterns = [
    path("sign-in/", _form(views.SignIn.as_view()), name="account_login"),
    path("sign-in/passkey/", _form(views.SignInByPasskey.as_view()), name="mfa_login_webauthn"),
    path("sign-in/second-step/", _form(views.SecondStep.as_view()), name="mfa_authenticate"),
    path("sign-in/elsewhere/", views.leave_for_provider, _provider, name="openid_connect_login"),
    path(
        "sign-in/elsewhere/back/", _read(views.back_from_provider), _provider, name="openid_connect_callback"
    ),
    path("confirm/passkey/", _form(views.ConfirmByPasskey.as_view()), name="mfa_reauthenticate_webauthn"),
    path("confirm/code/", _form(views.ConfirmByCode.as_view()), name="mfa_reauthenticate"),
    path("account/", own.account, name="mfa_index"),
    path("account/passkeys/add/", _form(own.AddPasskey.as_view()), name="mfa_add_webauthn"),
    path("account/passkeys/<int:pk>/remove/", _form(own.RemovePasskey.as_view()), name="mfa_remove_webauthn"),
    path("account/code/add/", _form(own.AddCode.as_view()), name="mfa_activate_totp"),
    path("account/code/remove/", _form(own.RemoveCode.as_view()), name="mfa_deactivate_totp"),
    path("account/recovery-codes/", _read(own.RecoveryCodes.as_view()), name="mfa_view_recovery_codes"),
    path(
        "account/recovery-codes/new/",
        _form(own.NewRecoveryCodes.as_view()),
        name="mfa_generate_recovery_codes",
    ),
    path("account/password/", _form(own.ChangePassword.as_view()), name="account_change_password"),
]
