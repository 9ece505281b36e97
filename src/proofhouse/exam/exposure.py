# SPDX-License-Identifier: Apache-2.0
"""Which items of a sealed bank have been shown to whom: shards, exposure, retirement. Pure.

A review gets a shard: of each family and level the places that were shown least, the first first. Nobody chooses, so
nobody can choose well. An item is retired once it was shown as often as the policy allows, or at once when it leaked;
a bank whose items are all retired is revealed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from proofhouse.attest import JsonValue
from proofhouse.exam._records import BadRecord, require_int, require_keys, require_list, require_text
from proofhouse.exam.plan import Block, Plan, PlannedItem

BOOK_FORMAT = "proofhouse.exam-exposure/1"
MOST_USES = 3
"""How often an item may be shown unless the operator says otherwise."""


class BankSpent(Exception):
    """A bank has too few unretired items for a shard; the message says of which family and level."""


@dataclass(frozen=True)
class Shown:
    """One shard that was drawn."""

    review: str
    at: str
    """RFC 3339."""
    places: tuple[PlannedItem, ...]


@dataclass(frozen=True)
class ExposureBook:
    """The history of one bank.

    Attributes:
        bank_root: Root of the bank's seal, lowercase hex.
        most_uses: How often an item may be shown.
        shown: All shards, in the order in which they were drawn.
        leaked: Places that are retired early, with the reason.
    """

    bank_root: str
    most_uses: int = MOST_USES
    shown: tuple[Shown, ...] = ()
    leaked: Mapping[PlannedItem, str] = field(default_factory=dict)

    def uses(self, place: PlannedItem) -> int:
        """How often a place was shown."""
        return sum(place in shard.places for shard in self.shown)

    def retired(self, place: PlannedItem) -> bool:
        """Whether a place may not be shown again."""
        return place in self.leaked or self.uses(place) >= self.most_uses

    def spent(self, plan: Plan) -> bool:
        """Whether every place of the bank's plan is retired, so that the bank may be revealed."""
        return all(self.retired(place) for place in plan.items)

    def draw(self, plan: Plan, review: str, counts: Mapping[tuple[str, int], int], at: str) -> ExposureBook:
        """Draw a shard for a review.

        Args:
            plan: the bank's plan.
            review: whose shard it is; a review has one.
            counts: how many items of each (family, level).
            at: RFC 3339 instant.

        Returns:
            The book with the shard as its last entry.

        Raises:
            BankSpent: not enough places are left.
            ValueError: the review has a shard already, or the bank has no such family and level.
        """
        if any(shard.review == review for shard in self.shown):
            raise ValueError(f"{review} has its shard already")
        places: list[PlannedItem] = []
        for (family, level), count in sorted(counts.items()):
            own = [place for place in plan.items if (place.family, place.level) == (family, level)]
            if not own:
                raise ValueError(f"the bank has no items of {family} level {level}")
            free = [place for place in own if not self.retired(place)]
            if len(free) < count:
                raise BankSpent(
                    f"{family} level {level}: {len(free)} items may still be shown, {count} are asked for"
                )
            free.sort(key=lambda place: (self.uses(place), place.index))
            places += sorted(free[:count], key=lambda place: place.index)
        return replace(self, shown=(*self.shown, Shown(review, at, tuple(places))))

    def leak(self, places: Sequence[PlannedItem], reason: str) -> ExposureBook:
        """Retire places at once."""
        return replace(self, leaked={**self.leaked, **dict.fromkeys(places, reason)})

    def to_record(self) -> dict[str, JsonValue]:
        """The JSON form."""
        return {
            "format": BOOK_FORMAT,
            "bank_root_sha256": self.bank_root,
            "most_uses": self.most_uses,
            "shown": [
                {"review": shard.review, "at": shard.at, "places": [_place_record(p) for p in shard.places]}
                for shard in self.shown
            ],
            "leaked": [
                {"place": _place_record(place), "reason": reason} for place, reason in self.leaked.items()
            ],
        }

    @classmethod
    def from_record(cls, record: JsonValue) -> ExposureBook:
        """Read the JSON form.

        Raises:
            BadRecord: a field is missing, unknown or malformed; the message names it.
        """
        names = {"format", "bank_root_sha256", "most_uses", "shown", "leaked"}
        fields = require_keys(record, "book", names)
        if fields["format"] != BOOK_FORMAT:
            raise BadRecord(f"book.format: expected {BOOK_FORMAT}")
        shown = []
        for entry in require_list(fields["shown"], "book.shown"):
            shard = require_keys(entry, "book.shown", {"review", "at", "places"})
            places = require_list(shard["places"], "book.shown.places")
            shown.append(
                Shown(
                    require_text(shard["review"], "book.shown.review"),
                    require_text(shard["at"], "book.shown.at"),
                    tuple(_read_place(place) for place in places),
                )
            )
        leaked = {}
        for entry in require_list(fields["leaked"], "book.leaked"):
            each = require_keys(entry, "book.leaked", {"place", "reason"})
            leaked[_read_place(each["place"])] = require_text(each["reason"], "book.leaked.reason")
        return cls(
            require_text(fields["bank_root_sha256"], "book.bank_root_sha256"),
            require_int(fields["most_uses"], "book.most_uses", 1, 1000),
            tuple(shown),
            leaked,
        )


def shard_plan(plan: Plan, places: Sequence[PlannedItem]) -> Plan:
    """The plan of an exam over some places of a bank: runs of places as blocks, everything else as it was sealed."""
    version = {(block.family, block.level): block.version for block in plan.blocks}
    blocks: list[Block] = []
    for place in places:
        last = blocks[-1] if blocks else None
        if last and (last.family, last.level, last.first + last.count) == (
            place.family,
            place.level,
            place.index,
        ):
            blocks[-1] = replace(last, count=last.count + 1)
        else:
            blocks.append(
                Block(place.family, version[place.family, place.level], place.level, 1, place.index)
            )
    return replace(plan, blocks=tuple(blocks))


def _place_record(place: PlannedItem) -> dict[str, JsonValue]:
    return {"family": place.family, "level": place.level, "index": place.index}


def _read_place(record: JsonValue) -> PlannedItem:
    fields = require_keys(record, "place", {"family", "level", "index"})
    return PlannedItem(
        require_text(fields["family"], "place.family"),
        require_int(fields["level"], "place.level", 0, 1000),
        require_int(fields["index"], "place.index", 0, 10**9),
    )
