# SPDX-License-Identifier: Apache-2.0
"""Auditing a log: its files against its checkpoints, and these against a policy."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from proofhouse.ledger._checkpoint import Checkpoint
from proofhouse.ledger._errors import BrokenLog, NotProven
from proofhouse.ledger._note import Note, VerifierKey
from proofhouse.ledger._policy import Policy
from proofhouse.ledger._tiles import CHECKPOINT, HEAD, Tree, read_checkpoint, recompute


@dataclass(frozen=True)
class Audit:
    """What an audit proved.

    Attributes:
        checkpoint: The published checkpoint, with the witnesses' times.
        pending: Entries that the log holds beyond it and that wait for a quorum.
    """

    checkpoint: Checkpoint
    pending: int


def audit(directory: Path, policy: Policy) -> Audit:
    """Recompute the tree from all entries, compare each tile, both checkpoints and the policy.

    Raises:
        BrokenLog: A file contradicts the entries or a checkpoint; the message names it.
        NotProven: The published checkpoint does not fulfil the policy.
    """
    note, _ = read_checkpoint(directory, CHECKPOINT)
    checkpoint = policy.check(note)
    pending = 0
    if (directory / HEAD).exists():
        head_note, head = read_checkpoint(directory, HEAD)
        keys = [key for key in policy.logs if key.name == head.origin]
        if head.origin != checkpoint.origin or not head_note.opened(keys):
            raise BrokenLog(f"{HEAD} is not signed by the log {checkpoint.origin}")
        check_roots(directory, checkpoint, head)
        pending = head.size - checkpoint.size
    else:
        check_roots(directory, checkpoint, checkpoint)
    return Audit(checkpoint, pending)


def check_roots(directory: Path, published: Checkpoint, head: Checkpoint) -> None:
    """Check that both checkpoints are states of the one tree that the files hold.

    Raises:
        BrokenLog: They are not.
    """
    if head.size < published.size:
        raise BrokenLog(f"{HEAD} ({head.size} entries) is older than {CHECKPOINT} ({published.size} entries)")
    for name, checkpoint in ((HEAD, head), (CHECKPOINT, published)):
        if recompute(Tree(directory, checkpoint.size)) != checkpoint.root:
            raise BrokenLog(f"the root in {name} is not the root of the {checkpoint.size} entries")
        if head == published:
            return


@dataclass(frozen=True)
class LogContent:
    """What a log's files hold, pending entries included, read without the right to write.

    Attributes:
        directory: Where it lies.
        size: Number of leaves.
        leaves: Their bytes, in order.
    """

    directory: Path
    size: int
    leaves: tuple[bytes, ...]

    def root(self, size: int) -> bytes:
        """Root of the first `size` leaves."""
        return Tree(self.directory, size).root()


def read_log(directory: Path, key: VerifierKey, *, leaves: bool = True) -> LogContent:
    """Recompute a log from its files and compare it with its own signed checkpoints; asks no witness.

    A directory in which no log was begun holds an empty one.

    Args:
        directory: The log's files.
        key: The log's own key.
        leaves: Read the leaves and recompute the tree; without them only the signed size is read.

    Raises:
        BrokenLog: A file is missing or contradicts the others, or a checkpoint is not signed by the key.
    """
    if not (directory / HEAD).exists() and not (directory / "tile").exists():
        return LogContent(directory, 0, ())
    head_note, head = read_checkpoint(directory, HEAD)
    published_note, published = read_checkpoint(directory, CHECKPOINT)
    for name, note, checkpoint in ((HEAD, head_note, head), (CHECKPOINT, published_note, published)):
        if checkpoint.origin != key.name or key not in _signers(note, key):
            raise BrokenLog(f"{name} is not signed by the log {key.name}")
    if not leaves:
        return LogContent(directory, head.size, ())
    if published.size <= head.size:  # else it was published while this was read
        check_roots(directory, published, head)
    return LogContent(directory, head.size, tuple(Tree(directory, head.size).entries()))


def _signers(note: Note, key: VerifierKey) -> Container[VerifierKey]:
    try:
        return note.opened([key])
    except NotProven:
        return ()
