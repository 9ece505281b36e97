# SPDX-License-Identifier: Apache-2.0
"""Tiles: the tree and its entries as static files (C2SP tlog-tiles)."""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from proofhouse.ledger._checkpoint import Checkpoint
from proofhouse.ledger._errors import BrokenLog, NotProven
from proofhouse.ledger._leaf import LEAF_BYTES
from proofhouse.ledger._note import Note
from proofhouse.ledger._tree import (
    EMPTY_ROOT,
    consistency_proof,
    fold,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
)

WIDTH = 256
"""Hashes or entries in a full tile."""

HASH_BYTES = 32
CHECKPOINT = "checkpoint"
"""The published checkpoint: newest that reached the quorum."""

HEAD = "head"
"""The newest checkpoint that the log signed: the commit point of the writer."""

_ENTRY = struct.Struct(f">H{LEAF_BYTES}s")


def tile_path(level: int | str, index: int, width: int = WIDTH) -> Path:
    """Path of a tile below the log's directory.

    Args:
        level: Tile level, or `entries` for an entry bundle.
        index: Index of the tile within its level.
        width: How many hashes or entries it holds.
    """
    groups = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        groups.append(f"x{index % 1000:03d}")
    path = Path("tile", str(level), *reversed(groups))
    return path if width == WIDTH else path.with_name(f"{path.name}.p") / str(width)


def bundle(entries: Sequence[bytes]) -> bytes:
    """Entries as a bundle: each behind its length, two bytes big-endian."""
    return b"".join(_ENTRY.pack(LEAF_BYTES, entry) for entry in entries)


class Tree:
    """A log's tree at one size, read from its files.

    Args:
        directory: The log's directory.
        size: Number of leaves.
    """

    def __init__(self, directory: Path, size: int) -> None:
        self.directory = directory
        self.size = size
        self._rows = functools.lru_cache(maxsize=128)(self._read_rows)

    def root(self) -> bytes:
        """Root of the tree."""
        return root(self.size, self.hash_at)

    def inclusion_proof(self, index: int) -> list[bytes]:
        """Audit path of a leaf."""
        return inclusion_proof(index, self.size, self.hash_at)

    def consistency_proof(self, old: int, new: int | None = None) -> list[bytes]:
        """Proof that the tree of `new` leaves (default: this one) extends that of `old`."""
        return consistency_proof(old, self.size if new is None else new, self.hash_at)

    def hash_at(self, level: int, index: int) -> bytes:
        """Hash of a complete subtree, from the tile that holds its row."""
        tile_level, row = divmod(level, 8)
        tile_index, place = divmod(index << row, WIDTH)
        return self._rows(tile_level, tile_index)[row][place >> row]

    def entry(self, index: int) -> bytes:
        """The entry at an index."""
        tile_index, place = divmod(index, WIDTH)
        return self.entry_bundle(tile_index)[place]

    def entries(self) -> Iterator[bytes]:
        """All entries in order."""
        for tile_index in range(-(-self.size // WIDTH)):
            yield from self.entry_bundle(tile_index)

    def entry_bundle(self, tile_index: int) -> list[bytes]:
        """The entries of one bundle.

        Raises:
            BrokenLog: The file is missing, short, or holds something else than leaves.
        """
        width = min(WIDTH, self.size - tile_index * WIDTH)
        content = self._read("entries", tile_index, width, _ENTRY.size)
        pairs = list(_ENTRY.iter_unpack(content))
        if any(length != LEAF_BYTES for length, _ in pairs):
            raise BrokenLog(f"{tile_path('entries', tile_index, width)} holds an entry that is no leaf")
        return [entry for _, entry in pairs]

    def tile(self, level: int, index: int) -> bytes:
        """The hashes of one tile.

        Raises:
            BrokenLog: The file is missing or too short.
        """
        return b"".join(self._rows(level, index)[0])

    def widths(self, level: int) -> list[int]:
        """Widths of the tiles of a level, from the first on."""
        count = self.size >> (8 * level)
        return [min(WIDTH, count - start) for start in range(0, count, WIDTH)]

    def _read_rows(self, level: int, index: int) -> list[list[bytes]]:
        """The hashes of a tile, and above them the hashes of their complete pairs, up to row 7."""
        width = min(WIDTH, (self.size >> (8 * level)) - index * WIDTH)
        content = self._read(level, index, width, HASH_BYTES)
        rows = [[content[i : i + HASH_BYTES] for i in range(0, len(content), HASH_BYTES)]]
        while len(rows) < 8:
            below = rows[-1]
            rows.append([node_hash(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)])
        return rows

    def _read(self, level: int | str, index: int, width: int, item_bytes: int) -> bytes:
        """Read a tile of some width; a partial tile that is gone may be the start of the full one."""
        wanted = width * item_bytes
        for path in (tile_path(level, index, width), tile_path(level, index)):
            try:
                content = (self.directory / path).read_bytes()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise BrokenLog(f"{path} cannot be read: {error}") from None
            if len(content) < wanted or (len(content) > wanted and path == tile_path(level, index, width)):
                raise BrokenLog(f"{path} has {len(content)} bytes, not {wanted}")
            return content[:wanted]
        raise BrokenLog(f"{tile_path(level, index, width)} is missing")


def recompute(tree: Tree) -> bytes:
    """Recompute the root from the entries and compare every tile on the way.

    Raises:
        BrokenLog: A file is missing or contradicts the entries; the message names it.
    """
    row = [leaf_hash(entry) for index in range(len(tree.widths(0))) for entry in tree.entry_bundle(index)]
    level = 0
    while row:
        above = []
        for index, start in enumerate(range(0, len(row), WIDTH)):
            hashes = row[start : start + WIDTH]
            if tree.tile(level, index) != b"".join(hashes):
                raise BrokenLog(f"{tile_path(level, index, len(hashes))} does not match the entries below it")
            if len(hashes) == WIDTH:
                above.append(fold(hashes))
        row, level = above, level + 1
    return tree.root() if tree.size else EMPTY_ROOT


def read_checkpoint(directory: Path, name: str) -> tuple[Note, Checkpoint]:
    """Read one of a log's checkpoint files; checks no signature.

    Raises:
        BrokenLog: Missing, unreadable, or no checkpoint.
    """
    path = directory / name
    try:
        note = Note.parse(path.read_bytes())
        return note, Checkpoint.of(note)
    except OSError as error:
        raise BrokenLog(f"{path} cannot be read: {error.strerror}; is this the directory of a log?") from None
    except NotProven as error:
        raise BrokenLog(f"{path} is no checkpoint: {error}") from None


def published_tree(directory: Path) -> Tree:
    """The tree at the size of the published checkpoint."""
    return Tree(directory, read_checkpoint(directory, CHECKPOINT)[1].size)
