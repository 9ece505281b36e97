# SPDX-License-Identifier: Apache-2.0
"""Opening records: show some or all fields behind a leaf, and find all leaves of one case."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proofhouse.attest import JsonValue, NotCanonical
from proofhouse.ledger._audit import audit
from proofhouse.ledger._errors import Malformed, NotProven
from proofhouse.ledger._leaf import Leaf, commit, field_hash, field_salt, inspection_tag
from proofhouse.ledger._policy import Policy
from proofhouse.ledger._tiles import published_tree
from proofhouse.ledger._tree import inclusion_proof, root_from_inclusion, within


@dataclass(frozen=True)
class OpenedField:
    """One field with what proves it.

    Attributes:
        name: Its name.
        value: Its value.
        salt: 32 bytes.
        index: Its place among the record's fields, sorted by name.
        path: Audit path to the commitment.
    """

    name: str
    value: JsonValue
    salt: bytes
    index: int
    path: tuple[bytes, ...]


@dataclass(frozen=True)
class Opening:
    """Some fields of a record.

    Attributes:
        size: How many fields the record has.
        fields: Those that are shown.
    """

    size: int
    fields: tuple[OpenedField, ...]

    @property
    def complete(self) -> bool:
        """Whether every field is shown. Only then is it certain that no name occurs twice."""
        return len(self.fields) == self.size

    def verify(self, leaf: Leaf) -> dict[str, JsonValue]:
        """Check the fields against a leaf.

        Returns:
            The shown fields, by name.

        Raises:
            NotProven: A field is not behind this leaf, or one name or place is shown twice.
        """
        shown = {field.name: field.value for field in self.fields}
        if len(shown) != len(self.fields) or len({field.index for field in self.fields}) != len(self.fields):
            raise NotProven("the opening shows a field twice")
        for field in self.fields:
            try:
                hashed = field_hash(field.name, field.value, field.salt)
            except NotCanonical as error:
                raise NotProven(f"field {field.name!r}: {error}") from None
            if root_from_inclusion(field.index, self.size, hashed, field.path) != leaf.commitment:
                raise NotProven(f"field {field.name!r} with this value is not what the leaf commits to")
        return shown

    def to_record(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "size": self.size,
            "fields": [
                {
                    "name": field.name,
                    "value": field.value,
                    "salt": field.salt.hex(),
                    "index": field.index,
                    "path": [step.hex() for step in field.path],
                }
                for field in self.fields
            ],
        }

    @classmethod
    def from_record(cls, record: Any) -> Opening:
        """Read the JSON form.

        Raises:
            Malformed: Another shape.
        """
        try:
            fields = tuple(_opened_field(entry) for entry in record["fields"])
            return cls(_number(record["size"]), fields)
        except (KeyError, TypeError, ValueError) as error:
            raise Malformed(f"not an opening: {error}") from None


def open_fields(
    record: Mapping[str, JsonValue], record_key: bytes, names: Iterable[str] | None = None
) -> Opening:
    """Open fields of a committed record.

    Args:
        record: The whole record, as committed.
        record_key: Its key.
        names: The fields to show; None shows all.

    Raises:
        KeyError: The record has no such field.
    """
    commitment = commit(record, record_key)
    size = len(commitment.names)
    hash_at = within(commitment.field_hashes)
    places = {name: index for index, name in enumerate(commitment.names)}
    shown = commitment.names if names is None else sorted(set(names), key=places.__getitem__)
    return Opening(
        size,
        tuple(
            OpenedField(
                name,
                record[name],
                field_salt(record_key, name),
                places[name],
                tuple(inclusion_proof(places[name], size, hash_at)),
            )
            for name in shown
        ),
    )


def scan(
    directory: Path, inspector_key: bytes, kind: str, case: str, *, policy: Policy | None = None
) -> list[tuple[int, Leaf]]:
    """Find every leaf of one kind and case: the completeness search of an inspector.

    An operator who committed twenty times cannot open only the flattering one: all twenty carry the tag.

    Args:
        directory: The log's files.
        inspector_key: 32 bytes.
        kind: Type of the events.
        case: The case.
        policy: Checked by a full audit first. Without it the answer is only as good as the files.

    Returns:
        Index and leaf, in the log's order.

    Raises:
        BrokenLog: The files are no log, or (with a policy) contradict its checkpoint.
        NotProven: With a policy: the checkpoint does not fulfil it.
    """
    if policy is not None:
        audit(directory, policy)
    tag = inspection_tag(inspector_key, kind, case)
    entries = published_tree(directory).entries()
    return [(index, Leaf.from_bytes(entry)) for index, entry in enumerate(entries) if entry[2:18] == tag]


def _opened_field(entry: Any) -> OpenedField:
    if not isinstance(entry["name"], str):
        raise TypeError("a field's name is text")
    return OpenedField(
        entry["name"],
        entry["value"],
        bytes.fromhex(entry["salt"]),
        _number(entry["index"]),
        tuple(bytes.fromhex(step) for step in entry["path"]),
    )


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("size and index are whole numbers")
    return value
