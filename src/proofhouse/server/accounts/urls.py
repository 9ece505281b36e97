# SPDX-License-Identifier: Apache-2.0
"""Addresses of sign-in."""

from django.urls import path

from proofhouse.server.accounts import views

app_name = "accounts"
urlpatterns = [
    path("sign-in/", views.sign_in, name="sign-in"),
    path("sign-out/", views.sign_out, name="sign-out"),
]
