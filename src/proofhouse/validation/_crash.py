# SPDX-License-Identifier: Apache-2.0
"""Sanitizer reports: what counts as one, its class, and the signature that names a crash.

Pure: bytes in, records out. A report counts only when the runtime wrote it to the log path of that run, under
the process id that it names in its header; text on standard output or error is never looked at. Signatures
follow ClusterFuzz: the top three frames of the program's own code, without arguments, addresses or anonymous
namespaces (google/clusterfuzz, `stacktraces` and `crash_comparer`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

EXIT_CODE = 86
"""Exit status asked of the sanitizer runtime; its default, 1, is what many programs use."""

REPORT_STEM = "report"
MAX_STATE_FRAMES = 3
MAX_LINE_CHARS = 80

_LOG_NAME = re.compile(rf"{REPORT_STEM}\.(\d{{1,10}})")
_ASAN = re.compile(rb"^==(\d+)==ERROR: AddressSanitizer: ([^\n]{1,300})", re.MULTILINE)
_UBSAN = re.compile(rb"^[^\n:]{1,500}:\d+:\d+: runtime error: ([^\n]{1,300})", re.MULTILINE)
_ACCESS = re.compile(rb"^(READ|WRITE) of size (\d+) at ", re.MULTILINE)
_SIGNAL_ACCESS = re.compile(rb"The signal is caused by a (READ|WRITE) memory access")
_FRAME = re.compile(
    rb"^\s*#(\d{1,4}) 0x[0-9a-f]+\s+\((?P<module>[^\n()]{1,300})\+0x(?P<offset>[0-9a-f]{1,16})\)"
)
_ANY_FRAME = re.compile(rb"^\s*#\d{1,4} 0x[0-9a-f]+\b")

_ASAN_PHRASES = (
    ("attempting double-free", "double-free"),
    ("attempting free on address which was not malloc", "bad-free"),
    ("attempting to call malloc_usable_size", "bad-malloc_usable_size"),
    ("requested allocation size", "allocation-size-too-big"),
    ("allocator is out of memory", "out-of-memory"),
)
_UBSAN_PHRASES = (
    ("signed integer overflow", "signed-integer-overflow"),
    ("unsigned integer overflow", "unsigned-integer-overflow"),
    ("index ", "index-out-of-bounds"),
    ("division by zero", "division-by-zero"),
    ("shift exponent", "bad-shift"),
    ("left shift", "bad-shift"),
    ("null pointer", "null-pointer"),
    ("member access within null pointer", "null-pointer"),
    ("load of null pointer", "null-pointer"),
    ("store to null pointer", "null-pointer"),
    ("load of misaligned", "misaligned-address"),
    ("store to misaligned", "misaligned-address"),
)


@dataclass(frozen=True)
class CodeAddress:
    """One unsymbolised frame: a module of the box and an offset in it."""

    module: str
    offset: int


@dataclass(frozen=True)
class Report:
    """A parsed sanitizer report, before its frames have names."""

    sanitizer: str
    """`address` or `undefined`."""
    crash_class: str
    """The runtime's own name, e.g. `heap-use-after-free`, `SEGV`."""
    access: str
    """`READ 8`, `WRITE {*}`, `READ` or empty."""
    stack: tuple[CodeAddress, ...]
    """Innermost first; frames outside any module are left out."""


@dataclass(frozen=True)
class Crash:
    """A report with names: what two crashes are compared by."""

    sanitizer: str
    crash_class: str
    access: str
    state: tuple[str, ...]
    """At most three functions of the program's own code, innermost first, normalised."""
    location: str
    """`file:line` of the innermost of them, or empty."""


@dataclass(frozen=True)
class Frame:
    """One function, inlined ones included, at a code address."""

    function: str
    file: str
    line: int


def read_report(logs: Mapping[str, bytes]) -> Report | None:
    """Find the sanitizer's report among the files of a run's private log directory.

    Args:
        logs: name → content of each file there.

    Returns:
        The report, or None when there is no file that a sanitizer runtime would have written.
    """
    for name in sorted(logs):
        named = _LOG_NAME.fullmatch(name)
        if named:
            report = _parse(logs[name], int(named[1]))
            if report is not None:
                return report
    return None


def _parse(content: bytes, pid: int) -> Report | None:
    address = _ASAN.search(content)
    undefined = _UBSAN.search(content)
    if address and int(address[1]) == pid:
        return Report("address", _asan_class(address[2]), _access(content), _stack(content, address.end()))
    if undefined and not address:
        return Report("undefined", _ubsan_class(undefined[1]), "", _stack(content, undefined.end()))
    return None


def _asan_class(headline: bytes) -> str:
    text = headline.decode("ascii", "replace")
    for phrase, name in _ASAN_PHRASES:
        if text.startswith(phrase):
            return name
    word = re.match(r"[A-Za-z][A-Za-z-]*", text)
    return word[0] if word else "unknown-crash"


def _ubsan_class(message: bytes) -> str:
    text = message.decode("ascii", "replace")
    return next((name for phrase, name in _UBSAN_PHRASES if text.startswith(phrase)), "undefined-behavior")


def _access(content: bytes) -> str:
    sized = _ACCESS.search(content)
    if sized:
        size = int(sized[2])
        return f"{sized[1].decode()} {size if size <= 16 else '{*}'}"
    signalled = _SIGNAL_ACCESS.search(content)
    return signalled[1].decode() if signalled else ""


def _stack(content: bytes, start: int) -> tuple[CodeAddress, ...]:
    """The first run of frame lines after the headline: where it crashed, not where memory was freed."""
    frames: list[CodeAddress] = []
    seen = False
    for line in content[start:].splitlines():
        if _ANY_FRAME.match(line):
            seen = True
            found = _FRAME.match(line)
            if found:
                frames.append(
                    CodeAddress(found["module"].decode("utf-8", "replace"), int(found["offset"], 16))
                )
        elif seen:
            break
    return tuple(frames)


_IGNORED_PREFIXES = (
    "__asan",
    "__interceptor_",
    "__lsan",
    "__sancov",
    "__sanitizer",
    "__ubsan",
    "__libc_",
    "_start",
)
_IGNORED_PARTS = ("__asan::", "__sanitizer::", "__ubsan::", "operator new", "operator delete")
_IGNORED = frozenset(
    (
        *("abort", "calloc", "exit", "free", "malloc", "posix_memalign", "qsort", "raise", "realloc"),
        *("fgets", "fprintf", "fread", "fwrite", "printf", "puts", "read", "snprintf", "sprintf", "write"),
        *("memchr", "memcmp", "memcpy", "memmove", "memset", "vfprintf", "vsnprintf", "vsprintf"),
        *("strcasecmp", "strcat", "strchr", "strcmp", "strcpy", "strdup", "strlen", "strncasecmp", "strncat"),
        *("strncmp", "strncpy", "strndup", "strnlen", "strrchr", "strstr", "strtol", "strtoul"),
    )
)


def is_own(function: str) -> bool:
    """Whether a frame belongs to the program rather than to a sanitizer or the C library."""
    return not (
        function in _IGNORED
        or function in ("", "??")
        or function.startswith(_IGNORED_PREFIXES)
        or any(part in function for part in _IGNORED_PARTS)
    )


def normalise(function: str) -> str:
    """A function's name without arguments, anonymous namespaces, clone suffixes, addresses, long numbers."""
    name = function.replace("(anonymous namespace)::", "")
    name = re.sub(r"\(.*", "", name)
    name = re.sub(r"\.(isra|constprop|part|cold|llvm)(\.\d+)*$", "", name)
    name = re.sub(r"0x[0-9a-fA-F]+", "ADDRESS", name)
    name = re.sub(r"\d{5,}", "NUMBER", name)
    return name.strip()[:MAX_LINE_CHARS]


def name_crash(report: Report, frames: Mapping[CodeAddress, Sequence[Frame]]) -> Crash:
    """Give a report its signature.

    Args:
        report: the parsed report.
        frames: for each address of the program's own modules, its functions, innermost (inlined) first.
    """
    own = [frame for address in report.stack for frame in frames.get(address, ()) if is_own(frame.function)]
    location = f"{own[0].file}:{own[0].line}" if own and own[0].file else ""
    state = tuple(normalise(frame.function) for frame in own[:MAX_STATE_FRAMES])
    return Crash(report.sanitizer, report.crash_class, report.access, state, location)


def similar(left: Sequence[str], right: Sequence[str]) -> bool:
    """Whether two crash states look like one bug: a candidate for merging, never a merge by itself.

    Equal; two frames in common in order; or a mean line similarity above 0.8 (ClusterFuzz `CrashComparer`).
    """
    if not left or not right:
        return False
    if tuple(left) == tuple(right) or _common(left, right) >= 2:
        return True
    if len(left) != len(right):
        return False
    closeness = [1 - _edits(a, b) / max(len(a), len(b), 1) for a, b in zip(left, right, strict=True)]
    return sum(closeness) / len(closeness) > 0.8


def _common(left: Sequence[str], right: Sequence[str]) -> int:
    row = [0] * (len(right) + 1)
    for a in left:
        previous = 0
        for index, b in enumerate(right, 1):
            here = row[index]
            row[index] = previous + 1 if a == b else max(row[index], row[index - 1])
            previous = here
    return row[-1]


def _edits(left: str, right: str) -> int:
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        previous, row[0] = row[0], i
        for j, b in enumerate(right, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (a != b))
    return row[-1]
