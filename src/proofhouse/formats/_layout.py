# SPDX-License-Identifier: Apache-2.0
"""Which file of a provider directory says what: addresses, lists and feeds, computed from the documents."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from proofhouse.attest import canonical
from proofhouse.formats._advisory import Publisher, Tlp
from proofhouse.formats._csaf import csaf_filename
from proofhouse.formats._json import FormatError, JsonObject, rfc3339
from proofhouse.formats._schemas import Schema, check

_Object: TypeAlias = "dict[str, _Value]"
_Value: TypeAlias = "_Object | list[_Value] | str | int | float | bool | None"

CSAF_ROOT = ".well-known/csaf"
WHITE = f"{CSAF_ROOT}/white"
METADATA = f"{CSAF_ROOT}/provider-metadata.json"
METADATA_2_0 = f"{CSAF_ROOT}/v2.0/provider-metadata.json"
FEED = f"{WHITE}/csaf-feed-tlp-white.json"
INDEX = f"{WHITE}/index.txt"
CHANGES = f"{WHITE}/changes.csv"
SECURITY_TXT = ".well-known/security.txt"
OSV = "osv"
OSV_ALL = f"{OSV}/all.json"
SIGNATURE_SUFFIX = ".dsse"
"""Not ``.json``: downloaders take every ``.json`` file below a year for an advisory."""
_CSAF_SCHEMA_URL = "https://docs.oasis-open.org/csaf/csaf/v2.0/csaf_json_schema.json"


def _at(document: JsonObject, *path: str) -> str:
    value: object = document
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    if not isinstance(value, str):
        raise FormatError(f"/{'/'.join(path)}: is missing")
    return value


@dataclass(frozen=True)
class Published:
    """One CSAF document of the white tree, with what the lists say about it."""

    tracking_id: str
    title: str
    summary: str
    initial_release_date: str
    current_release_date: str
    version: str
    tlp: str

    @property
    def path(self) -> str:
        """Path below the white tree: year of the initial release, then the name (CSAF 2.0 §7.1.11)."""
        return f"{self.initial_release_date[:4]}/{csaf_filename(self.tracking_id)}"

    @property
    def moment(self) -> datetime:
        """The current release date as a time."""
        return datetime.fromisoformat(self.current_release_date)


def published(document: JsonObject) -> Published:
    """Take from a schema-checked CSAF document what the lists need.

    Raises:
        FormatError: A field that our documents always have is missing, or its date is a leap second.
    """
    head = document.get("document")
    notes = head.get("notes") if isinstance(head, dict) else None
    summaries = [
        str(note["text"])
        for note in (notes if isinstance(notes, list) else [])
        if isinstance(note, dict) and note.get("category") == "summary"
    ]
    current = _at(document, "document", "tracking", "current_release_date")
    try:
        datetime.fromisoformat(current)
    except ValueError:
        raise FormatError(f"/document/tracking/current_release_date: {current!r} cannot be read") from None
    return Published(
        tracking_id=_at(document, "document", "tracking", "id"),
        title=_at(document, "document", "title"),
        summary=summaries[0] if summaries else _at(document, "document", "title"),
        initial_release_date=_at(document, "document", "tracking", "initial_release_date"),
        current_release_date=current,
        version=_at(document, "document", "tracking", "version"),
        tlp=_at(document, "document", "distribution", "tlp", "label"),
    )


def newest_first(documents: Sequence[Published]) -> list[Published]:
    """The order of changes.csv and the feed; equal times are ordered by path."""
    return sorted(sorted(documents, key=lambda item: item.path), key=lambda item: item.moment, reverse=True)


def index_txt(documents: Sequence[Published]) -> bytes:
    """The list of all documents (CSAF 2.0 §7.1.12)."""
    return "".join(f"{item.path}\n" for item in sorted(documents, key=lambda item: item.path)).encode()


def changes_csv(documents: Sequence[Published]) -> bytes:
    """Path and current release date of all documents, newest first, quoted (CSAF 2.0 §7.1.13)."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows((item.path, item.current_release_date) for item in newest_first(documents))
    return text.getvalue().encode()


def _entry(base_url: str, item: Published) -> _Object:
    url = f"{base_url}/{WHITE}/{item.path}"
    return {
        "id": item.tracking_id,
        "title": item.title,
        "link": [
            {"rel": "self", "href": url},
            {"rel": "hash", "href": f"{url}.sha256"},
            {"rel": "hash", "href": f"{url}.sha512"},
            {"rel": "signature", "href": f"{url}{SIGNATURE_SUFFIX}"},
        ],
        "published": item.initial_release_date,
        "updated": item.current_release_date,
        "summary": {"content": item.summary},
        "content": {"type": "application/json", "src": url},
        "format": {"schema": _CSAF_SCHEMA_URL, "version": "2.0"},
    }


def rolie_feed(base_url: str, publisher_name: str, documents: Sequence[Published]) -> bytes:
    """The ROLIE feed of the white tree (CSAF 2.0 §7.1.15), as new as its newest document.

    Raises:
        SchemaError: The result breaks the ROLIE schema, as with a base URL that is not https.
    """
    ordered = newest_first(documents)
    feed: _Object = {
        "feed": {
            "id": "csaf-feed-tlp-white",
            "title": f"{publisher_name}: CSAF feed (TLP:WHITE)",
            "link": [{"rel": "self", "href": f"{base_url}/{FEED}"}],
            "category": [{"scheme": "urn:ietf:params:rolie:category:information-type", "term": "csaf"}],
            "updated": ordered[0].current_release_date,
            "entry": [_entry(base_url, item) for item in ordered],
        }
    }
    check(feed, Schema.ROLIE_FEED)
    return canonical(feed)


def provider_metadata(base_url: str, publisher: Publisher, updated: datetime) -> bytes:
    """The provider metadata (CSAF 2.0 §7.1.7).

    The role is ``csaf_provider``: a trusted provider also signs with OpenPGP (§7.1.19).

    Raises:
        SchemaError: The result breaks the schema.
    """
    person: _Object = {
        "category": publisher.category,
        "name": publisher.name,
        "namespace": publisher.namespace,
        "contact_details": publisher.contact,
    }
    if publisher.issuing_authority:
        person["issuing_authority"] = publisher.issuing_authority
    feed: _Object = {
        "summary": f"All TLP:{Tlp.WHITE} advisories of {publisher.name}.",
        "tlp_label": Tlp.WHITE.value,
        "url": f"{base_url}/{FEED}",
    }
    metadata: _Object = {
        "canonical_url": f"{base_url}/{METADATA}",
        "distributions": [{"directory_url": f"{base_url}/{WHITE}/"}, {"rolie": {"feeds": [feed]}}],
        "last_updated": rfc3339(updated),
        "list_on_CSAF_aggregators": True,
        "metadata_version": "2.0",
        "mirror_on_CSAF_aggregators": True,
        "publisher": person,
        "role": "csaf_provider",
    }
    check(metadata, Schema.CSAF_PROVIDER_2_0)
    return canonical(metadata)


def security_txt(base_url: str, contact_url: str, expires: datetime) -> bytes:
    """The security.txt file (RFC 9116 §2.5) with the address of the provider metadata (CSAF 2.0 §7.1.8)."""
    lines = (
        f"Contact: {contact_url}",
        f"Expires: {expires:%Y-%m-%dT%H:%M:%SZ}",
        f"Canonical: {base_url}/{SECURITY_TXT}",
        f"CSAF: {base_url}/{METADATA}",
    )
    return "".join(f"{line}\n" for line in lines).encode()


def osv_all(records: Sequence[JsonObject]) -> bytes:
    """Id and last change of every OSV record, by id, for clients that fetch what is new."""
    rows: list[_Value] = [
        {"id": str(record["id"]), "modified": str(record["modified"])}
        for record in sorted(records, key=lambda record: str(record["id"]))
    ]
    return canonical(rows)
