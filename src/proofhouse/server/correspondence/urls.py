# SPDX-License-Identifier: Apache-2.0
"""Addresses of the letters desk, and of the desk for organisations without a house."""

from django.urls import path

from proofhouse.server.correspondence import desk_views, views

app_name = "correspondence"
urlpatterns = [
    path("correspondence/", views.desk, name="list"),
    path("correspondence/keys/", views.keys, name="keys"),
    path("correspondence/threads/<uuid:thread>/", views.thread, name="thread"),
    path("correspondence/letters/<str:letter>/", views.letter, name="letter"),
    path("desk/", desk_views.desk, name="desk"),
    path("desk/threads/<uuid:thread>/", desk_views.thread, name="own-thread"),
    path("desk/threads/<uuid:thread>/<slug:kind>/", desk_views.answer, name="answer"),
    path("desk/letters/<str:letter>/", desk_views.letter, name="own-letter"),
    path("desk/letters/<str:letter>/<str:name>", desk_views.enclosure, name="enclosure"),
    path("desk/new/<slug:organisation>/<slug:kind>/", desk_views.write, name="write"),
]
