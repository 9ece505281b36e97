# SPDX-License-Identifier: Apache-2.0
"""Text and file names from outside, made harmless: what is kept of them can be stored, shown and saved anywhere.

A report's words are shown as text and never rendered; still they must hold nothing that moves a terminal's cursor,
turns the order of letters on a page around (CVE-2021-42574) or cannot be stored (NUL). A file's name must name a file,
and nothing else, on every system.
"""

from __future__ import annotations

import re
import unicodedata

NAME_CHARS = 100
"""Longest file name that is kept; its ending survives."""

_BIDI = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x061C, 0x200E, 0x200F])
_SPACES = re.compile(r"[ \t]+")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10))}
)


def plain_prose(text: str, most: int) -> str:
    """Text of several lines without control characters, at most `most` characters."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").translate(_BIDI)
    kept = "".join(
        each for each in lines if each in "\n\t" or unicodedata.category(each) not in ("Cc", "Cs", "Cn")
    )
    return kept.strip()[:most].rstrip()


def plain_line(text: str, most: int) -> str:
    """Text of one line, at most `most` characters."""
    return (
        _SPACES.sub(" ", plain_prose(text, len(text)).replace("\n", " ").replace("\t", " "))
        .strip()[:most]
        .rstrip()
    )


def harmless_name(name: str) -> str:
    r"""A plain file name for one that somebody gave: ASCII letters, digits, dot, dash and underscore; never empty.

    Example:
        >>> harmless_name("../../etc/passwd"), harmless_name("évil\u202egpj.exe"), harmless_name("CON")
        ('passwd', 'evilgpj.exe', 'file-CON')
    """
    last = re.split(r"[/\\]", name.translate(_BIDI))[-1]
    folded = unicodedata.normalize("NFKD", last).encode("ascii", "ignore").decode("ascii")
    plain = _NOT_IN_NAMES.sub("-", folded).strip("-.") or "file"
    if plain.split(".", 1)[0].lower() in _DEVICES:
        plain = f"file-{plain}"
    if len(plain) <= NAME_CHARS:
        return plain
    stem, dot, ending = plain.rpartition(".")
    ending = f".{ending}" if dot and stem and len(ending) <= 10 else ""
    return plain[: NAME_CHARS - len(ending)] + ending
