# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: a log's name, size and root in a signed note (C2SP tlog-checkpoint v1)."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from proofhouse.ledger._errors import Malformed
from proofhouse.ledger._note import Note, decode_base64, decode_decimal


@dataclass(frozen=True)
class Checkpoint:
    """The state of a log.

    Attributes:
        origin: Name of the log.
        size: Number of leaves.
        root: RFC 6962 root, 32 bytes.
        extensions: Further lines; ours have none.
        cosigned_s: POSIX seconds at which each known witness cosigned, by its key name. Only a check against
            a policy fills it.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()
    cosigned_s: dict[str, int] = field(default_factory=dict, compare=False)

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read a note's text.

        Raises:
            Malformed: It is no checkpoint.
        """
        lines = text.split("\n")
        if lines.pop() or len(lines) < 3 or not all(lines):
            raise Malformed("a checkpoint has three or more non-empty lines: origin, size, root")
        return cls(
            lines[0],
            decode_decimal(lines[1], "the checkpoint's size"),
            decode_base64(lines[2], "the checkpoint's root", 32),
            tuple(lines[3:]),
        )

    @classmethod
    def of(cls, note: Note) -> Checkpoint:
        """The checkpoint in a note. Says nothing about its signatures."""
        return cls.parse(note.text)

    @property
    def text(self) -> str:
        """The note's text."""
        root = base64.b64encode(self.root).decode("ascii")
        return "".join(f"{line}\n" for line in (self.origin, str(self.size), root, *self.extensions))
