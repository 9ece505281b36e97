# SPDX-License-Identifier: Apache-2.0
"""What an advisory says of one package: which it is and which versions have the flaw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, cmp_to_key
from typing import Any, TypeAlias

from packageurl import PackageURL
from univers.version_range import InvalidVersionRange, VersionRange

from proofhouse.formats import JsonObject, JsonValue
from proofhouse.matching._versions import Version, parse, scheme_of

# OSV ecosystem → purl type and namespace (OSV 1.7.5, "affected[].package"; purl-spec types).
_ECOSYSTEMS: Mapping[str, tuple[str, str | None]] = {
    "AlmaLinux": ("rpm", "almalinux"),
    "Alpine": ("apk", "alpine"),
    "crates.io": ("cargo", None),
    "Debian": ("deb", "debian"),
    "Go": ("golang", None),
    "Hex": ("hex", None),
    "Maven": ("maven", None),
    "npm": ("npm", None),
    "NuGet": ("nuget", None),
    "Packagist": ("composer", None),
    "Pub": ("pub", None),
    "PyPI": ("pypi", None),
    "Red Hat": ("rpm", "redhat"),
    "Rocky Linux": ("rpm", "rocky-linux"),
    "RubyGems": ("gem", None),
    "Ubuntu": ("deb", "ubuntu"),
}


@dataclass(frozen=True)
class Event:
    """A point on a version line (OSV 1.7.5, ``events``)."""

    kind: str
    """``introduced``, ``fixed``, ``last_affected`` or ``limit``."""
    version: str


@dataclass(frozen=True)
class OsvRange:
    """Versions between events."""

    kind: str
    """``ECOSYSTEM``, ``SEMVER`` or ``GIT``."""
    events: tuple[Event, ...]

    def contains(self, version: Version) -> bool | None:
        """Whether a version is inside; None when it cannot be compared (OSV 1.7.5, "Evaluation")."""
        line = self._line(version)
        if line is None:
            return None
        inside = False
        for kind, point in line:
            reached = point is None or not version.before(point)
            if kind == "introduced" and reached:
                inside = True
            elif (kind == "fixed" and reached) or (
                kind == "last_affected" and point and point.before(version)
            ):
                inside = False
        limits = [event for event in self.events if event.kind == "limit" and event.version != "*"]
        points = [parse(event.version, version.scheme) for event in limits]
        if None in points:
            return None
        return inside and (not limits or any(point and version.before(point) for point in points))

    def _line(self, version: Version) -> list[tuple[str, Version | None]] | None:
        """Events in order of their versions; None stands for the beginning of time."""
        if self.kind == "GIT" or (self.kind == "SEMVER" and version.scheme != "semver"):
            return None
        starts: list[tuple[str, Version | None]] = []
        rest: list[tuple[str, Version]] = []
        for event in self.events:
            if event.kind == "limit":
                continue
            if event.kind == "introduced" and event.version == "0":
                starts.append((event.kind, None))
                continue
            point = parse(event.version, version.scheme)
            if point is None:
                return None
            rest.append((event.kind, point))
        return starts + _in_order(rest)

    def without_epochs(self) -> OsvRange:
        """The same range with the epochs taken off its versions."""
        return OsvRange(self.kind, tuple(Event(event.kind, _bare(event.version)) for event in self.events))

    def describe(self) -> str:
        """The range in words."""
        words = {"introduced": "from", "fixed": "fixed in", "last_affected": "up to", "limit": "below"}
        points = (
            (words.get(event.kind, event.kind), "the beginning" if event.version == "0" else event.version)
            for event in self.events
        )
        return ", ".join(f"{word} {point}" for word, point in points)

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions that bound it."""
        return tuple(event.version for event in self.events)


def _in_order(points: list[tuple[str, Version]]) -> list[tuple[str, Version | None]]:
    """Sort events by version; at one version a fix comes before an introduction, which then counts."""
    rank = {"fixed": 0, "introduced": 1, "last_affected": 2}

    def compare(left: tuple[str, Version], right: tuple[str, Version]) -> int:
        if left[1].before(right[1]):
            return -1
        if right[1].before(left[1]):
            return 1
        return rank.get(left[0], 3) - rank.get(right[0], 3)

    return [*sorted(points, key=cmp_to_key(compare))]


def _bare(version: str) -> str:
    head, colon, tail = version.partition(":")
    return tail if colon and head.isdigit() else version


@dataclass(frozen=True)
class VersRange:
    """A range in ``vers:`` notation, such as ``vers:deb/<2.9.14+dfsg-1.3~deb12u3``."""

    text: str

    @cached_property
    def _parsed(self) -> Any:
        try:
            return VersionRange.from_string(self.text)  # type: ignore[no-untyped-call]  # no types there
        except (InvalidVersionRange, ValueError, KeyError):
            return None

    def contains(self, version: Version) -> bool | None:
        """Whether a version is inside; None when the range cannot be read or is of another scheme."""
        scheme = scheme_of(self.text.removeprefix("vers:").partition("/")[0])
        if self._parsed is None or scheme != version.scheme:
            return None
        if any(parse(bound, version.scheme) is None for bound in self.versions):
            return None
        return bool(self._parsed.version_class(version.text) in self._parsed)

    def without_epochs(self) -> VersRange:
        """The same range with the epochs taken off its versions."""
        head, _, constraints = self.text.partition("/")
        parts = [part.strip() for part in constraints.split("|")]
        signs = [part[: len(part) - len(part.lstrip("<>=!"))] for part in parts]
        bare = [sign + _bare(part[len(sign) :]) for sign, part in zip(signs, parts, strict=True)]
        return VersRange(f"{head}/{'|'.join(bare)}")

    def describe(self) -> str:
        """The range as written."""
        return self.text

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions that bound it."""
        if self._parsed is None:
            return ()
        return tuple(str(constraint.version.string) for constraint in self._parsed.constraints)


Range: TypeAlias = OsvRange | VersRange


@dataclass(frozen=True)
class Affected:
    """One package of an advisory."""

    name: str
    purl: PackageURL | None
    """Package URL without version; None when the advisory gives nothing that identifies the package."""
    ecosystem: str = ""
    """OSV ecosystem with its suffix, such as ``Debian:12``."""
    ranges: tuple[Range, ...] = ()
    versions: tuple[str, ...] = ()
    """Versions listed one by one."""

    @property
    def release_text(self) -> str:
        """What says the release of a distribution: the ecosystem's suffix, or the purl's ``distro``."""
        suffix = self.ecosystem.partition(":")[2]
        if suffix or self.purl is None or not isinstance(self.purl.qualifiers, dict):
            return suffix
        return str(self.purl.qualifiers.get("distro", ""))

    @property
    def fixed(self) -> tuple[str, ...]:
        """Versions that mend the flaw, as far as the ranges name them."""
        return tuple(
            event.version
            for one in self.ranges
            if isinstance(one, OsvRange) and one.kind != "GIT"
            for event in one.events
            if event.kind == "fixed"
        )


def parse_purl(text: str) -> PackageURL | None:
    """Read a package URL; None when it is none."""
    try:
        return PackageURL.from_string(text)
    except ValueError:
        return None


def _purl_for(ecosystem: str, name: str) -> PackageURL | None:
    base, _, _ = ecosystem.partition(":")
    if base not in _ECOSYSTEMS or not name:
        return None
    purl_type, namespace = _ECOSYSTEMS[base]
    separator = {"maven": ":", "golang": "/", "npm": "/", "composer": "/"}.get(purl_type)
    head, found, tail = name.rpartition(separator) if separator else ("", "", name)
    try:
        return PackageURL(type=purl_type, namespace=head if found else namespace, name=tail)
    except ValueError:
        return None


def _objects(value: JsonValue) -> list[JsonObject]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _strings(value: JsonValue) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _osv_range(raw: JsonObject) -> OsvRange:
    events = tuple(
        Event(kind, version)
        for event in _objects(raw.get("events"))
        for kind, version in event.items()
        if isinstance(version, str)
    )
    return OsvRange(str(raw.get("type")), events)


def affected_in_osv(record: JsonObject) -> tuple[Affected, ...]:
    """The packages of an OSV record.

    Args:
        record: As `proofhouse.formats.read_osv` gives it. A withdrawn record affects nothing.

    Returns:
        One entry for each entry of ``affected`` that names a package.
    """
    if record.get("withdrawn"):
        return ()
    found: list[Affected] = []
    for raw in _objects(record.get("affected")):
        package = raw.get("package")
        if not isinstance(package, dict):
            continue
        name, ecosystem = str(package.get("name", "")), str(package.get("ecosystem", ""))
        found.append(
            Affected(
                name=name,
                purl=parse_purl(str(package.get("purl", ""))) or _purl_for(ecosystem, name),
                ecosystem=ecosystem,
                ranges=tuple(_osv_range(one) for one in _objects(raw.get("ranges"))),
                versions=_strings(raw.get("versions")),
            )
        )
    return tuple(found)


def affected_package(
    purl: str, *, ecosystem: str = "", ranges: Sequence[Range] = (), versions: Sequence[str] = ()
) -> Affected:
    """An affected package from its package URL.

    Raises:
        ValueError: `purl` is no package URL.
    """
    parsed = PackageURL.from_string(purl)
    name = (
        f"{parsed.namespace}/{parsed.name}" if parsed.type in {"golang", "npm", "composer"} else parsed.name
    )
    return Affected(name, parsed._replace(version=None), ecosystem, tuple(ranges), tuple(versions))
