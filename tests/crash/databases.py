# SPDX-License-Identifier: Apache-2.0
"""The databases of crash tests: files that are copied, or PostgreSQL databases that are cloned."""

from __future__ import annotations

import itertools
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import psycopg
from django.db import connections
from psycopg import sql

from proofhouse.server.database import default_database
from proofhouse.server.house import House


class Store(Protocol):
    """Where the rows of a house under test lie."""

    def clone(self, original: str, copy: str) -> None:
        """Make the database of the house directory `copy` equal to that of `original`."""

    def drop(self, name: str) -> None:
        """Take the database of a house directory away."""

    def described(self, house: House, name: str) -> dict[str, Any]:
        """Django's description of the database of a house."""


class Files:
    """SQLite: the file lies in the directory and is copied and deleted with it."""

    def clone(self, original: str, copy: str) -> None:
        """Nothing to do."""

    def drop(self, name: str) -> None:
        """Nothing to do."""

    def described(self, house: House, name: str) -> dict[str, Any]:
        """The file of the house, whatever the environment names."""
        url = os.environ.pop("PROOFHOUSE_DATABASE_URL", None)
        try:
            return default_database(house)
        finally:
            if url is not None:
                os.environ["PROOFHOUSE_DATABASE_URL"] = url


_servers = itertools.count()


class Server:
    """PostgreSQL: each house directory has a database that is cloned from its original's by the server."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._prefix = f"crash_{os.getpid()}_{next(_servers)}_"
        self._made: set[str] = set()

    def clone(self, original: str, copy: str) -> None:
        """Clone a database; an empty `original` makes an empty one."""
        template = sql.Identifier(self._prefix + original) if original else sql.Identifier("template0")
        self._run(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                sql.Identifier(self._prefix + copy), template
            )
        )
        self._made.add(copy)

    def drop(self, name: str) -> None:
        """Drop a database, with what a killed process left connected."""
        self._run(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(self._prefix + name))
        )
        self._made.discard(name)

    def drop_all(self) -> None:
        """Drop all that are left."""
        for name in sorted(self._made):
            self.drop(name)

    def described(self, house: House, name: str) -> dict[str, Any]:
        """The cloned database of a house."""
        described = default_database(house)
        described["NAME"] = self._prefix + name
        return described

    def _run(self, statement: sql.Composed) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(statement)


def connect(described: dict[str, Any]) -> Any:
    """Let this process use another database; the connection of its parent is left as it is, neither used nor closed."""
    with suppress(AttributeError):
        _INHERITED.append(connections["default"])
    settings = connections["default"].settings_dict | described
    settings["TEST"] = connections["default"].settings_dict["TEST"]
    kept = connections.settings["default"]
    connections.settings["default"] = settings
    try:
        fresh = connections.create_connection("default")
    finally:
        connections.settings["default"] = kept
    connections["default"] = fresh
    return fresh


_INHERITED: list[Any] = []


def database_file(directory: Path) -> Path:
    """The SQLite file of a house directory."""
    return directory / "db.sqlite3"
