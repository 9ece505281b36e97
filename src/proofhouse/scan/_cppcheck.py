# SPDX-License-Identifier: Apache-2.0
"""cppcheck: reads C and C++ without building it. GPL-3, by process only.

Source: cppcheck 2.10, `man.pdf`, chapter "Reformatting the text output".
"""

from __future__ import annotations

from collections.abc import Iterator

from proofhouse.scan._engine import EngineMissing, Method, Remark, Seen, Terms, plain
from proofhouse.scan._source import MAX_LINES, loudest_first, open_source, read, remark
from proofhouse.scan._target import Target
from proofhouse.scan._tools import version_of

PACKAGE = "cppcheck"
SEPARATOR = "\x1f"
"""Between the fields of a line: no tool's sentence has one, and a file's name that has one is passed over."""
FIELDS = ("{file}", "{line}", "{severity}", "{id}", "{cwe}", "{message}")
COMMAND = [
    *("cppcheck", "--quiet", "--enable=warning", "--max-configs=4", "-j1", "--error-exitcode=0"),
    *("--suppress=syntaxError", "--suppress=preprocessorErrorDirective", "--suppress=internalAstError"),
    *(f"--template={SEPARATOR.join(FIELDS)}", "--template-location=", "."),
]


class Cppcheck:
    """Static analysis of C and C++."""

    name = "cppcheck"
    method = Method.STATIC_ANALYSIS
    means = "scanner"
    limits = "proves nothing; on published flaws it could not tell the flawed file from the mended one"
    last_resort = False

    def version(self) -> str:
        """See `Engine.version`."""
        return version_of("cppcheck", PACKAGE, "--version")

    def search(self, target: Target, terms: Terms) -> Iterator[Seen]:
        """See `Engine.search`."""
        terms.tell("cppcheck: reads the source")
        with open_source(target, terms) as box:
            done = read(box, COMMAND, terms)
        found = remarks(done.stderr)
        if not found and done.exit_code not in (0, None):
            raise EngineMissing(f"cppcheck ended with {done.exit_code}: {plain(done.stdout, 200)}")
        yield from found


def remarks(said: bytes) -> list[Remark]:
    """What cppcheck says, errors first; lines that are not as they were asked for are passed over."""
    found = []
    for line in said.decode("utf-8", "replace").split("\n")[:MAX_LINES]:
        fields = line.split(SEPARATOR)
        if len(fields) == len(FIELDS):
            path, number, severity, rule, cwe, message = fields
            made = remark(path, number, rule, cwe, severity, message)
            if made is not None and made.severity != "information":
                found.append(made)
    return loudest_first(found)
