# SPDX-License-Identifier: Apache-2.0
"""Addresses of background work."""

from django.urls import path

from proofhouse.server.engine import job_views

app_name = "engine"
urlpatterns = [
    path("", job_views.work, name="work"),
    path("<uuid:job>/cancel/", job_views.cancel, name="cancel"),
    path("<uuid:job>/requeue/", job_views.requeue, name="requeue"),
]
