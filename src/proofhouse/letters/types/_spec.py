# SPDX-License-Identifier: Apache-2.0
"""What a letter type is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from proofhouse.letters._schema import Schema

PREDICATE_BASE = "https://proofhouse.dev/letter/"


@dataclass(frozen=True)
class LetterType:
    """One kind of statement between houses.

    Attributes:
        name: Its name on the wire, for instance `window-opened`.
        version: Version of its schema; a changed meaning or field is a new version.
        summary: One sentence: who says what to whom.
        body: JSON Schema (draft 2020-12) of the body.
        example: A body that the schema takes, for documents and tests.
        sequenced: Whether the letter has a number in its thread; only acknowledgements have none.
    """

    name: str
    version: int
    summary: str
    body: Schema
    example: Mapping[str, Any] = field(repr=False)
    sequenced: bool = True

    @property
    def predicate_type(self) -> str:
        """The in-toto predicate type: `https://proofhouse.dev/letter/<name>/v<version>`."""
        return f"{PREDICATE_BASE}{self.name}/v{self.version}"
