# SPDX-License-Identifier: Apache-2.0
"""Ranges of versions in the two notations of advisories: OSV events and ``vers:``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cmp_to_key
from itertools import pairwise
from typing import TypeAlias
from urllib.parse import quote, unquote

from proofhouse.matching._versions import Version, parse, scheme_of

_CONSTRAINT = re.compile(r"(<=|>=|!=|<|>|=)?([^<>=!|\s][^<>=|\s]*)")
_BELOW = frozenset({"<", "<="})
_ORDER = frozenset({"<", "<=", ">", ">="})


def _compare(left: tuple[str, Version], right: tuple[str, Version]) -> int:
    if left[1].before(right[1]):
        return -1
    return 1 if right[1].before(left[1]) else 0


_BY_VERSION = cmp_to_key(_compare)


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
    ranked = sorted(points, key=lambda point: rank.get(point[0], len(rank)))
    return [*sorted(ranked, key=_BY_VERSION)]


def _bare(version: str) -> str:
    head, colon, tail = version.partition(":")
    return tail if colon and head.isdigit() else version


@dataclass(frozen=True)
class VersRange:
    """A range in ``vers:`` notation, such as ``vers:deb/<2.9.14+dfsg-1.3~deb12u3`` (purl-spec, VERS).

    Read here and not by `univers`, which compares versions of a range without asking whether they are any.
    """

    text: str

    @property
    def _scheme(self) -> str | None:
        return scheme_of(self.text.removeprefix("vers:").partition("/")[0])

    @property
    def _constraints(self) -> tuple[tuple[str, str], ...]:
        """Comparator and version, as written; nothing when the text is no range."""
        head, slash, tail = self.text.partition("/")
        if not slash or not head.startswith("vers:"):
            return ()
        found = []
        for part in tail.split("|"):
            read = _CONSTRAINT.fullmatch(part.strip())
            if read is None:
                return ()
            found.append((read[1] or "=", unquote(read[2])))
        return tuple(found)

    def contains(self, version: Version) -> bool | None:
        """Whether a version is inside; None when the range cannot be read or is of another scheme."""
        constraints = self._constraints
        if not constraints or self._scheme != version.scheme:
            return None
        if constraints == (("=", "*"),):
            return True
        points: list[tuple[str, Version]] = []
        for sign, text in constraints:
            point = parse(text, version.scheme)
            if point is None:
                return None
            points.append((sign, point))
        equal = {sign for sign, point in points if point.equals(version)}
        if equal:
            return bool(equal & {"=", "<=", ">="})
        return _between(version, sorted((one for one in points if one[0] in _ORDER), key=_BY_VERSION), points)

    def without_epochs(self) -> VersRange:
        """The same range with the epochs taken off its versions."""
        head = self.text.partition("/")[0]
        return VersRange(f"{head}/" + "|".join(sign + quote(_bare(text)) for sign, text in self._constraints))

    def describe(self) -> str:
        """The range as written."""
        return self.text

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions that bound it."""
        return tuple(text for _, text in self._constraints if text != "*")


def _between(version: Version, ordered: list[tuple[str, Version]], points: list[tuple[str, Version]]) -> bool:
    """Whether a version that equals no bound lies in one of the intervals."""
    if not ordered:
        return all(sign == "!=" for sign, _ in points)
    if ordered[0][0] in _BELOW and version.before(ordered[0][1]):
        return True
    if ordered[-1][0] not in _BELOW and ordered[-1][1].before(version):
        return True
    return any(
        low[0] not in _BELOW and high[0] in _BELOW and low[1].before(version) and version.before(high[1])
        for low, high in pairwise(ordered)
    )


Range: TypeAlias = OsvRange | VersRange
