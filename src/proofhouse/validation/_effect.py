# SPDX-License-Identifier: Apache-2.0
"""What a patch does, as the difference of two trees. Pure: what `diff` printed in, one plain diff out.

`patch` finds files by more rules than any reader of diffs should repeat: indented headers, names in other headers,
renames, context diffs. So where a patch applies it is not judged by its own text: it is applied to a copy of the
vulnerable tree, and what copy and tree differ by is judged, and is what is built.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

DIFF = ("diff", "--recursive", "--new-file", "--unified", "--text", "--no-dereference")
"""Every file as text, links as links, a file that is absent as an empty one."""
MAX_EFFECT_BYTES = 1 << 20

_HUNK = re.compile(rb"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")
_NEVER = b"1970-01-01 00:00:00"
_ESCAPE = re.compile(rb'\\([0-7]{3}|[abtnvfr"\\])')
_LETTERS = {b"a": 7, b"b": 8, b"t": 9, b"n": 10, b"v": 11, b"f": 12, b"r": 13, b'"': 34, b"\\": 92}


@dataclass(frozen=True)
class Effect:
    """A patch as it was found and what it does to the vulnerable tree.

    Attributes:
        found: where it was found.
        sha256: digest of it as it came: a patch's bytes, an archive's, or the sum over the files of a source.
        diff: what it does; as it came, where it does not apply.
        strip: leading parts of the paths in `diff` that are not the tree's.
        unreadable: what it does that no diff shows; empty when all is shown.
    """

    found: str
    sha256: str
    diff: bytes
    strip: int = 1
    unreadable: str = ""


def plain_difference(printed: bytes, *, whole: bool) -> tuple[bytes, str]:
    """A diff that names each file once and is free of times, from what `DIFF` printed about two trees.

    Args:
        printed: standard output.
        whole: nothing was dropped and the program had no trouble.

    Returns:
        The diff, and what it does not show; empty when it shows all.
    """
    if not whole:
        return b"", "changes more than can be compared, or what is neither a file nor a link"
    out: list[bytes] = []
    lines = iter(printed.split(b"\n"))
    for line in lines:
        if line.startswith(b"--- "):
            changed = _one_file(line, lines, out)
            if changed:
                return b"", changed
        elif line and not line.startswith(b"diff "):
            return b"", f"changes what no diff shows: {line[:200].decode('utf-8', 'replace')}"
    return b"".join(line + b"\n" for line in out), ""


def _one_file(header: bytes, lines: Iterator[bytes], out: list[bytes]) -> str:
    """Copy one file's hunks under plain headers; what is wrong with its name, or nothing."""
    (old, before), (new, after) = _name(header), _name(next(lines, b""))
    hunk = next(lines, b"")
    path = old.partition(b"/")[2]
    if path != new.partition(b"/")[2] or any(byte < 32 or byte in b'"\\\x7f' for byte in path):
        return f"changes a file whose name no diff can carry: {path[:200]!r}"
    sides = _HUNK.match(hunk)
    is_new = bool(sides and sides[1] == b"0" and before.startswith(_NEVER))
    is_gone = bool(sides and sides[2] == b"0" and after.startswith(_NEVER))
    end = b"\t" if b" " in path else b""  # otherwise its name would end at the first space
    out.append(b"--- /dev/null" if is_new else b"--- a/" + path + end)
    out.append(b"+++ /dev/null" if is_gone else b"+++ b/" + path + end)
    while sides:
        out.append(hunk)
        _copy_hunk(sides, lines, out)
        hunk = next(lines, b"")
        if hunk.startswith(b"\\"):
            out.append(hunk)
            hunk = next(lines, b"")
        sides = _HUNK.match(hunk)
        if not sides and hunk and not hunk.startswith(b"diff "):
            return f"changes what no diff shows: {hunk[:200].decode('utf-8', 'replace')}"
    return ""


def _copy_hunk(sides: re.Match[bytes], lines: Iterator[bytes], out: list[bytes]) -> None:
    before, after = (1 if count is None else int(count) for count in sides.groups())
    while before > 0 or after > 0:
        line = next(lines)
        out.append(line)
        before -= line[:1] in (b"-", b" ", b"")
        after -= line[:1] in (b"+", b" ", b"")


def _name(header: bytes) -> tuple[bytes, bytes]:
    """Path, unquoted as `diff` quotes it, and time of a `---` or `+++` line."""
    name, _, time = header[4:].rpartition(b"\t")
    if name.startswith(b'"') and name.endswith(b'"'):
        name = _ESCAPE.sub(_unescaped, name[1:-1])
    return name, time


def _unescaped(found: re.Match[bytes]) -> bytes:
    code = found[1]
    return bytes([_LETTERS[code] if code in _LETTERS else int(code, 8) & 0xFF])
