# SPDX-License-Identifier: Apache-2.0
"""Many rows at once: inserted where they are new, brought up to date where they are there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import connection, transaction
from django.db.models import Field, Model


def bulk_upsert(model: type[Model], rows: Iterable[Mapping[str, Any]], key: Sequence[str]) -> int:
    """Do for every row what `update_or_create` does for one, in one transaction and without a query for each.

    SQLite runs one prepared `INSERT … ON CONFLICT`; PostgreSQL takes the rows by `COPY` into a staging table and
    upserts from there. Where two rows have the same key, the later one counts. No signal is sent.

    Args:
        model: Whose rows.
        rows: Values by field name, the same fields in each; what is not given gets its default when the row is new.
        key: Fields with a unique constraint over them, by which a row is known again.

    Returns:
        How many rows were given.

    Raises:
        ValueError: A row has other fields than the first, or lacks a field of the key.
    """
    given = [dict(row) for row in rows]
    if not given:
        return 0
    names = set(given[0])
    if not set(key) <= names or any(set(row) != names for row in given):
        raise ValueError(
            f"{model.__name__}: every row must have the fields of the first, {', '.join(key)} among them"
        )
    fields = [
        each
        for each in model._meta.concrete_fields
        if each.name in names or not (each.primary_key and each.get_internal_type().endswith("AutoField"))
    ]
    columns = ", ".join(_quoted(each.column) for each in fields)
    keys = ", ".join(_quoted(each.column) for each in fields if each.name in key)
    updates = [each.column for each in fields if each.name in names - set(key)]
    settled = ", ".join(f"{_quoted(each)} = excluded.{_quoted(each)}" for each in updates)
    then = f"DO UPDATE SET {settled}" if settled else "DO NOTHING"
    values = [[_value(each, row) for each in fields] for row in given]
    with transaction.atomic(), connection.cursor() as cursor:
        table = _quoted(model._meta.db_table)
        if connection.vendor == "postgresql":
            staging = _quoted(f"new_{model._meta.db_table}")
            cursor.execute(
                f"CREATE TEMP TABLE {staging} ON COMMIT DROP AS SELECT {columns} FROM {table} WITH NO DATA"  # noqa: S608
            )
            cursor.execute(f"ALTER TABLE {staging} ADD COLUMN place bigserial")
            with cursor.copy(f"COPY {staging} ({columns}) FROM STDIN") as copy:
                for row in values:
                    copy.write_row(row)
            cursor.execute(
                f"INSERT INTO {table} ({columns}) SELECT DISTINCT ON ({keys}) {columns} FROM {staging} "  # noqa: S608
                f"ORDER BY {keys}, place DESC ON CONFLICT ({keys}) {then}"
            )
            cursor.execute(f"DROP TABLE {staging}")
        else:
            marks = ", ".join(["%s"] * len(fields))
            cursor.executemany(
                f"INSERT INTO {table} ({columns}) VALUES ({marks}) ON CONFLICT ({keys}) {then}",  # noqa: S608
                values,
            )
    return len(given)


def _quoted(name: str | None) -> str:
    return connection.ops.quote_name(str(name))


def _value(field: Field[Any, Any], row: Mapping[str, Any]) -> Any:
    given = row[field.name] if field.name in row else field.get_default()
    return field.get_db_prep_save(given.pk if isinstance(given, Model) else given, connection)
