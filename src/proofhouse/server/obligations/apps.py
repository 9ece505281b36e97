# SPDX-License-Identifier: Apache-2.0
"""Registers the app."""

from importlib import import_module

from django.apps import AppConfig


class ObligationsConfig(AppConfig):
    """Obligations of the own house: profile, evidence, incidents, clocks, filings."""

    name = "proofhouse.server.obligations"
    label = "obligations"

    def ready(self) -> None:
        """Make the desk's acts and questions known."""
        for module in ("services", "bridge_services", "digest_services", "queries"):
            import_module(f"{self.name}.{module}")
