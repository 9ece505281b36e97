# SPDX-License-Identifier: Apache-2.0
"""Addresses of the desk's pages."""

from django.urls import path

from proofhouse.server.cases import lease_views, merge_views, report_views, views

app_name = "cases"
urlpatterns = [
    path("", views.cases, name="list"),
    path("intake/", report_views.intake, name="intake"),
    path("reports/<uuid:report>/", report_views.report, name="report"),
    path("reports/<uuid:report>/files/<int:file>/", report_views.attachment, name="attachment"),
    path("reports/<uuid:report>/apart/", merge_views.apart, name="report-apart"),
    path("reports/<uuid:report>/same/", merge_views.same, name="report-same"),
    path("leases/", lease_views.leases, name="leases"),
    path("leases/take/", lease_views.take_lease, name="take-lease"),
    path("leases/rules/", lease_views.state_rules, name="state-rules"),
    path("leases/<uuid:lease>/", lease_views.lease, name="lease"),
    path("<uuid:case>/", views.case, name="case"),
]
