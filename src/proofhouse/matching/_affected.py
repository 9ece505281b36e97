# SPDX-License-Identifier: Apache-2.0
"""What an advisory says of one package: which it is and which versions have the flaw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from packageurl import PackageURL

from proofhouse.formats import JsonObject, JsonValue
from proofhouse.matching._ranges import Event, OsvRange, Range

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
