# SPDX-License-Identifier: Apache-2.0
"""Addresses of the desk's pages."""

from django.urls import path

from proofhouse.server.advisories import views

app_name = "advisories"
urlpatterns = [
    path("", views.advisories, name="list"),
    path("<str:number>/", views.advisory, name="advisory"),
]
