# SPDX-License-Identifier: Apache-2.0
"""Registers the app."""

from importlib import import_module

from django.apps import AppConfig


class OversightConfig(AppConfig):
    """What the inspector and the public may see."""

    name = "proofhouse.server.oversight"
    label = "oversight"

    def ready(self) -> None:
        """Make the desk's acts, answers, questions and jobs known."""
        import_module(f"{self.name}.services")
        import_module(f"{self.name}.queries")
        import_module(f"{self.name}.tasks")
