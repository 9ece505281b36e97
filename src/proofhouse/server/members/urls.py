# SPDX-License-Identifier: Apache-2.0
"""Addresses of the desk's pages."""

from django.urls import path

from proofhouse.server.members import views

app_name = "members"
urlpatterns = [
    path("", views.members, name="list"),
    path("<uuid:notification>/", views.notification, name="notification"),
]
