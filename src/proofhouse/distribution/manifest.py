# SPDX-License-Identifier: Apache-2.0
"""The director's manifest and revocation list: what an audience may install (docs/spec/manifest.md).

Reading is strict. A field that this version does not know, a missing one or a value out of range refuses the
whole document with the field's name, because an agent that skips what it does not understand may skip a
brake.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal, get_args

from proofhouse.attest import canonical
from proofhouse.distribution.errors import ManifestRefused
from proofhouse.distribution.paths import PatchPath, is_slug
from proofhouse.distribution.rings import RINGS, RingStep

MANIFEST_FORMAT: Final = "proofhouse-manifest/1"
REVOCATIONS_FORMAT: Final = "proofhouse-revocations/1"
MANIFEST_PATH: Final = "manifest.json"
REVOCATIONS_PATH: Final = "revocations.json"
MAX_TEXT_CHARACTERS: Final = 2_000
MAX_LIST_ENTRIES: Final = 1_000

Tlp = Literal["TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED"]

_ITEM_ID: Final = re.compile(r"[0-9a-f]{32}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_ADVISORY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_PURL: Final = re.compile(r"pkg:[A-Za-z0-9.+-]+/[!-~]{1,512}")
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_MAX_INTEGER: Final = 2**53 - 1


@dataclass(frozen=True, slots=True)
class ImageFile:
    """The vendor's file that an item releases."""

    path: str
    sha256: str
    length_bytes: int


@dataclass(frozen=True, slots=True)
class Revocation:
    """When and why an item was taken back."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Item:
    """One patch as directed to one audience.

    Attributes:
        id: 32 hex digits, drawn at random: it tells an onlooker nothing.
        version: 1 at first, one more whenever the director amends the item.
        image: the file that vendor and director must name alike.
        advisory: the advisory that the patch answers.
        tlp: how far the item may be passed on.
        rings: the roll-out plan.
        not_before: nobody installs earlier, whatever the plan says.
        deadline: when the audience is asked to be done; None where none is set.
        products: package URLs without version; empty means every member of the audience.
        supersedes: ids of items that this one replaces.
        mitigation: what helps where the patch cannot be installed; shown, never run.
        expedite: exploitation is known, the ring plan is skipped.
        revoked: set when the item was taken back.
    """

    id: str
    image: ImageFile
    advisory: str
    tlp: Tlp
    rings: tuple[RingStep, ...]
    not_before: datetime
    deadline: datetime | None = None
    products: tuple[str, ...] = ()
    supersedes: tuple[str, ...] = ()
    mitigation: str | None = None
    expedite: bool = False
    revoked: Revocation | None = None
    version: int = 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """All items of an audience at one moment; `version` rises by one with each publication."""

    audience: str
    version: int
    issued: datetime
    items: tuple[Item, ...] = field(default=())

    def item(self, item_id: str) -> Item | None:
        """The item with this id, or None."""
        return next((item for item in self.items if item.id == item_id), None)

    def with_item(self, item: Item) -> tuple[Item, ...]:
        """The items with `item` in place of the one with its id, or added at the end."""
        if self.item(item.id) is None:
            return (*self.items, item)
        return tuple(item if old.id == item.id else old for old in self.items)

    def to_json(self) -> bytes:
        """The canonical bytes (RFC 8785) that are published."""
        return canonical(
            {
                "format": MANIFEST_FORMAT,
                "audience": self.audience,
                "version": self.version,
                "issued": moment_text(self.issued),
                "items": [_item_record(item) for item in self.items],
            }
        )

    def revocations(self) -> bytes:
        """The revocation list that is published beside this manifest, canonical bytes."""
        return canonical(
            {
                "format": REVOCATIONS_FORMAT,
                "audience": self.audience,
                "version": self.version,
                "revoked": [
                    {
                        "item": item.id,
                        "sha256": item.image.sha256,
                        "at": moment_text(item.revoked.at),
                        "reason": item.revoked.reason,
                    }
                    for item in self.items
                    if item.revoked is not None
                ],
            }
        )

    @classmethod
    def from_json(cls, content: bytes) -> Manifest:
        """Read a manifest.

        Args:
            content: the bytes of `manifest.json`.

        Returns:
            The manifest; items have distinct ids.

        Raises:
            ManifestRefused: the bytes are not a manifest of this format; the message names the field.
        """
        top = _document(content, "manifest", MANIFEST_FORMAT)
        manifest = cls(
            audience=top.slug("audience"),
            version=top.integer("version", 1),
            issued=top.moment("issued"),
            items=tuple(_read_item(entry) for entry in top.records("items")),
        )
        top.close()
        if len({item.id for item in manifest.items}) != len(manifest.items):
            raise ManifestRefused("manifest: items: two items share an id")
        return manifest


@dataclass(frozen=True, slots=True)
class RevocationList:
    """Items taken back, also such as the manifest no longer lists."""

    audience: str
    version: int
    revoked: Mapping[str, Revocation]

    @classmethod
    def from_json(cls, content: bytes) -> RevocationList:
        """Read a revocation list.

        Raises:
            ManifestRefused: the bytes are not a revocation list of this format; the message names the field.
        """
        top = _document(content, "revocations", REVOCATIONS_FORMAT)
        revoked: dict[str, Revocation] = {}
        for entry in top.records("revoked"):
            entry.matching("sha256", _SHA256)
            item_id = entry.matching("item", _ITEM_ID)
            revoked[item_id] = Revocation(entry.moment("at"), entry.text("reason"))
            entry.close()
        found = cls(top.slug("audience"), top.integer("version", 1), revoked)
        top.close()
        return found


def check_item(item: Item) -> Item:
    """Hold an item, however it was made, against the rules that a reader applies.

    Raises:
        ManifestRefused: the item breaks a rule; the message names the field.
    """
    return _read_item(_Fields(_item_record(item), "item"))


def revoke(item: Item, revocation: Revocation) -> Item:
    """The item, taken back; its version rises."""
    return replace(item, revoked=revocation, version=item.version + 1)


def moment_text(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds and `Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def read_moment(text: str) -> datetime:
    """The aware time that `moment_text` wrote.

    Raises:
        ValueError: another form.
    """
    if not _MOMENT.fullmatch(text):
        raise ValueError(f"{text!r} is not a time like 2026-11-24T12:00:00.000000Z")
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


def _item_record(item: Item) -> dict[str, Any]:
    return {
        "id": item.id,
        "version": item.version,
        "image": {
            "path": item.image.path,
            "sha256": item.image.sha256,
            "length": item.image.length_bytes,
        },
        "advisory": item.advisory,
        "tlp": item.tlp,
        "rings": [
            {"ring": step.ring, "opens": moment_text(step.opens), "percent": step.percent}
            for step in item.rings
        ],
        "not_before": moment_text(item.not_before),
        "deadline": None if item.deadline is None else moment_text(item.deadline),
        "products": list(item.products),
        "supersedes": list(item.supersedes),
        "mitigation": item.mitigation,
        "expedite": item.expedite,
        "revoked": None
        if item.revoked is None
        else {"at": moment_text(item.revoked.at), "reason": item.revoked.reason},
    }


def _read_item(entry: _Fields) -> Item:
    image = entry.record("image")
    item = Item(
        id=entry.matching("id", _ITEM_ID),
        version=entry.integer("version", 1),
        image=ImageFile(image.patch_path("path"), image.matching("sha256", _SHA256), image.integer("length")),
        advisory=entry.matching("advisory", _ADVISORY),
        tlp=entry.tlp("tlp"),
        rings=tuple(_read_step(step) for step in entry.records("rings")),
        not_before=entry.moment("not_before"),
        deadline=entry.optional_moment("deadline"),
        products=entry.matching_each("products", _PURL),
        supersedes=entry.matching_each("supersedes", _ITEM_ID),
        mitigation=entry.optional_text("mitigation"),
        expedite=entry.boolean("expedite"),
        revoked=_read_revocation(entry.optional_record("revoked")),
    )
    image.close()
    entry.close()
    return item


def _read_step(entry: _Fields) -> RingStep:
    step = RingStep(
        entry.integer("ring", RINGS[0], RINGS[-1]), entry.moment("opens"), entry.integer("percent", 0, 100)
    )
    entry.close()
    return step


def _read_revocation(entry: _Fields | None) -> Revocation | None:
    if entry is None:
        return None
    revocation = Revocation(entry.moment("at"), entry.text("reason"))
    entry.close()
    return revocation


def _document(content: bytes, name: str, expected_format: str) -> _Fields:
    try:
        value = json.loads(content, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise ManifestRefused(f"{name}: not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ManifestRefused(f"{name}: not a JSON object")
    top = _Fields(value, name)
    found = top.take("format")
    if found != expected_format:
        raise ManifestRefused(f"{name}: format is {found!r}, this agent reads {expected_format!r}: update it")
    return top


def _without_duplicates(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for name, value in pairs:
        if name in record:
            raise ValueError(f"field {name!r} occurs twice")
        record[name] = value
    return record


class _Fields:
    """The fields of one JSON object, each read once; `close` refuses what nobody asked for."""

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self._values = dict(values)
        self._where = where

    def refuse(self, name: str, expected: str) -> ManifestRefused:
        return ManifestRefused(f"{self._where}: {name}: expected {expected}")

    def take(self, name: str) -> Any:
        try:
            return self._values.pop(name)
        except KeyError:
            raise ManifestRefused(f"{self._where}: {name}: missing") from None

    def close(self) -> None:
        if self._values:
            unknown = ", ".join(sorted(self._values))
            raise ManifestRefused(f"{self._where}: unknown field {unknown}: update the agent")

    def integer(self, name: str, least: int = 0, most: int = _MAX_INTEGER) -> int:
        value = self.take(name)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.refuse(name, f"an integer from {least} to {most}")
        return value

    def boolean(self, name: str) -> bool:
        value = self.take(name)
        if not isinstance(value, bool):
            raise self.refuse(name, "true or false")
        return value

    def text(self, name: str) -> str:
        value = self.take(name)
        if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT_CHARACTERS:
            raise self.refuse(name, f"text of 1 to {MAX_TEXT_CHARACTERS} characters")
        return value

    def optional_text(self, name: str) -> str | None:
        return None if self._took_null(name) else self.text(name)

    def matching(self, name: str, pattern: re.Pattern[str]) -> str:
        value = self.take(name)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise self.refuse(name, f"text like {pattern.pattern}")
        return value

    def matching_each(self, name: str, pattern: re.Pattern[str]) -> tuple[str, ...]:
        value = self.take(name)
        if not isinstance(value, list) or len(value) > MAX_LIST_ENTRIES:
            raise self.refuse(name, f"a list of at most {MAX_LIST_ENTRIES} entries")
        if not all(isinstance(entry, str) and pattern.fullmatch(entry) for entry in value):
            raise self.refuse(name, f"entries like {pattern.pattern}")
        return tuple(value)

    def slug(self, name: str) -> str:
        value = self.take(name)
        if not isinstance(value, str) or not is_slug(value):
            raise self.refuse(name, "lower-case letters, digits and inner hyphens, at most 63")
        return value

    def patch_path(self, name: str) -> str:
        value = self.take(name)
        try:
            return str(PatchPath.parse(value))
        except (ValueError, AttributeError):
            raise self.refuse(name, "gNN/vendor/patches/name") from None

    def tlp(self, name: str) -> Tlp:
        value = self.take(name)
        for label in get_args(Tlp):
            if value == label:
                return label  # type: ignore[no-any-return]  # get_args loses the literal's type
        raise self.refuse(name, f"one of {', '.join(get_args(Tlp))}")

    def moment(self, name: str) -> datetime:
        value = self.take(name)
        try:
            return read_moment(value)
        except (ValueError, TypeError):
            raise self.refuse(name, "a time like 2026-11-24T12:00:00.000000Z") from None

    def optional_moment(self, name: str) -> datetime | None:
        return None if self._took_null(name) else self.moment(name)

    def record(self, name: str) -> _Fields:
        value = self.take(name)
        if not isinstance(value, dict):
            raise self.refuse(name, "an object")
        return _Fields(value, f"{self._where}.{name}")

    def optional_record(self, name: str) -> _Fields | None:
        return None if self._took_null(name) else self.record(name)

    def records(self, name: str) -> list[_Fields]:
        value = self.take(name)
        if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
            raise self.refuse(name, "a list of objects")
        return [_Fields(entry, f"{self._where}.{name}[{number}]") for number, entry in enumerate(value)]

    def _took_null(self, name: str) -> bool:
        return name in self._values and self._values[name] is None and self._values.pop(name) is None
