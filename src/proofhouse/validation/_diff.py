# SPDX-License-Identifier: Apache-2.0
"""What a unified diff touches, read without applying it. Pure: hostile bytes in, facts out.

`patch` decides whether a diff applies; this reader only says which files and lines it would change, so that a fix
can be bounded, kept away from tests, and compared with the place of a crash. What it cannot read it leaves out.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

MAX_CHANGED_LINES = 2000
MAX_CHANGED_FILES = 40
NEAR_LINES = 6
"""Two fixes, or a fix and a crash, this near to each other are about the same place."""

_HUNK = re.compile(rb"^@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@")
_TEST_PARTS = frozenset({"test", "tests", "testing", "testsuite", "testcases", "t", "unittests", "regress"})
_TEST_NAME = re.compile(r"(^|[._-])(test|tests|testsuite)([._-]|\d|$)")
_BUILD_FILE = re.compile(
    r"^(makefile(\.\w+)?|gnumakefile|cmakelists\.txt|meson\.build|configure\.ac|.*\.mk)$", re.I
)
_TEST_WORD = re.compile(rb"\b(tests?|checks?)\b|_TESTS?\b|\bTESTS?", re.I)

_MASKS: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"no_?sanitize|no_address_safety|disable_sanitizer"), "switches a check off"),
    (re.compile(rb"f(no-)?sanitize|(A|UB|L|M|T)SAN_OPTIONS"), "changes how the program is checked"),
    (re.compile(rb"__(asan|ubsan|lsan|msan|sanitizer)_|sanitizer/\w+_interface"), "speaks to the sanitizer"),
    (re.compile(rb"__SANITIZE_\w+__|__has_feature\s*\("), "behaves otherwise under the sanitizer"),
    (re.compile(rb"\bSIG(SEGV|BUS|ABRT|ILL|FPE)\b"), "catches the signal of a crash"),
    (re.compile(rb"\b__attribute__\s*\(\(\s*naked|#\s*pragma\s+clang\s+attribute"), "switches a check off"),
)


@dataclass
class FileChange:
    """What a diff does to one file.

    Attributes:
        path: after stripping; empty when the diff names none.
        deleted: the file is gone afterwards.
        removed: (line number before, text) of lines taken away.
        added: (line number before, text) of lines put in; the number is that of the line before which they come.
    """

    path: str
    deleted: bool = False
    removed: list[tuple[int, bytes]] = field(default_factory=list)
    added: list[tuple[int, bytes]] = field(default_factory=list)

    @property
    def lines(self) -> frozenset[int]:
        """Line numbers, before the change, that it touches."""
        return frozenset(number for number, _ in (*self.removed, *self.added))


def read_diff(content: bytes, strip: int = 1) -> tuple[FileChange, ...]:
    """The files that a unified diff changes, in its order.

    Args:
        content: the diff, hostile bytes.
        strip: leading parts of each path that `patch` will remove.
    """
    changes: list[FileChange] = []
    lines = content.split(b"\n")
    index = 0
    while index < len(lines):
        line = lines[index]
        if line.startswith(b"--- ") and index + 1 < len(lines) and lines[index + 1].startswith(b"+++ "):
            old, new = _path(line[4:], strip), _path(lines[index + 1][4:], strip)
            changes.append(FileChange(old if new == "/dev/null" else new, deleted=new == "/dev/null"))
            index += 2
            continue
        hunk = _HUNK.match(line)
        if hunk and changes:
            index = _read_hunk(lines, index + 1, hunk, changes[-1])
            continue
        index += 1
    return tuple(changes)


def _read_hunk(lines: Sequence[bytes], index: int, hunk: re.Match[bytes], change: FileChange) -> int:
    """Take one hunk's lines, as many as its header says; returns the index after it."""
    before, after = (int(hunk[2]) if hunk[2] else 1), (int(hunk[4]) if hunk[4] else 1)
    number = int(hunk[1])
    while index < len(lines) and (before > 0 or after > 0):
        line = lines[index]
        if line.startswith(b"-"):
            change.removed.append((number, line[1:]))
            number, before = number + 1, before - 1
        elif line.startswith(b"+"):
            change.added.append((number, line[1:]))
            after -= 1
        elif line.startswith(b"\\"):
            pass
        else:
            number, before, after = number + 1, before - 1, after - 1
        index += 1
    return index


def _path(text: bytes, strip: int) -> str:
    name = text.split(b"\t", 1)[0].strip().decode("utf-8", "replace")
    if name == "/dev/null":
        return name
    parts = PurePosixPath(name).parts
    return "/".join(parts[min(strip, max(len(parts) - 1, 0)) :])


def changed_lines(changes: Iterable[FileChange]) -> int:
    """Lines taken away and put in, over all files."""
    return sum(len(change.removed) + len(change.added) for change in changes)


def unbounded(changes: Sequence[FileChange]) -> str:
    """Why a diff is too large for a person to review as one fix; empty when it is not."""
    lines, files = changed_lines(changes), len({change.path for change in changes})
    if lines > MAX_CHANGED_LINES or files > MAX_CHANGED_FILES:
        return f"changes {lines} lines of {files} files; at most {MAX_CHANGED_LINES} of {MAX_CHANGED_FILES} are proved"
    return ""


def is_test(path: str, declared: Iterable[PurePosixPath] = ()) -> bool:
    """Whether a path is a test by its name, or by the recipe's own word.

    Args:
        path: below the source.
        declared: the recipe's `test_files`, files or directories.
    """
    place = PurePosixPath(path)
    return (
        any(part.lower() in _TEST_PARTS for part in place.parts[:-1])
        or bool(_TEST_NAME.search(place.name.lower()))
        or any(place == other or other in place.parents for other in declared)
    )


def removed_tests(changes: Iterable[FileChange], declared: Iterable[PurePosixPath] = ()) -> str:
    """Which test a diff takes away; empty when none.

    A test file that is deleted, that ends up shorter, or a line of a build file that runs tests and is gone.
    """
    declared = tuple(declared)
    for change in changes:
        gone = _really_removed(change)
        if is_test(change.path, declared):
            if change.deleted:
                return f"deletes the test {change.path}"
            if len(change.removed) > len(change.added) and gone:
                return f"takes lines out of the test {change.path}"
        elif _BUILD_FILE.match(PurePosixPath(change.path).name):
            fewer = [text for text in gone if _TEST_WORD.search(text)]
            if fewer and len(fewer) > sum(bool(_TEST_WORD.search(text)) for _, text in change.added):
                return f"takes a test out of {change.path}"
    return ""


def rewritten_test(changes: Iterable[FileChange], declared: Iterable[PurePosixPath] = ()) -> str:
    """Which test a diff rewrites without shortening it: a person must look; empty when none."""
    declared = tuple(declared)
    for change in changes:
        if is_test(change.path, declared) and not change.deleted and _really_removed(change):
            return f"rewrites the test {change.path}"
    return ""


def _really_removed(change: FileChange) -> list[bytes]:
    """Lines with something on them that are not put back elsewhere in the same file."""
    back = {text.strip() for _, text in change.added}
    return [text for _, text in change.removed if text.strip() and text.strip() not in back]


def masks(changes: Iterable[FileChange]) -> str:
    """How a diff hides a crash instead of mending it, as far as its text shows; empty when it does not.

    A fix has no reason to speak to the sanitizer or to the signal of a crash; lines that it only moves do not count.
    """
    for change in changes:
        before = {text.strip() for _, text in change.removed}
        for _, text in change.added:
            if text.strip() in before:
                continue
            for pattern, why in _MASKS:
                if pattern.search(text):
                    return f"{why} in {change.path}"
    return ""
