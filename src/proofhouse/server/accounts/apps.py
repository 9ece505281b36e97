# SPDX-License-Identifier: Apache-2.0
"""Registers the app."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People, roles and the gate."""

    name = "proofhouse.server.accounts"
    label = "accounts"
