# SPDX-License-Identifier: Apache-2.0
"""All addresses of a house."""

from django.urls import include, path

from proofhouse.server.advisories.files import provider_file
from proofhouse.server.api import addresses
from proofhouse.server.engine.views import receive_letter
from proofhouse.server.releases.files import repository_file
from proofhouse.server.releases.views import receive_acknowledgement, receive_enrolment

urlpatterns = [
    path("api/v1/", include((addresses(), "api"))),
    path("", include("proofhouse.server.web.urls")),
    path("", include("proofhouse.server.accounts.urls")),
    path("", include("proofhouse.server.correspondence.urls")),
    path("", include("proofhouse.server.accounts.doors")),
    path("reviews/", include("proofhouse.server.reviews.urls")),
    path("cases/", include("proofhouse.server.cases.urls")),
    path("", include("proofhouse.server.cases.doors")),
    path("advisories/", include("proofhouse.server.advisories.urls")),
    path("members/", include("proofhouse.server.members.urls")),
    path("releases/", include("proofhouse.server.releases.urls")),
    path("obligations/", include("proofhouse.server.obligations.urls")),
    path("oversight/", include("proofhouse.server.oversight.urls")),
    path("work/", include("proofhouse.server.engine.urls")),
    path("letters/", receive_letter, name="letters"),
    path("enrolments/", receive_enrolment, name="enrolments"),
    path("acknowledgements/", receive_acknowledgement, name="acknowledgements"),
    path("repositories/<path:file>", repository_file, name="repository-file"),
    path(".well-known/<path:file>", provider_file, name="provider-file"),
]
