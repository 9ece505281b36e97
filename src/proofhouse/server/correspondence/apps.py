# SPDX-License-Identifier: Apache-2.0
"""Registers the app and its acts."""

from django.apps import AppConfig


class CorrespondenceConfig(AppConfig):
    """Letters, keys, hosted organisations."""

    name = "proofhouse.server.correspondence"
    label = "correspondence"

    def ready(self) -> None:
        """Register the acts."""
        from proofhouse.server.correspondence import services  # noqa: F401 - importing registers
