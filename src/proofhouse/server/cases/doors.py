# SPDX-License-Identifier: Apache-2.0
"""Addresses at which reports come in from people and programs that have no session here."""

from django.urls import path

from proofhouse.server.cases import intake_views, vince

urlpatterns = [
    path("report/", intake_views.report_form, name="report"),
    path("report/<uuid:report>/<str:slip>/", intake_views.slip, name="slip"),
    path("vince/comm/api/vulreport/", vince.vulnerability_report, name="vince-report"),
]
