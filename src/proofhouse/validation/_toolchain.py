# SPDX-License-Identifier: Apache-2.0
"""What a search for flaws builds a program with, and what it gets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

TOOLS = "/work/tools"
"""Where a search's compilers lie in a build box; its `bin` comes first on the PATH."""
MAX_KEPT_BYTES = 1 << 20


@dataclass(frozen=True)
class Toolchain:
    """What a search builds a program with.

    Attributes:
        name: For people, and part of what a build is known by.
        files: Path below `TOOLS` → content of programs that are put there; those in `bin` hide others of their name.
        env: Variables beside the build's own.
        keeps: Paths below `TOOLS` of files that the toolchain writes and the search wants; empty where it wrote none.
        prepare: Argument vectors that are run in `TOOLS` before the build.
        wants: Program that must be installed → Debian package that holds it.
    """

    name: str
    files: Mapping[str, bytes] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    keeps: tuple[str, ...] = ()
    prepare: tuple[tuple[str, ...], ...] = ()
    wants: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Searchable:
    """The vulnerable build of a toolchain.

    Attributes:
        program: tar of `build.outputs`.
        files: path inside the vulnerable source → content, as asked for.
        kept: what `Toolchain.keeps` named.
    """

    program: bytes
    files: Mapping[PurePosixPath, bytes]
    kept: Mapping[str, bytes]
