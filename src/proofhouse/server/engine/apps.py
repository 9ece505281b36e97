# SPDX-License-Identifier: Apache-2.0
"""Registers the app."""

from importlib import import_module

from django.apps import AppConfig


class EngineConfig(AppConfig):
    """Acts, ledger entries, letters and the outbox: what every desk stands on."""

    name = "proofhouse.server.engine"
    label = "engine"

    def ready(self) -> None:
        """Make the house's own acts and questions known."""
        import_module(f"{self.name}.services")
        import_module(f"{self.name}.queries")
