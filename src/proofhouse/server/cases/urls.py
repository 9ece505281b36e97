# SPDX-License-Identifier: Apache-2.0
"""Addresses of the desk's pages."""

from django.urls import path

from proofhouse.server.cases import views

app_name = "cases"
urlpatterns = [
    path("", views.cases, name="list"),
    path("<uuid:case>/", views.case, name="case"),
]
