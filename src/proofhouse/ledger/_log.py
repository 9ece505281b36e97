# SPDX-License-Identifier: Apache-2.0
"""The log itself: one writer, durable appends, receipts once the witnesses have cosigned."""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from proofhouse.ledger._audit import check_roots
from proofhouse.ledger._checkpoint import Checkpoint
from proofhouse.ledger._errors import (
    BrokenLog,
    LedgerError,
    NotCosigned,
    NotProven,
    WitnessRefused,
    WitnessUnavailable,
)
from proofhouse.ledger._files import Lock, write_durably
from proofhouse.ledger._leaf import Leaf
from proofhouse.ledger._note import Note, NoteSignature, NoteSigner, log_key, sign_note
from proofhouse.ledger._policy import Policy
from proofhouse.ledger._proof import Receipt
from proofhouse.ledger._tiles import (
    CHECKPOINT,
    HASH_BYTES,
    HEAD,
    WIDTH,
    Tree,
    bundle,
    read_checkpoint,
    tile_path,
)
from proofhouse.ledger._tree import EMPTY_ROOT, fold, leaf_hash
from proofhouse.ledger._witness_client import WitnessClient

_logger = logging.getLogger(__name__)


class Log(Protocol):
    """What other rooms need of a log."""

    def append(self, entries: Sequence[Leaf]) -> list[Receipt]:
        """Add leaves; returns their receipts in order.

        Raises:
            NotCosigned: The leaves are in, their receipts are pending: ask `receipts(error.indices)` later.
        """

    def receipts(self, indices: Iterable[int]) -> list[Receipt]:
        """Receipts of leaves that are in the log; asks the witnesses again where needed.

        Raises:
            NotCosigned: Still pending.
        """


class FileLog:
    """A log in a directory of static files, which any web server can serve (C2SP tlog-tiles).

    An append makes its tiles durable, then the new `head` (the commit point), then asks the witnesses, and
    publishes `checkpoint` once their quorum is reached. A crash leaves the state before or after the commit
    point. A `Receipt` therefore always carries a quorum; until then the entries are *pending*.

    Opening takes the directory's lock for as long as the log is open and recomputes the whole tree.
    Safe for several threads of one process.

    Args:
        directory: Made if missing.
        origin: Name of the log, without white space or plus; a schemeless URL by habit.
        signer: The log's Ed25519 key.
        witnesses: Who is asked to cosign.
        quorum: How many of them must; None means all.
        policy: Says which quorum is enough, in place of `quorum`; it must know this log's key.
        wait_s: How long to wait for another writer to finish.

    Raises:
        LogBusy: Another writer holds the directory.
        BrokenLog: Its files contradict each other, the origin or the key.
        LedgerError: The directory cannot be read or written.
        Malformed: The origin cannot name a log, or the quorum cannot be.
    """

    def __init__(
        self,
        directory: Path,
        origin: str,
        signer: NoteSigner,
        witnesses: Sequence[WitnessClient] = (),
        *,
        quorum: int | None = None,
        policy: Policy | None = None,
        wait_s: float = 0.0,
    ) -> None:
        self.directory = directory
        self.key = log_key(origin, signer.public)
        self.policy = policy or Policy.require(self.key, [witness.key for witness in witnesses], quorum)
        self._signer = signer
        self._witnesses = tuple(witnesses)
        self._guard = threading.RLock()
        self._wait_s = wait_s
        self._open()

    def _open(self) -> None:
        self._failed = False
        try:
            self._lock = Lock(self.directory, self._wait_s)
        except OSError as error:
            raise LedgerError(f"{self.directory} cannot hold a log: {error}") from None
        self._pid: int | None = os.getpid()
        try:
            self._load()
        except OSError as error:
            self.close()
            raise LedgerError(f"{self.directory} cannot hold a log: {error}") from None
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> FileLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the directory."""
        with self._guard:
            self._pid = None
            self._lock.release()

    def recover(self) -> bool:
        """Open the log again if a failing disk had closed it; the whole tree is recomputed first, as at every opening.

        The leaves of the append that failed may be in: ask `find` or `leaves` before appending them again.

        Returns:
            Whether it had been closed so.

        Raises:
            BrokenLog: The disk has lost or changed something; nothing may be appended.
            LedgerError: The disk still fails; ask again later.
        """
        with self._guard:
            if not self._failed:
                return False
            try:
                self._open()
            except BaseException:
                self._failed = True
                raise
            return True

    @property
    def origin(self) -> str:
        """Name of the log."""
        return self.key.name

    @property
    def size(self) -> int:
        """Entries in the log, pending ones included."""
        return self._head.size

    @property
    def pending(self) -> int:
        """Entries that wait for the witnesses."""
        return self._head.size - self._published.size

    @property
    def checkpoint(self) -> Checkpoint:
        """The published checkpoint."""
        return self._published

    @property
    def checkpoint_note(self) -> Note:
        """The published checkpoint with its signatures."""
        return self._published_note

    def append(self, entries: Sequence[Leaf]) -> list[Receipt]:
        """Add leaves as one commit: any number of entries, one checkpoint.

        Returns:
            Their receipts, in order.

        Raises:
            WitnessUnavailable: The leaves are durably in, but too few witnesses answered. Do not append
                again; `receipts(error.indices)` gives the receipts once they do.
            WitnessRefused: The same, and a witness refused: it knows another history of this log.
            LedgerError: The files could not be written, or the log is closed. If it failed late, the leaves may
                be in all the same; see `recover`.
        """
        with self._guard:
            self._require_open()
            if not entries:
                return []
            first = self._head.size
            try:
                self._commit([bytes(entry) for entry in entries])
            except OSError as error:
                self.close()
                self._failed = True
                raise LedgerError(
                    f"the log could not be written ({error}); mend that, then recover it"
                ) from None
            return self.receipts(range(first, self._head.size))

    def receipt(self, index: int) -> Receipt:
        """The receipt of one leaf; see `receipts`."""
        return self.receipts([index])[0]

    def receipts(self, indices: Iterable[int]) -> list[Receipt]:
        """Receipts of leaves in the log. Asks the witnesses if a leaf is pending.

        Raises:
            IndexError: The log has no such leaf.
            NotCosigned: As for `append`.
        """
        with self._guard:
            self._require_open()
            wanted = list(indices)
            for index in wanted:
                if not 0 <= index < self._head.size:
                    raise IndexError(f"the log has no entry {index}; it has {self._head.size}")
            if wanted and (max(wanted) >= self._published.size or not self._quorum_reached()):
                self._publish(wanted)
            tree = Tree(self.directory, self._published.size)
            return [_receipt(tree, self._published_note, index) for index in wanted]

    def find(self, entry: Leaf) -> int | None:
        """Index of a leaf, or None. Lets a caller that lost an answer avoid appending twice."""
        wanted = bytes(entry)
        with self._guard:
            entries = Tree(self.directory, self._head.size).entries()
            return next((index for index, known in enumerate(entries) if known == wanted), None)

    def leaves(self, start: int = 0) -> list[Leaf]:
        """The leaves from an index on, pending ones included."""
        with self._guard:
            tree = Tree(self.directory, self._head.size)
            first = start - start % WIDTH
            bundles = (tree.entry_bundle(index // WIDTH) for index in range(first, self._head.size, WIDTH))
            entries = [entry for bundled in bundles for entry in bundled]
            return [Leaf.from_bytes(entry) for entry in entries[start - first :]]

    def consistency(self, old: int, new: int | None = None) -> list[bytes]:
        """Proof that the tree of `new` leaves (default: the published size) extends that of `old`.

        Raises:
            IndexError: The log has no such sizes.
        """
        with self._guard:
            size = self._published.size if new is None else new
            if size > self._head.size:
                raise IndexError(f"the log has {self._head.size} entries, not {size}")
            return Tree(self.directory, self._head.size).consistency_proof(old, size)

    def _load(self) -> None:
        """Read and check the files, or begin a new log."""
        if not (self.directory / HEAD).exists():
            if (self.directory / CHECKPOINT).exists() or (self.directory / "tile").exists():
                raise BrokenLog(f"{self.directory} holds parts of a log but no {HEAD}; restore it")
            self._sign_head(0, EMPTY_ROOT)
        self._head_note, self._head = self._read_own(HEAD)
        if self._head.size == 0:
            write_durably({self.directory / CHECKPOINT: bytes(self._head_note)})
        self._published_note, self._published = self._read_own(CHECKPOINT)
        check_roots(self.directory, self._published, self._head)
        self._load_edge()

    def _load_edge(self) -> None:
        """Keep in memory the incomplete tile of each level and the incomplete bundle."""
        tree = Tree(self.directory, self._head.size)
        self._rows: list[list[bytes]] = []
        while widths := tree.widths(len(self._rows)):
            partial = widths[-1] < WIDTH
            content = tree.tile(len(self._rows), len(widths) - 1) if partial else b""
            self._rows.append([content[i : i + HASH_BYTES] for i in range(0, len(content), HASH_BYTES)])
        self._bundle = tree.entry_bundle(tree.size // WIDTH) if tree.size % WIDTH else []

    def _read_own(self, name: str) -> tuple[Note, Checkpoint]:
        note, checkpoint = read_checkpoint(self.directory, name)
        if checkpoint.origin != self.origin:
            raise BrokenLog(f"{self.directory} holds the log {checkpoint.origin!r}, not {self.origin!r}")
        try:
            signed = self.key in note.opened([self.key])
        except NotProven:
            signed = False
        if not signed:
            raise BrokenLog(f"{self.directory / name} is not signed by this log's key")
        return note, checkpoint

    def _commit(self, entries: list[bytes]) -> None:
        size = self._head.size
        rows = [list(row) for row in self._rows]
        files: dict[Path, bytes] = {}
        full: list[Path] = []

        def spread(level: int | str, start: int, items: list[bytes]) -> tuple[list[list[bytes]], list[bytes]]:
            """Cut a level's items into tiles; returns the full ones and the rest."""
            tiles = [items[i : i + WIDTH] for i in range(0, len(items), WIDTH)]
            for index, tile in enumerate(tiles, start // WIDTH):
                path = self.directory / tile_path(level, index, len(tile))
                files[path] = bundle(tile) if level == "entries" else b"".join(tile)
                if len(tile) == WIDTH:
                    full.append(path)
            return (tiles, []) if len(tiles[-1]) == WIDTH else (tiles[:-1], tiles[-1])

        _, rest = spread("entries", size, self._bundle + entries)
        level, fresh = 0, [leaf_hash(entry) for entry in entries]
        while fresh:
            if level == len(rows):
                rows.append([])
            complete, rows[level] = spread(level, size >> (8 * level), rows[level] + fresh)
            fresh, level = [fold(tile) for tile in complete], level + 1
        write_durably(files)
        grown = size + len(entries)
        self._head_note, self._head = self._sign_head(grown, Tree(self.directory, grown).root())
        self._rows, self._bundle = rows, rest
        for path in full:
            shutil.rmtree(path.with_name(f"{path.name}.p"), ignore_errors=True)

    def _sign_head(self, size: int, root: bytes) -> tuple[Note, Checkpoint]:
        checkpoint = Checkpoint(self.origin, size, root)
        note = sign_note(checkpoint.text, self.origin, self._signer)
        write_durably({self.directory / HEAD: bytes(note)})
        return note, checkpoint

    def _quorum_reached(self) -> bool:
        try:
            self.policy.check(self._published_note)
        except NotProven:
            return False
        return True

    def _publish(self, wanted: Sequence[int]) -> None:
        """Have the head cosigned, and publish it if the quorum is reached."""
        note, problems = self._cosigned()
        try:
            checkpoint = self.policy.check(note)
        except NotProven as error:
            refused = any(isinstance(problem, WitnessRefused) for problem in problems)
            reasons = "; ".join(map(str, problems)) or str(error)
            kind = WitnessRefused if refused else WitnessUnavailable
            raise kind(f"entries are in the log, receipts are pending: {reasons}", wanted) from None
        try:
            write_durably({self.directory / CHECKPOINT: bytes(note)})
        except OSError as error:
            raise NotCosigned(
                f"entries are in the log; its checkpoint cannot be written: {error}", wanted
            ) from None
        self._published_note, self._published = note, checkpoint

    def _cosigned(self) -> tuple[Note, list[NotCosigned]]:
        """Ask all witnesses at once; the head with their lines as soon as these reach the quorum.

        A witness that is down or slow therefore holds up nobody while the others are enough.
        """
        note, problems = self._head_note, list[NotCosigned]()
        if not self._witnesses:
            return note, problems
        tree = Tree(self.directory, self._head.size)
        pool = ThreadPoolExecutor(len(self._witnesses), "witness")
        try:
            asked = [pool.submit(_ask, each, note, tree) for each in self._witnesses]
            for answer in as_completed(asked):
                try:
                    note = note.with_signatures([answer.result()])
                except NotCosigned as problem:
                    problems.append(problem)
                    continue
                with suppress(NotProven):
                    self.policy.check(note)
                    break
        finally:
            pool.shutdown(wait=False)
        return note, problems

    def _require_open(self) -> None:
        if self._pid is None:
            how = " since its disk failed; recover it" if self._failed else ""
            raise LedgerError(f"the log in {self.directory} is closed{how}")
        if self._pid != os.getpid():
            raise LedgerError(
                "this process was forked from the one that opened the log; open it only after a fork"
            )


def read_receipt(directory: Path, index: int) -> Receipt:
    """Receipt of a leaf from a log's files, without the right to write: from its published checkpoint.

    Raises:
        BrokenLog: The files are no log.
        IndexError: The published checkpoint does not hold that leaf (yet).
    """
    note, checkpoint = read_checkpoint(directory, CHECKPOINT)
    return _receipt(Tree(directory, checkpoint.size), note, index)


def _ask(witness: WitnessClient, note: Note, tree: Tree) -> NoteSignature:
    """Ask one witness; what it refuses is said even where nobody waits for its answer any more."""
    try:
        return witness.cosign(note, tree.consistency_proof)
    except NotCosigned as problem:
        _logger.warning("%s", problem)
        raise


def _receipt(tree: Tree, note: Note, index: int) -> Receipt:
    return Receipt(index, tuple(tree.inclusion_proof(index)), note)
