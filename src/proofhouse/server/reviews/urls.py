# SPDX-License-Identifier: Apache-2.0
"""Addresses of the desk's pages."""

from django.urls import path

from proofhouse.server.reviews import views

app_name = "reviews"
urlpatterns = [
    path("", views.reviews, name="list"),
    path("register/", views.register, name="register"),
    path("<uuid:inquiry>/", views.review, name="review"),
]
