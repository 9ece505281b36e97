# SPDX-License-Identifier: Apache-2.0
"""Version strings, read strictly.

The comparison is `univers`; what may be compared is decided here, because `univers` takes nearly any text
for a version (``1.2.x`` is a semantic version to it, ``custom-build`` an rpm one) and a guess would become a
wrong *no*.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, total_ordering
from typing import Any

from univers import versions as univers

_SEMVER = r"v?\d+(\.\d+){0,2}(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?"
_EPOCH = re.compile(r"(?:0*(\d{1,9}):)?(.+)", re.ASCII | re.DOTALL)
_WILDCARD = re.compile(r"(^|[.\-])[xX*]($|[.\-])")
_LONGEST = 256


@dataclass(frozen=True)
class _Scheme:
    pattern: re.Pattern[str]
    order: Any
    """Class whose instances compare, one of `univers` but for plain numbers."""
    has_epoch: bool = False


@total_ordering
class _Numbers:
    """Plain dotted numbers; `univers.IntdotVersion` puts 1.10 before 1.9 and fails on 1.0.0."""

    def __init__(self, text: str) -> None:
        parts = [int(part) for part in text.lstrip("v").split(".")]
        while parts and parts[-1] == 0:
            parts.pop()
        self.parts = tuple(parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Numbers) and self.parts == other.parts

    def __hash__(self) -> int:
        return hash(self.parts)

    def __lt__(self, other: _Numbers) -> bool:
        return self.parts < other.parts


def _scheme(pattern: str, order: Any, *, has_epoch: bool = False) -> _Scheme:
    return _Scheme(re.compile(pattern, re.ASCII), order, has_epoch)


_SCHEMES: Mapping[str, _Scheme] = {
    # Debian Policy §5.6.12; the revision's hyphen is the last one.
    "deb": _scheme(r"(\d{1,9}:)?\d[0-9A-Za-z.+~-]*(?<!-)", univers.DebianVersion, has_epoch=True),
    "rpm": _scheme(
        r"(\d{1,9}:)?\d[0-9A-Za-z._+~^]*(-[0-9A-Za-z._+~^]+)?", univers.RpmVersion, has_epoch=True
    ),
    "apk": _scheme(
        r"\d+(\.\d+)*[a-z]?(_(alpha|beta|pre|rc|cvs|svn|git|hg|p)\d*)*(-r\d+)?", univers.AlpineLinuxVersion
    ),
    "semver": _scheme(_SEMVER, univers.SemverVersion),
    "pypi": _scheme(r"v?\d[0-9A-Za-z.!+_-]*", univers.PypiVersion),
    "gem": _scheme(r"\d+(\.[0-9A-Za-z]+)*(-[0-9A-Za-z]+(\.[0-9A-Za-z]+)*)?", univers.RubygemsVersion),
    "maven": _scheme(r"\d[0-9A-Za-z._+-]*", univers.MavenVersion),
    "nuget": _scheme(r"\d+(\.\d+){0,3}(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?", univers.NugetVersion),
    # Composer orders beta2 before beta10, semver does not; without such suffixes the two agree.
    "composer": _scheme(r"v?\d+(\.\d+){0,2}", univers.SemverVersion),
    # No scheme is promised: only plain numbers are sure to be ordered as one thinks.
    "generic": _scheme(r"v?\d+(\.\d+)*", _Numbers),
}
_SAME_SCHEME: Mapping[str, str] = dict.fromkeys(("npm", "cargo", "golang", "hex", "pub"), "semver")


def scheme_of(purl_type: str) -> str | None:
    """Version scheme of a package URL type or of a ``vers:`` range; None when none is known."""
    name = _SAME_SCHEME.get(purl_type, purl_type)
    return name if name in _SCHEMES else None


@dataclass(frozen=True)
class Version:
    """A version that can be compared with others of its scheme."""

    text: str
    scheme: str
    epoch: int
    order: Any

    def before(self, other: Version) -> bool:
        """Whether this one is older.

        Raises:
            ValueError: The schemes differ.
        """
        if self.scheme != other.scheme:
            raise ValueError(f"{self.scheme} and {other.scheme} versions cannot be compared")
        return bool(self.order < other.order)

    def equals(self, other: Version) -> bool:
        """Whether neither is older: ``1.0`` and ``1.0.0`` are the same to most schemes."""
        return not self.before(other) and not other.before(self)

    def without_epoch(self) -> Version:
        """The same version with its epoch taken off."""
        bare = parse(_split_epoch(self.text)[1], self.scheme) if self.epoch else self
        return bare or self


def _split_epoch(text: str) -> tuple[int, str]:
    found = _EPOCH.fullmatch(text)
    return (int(found[1] or 0), found[2]) if found else (0, text)


@lru_cache(maxsize=65_536)
def parse(text: str, scheme: str) -> Version | None:
    """Read a version.

    Args:
        text: As the SBOM or the advisory writes it.
        scheme: A scheme named by `scheme_of`.

    Returns:
        The version, or None when the text is no version of that scheme.
    """
    rule = _SCHEMES[scheme]
    text = text.strip()
    if len(text) > _LONGEST or not rule.pattern.fullmatch(text) or _WILDCARD.search(text):
        return None
    try:
        order = rule.order(text)
    except ValueError:
        return None
    epoch = _split_epoch(text)[0] if rule.has_epoch else 0
    return Version(text=text, scheme=scheme, epoch=epoch, order=order)
