# SPDX-License-Identifier: Apache-2.0
"""Addresses of the steward's desk and of one's own sessions and tokens."""

from django.urls import path
from django.views.decorators.http import require_http_methods

from proofhouse.server.accounts import access_views, desk, own, views

app_name = "accounts"
urlpatterns = [
    path("access/", access_views.access_list, name="access"),
    path("access/<str:case>/", access_views.access_case, name="access-case"),
    path("sign-out/", views.sign_out, name="sign-out"),
    path("invitations/<str:secret>/", views.invitation, name="invitation"),
    path(
        "confirm/click/",
        require_http_methods(["GET", "HEAD", "POST"])(views.confirm_by_click),
        name="confirm-click",
    ),
    path("account/sessions/<int:session>/end/", own.end_session, name="end-session"),
    path("tokens/", own.tokens, name="tokens"),
    path("tokens/<uuid:token>/revoke/", own.revoke_token, name="revoke-token"),
    path("people/", desk.people, name="people"),
    path("people/invite/", desk.invite, name="invite"),
    path("people/invitations/<uuid:invitation>/withdraw/", desk.withdraw, name="withdraw"),
    path("people/organisations/add/", desk.add_organisation, name="add-organisation"),
    path("people/<uuid:person>/", desk.person, name="person"),
    path("people/<uuid:person>/roles/give/", desk.grant, name="grant"),
    path("people/<uuid:person>/roles/take/", desk.revoke, name="revoke"),
    path("people/<uuid:person>/sessions/end/", desk.end_sessions, name="end-sessions"),
    path("people/<uuid:person>/stop/", desk.stop, name="stop"),
    path("emergencies/", desk.emergencies, name="emergencies"),
    path("emergencies/<str:secret>/enter/", views.emergency, name="emergency"),
]
