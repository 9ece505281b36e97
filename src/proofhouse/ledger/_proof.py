# SPDX-License-Identifier: Apache-2.0
"""Receipts: offline proofs that a leaf is in the log (C2SP tlog-proof v1)."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass

from proofhouse.ledger._checkpoint import Checkpoint
from proofhouse.ledger._errors import Malformed, NotProven
from proofhouse.ledger._leaf import Leaf
from proofhouse.ledger._note import MAX_NOTE_BYTES, Note, decode_base64, decode_decimal
from proofhouse.ledger._policy import Policy
from proofhouse.ledger._tree import leaf_hash, root_from_inclusion

_HEADER = "c2sp.org/tlog-proof@v1"
_MAX_PATH = 63


@dataclass(frozen=True)
class Receipt:
    """A leaf's place in the log, with the checkpoint that holds it.

    Attributes:
        index: Zero-based place of the leaf.
        path: Audit path, from the leaf's sibling upwards.
        note: The signed and cosigned checkpoint.
    """

    index: int
    path: tuple[bytes, ...]
    note: Note

    @classmethod
    def from_bytes(cls, content: bytes) -> Receipt:
        """Read a `.tlog-proof` file. Reading proves nothing yet; `verify_receipt` does.

        Raises:
            Malformed: It is none.
        """
        if len(content) > 2 * MAX_NOTE_BYTES:
            raise Malformed("the proof is too long")
        head, separator, note = content.partition(b"\n\n")
        try:
            lines = head.decode("ascii").split("\n")
        except UnicodeDecodeError:
            raise Malformed("the lines of a proof are ASCII") from None
        if lines.pop(0) != _HEADER or not separator:
            raise Malformed(f"a proof starts with {_HEADER} and holds a checkpoint after an empty line")
        if lines and lines[0].startswith("extra "):
            decode_base64(lines.pop(0).removeprefix("extra "), "the extra line")
        if not lines or not lines[0].startswith("index "):
            raise Malformed("the proof names no index")
        index = decode_decimal(lines.pop(0).removeprefix("index "), "the index")
        if len(lines) > _MAX_PATH:
            raise Malformed(f"a proof has at most {_MAX_PATH} hashes")
        path = tuple(decode_base64(line, "a proof hash", 32) for line in lines)
        return cls(index, path, Note.parse(note))

    def __bytes__(self) -> bytes:
        """The `.tlog-proof` file."""
        path = [base64.b64encode(step).decode("ascii") for step in self.path]
        head = "".join(f"{line}\n" for line in (_HEADER, f"index {self.index}", *path))
        return head.encode() + b"\n" + bytes(self.note)

    def check_inclusion(self, leaf: Leaf, checkpoint: Checkpoint) -> None:
        """Check the path alone, against a checkpoint that was verified.

        Raises:
            NotProven: The tree of the checkpoint does not hold the leaf at this index.
        """
        reached = root_from_inclusion(self.index, checkpoint.size, leaf_hash(bytes(leaf)), self.path)
        if reached != checkpoint.root:
            raise NotProven(f"the log {checkpoint.origin} does not hold this leaf at index {self.index}")

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint as written, not verified."""
        return Checkpoint.of(self.note)


def verify_receipt(receipt: Receipt, leaf: Leaf, policy: Policy) -> Checkpoint:
    """Check offline that a leaf is in a log that the policy trusts.

    Returns:
        The checkpoint that proves it, with the witnesses' times.

    Raises:
        NotProven: It is not shown; the message says what fails.
    """
    checkpoint = policy.check(receipt.note)
    receipt.check_inclusion(leaf, checkpoint)
    return checkpoint


def verify_receipts(receipts: Iterable[tuple[Receipt, Leaf]], policy: Policy) -> None:
    """Check many receipts; a checkpoint that several share is checked once.

    Raises:
        NotProven: One does not show its leaf.
    """
    checked: dict[bytes, Checkpoint] = {}
    for receipt, leaf in receipts:
        note = bytes(receipt.note)
        if note not in checked:
            checked[note] = policy.check(receipt.note)
        receipt.check_inclusion(leaf, checked[note])
