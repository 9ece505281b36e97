# SPDX-License-Identifier: Apache-2.0
"""The letter types, one module per area, and the table of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from proofhouse.letters.types import common, coordination, distribution, oversight, review
from proofhouse.letters.types._spec import PREDICATE_BASE, LetterType

LETTER_TYPES: Mapping[str, LetterType] = MappingProxyType(
    {
        spec.predicate_type: spec
        for area in (common, review, coordination, distribution, oversight)
        for spec in area.TYPES
    }
)
"""Every known letter type by its in-toto predicate type."""


def latest(name: str) -> LetterType | None:
    """The newest version of the type with this name, or None where there is no such type."""
    versions = [spec for spec in LETTER_TYPES.values() if spec.name == name]
    return max(versions, key=lambda spec: spec.version, default=None)


__all__ = ["LETTER_TYPES", "PREDICATE_BASE", "LetterType", "latest"]
