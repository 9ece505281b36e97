# SPDX-License-Identifier: Apache-2.0
"""Registers the app."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    """Layout and the pages that no other desk owns."""

    name = "proofhouse.server.web"
    label = "web"
