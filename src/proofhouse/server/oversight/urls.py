# SPDX-License-Identifier: Apache-2.0
"""Addresses of the desk's pages."""

from django.urls import path

from proofhouse.server.oversight import views

app_name = "oversight"
urlpatterns = [
    path("ledger/", views.ledger, name="ledger"),
]
