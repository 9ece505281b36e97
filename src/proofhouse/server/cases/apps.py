# SPDX-License-Identifier: Apache-2.0
"""Registers the app."""

from importlib import import_module

from django.apps import AppConfig


class CasesConfig(AppConfig):
    """Reports, validation, cases, embargoes, vendor answers."""

    name = "proofhouse.server.cases"
    label = "cases"

    def ready(self) -> None:
        """Make the desk's acts, answers, questions and jobs known."""
        for module in (
            "services",
            "intake_services",
            "lease_services",
            "mail_services",
            "merge_services",
            "prove_services",
            "reading_services",
            "queries",
            "tasks",
        ):
            import_module(f"{self.name}.{module}")
