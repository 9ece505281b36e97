# SPDX-License-Identifier: Apache-2.0
"""What a bundle says of itself: its files, keys, statements, and what must be true of its ledgers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from proofhouse.attest import KeyProblem, NotCanonical, PublicKey, canonical

FORMAT: Final = "proofhouse-bundle/v1"
TRUST_FORMAT: Final = "proofhouse-trust/v1"
MANIFEST: Final = "MANIFEST.json"
SEAL: Final = "MANIFEST.dsse.json"
PREDICATE_TYPE: Final = "https://proofhouse.dev/bundle/v1"
EXPORT_ROLE: Final = "export"
LETTER_ROLE: Final = "letters"

_NAME = "[A-Za-z0-9_][A-Za-z0-9._-]*"
_LEDGER = f"ledgers/(?P<ledger>{_NAME})"
_ROLES: Final = {
    "key": re.compile(f"keys/{_NAME}\\.json"),
    "policy": re.compile(f"{_LEDGER}/policy"),
    "checkpoint": re.compile(f"{_LEDGER}/checkpoint"),
    "tile": re.compile(f"{_LEDGER}/tile/.+"),
    "inspector-key": re.compile(f"{_LEDGER}/inspector-key"),
    "opening": re.compile(f"{_LEDGER}/openings/[0-9]+\\.json"),
    "receipt": re.compile(f"{_LEDGER}/openings/[0-9]+\\.tlog-proof"),
    "statement": re.compile(f"statements/{_NAME}\\.dsse\\.json"),
    "letter": re.compile(r"letters/[0-9a-f]{64}\.letter\.json"),
    "document": re.compile("documents/.+"),
}


def role_of(path: str) -> tuple[str, str | None]:
    """What a file in a bundle is, by its path, and the ledger that it belongs to, if any.

    Raises:
        BadManifest: No file of a bundle lies there.
    """
    for role, pattern in _ROLES.items():
        if found := pattern.fullmatch(path):
            return role, found.groupdict().get("ledger")
    raise BadManifest(f"no file of a bundle lies at {path}")


T = TypeVar("T")


class BadManifest(ValueError):
    """A manifest, key, opening or trust file has another form; the message names the field."""


@dataclass(frozen=True)
class BundleKey:
    """A public key, the house that it belongs to, and what it signs there.

    Attributes:
        house: Slug of the house.
        name: Name of the key within its house.
        roles: What it signs, for instance `export`, `letters`, `exam`.
        key: The public key.
    """

    house: str
    name: str
    roles: frozenset[str]
    key: PublicKey

    def to_record(self) -> dict[str, Any]:
        """The key as plain data."""
        return {
            "house": self.house,
            "name": self.name,
            "roles": sorted(self.roles),
            "key": self.key.to_record(),
        }

    @classmethod
    def from_record(cls, value: Any, where: str) -> BundleKey:
        """Read plain data.

        Raises:
            BadManifest: Another form.
        """
        fields = _object(value, where, {"house": str, "name": str, "roles": list, "key": dict})
        try:
            key = PublicKey.from_record(fields["key"])
        except KeyProblem as error:
            raise BadManifest(f"{where}.key: {error}") from None
        return cls(
            fields["house"], fields["name"], frozenset(_strings(fields["roles"], f"{where}.roles")), key
        )


@dataclass(frozen=True)
class Event:
    """All records of one kind in one case.

    Attributes:
        kind: Type of the event, as its inspection tag has it.
        case: The case, likewise.
    """

    kind: str
    case: str

    def __str__(self) -> str:
        """For people: `window.open of case …`."""
        return f"{self.kind} of case {self.case}"

    def to_record(self) -> dict[str, str]:
        """The event as plain data."""
        return {"kind": self.kind, "case": self.case}

    @classmethod
    def from_record(cls, value: Any, where: str) -> Event:
        """Read plain data.

        Raises:
            BadManifest: Another form.
        """
        return cls(**_object(value, where, {"kind": str, "case": str}))


@dataclass(frozen=True)
class Order:
    """Every record of one event lies before every record of another in one ledger, and both events occur.

    Attributes:
        ledger: Name of the ledger in the bundle.
        before: The earlier event.
        after: The later event.
    """

    ledger: str
    before: Event
    after: Event

    def to_record(self) -> dict[str, Any]:
        """The rule as plain data."""
        return {"ledger": self.ledger, "before": self.before.to_record(), "after": self.after.to_record()}

    @classmethod
    def from_record(cls, value: Any, where: str) -> Order:
        """Read plain data.

        Raises:
            BadManifest: Another form.
        """
        fields = _object(value, where, {"ledger": str, "before": dict, "after": dict})
        return cls(
            fields["ledger"],
            Event.from_record(fields["before"], f"{where}.before"),
            Event.from_record(fields["after"], f"{where}.after"),
        )


@dataclass(frozen=True)
class Complete:
    """Every leaf of one case, of the kinds named, is opened in full.

    Attributes:
        ledger: Name of the ledger in the bundle.
        case: The case.
        kinds: All kinds that the case can have; a kind that is left out is not looked for.
    """

    ledger: str
    case: str
    kinds: tuple[str, ...]

    def to_record(self) -> dict[str, Any]:
        """The rule as plain data."""
        return {"ledger": self.ledger, "case": self.case, "kinds": sorted(self.kinds)}

    @classmethod
    def from_record(cls, value: Any, where: str) -> Complete:
        """Read plain data.

        Raises:
            BadManifest: Another form.
        """
        fields = _object(value, where, {"ledger": str, "case": str, "kinds": list})
        kinds = _strings(fields["kinds"], f"{where}.kinds")
        if not kinds:
            raise BadManifest(f"{where}.kinds: at least one kind")
        return cls(fields["ledger"], fields["case"], tuple(sorted(kinds)))


@dataclass(frozen=True)
class Link:
    """A field of an opened record holds the digest of a file in the bundle.

    Attributes:
        ledger: Name of the ledger in the bundle.
        event: The record's event; at least one of its records must hold the digest.
        field: Name of the field; its value is the hexadecimal SHA-256 or `{"sha256": …}`.
        file: The file.
        payload: Whether the digest is that of the DSSE payload in the file (as a letter's id is) and not of
            the file itself.
    """

    ledger: str
    event: Event
    field: str
    file: str
    payload: bool = False

    def to_record(self) -> dict[str, Any]:
        """The rule as plain data."""
        return {
            "ledger": self.ledger,
            "event": self.event.to_record(),
            "field": self.field,
            "file": self.file,
            "payload": self.payload,
        }

    @classmethod
    def from_record(cls, value: Any, where: str) -> Link:
        """Read plain data.

        Raises:
            BadManifest: Another form.
        """
        fields = _object(
            value, where, {"ledger": str, "event": dict, "field": str, "file": str, "payload": bool}
        )
        return cls(**{**fields, "event": Event.from_record(fields["event"], f"{where}.event")})


@dataclass(frozen=True)
class Expectations:
    """What must be true of the ledgers in a bundle, as data.

    Attributes:
        order: What must lie before what.
        complete: Of which cases everything must be opened.
        links: Which files the ledger must name.
    """

    order: tuple[Order, ...] = ()
    complete: tuple[Complete, ...] = ()
    links: tuple[Link, ...] = ()

    def to_record(self) -> dict[str, Any]:
        """The expectations as plain data."""
        return {
            "order": [each.to_record() for each in self.order],
            "complete": [each.to_record() for each in self.complete],
            "links": [each.to_record() for each in self.links],
        }

    @classmethod
    def from_record(cls, value: Any, where: str) -> Expectations:
        """Read plain data.

        Raises:
            BadManifest: Another form.
        """
        fields = _object(value, where, {"order": list, "complete": list, "links": list})
        return cls(
            _each(Order.from_record, fields["order"], f"{where}.order"),
            _each(Complete.from_record, fields["complete"], f"{where}.complete"),
            _each(Link.from_record, fields["links"], f"{where}.links"),
        )


@dataclass(frozen=True)
class ListedFile:
    """A file as the manifest lists it.

    Attributes:
        path: Its path in the bundle.
        role: What the file is; it follows from the path (`role_of`).
        sha256: Its digest.
        size_bytes: Its size.
    """

    path: str
    role: str
    sha256: str
    size_bytes: int

    def to_record(self) -> dict[str, Any]:
        """The entry as plain data."""
        return {"path": self.path, "role": self.role, "sha256": self.sha256, "size_bytes": self.size_bytes}

    @classmethod
    def from_record(cls, value: Any, where: str) -> ListedFile:
        """Read plain data.

        Raises:
            BadManifest: Another form.
        """
        listed = cls(**_object(value, where, {"path": str, "role": str, "sha256": str, "size_bytes": int}))
        if role_of(listed.path)[0] != listed.role:
            raise BadManifest(f"{where}.role: {listed.path} is no {listed.role}")
        return listed


@dataclass(frozen=True)
class ListedStatement:
    """A signed statement as the manifest lists it.

    Attributes:
        path: Its path in the bundle.
        house: The house that signed.
        role: The role of the key that signed.
    """

    path: str
    house: str
    role: str

    def to_record(self) -> dict[str, Any]:
        """The entry as plain data."""
        return {"path": self.path, "house": self.house, "role": self.role}

    @classmethod
    def from_record(cls, value: Any, where: str) -> ListedStatement:
        """Read plain data.

        Raises:
            BadManifest: Another form.
        """
        return cls(**_object(value, where, {"path": str, "house": str, "role": str}))


@dataclass(frozen=True)
class Manifest:
    """The bundle's table of contents.

    Attributes:
        exporter: The house that exported.
        exported_at: RFC 3339, UTC, by the exporter's clock.
        ledgers: Origin of each ledger, by its name in the bundle.
        files: Every file but the manifest and its seal, sorted by path.
        statements: Who signed which statement.
        expect: What must be true.
    """

    exporter: str
    exported_at: str
    ledgers: Mapping[str, str]
    files: tuple[ListedFile, ...]
    statements: tuple[ListedStatement, ...]
    expect: Expectations

    def to_json(self) -> bytes:
        """Canonical JSON of the manifest."""
        return canonical(
            {
                "format": FORMAT,
                "exporter": self.exporter,
                "exported_at": self.exported_at,
                "ledgers": dict(self.ledgers),
                "files": [each.to_record() for each in self.files],
                "statements": [each.to_record() for each in self.statements],
                "expect": self.expect.to_record(),
            }
        )

    @classmethod
    def from_json(cls, content: bytes) -> Manifest:
        """Read a manifest.

        Raises:
            BadManifest: Not canonical JSON, or another form.
        """
        fields = _object(
            parse_canonical(content, MANIFEST),
            MANIFEST,
            {
                "format": str,
                "exporter": str,
                "exported_at": str,
                "ledgers": dict,
                "files": list,
                "statements": list,
                "expect": dict,
            },
        )
        if fields["format"] != FORMAT:
            raise BadManifest(f"{MANIFEST}.format: {fields['format']!r} is not {FORMAT!r}")
        _strings(list(fields["ledgers"].values()), f"{MANIFEST}.ledgers")
        manifest = cls(
            fields["exporter"],
            fields["exported_at"],
            fields["ledgers"],
            _each(ListedFile.from_record, fields["files"], f"{MANIFEST}.files"),
            _each(ListedStatement.from_record, fields["statements"], f"{MANIFEST}.statements"),
            Expectations.from_record(fields["expect"], f"{MANIFEST}.expect"),
        )
        paths = [listed.path for listed in manifest.files]
        if paths != sorted(set(paths)):
            raise BadManifest(f"{MANIFEST}.files: not sorted by path, or a path comes twice")
        return manifest


@dataclass(frozen=True)
class Trust:
    """What a verifier knew before the bundle came.

    Attributes:
        keys: Public keys with their houses and roles.
        policies: The policy (C2SP tlog-policy text) for each ledger, by origin.
        inspector_keys: SHA-256 of the inspector key for each ledger, by origin, where the verifier holds one.
        expect: What the verifier itself expects, beside what the bundle says.
    """

    keys: tuple[BundleKey, ...] = ()
    policies: Mapping[str, str] | None = None
    inspector_keys: Mapping[str, str] | None = None
    expect: Expectations = Expectations()

    def to_json(self) -> bytes:
        """Canonical JSON, the form of a `--trust` file."""
        return canonical(
            {
                "format": TRUST_FORMAT,
                "keys": [each.to_record() for each in self.keys],
                "policies": dict(self.policies or {}),
                "inspector_keys": dict(self.inspector_keys or {}),
                "expect": self.expect.to_record(),
            }
        )

    @classmethod
    def from_json(cls, content: bytes) -> Trust:
        """Read a `--trust` file (any JSON spelling).

        Raises:
            BadManifest: Another form.
        """
        try:
            value = json.loads(content)
        except (ValueError, RecursionError):
            raise BadManifest("the trust file is not JSON") from None
        fields = _object(
            value,
            "trust",
            {"format": str, "keys": list, "policies": dict, "inspector_keys": dict, "expect": dict},
        )
        if fields["format"] != TRUST_FORMAT:
            raise BadManifest(f"trust.format: {fields['format']!r} is not {TRUST_FORMAT!r}")
        for name in ("policies", "inspector_keys"):
            _strings(list(fields[name].values()), f"trust.{name}")
        return cls(
            _each(BundleKey.from_record, fields["keys"], "trust.keys"),
            fields["policies"],
            fields["inspector_keys"],
            Expectations.from_record(fields["expect"], "trust.expect"),
        )


def parse_canonical(content: bytes, where: str) -> Any:
    """Parse JSON that must be in its canonical form (RFC 8785).

    Raises:
        BadManifest: It is not.
    """
    try:
        value = json.loads(content)
        again = canonical(value)
    except (NotCanonical, ValueError, RecursionError):
        raise BadManifest(f"{where} is not JSON") from None
    if again != content:
        raise BadManifest(f"{where} is not canonical JSON (RFC 8785)")
    return value


def _object(value: Any, where: str, fields: Mapping[str, type]) -> dict[str, Any]:
    """Check that a value is an object with exactly these fields of these types."""
    if not isinstance(value, dict) or set(value) != set(fields):
        raise BadManifest(f"{where}: an object with exactly {', '.join(sorted(fields))} is needed")
    for name, kind in fields.items():
        if type(value[name]) is not kind:
            raise BadManifest(f"{where}.{name}: {kind.__name__} is needed")
    return value


def _strings(values: list[Any], where: str) -> list[str]:
    if not all(isinstance(value, str) for value in values):
        raise BadManifest(f"{where}: only text is allowed")
    return values


def _each(read: Callable[[Any, str], T], values: list[Any], where: str) -> tuple[T, ...]:
    return tuple(read(value, f"{where}.{number}") for number, value in enumerate(values))
