# SPDX-License-Identifier: Apache-2.0
"""Registers the app."""

from importlib import import_module

from django.apps import AppConfig


class ExamsConfig(AppConfig):
    """Sealed banks and signed exam reports."""

    name = "proofhouse.server.exams"
    label = "exams"

    def ready(self) -> None:
        """Make the desk's acts, answers and questions known."""
        import_module(f"{self.name}.services")
        import_module(f"{self.name}.queries")
