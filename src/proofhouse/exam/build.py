# SPDX-License-Identifier: Apache-2.0
"""Building an item's program in a box, once per content: what went into a build addresses it in the cache."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from proofhouse.attest import canonical, sha256_hex
from proofhouse.exam.sanitizer import Symbol, SymbolTable, parse_nm
from proofhouse.sandbox import Box, BoxSpec, Limits, open_box

BUILD_SPEC = BoxSpec(limits=Limits(wall_s=120, cpu_s=120), profile="build")
BINARY_BYTES = 64 << 20

OpenBox = Callable[[BoxSpec], Box]
"""Opens a box; whoever judges decides of which tier."""


class BuildFailed(Exception):
    """The compiler is missing or refused a program; the message quotes it."""


@dataclass(frozen=True)
class How:
    """How C sources become a program.

    Attributes:
        sources: File names to compile, in order.
        compile: Flags of `clang -c`.
        link: Flags of the link.
    """

    sources: tuple[str, ...]
    compile: tuple[str, ...]
    link: tuple[str, ...]


@dataclass(frozen=True)
class Program:
    """A built program."""

    binary: bytes
    symbols: SymbolTable
    digest: str
    """Lowercase hex SHA-256 of the binary."""


def default_cache() -> Path:
    """Where builds are kept unless told: `$XDG_CACHE_HOME/proofhouse/exam`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "proofhouse" / "exam"


@cache
def compiler_version() -> str:
    """The compiler's first line about itself.

    Raises:
        BuildFailed: there is no clang.
        SandboxUnavailable: no box can be opened.
    """
    with open_box(BUILD_SPEC) as box:
        return _tool(box, "clang", "--version").split("\n", 1)[0]


def build(files: Mapping[str, bytes], how: How, directory: Path, opener: OpenBox = open_box) -> Program:
    """Build a program, or take it from the cache.

    Args:
        files: relative path to content: sources and headers.
        how: which of them are compiled, and with which flags.
        directory: the cache.
        opener: opens the box in which it is built.

    Raises:
        BuildFailed: no compiler, or it refused.
        SandboxDead: the box died.
        SandboxUnavailable: no box can be opened.
    """
    recipe = {
        "compiler": compiler_version(),
        "how": asdict(how),
        "files": {name: sha256_hex(content) for name, content in files.items()},
    }
    place = directory / sha256_hex(canonical(recipe))
    cached = _load(place)
    if cached is not None:
        return cached
    with opener(BUILD_SPEC) as box:
        for name, content in files.items():
            box.put(f"/work/{name}", content)
        objects = [f"object{number}.o" for number in range(len(how.sources))]
        for source, made in zip(how.sources, objects, strict=True):
            _tool(box, "clang", *how.compile, "-c", "-o", made, source)
        _tool(box, "clang", *how.link, "-o", "program", *objects)
        own = {symbol.name for made in objects for symbol in _functions(box, made)}
        symbols = [symbol for symbol in _functions(box, "program") if symbol.name in own]
        binary = box.get("/work/program", BINARY_BYTES)
    _store(place, binary, symbols)
    return Program(binary, SymbolTable(symbols), sha256_hex(binary))


def _tool(box: Box, *argv: str) -> str:
    done = box.exec(argv)
    if done.exit_code == 127:
        raise BuildFailed(f"{argv[0]} is missing; install it with: apt install clang llvm binutils")
    if done.exit_code != 0:
        said = done.stderr.decode("utf-8", "replace").strip()[-500:]
        raise BuildFailed(f"{argv[0]} failed: {said or 'killed by a limit'}")
    return done.stdout.decode("utf-8", "replace")


def _functions(box: Box, path: str) -> list[Symbol]:
    return parse_nm(_tool(box, "nm", "--print-size", "--defined-only", path))


def _load(place: Path) -> Program | None:
    try:
        record = json.loads((place / "symbols.json").read_bytes())
        binary = (place / "program").read_bytes()
        symbols = SymbolTable(Symbol(**entry) for entry in record["symbols"])
        digest = sha256_hex(binary)
        return Program(binary, symbols, digest) if digest == record["binary_sha256"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _store(place: Path, binary: bytes, symbols: list[Symbol]) -> None:
    """Write a build so that a reader sees all of it or nothing."""
    record = {"binary_sha256": sha256_hex(binary), "symbols": [asdict(symbol) for symbol in symbols]}
    place.mkdir(parents=True, exist_ok=True)
    for name, content in (("program", binary), ("symbols.json", canonical(record))):
        with tempfile.NamedTemporaryFile(dir=place, prefix=f".{name}-", delete=False) as file:
            file.write(content)
        Path(file.name).replace(place / name)
