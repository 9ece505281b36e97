# SPDX-License-Identifier: Apache-2.0
"""Where a house keeps its rows: its own SQLite file, or a PostgreSQL database that is named by URL.

`PROOFHOUSE_DATABASE_URL` comes first, then `database` in `house.toml`, then the SQLite file. One database holds one
house. A thread keeps its connection for as long as it lives: on SQLite, opening one costs more than most acts.
"""

from __future__ import annotations

import os
from typing import Any

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from proofhouse.server.house import House, HouseError

_DJANGO_NAMES = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}


def default_database(house: House | None) -> dict[str, Any]:
    """Django's description of the database of a house; in memory outside a house and without a URL.

    Raises:
        HouseError: The URL is not a PostgreSQL connection URL.
    """
    url = os.environ.get("PROOFHOUSE_DATABASE_URL") or (house.database_url if house else "")
    return postgresql(url) if url else sqlite(str(house.database) if house else ":memory:")


def postgresql(url: str) -> dict[str, Any]:
    """Django's description of a PostgreSQL database.

    Args:
        url: A libpq connection URL, `postgresql://user:password@host:port/name?option=value`.

    Raises:
        HouseError: It is not one, or it names no database.
    """
    if not url.startswith(("postgresql://", "postgres://")):
        raise HouseError(f"database {url.split(':', 1)[0]}:…: expected postgresql://user@host/name")
    try:
        parts = conninfo_to_dict(url)
    except ProgrammingError as wrong:
        raise HouseError(f"the database URL cannot be read: {str(wrong).strip()}") from None
    if not parts.get("dbname"):
        raise HouseError("the database URL names no database: postgresql://user@host/NAME")
    described: dict[str, Any] = {
        "ENGINE": "django.db.backends.postgresql",
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {},
    }
    for name, value in parts.items():
        if name in _DJANGO_NAMES:
            described[_DJANGO_NAMES[name]] = str(value)
        else:
            described["OPTIONS"][name] = value
    return described


def sqlite(name: str) -> dict[str, Any]:
    """Django's description of an SQLite file."""
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": name,
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            # A legal record must survive a power cut: FULL, and writers queue instead of failing.
            "transaction_mode": "IMMEDIATE",
            "init_command": (
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=30000; "
                "PRAGMA foreign_keys=ON;"
            ),
        },
    }
