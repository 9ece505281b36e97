# SPDX-License-Identifier: Apache-2.0
"""Whether a verified item is for this member, and whether now. Pure: facts in, decision out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from proofhouse.agent.acknowledgement import Reason, Stage
from proofhouse.distribution.manifest import Item
from proofhouse.distribution.rings import bucket, percent_open


@dataclass(frozen=True, slots=True)
class Member:
    """What the policy needs to know of the member.

    Attributes:
        id: the member's identifier, as enrolled.
        ring: the ring that the member chose, 0 to 3.
        products: package URLs without version that the member runs; empty means unknown.
        hold: item or advisory ids that the member itself holds back.
    """

    id: str
    ring: int
    products: tuple[str, ...] = ()
    hold: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wait:
    """The item is not installed now; the reason says why."""

    stage: Stage
    reason: Reason


def matching_products(item: Item, member: Member) -> tuple[str, ...]:
    """The item's products that the member says it runs."""
    return tuple(product for product in item.products if product in member.products)


def decide(item: Item, others: Iterable[Item], member: Member, now: datetime) -> Wait | None:
    """Whether anything stands against installing a verified item now.

    Args:
        item: an item that both authorities and the ledger vouch for.
        others: the manifest's items, to see what replaces this one.
        member: who asks.
        now: the present, aware.

    Returns:
        None to install, otherwise the stage to acknowledge and its reason. Unknown products never make an
        item inapplicable.
    """
    if item.products and member.products and not matching_products(item, member):
        return Wait(
            "not-applicable",
            Reason("no-matching-product", "none of the item's products is run by this member"),
        )
    successor = next(
        (other for other in others if item.id in other.supersedes and other.revoked is None), None
    )
    if successor is not None:
        return Wait("deferred", Reason("superseded", f"item {successor.id} replaces this one"))
    if item.id in member.hold or item.advisory in member.hold:
        return Wait("deferred", Reason("held-by-member", "the member's own configuration holds this item"))
    if now < item.not_before:
        return Wait("deferred", Reason("not-before", f"not before {item.not_before:%Y-%m-%d %H:%M:%SZ}"))
    place = bucket(member.id, item.id)
    reached = percent_open(item.rings, member.ring, now)
    if not item.expedite and place >= reached:
        return Wait(
            "deferred",
            Reason("ring", f"ring {member.ring} is open for {reached} %; this member's place is {place}"),
        )
    return None
