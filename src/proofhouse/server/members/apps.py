# SPDX-License-Identifier: Apache-2.0
"""Registers the app."""

from importlib import import_module

from django.apps import AppConfig


class MembersConfig(AppConfig):
    """Members, their SBOMs, matches and notifications."""

    name = "proofhouse.server.members"
    label = "members"

    def ready(self) -> None:
        """Make the desk's acts, answers and questions known."""
        import_module(f"{self.name}.services")
        import_module(f"{self.name}.queries")
