# SPDX-License-Identifier: Apache-2.0
"""Addresses of the desk's pages."""

from django.urls import path

from proofhouse.server.obligations import bridge_views, digest_views, governance_views, incident_views, views

app_name = "obligations"
urlpatterns = [
    path("", views.applies, name="list"),
    path("profile/", views.profile, name="profile"),
    path("profile/models/", views.add_model, name="model-add"),
    path("duties/<str:obligation>/", views.duty, name="duty"),
    path("calendar/", views.calendar, name="calendar"),
    path("changes/", views.changes, name="changes"),
    path("bridge/", bridge_views.bridge, name="bridge"),
    path("bridge/consent/", bridge_views.consent, name="bridge-consent"),
    path("bridge/<str:letter>/", bridge_views.decide, name="bridge-decide"),
    path("digests/", digest_views.digests, name="digests"),
    path("digests/<str:week>/", digest_views.digest, name="digest"),
    path("digests/<str:week>/digest.<str:form>", digest_views.digest_file, name="digest-file"),
    path("governance/", governance_views.governance, name="governance"),
    path("governance/board.pdf", governance_views.governance_pdf, name="governance-pdf"),
    path("governance/<str:what>/", governance_views.records, name="governance-records"),
    path("evidence/", views.evidence, name="evidence"),
    path("evidence/link/", views.link, name="link"),
    path("evidence/<uuid:evidence>/", views.evidence_file, name="evidence-file"),
    path("exports/<str:name>", views.export, name="export"),
    path("feed/", views.feed, name="feed"),
    path("feeds/<str:token>.ics", views.feed_file, name="feed-file"),
    path("incidents/", incident_views.incidents, name="incidents"),
    path("incidents/new/", incident_views.open_new, name="incident-new"),
    path("incidents/<uuid:incident>/", incident_views.board, name="incident"),
    path("incidents/<uuid:incident>/amend/", incident_views.amend, name="incident-amend"),
    path("clocks/<uuid:clock>/", incident_views.clock, name="clock"),
    path("clocks/<uuid:clock>/override/", incident_views.override, name="clock-override"),
    path("clocks/<uuid:clock>/filing/", incident_views.draft, name="clock-filing"),
    path("filings/<uuid:filing>/", incident_views.filing, name="filing"),
    path("filings/<uuid:filing>/filing.<str:form>", incident_views.filing_file, name="filing-file"),
    path("filings/<uuid:filing>/step/", incident_views.step, name="filing-step"),
]
