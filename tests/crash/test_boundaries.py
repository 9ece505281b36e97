# SPDX-License-Identifier: Apache-2.0
"""The harness dies where it says, and leaves what it says."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crash.boundaries import Boundaries, Place
from crash.children import in_child


class Connection:
    """A database connection that nothing is asked of."""

    execute_wrappers: list[Any]

    def __init__(self) -> None:
        self.execute_wrappers = []

    def _commit(self) -> None:
        """Nothing to do."""


def write(directory: Path) -> None:
    """As everything here is written: beside its place, flushed, renamed."""
    with (directory / "new").open("wb") as file:
        file.write(b"0123456789")
        file.flush()
        os.fsync(file.fileno())
    (directory / "new").replace(directory / "whole")
    (directory / "more").mkdir()
    (directory / "more").mkdir(exist_ok=True)
    place = os.open(directory / "more", os.O_RDONLY)
    os.fsync(place)
    os.close(place)


def watched(directory: Path, at: int | None = None, *, torn: bool = False) -> Callable[[], list[Place]]:
    def run() -> list[Place]:
        boundaries = Boundaries(directory, at, torn)
        boundaries.watch(Connection())  # type: ignore[arg-type]
        write(directory)
        return boundaries.passed

    return run


def test_what_lasts_is_told_from_what_does_not(tmp_path: Path) -> None:
    assert in_child(watched(tmp_path)).value == [
        Place("open new"),
        Place("fsync new", lasts=False, tears=True),
        Place("rename new whole"),
        Place("mkdir more"),
        Place("fsync more", lasts=False),
    ]


@pytest.mark.parametrize(
    ("at", "left"),
    [(0, {}), (1, {"new": b"0123456789"}), (2, {"new": b"0123456789"}), (3, {"whole": b"0123456789"})],
)
def test_a_killed_process_leaves_what_it_had_done(tmp_path: Path, at: int, left: dict[str, bytes]) -> None:
    assert in_child(watched(tmp_path, at)).signal == signal.SIGKILL
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == left


def test_a_torn_file_has_lost_its_second_half(tmp_path: Path) -> None:
    assert in_child(watched(tmp_path, 1, torn=True)).signal == signal.SIGKILL
    assert (tmp_path / "new").read_bytes() == b"01234"
