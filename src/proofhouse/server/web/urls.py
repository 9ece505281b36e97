# SPDX-License-Identifier: Apache-2.0
"""Addresses of the pages that no desk owns."""

from django.urls import path

from proofhouse.server.web import views

app_name = "web"
urlpatterns = [
    path("", views.home, name="home"),
    path("search/", views.find, name="search"),
    path("style-guide/", views.style_guide, name="style-guide"),
]
