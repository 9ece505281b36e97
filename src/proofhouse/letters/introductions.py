# SPDX-License-Identifier: Apache-2.0
"""Who trusts whose key for what: the only source of trust in letters."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from proofhouse.attest import KeyProblem, PublicKey, canonical
from proofhouse.letters._check import check, compiled
from proofhouse.letters._errors import OutsideIntroduction, SchemaMismatch, UnknownKey, WrongPurpose
from proofhouse.letters._schema import (
    HOUSE,
    PUBLIC_KEY,
    TIME,
    TYPE_NAME,
    many,
    many_different,
    or_null,
    record,
)
from proofhouse.letters._time import from_wire, to_wire

FORMAT = "proofhouse-introductions/v1"

_SCHEMA = compiled(
    record(
        {
            "format": {"const": FORMAT},
            "introductions": many(
                record(
                    {
                        "house": HOUSE,
                        "key": PUBLIC_KEY,
                        "purposes": many_different(TYPE_NAME, 1, 64),
                        "since": TIME,
                        "until": or_null(TIME),
                    }
                ),
                0,
                10_000,
            ),
        }
    )
)


@dataclass(frozen=True)
class Introduction:
    """One key of one house, and what this house believes it for.

    Attributes:
        house: Slug of the house whose key it is.
        key: Its public key.
        purposes: Names of the letter types that the key may sign.
        since: From this instant, included.
        until: Until this instant, excluded; None where no end is set.
    """

    house: str
    key: PublicKey
    purposes: frozenset[str]
    since: datetime
    until: datetime | None = None

    def in_force(self, at: datetime) -> bool:
        """Whether the introduction holds at an instant."""
        return self.since <= at and (self.until is None or at < self.until)

    def to_record(self) -> dict[str, Any]:
        """The introduction as plain data."""
        return {
            "house": self.house,
            "key": self.key.to_record(),
            "purposes": sorted(self.purposes),
            "since": to_wire(self.since),
            "until": None if self.until is None else to_wire(self.until),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Introduction:
        """Read what `to_record` wrote (the fields of an `introduction` letter's body serve as well)."""
        return cls(
            house=record["house"],
            key=PublicKey.from_record(record["key"]),
            purposes=frozenset(record["purposes"]),
            since=from_wire(record["since"]),
            until=None if record["until"] is None else from_wire(record["until"]),
        )


class Introductions:
    """The introductions that one house goes by; immutable.

    A key belongs to exactly one house. It may come in several introductions (other purposes, other times).
    """

    def __init__(self, introductions: Iterable[Introduction] = ()) -> None:
        self._all = tuple(introductions)
        self._by_key: dict[str, list[Introduction]] = {}
        for each in self._all:
            known = self._by_key.setdefault(each.key.key_id, [])
            if known and known[0].house != each.house:
                raise ValueError(
                    f"key {each.key.key_id} is introduced for both {known[0].house} and {each.house}; "
                    "each house needs a key of its own"
                )
            known.append(each)

    def __iter__(self) -> Iterator[Introduction]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def plus(self, *introductions: Introduction) -> Introductions:
        """These and more."""
        return Introductions((*self._all, *introductions))

    def key(self, key_id: str) -> PublicKey:
        """The public key with this id.

        Raises:
            UnknownKey: Nobody introduced it.
        """
        if key_id not in self._by_key:
            raise UnknownKey(f"nobody introduced the key {key_id}; ask its house for an introduction")
        return self._by_key[key_id][0].key

    def house(self, key_id: str) -> str:
        """The house that the key belongs to.

        Raises:
            UnknownKey: Nobody introduced it.
        """
        self.key(key_id)
        return self._by_key[key_id][0].house

    def may(self, key_id: str, letter_type: str, at: datetime) -> bool:
        """Whether the key may sign letters of this type at this instant."""
        return any(
            letter_type in each.purposes and each.in_force(at) for each in self._by_key.get(key_id, ())
        )

    def require(self, key_id: str, letter_type: str, instants: Iterable[datetime]) -> None:
        """Ask `may` for each instant and say what is missing.

        Raises:
            UnknownKey: Nobody introduced the key.
            WrongPurpose: It was introduced, but not for this letter type.
            OutsideIntroduction: It was introduced for the type, but not at one of the instants.
        """
        house = self.house(key_id)
        if not any(letter_type in each.purposes for each in self._by_key[key_id]):
            raise WrongPurpose(
                f"the key {key_id} of {house} was not introduced for letters of type {letter_type}"
            )
        for at in instants:
            if not self.may(key_id, letter_type, at):
                raise OutsideIntroduction(
                    f"the key {key_id} of {house} was not introduced for {letter_type} at {to_wire(at)}"
                )

    def to_json(self) -> bytes:
        """Canonical JSON of all introductions."""
        return canonical({"format": FORMAT, "introductions": [each.to_record() for each in self._all]})

    @classmethod
    def from_json(cls, content: bytes) -> Introductions:
        """Read what `to_json` wrote.

        Raises:
            SchemaMismatch: The content has another form; the message names the field.
        """
        try:
            value = json.loads(content)
            check(value, _SCHEMA, "introductions")
            return cls(Introduction.from_record(each) for each in value["introductions"])
        except (ValueError, RecursionError, KeyProblem) as error:
            raise SchemaMismatch(f"introductions: {error}") from error
