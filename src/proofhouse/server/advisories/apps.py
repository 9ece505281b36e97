# SPDX-License-Identifier: Apache-2.0
"""Registers the app."""

from importlib import import_module

from django.apps import AppConfig


class AdvisoriesConfig(AppConfig):
    """Advisories, written, checked, signed and served."""

    name = "proofhouse.server.advisories"
    label = "advisories"

    def ready(self) -> None:
        """Make the desk's acts, answers and questions known."""
        import_module(f"{self.name}.services")
        import_module(f"{self.name}.queries")
