# SPDX-License-Identifier: Apache-2.0
"""Addresses of the desk's pages."""

from django.urls import path

from proofhouse.server.cases import report_views, views

app_name = "cases"
urlpatterns = [
    path("", views.cases, name="list"),
    path("intake/", report_views.intake, name="intake"),
    path("reports/<uuid:report>/", report_views.report, name="report"),
    path("reports/<uuid:report>/files/<int:file>/", report_views.attachment, name="attachment"),
    path("<uuid:case>/", views.case, name="case"),
]
