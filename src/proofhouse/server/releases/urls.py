# SPDX-License-Identifier: Apache-2.0
"""Addresses of the desk's pages."""

from django.urls import path

from proofhouse.server.releases import views

app_name = "releases"
urlpatterns = [
    path("", views.releases, name="list"),
    path("<str:item>/", views.release, name="release"),
]
