# SPDX-License-Identifier: Apache-2.0
"""Reading an AddressSanitizer report strictly, and naming the function that crashed. Pure.

Reports come from the file that the sanitizer runtime itself opened (`log_path`), never from a program's
output. They are unsymbolized: `#0 0xADDRESS (MODULE+0xOFFSET)`. Offsets are looked up in the symbol table
that was read when the program was built, so no symbolizer runs beside hostile input.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

REPORT_BYTES = 64 << 10
"""A longer report is refused; unsymbolized ones take about 3 kB."""

_HEADER = re.compile(r"==(\d+)==ERROR: AddressSanitizer: (?:attempting )?([A-Za-z][A-Za-z-]*)[ :]")
_FRAME = re.compile(r" {4}#(\d+) 0x[0-9a-f]+ +\((\S+)\+0x([0-9a-f]+)\)(?: \(BuildId: [0-9a-f]+\))?")
_MARKER = "ERROR: AddressSanitizer:"


class MalformedReport(ValueError):
    """Text that the sanitizer runtime would not have written."""


@dataclass(frozen=True)
class Frame:
    """One entry of a stack."""

    module: str
    """Path of the program or library."""
    offset: int
    """Address within it."""


@dataclass(frozen=True)
class Report:
    """What one report says."""

    kind: str
    """Crash class, for example `heap-use-after-free`, `double-free`, `SEGV`."""
    frames: tuple[Frame, ...]
    """The stack of the invalid act, innermost first."""


def parse_report(content: bytes, pid: int) -> Report:
    """Read one report file.

    Args:
        content: the file.
        pid: process number from the file's name; the header must carry the same.

    Raises:
        MalformedReport: anything is not as the runtime writes it.
    """
    if len(content) > REPORT_BYTES:
        raise MalformedReport(f"longer than {REPORT_BYTES} bytes")
    try:
        lines = content.decode("ascii").splitlines()
    except UnicodeDecodeError:
        raise MalformedReport("not ASCII") from None
    if lines[:1] == ["AddressSanitizer:DEADLYSIGNAL"]:
        lines = lines[1:]
    if len(lines) < 3 or lines[0].strip("=") or not lines[0]:
        raise MalformedReport("does not begin with a rule of equals signs")
    if sum(_MARKER in line for line in lines) != 1:
        raise MalformedReport("expected exactly one error header")
    header = _HEADER.match(lines[1])
    if header is None:
        raise MalformedReport("no error header on the second line")
    if int(header[1]) != pid:
        raise MalformedReport("the header names another process than the file")
    return Report(kind=header[2], frames=_first_stack(lines[2:]))


def _first_stack(lines: Sequence[str]) -> tuple[Frame, ...]:
    frames: list[Frame] = []
    for line in lines:
        match = _FRAME.fullmatch(line)
        if match is None:
            if frames:
                break
            continue
        if int(match[1]) != len(frames):
            raise MalformedReport("frames are not numbered in order")
        frames.append(Frame(match[2], int(match[3], 16)))
    if not frames:
        raise MalformedReport("no stack")
    return tuple(frames)


@dataclass(frozen=True)
class Symbol:
    """One function of a program."""

    start: int
    size: int
    name: str


class SymbolTable:
    """The functions of a program, to be found by offset.

    Args:
        symbols: functions of the program's own source, the runtime's left out.
    """

    def __init__(self, symbols: Iterable[Symbol]) -> None:
        self._symbols = sorted(symbols, key=lambda symbol: symbol.start)
        self._starts = [symbol.start for symbol in self._symbols]

    def at(self, offset: int) -> str | None:
        """Name of the function that holds `offset`, or None."""
        index = bisect_right(self._starts, offset) - 1
        if index < 0:
            return None
        symbol = self._symbols[index]
        return symbol.name if offset < symbol.start + symbol.size else None

    def blame(self, report: Report, module: str) -> str | None:
        """The innermost function of the program itself on the report's stack, or None."""
        for frame in report.frames:
            name = self.at(frame.offset) if frame.module == module else None
            if name is not None:
                return name
        return None


def parse_nm(text: str) -> list[Symbol]:
    """Defined functions in the output of `nm --print-size --defined-only` (types t and T)."""
    symbols = []
    for line in text.splitlines():
        fields = line.split()
        if len(fields) == 4 and fields[2] in {"t", "T"}:
            symbols.append(Symbol(int(fields[0], 16), int(fields[1], 16), fields[3]))
    return symbols
