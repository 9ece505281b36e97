# SPDX-License-Identifier: Apache-2.0
"""Django's settings for what a house uses outside itself: a mail server, an OpenID Connect provider."""

from __future__ import annotations

from typing import Any

from proofhouse.server.house import House

PROVIDER = "oidc"
"""The one provider of a house, in addresses and in linked accounts."""


def mail_settings(house: House | None) -> dict[str, Any]:
    """Which of Django's e-mail backends a house uses, with its settings."""
    if house is None:
        return {"EMAIL_BACKEND": "django.core.mail.backends.locmem.EmailBackend"}
    if house.mail_server is None:
        host = house.address.split("://", 1)[1].split(":")[0]
        return {
            "EMAIL_BACKEND": "django.core.mail.backends.filebased.EmailBackend",
            "EMAIL_FILE_PATH": str(house.mail),
            "DEFAULT_FROM_EMAIL": f"{house.name}@{host}",
        }
    server = house.mail_server
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": server.host,
        "EMAIL_PORT": server.port,
        "EMAIL_HOST_USER": server.user,
        "EMAIL_HOST_PASSWORD": _secret(house, server.password_file) if server.password_file else "",
        "EMAIL_USE_TLS": server.host not in ("localhost", "127.0.0.1"),
        "EMAIL_TIMEOUT": 10,
        "DEFAULT_FROM_EMAIL": server.sender,
    }


def openid_connect(house: House | None) -> dict[str, Any]:
    """Allauth's description of a house's provider; without one, of none."""
    if house is None or house.provider is None:
        return {"APPS": []}
    provider = house.provider
    app = {
        "provider_id": PROVIDER,
        "name": provider.title,
        "client_id": provider.client_id,
        "secret": _secret(house, provider.secret_file),
        "settings": {"server_url": provider.issuer, "oauth_pkce_enabled": True},
    }
    return {"APPS": [app]}


def _secret(house: House, name: str) -> str:
    return (house.keys / name).read_text(encoding="utf-8").strip()
