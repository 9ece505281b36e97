# SPDX-License-Identifier: Apache-2.0
"""A box with the vulnerable source in it, for tools that read and do not run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from proofhouse.sandbox import Box, BoxSpec, ExecResult, Limits, open_box
from proofhouse.scan._engine import Remark, Terms, plain
from proofhouse.scan._target import Target

SOURCE = "/work/source"
OUTPUT_BYTES = 4 << 20
MAX_LINES = 20_000
"""Lines of a tool's answer that are read; a source can make a tool talk without end."""
_WEAKNESS = re.compile(r"(?:CWE-?)?([1-9]\d{0,4})\b", re.IGNORECASE)
_LOUDEST = ("error", "warning")


def open_source(target: Target, terms: Terms) -> Box:
    """A box for one static tool."""
    limits = Limits(
        wall_s=terms.seconds,
        cpu_s=int(8 * terms.seconds) + 1,
        memory_bytes=3 << 30,
        cores=1,
        output_bytes=OUTPUT_BYTES,
    )
    box = open_box(BoxSpec(limits=limits, profile="build"))
    try:
        box.put("/work/source.tar.gz", target.source())
        unpack = ["tar", "-x", "-z", "-f", "/work/source.tar.gz", "--no-same-owner", "-C", SOURCE]
        box.exec(["mkdir", "-p", SOURCE])
        box.exec(unpack)
    except BaseException:
        box.close()
        raise
    return box


def read(box: Box, argv: list[str], terms: Terms, env: Mapping[str, str] | None = None) -> ExecResult:
    """Run a tool over the source; what it said by the end of its time counts."""
    return box.exec(argv, cwd=SOURCE, env={"HOME": "/work", **(env or {})}, wall_s=terms.seconds)


def weakness(text: object) -> str:
    """`CWE-N` of what a tool says, or empty."""
    found = _WEAKNESS.match(str(text).strip())
    return f"CWE-{found[1]}" if found else ""


def place(text: str) -> PurePosixPath | None:
    """A file below the source as a tool names it; None for what lies elsewhere or is no plain name."""
    path = PurePosixPath(text.removeprefix(f"{SOURCE}/").removeprefix("./"))
    plain_name = str(path).isprintable() and 0 < len(str(path)) <= 200 and path.name
    return None if path.is_absolute() or ".." in path.parts or not plain_name else path


def loudest_first(remarks: Iterable[Remark]) -> list[Remark]:
    """Errors, then warnings, then the rest, each place and rule once."""
    once = {(each.path, each.line, each.rule): each for each in remarks}

    def rank(remark: Remark) -> tuple[int, str, int, str]:
        heard = _LOUDEST.index(remark.severity) if remark.severity in _LOUDEST else len(_LOUDEST)
        return heard, str(remark.path), remark.line, remark.rule

    return sorted(once.values(), key=rank)


def remark(
    path: str, line: object, rule: object, cwe: object, severity: object, message: object
) -> Remark | None:
    """What a tool says of one line, made plain; None where it names no file of the source."""
    where = place(path)
    number = str(line)
    if where is None:
        return None
    return Remark(
        where,
        int(number) if number.isdecimal() and len(number) <= 8 else 0,
        plain(rule, 80) or "unnamed",
        weakness(cwe),
        plain(severity, 20).lower(),
        plain(message),
    )
