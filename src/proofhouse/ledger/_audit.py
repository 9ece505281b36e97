# SPDX-License-Identifier: Apache-2.0
"""Auditing a log: its files against its checkpoints, and these against a policy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from proofhouse.ledger._checkpoint import Checkpoint
from proofhouse.ledger._errors import BrokenLog
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
