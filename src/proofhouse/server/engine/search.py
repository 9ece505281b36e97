# SPDX-License-Identifier: Apache-2.0
"""Full-text search over what desks offer, behind the gate.

A desk says what a record is found by (`searchable`). The words are kept in `SearchText` in the transaction that saves
the record; SQLite finds them through FTS5, PostgreSQL through a GIN index. Both are given the same words, folded here
(no case, no diacritics, each Chinese, Japanese or Korean character a word of its own), so both find the same. What is
typed is taken for words only: there is no query language, hence no wrong query. Hits are rows that the person may see.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Model
from django.db.models.signals import post_delete, post_save

from proofhouse.server.accounts.gate import visible
from proofhouse.server.accounts.models import Person
from proofhouse.server.engine.acts import question
from proofhouse.server.engine.bulk import bulk_upsert
from proofhouse.server.engine.models import SearchText

TERMS = 12
"""So many words of a question count."""

CANDIDATES = 5_000
"""So many of the best matches are shown to the gate; a house has more only for words that say nothing."""

_WORD = re.compile(r"[^\W_]+")
_OWN_WORD = re.compile(r"([぀-ヿ㐀-䶿一-鿿가-힯豈-﫿])")


@dataclass(frozen=True)
class Searchable:
    """What a desk lets be searched.

    Attributes:
        model: Whose records.
        title: What a hit is called.
        words: What a record is found by.
        address: Where its page is.
    """

    model: type[Model]
    title: Callable[[Any], str]
    words: Callable[[Any], Iterable[str]]
    address: Callable[[Any], str]


@dataclass(frozen=True)
class Hit:
    """One record that was found."""

    kind: str
    id: str
    title: str
    address: str


_KINDS: dict[str, Searchable] = {}


def searchable(each: Searchable) -> None:
    """Let the records of a model be found; from now on saving one keeps its words."""
    label = each.model._meta.label
    _KINDS[label] = each
    post_save.connect(_keep, sender=each.model, dispatch_uid=f"search {label}")
    post_delete.connect(_forget, sender=each.model, dispatch_uid=f"search {label}")


def fold(text: str) -> str:
    """Words without case and diacritics, one space between them."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(each for each in plain if not unicodedata.combining(each))
    apart = _OWN_WORD.sub(r" \1 ", unicodedata.normalize("NFKC", plain))
    return " ".join(_WORD.findall(apart))


def _row(record: Model) -> dict[str, Any]:
    kind = _KINDS[record._meta.label]
    return {"label": record._meta.label, "key": str(record.pk), "text": fold(" ".join(kind.words(record)))}


def _keep(instance: Model, **_: Any) -> None:
    bulk_upsert(SearchText, [_row(instance)], key=("label", "key"))


def _forget(instance: Model, **_: Any) -> None:
    SearchText.objects.filter(label=instance._meta.label, key=str(instance.pk)).delete()


def keep_all() -> int:
    """Keep the words of every record that has none yet: of a house that is older than its search."""
    kept = 0
    for label, kind in _KINDS.items():
        known = set(SearchText.objects.filter(label=label).values_list("key", flat=True))
        records = kind.model._default_manager.iterator(chunk_size=1_000)
        kept += bulk_upsert(
            SearchText, (_row(one) for one in records if str(one.pk) not in known), ("label", "key")
        )
    return kept


@question
def search(*, actor: Person, text: str) -> dict[str, Any]:
    """What a person finds by some words, best first: `found` counts what this person may see, `hits` shows 50."""
    found = hits(actor, text)
    return {
        "found": len(found),
        "hits": [
            {"kind": one.kind, "id": one.id, "title": one.title, "address": one.address} for one in found[:50]
        ],
    }


def hits(actor: Person, text: str) -> list[Hit]:
    """The records that hold every word, the last one as a beginning; those that this person may see, best first."""
    terms = fold(text).split()[:TERMS]
    if not terms:
        return []
    matches = _matches(terms)
    there: dict[tuple[str, str], Model] = {}
    for label, kind in _KINDS.items():
        keys = [key for each, key in matches if each == label]
        if keys:
            there |= {(label, str(row.pk)): row for row in visible(actor, kind.model).filter(pk__in=keys)}
    return [
        Hit(str(kind.model._meta.verbose_name), key, kind.title(row), kind.address(row))
        for label, key in matches
        if (row := there.get((label, key))) is not None
        for kind in [_KINDS[label]]
    ]


def _matches(terms: list[str]) -> list[tuple[str, str]]:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            asked = " & ".join(f"'{each}'" for each in terms) + ":*"
            vector = "array_to_tsvector(string_to_array(text, ' '))"
            cursor.execute(
                f"SELECT label, key FROM engine_searchtext WHERE {vector} @@ %s::tsquery "  # noqa: S608 - constants
                f"ORDER BY length(text), id DESC LIMIT %s",
                [asked, CANDIDATES],
            )
        else:
            asked = " ".join(f'"{each}"' for each in terms) + " *"
            cursor.execute(
                "SELECT label, key FROM engine_searchwords JOIN engine_searchtext ON id = engine_searchwords.rowid "
                "WHERE engine_searchwords MATCH %s ORDER BY length(engine_searchtext.text), id DESC LIMIT %s",
                [asked, CANDIDATES],
            )
        return [(str(label), str(key)) for label, key in cursor.fetchall()]
