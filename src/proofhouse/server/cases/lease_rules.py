# SPDX-License-Identifier: Apache-2.0
"""Scan leases: who comes first, what overlaps, what a product's owner asks for. Pure.

A lease is an intention made known, not a right: two may scan the same. What it changes is that both learn that they are
not alone, without learning who else is there, and that a coordinator can say who goes first.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from proofhouse.server.cases.rules import Means

LONGEST = timedelta(days=30)
EARLIEST = timedelta(days=90)
"""A lease begins at most so long after it is taken."""


class Method(StrEnum):
    """How somebody looks for flaws."""

    FUZZING = "fuzzing"
    STATIC_ANALYSIS = "static-analysis"
    AI_AGENT = "ai-agent"
    BY_HAND = "by-hand"
    OTHER = "other"


_FINDS_BY = {
    Method.FUZZING: Means.FUZZER,
    Method.STATIC_ANALYSIS: Means.SCANNER,
    Method.AI_AGENT: Means.AI_SYSTEM,
    Method.BY_HAND: Means.PERSON,
}


class Mandate(StrEnum):
    """On whose word somebody scans, the strongest first."""

    OWNER = "owner"
    """Who makes or runs the product asked for it."""
    PUBLIC_DUTY = "public-duty"
    """A law or an authority's order asks for it."""
    CONTRACT = "contract"
    """A member asked for it for what it uses."""
    RESEARCH = "research"
    """Nobody asked; the source is open to everybody."""


class LeaseState(StrEnum):
    """A lease never leaves the last two."""

    ACTIVE = "active"
    ENDED = "ended"
    EXPIRED = "expired"


@dataclass(frozen=True)
class Scope:
    """What somebody means to scan, and when.

    Attributes:
        product: Folded name of the product.
        commits: First and last commit of the range; two empty texts for all.
        subsystem: A part of it, written as a path; empty for all.
        starts_at: From when.
        ends_at: Until when.
    """

    product: str
    commits: tuple[str, str]
    subsystem: str
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class OwnerRules:
    """What a product's owner asks of whoever scans it.

    Attributes:
        methods: The methods that the owner wants; empty for any.
        longest_days: How long a lease may last; None for the house's own limit.
    """

    methods: frozenset[Method] = frozenset()
    longest_days: int | None = None


def folded(product: str) -> str:
    """A product's name as leases compare it: without case, width and doubled spaces."""
    return " ".join(unicodedata.normalize("NFKC", product).casefold().split())


def covers(method: Method, means: Means) -> bool:
    """Whether a report of a flaw that was found by some means may name a lease of this method.

    No method covers another. A report that does not say how its flaw was found contradicts no lease, and a lease of
    another method none of the known means.
    """
    return method is Method.OTHER or means is Means.OTHER or _FINDS_BY[method] is means


def against(scope: Scope, method: Method, rules: OwnerRules, at: datetime) -> str:
    """Why a lease cannot be taken, in words; empty where it can.

    Args:
        scope: What is to be scanned.
        method: How.
        rules: What the product's owner asks.
        at: Now.
    """
    lasts = scope.ends_at - scope.starts_at
    if lasts <= timedelta(0) or scope.ends_at <= at:
        return "a lease ends after it began, and not in the past"
    if scope.starts_at - at > EARLIEST:
        return f"a lease begins at most {EARLIEST.days} days from now"
    longest = min(LONGEST, timedelta(days=rules.longest_days or LONGEST.days))
    if lasts > longest:
        return f"a lease of this product lasts at most {longest.days} days"
    if rules.methods and method not in rules.methods:
        return f"the owner of this product asks for {', '.join(sorted(rules.methods))} only"
    return ""


def overlap(one: Scope, other: Scope) -> bool:
    """Whether two may look at the same thing at the same time; ranges of commits that cannot be told apart do."""
    if one.product != other.product or one.ends_at <= other.starts_at or other.ends_at <= one.starts_at:
        return False
    return _same_part(one.subsystem, other.subsystem) and _same_commits(one.commits, other.commits)


def _same_part(one: str, other: str) -> bool:
    if not one or not other:
        return True
    left, right = (part.strip("/").casefold().split("/") for part in (one, other))
    shorter = min(len(left), len(right))
    return left[:shorter] == right[:shorter]


def _same_commits(one: tuple[str, str], other: tuple[str, str]) -> bool:
    single = [first for first, last in (one, other) if first and first == last]
    return len(single) < 2 or single[0] == single[1]


def rank(mandate: Mandate, taken_at: datetime) -> tuple[int, datetime]:
    """Who comes first: the stronger mandate, then who was earlier."""
    return list(Mandate).index(mandate), taken_at


def counts(
    own: tuple[Scope, Mandate, datetime], others: Iterable[tuple[Scope, Mandate, datetime]]
) -> tuple[int, int]:
    """How many others overlap with a lease, and how many of them come before it."""
    scope, own_mandate, own_since = own
    place = rank(own_mandate, own_since)
    meeting = [rank(mandate, taken_at) for each, mandate, taken_at in others if overlap(scope, each)]
    return len(meeting), sum(each < place for each in meeting)
