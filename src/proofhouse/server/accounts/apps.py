# SPDX-License-Identifier: Apache-2.0
"""Registers the app."""

from importlib import import_module

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People, roles and the gate."""

    name = "proofhouse.server.accounts"
    label = "accounts"

    def ready(self) -> None:
        """Make the acts, questions and rules known."""
        import_module(f"{self.name}.services")
        import_module(f"{self.name}.queries")
