# SPDX-License-Identifier: Apache-2.0
"""AFL++: the program is built with its compiler, and its main is called again and again from a fork server.

Source: AFL++ 4.04c, `docs/env_variables.md` and `docs/fuzzing_in_depth.md`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from proofhouse.sandbox import Box
from proofhouse.scan._engine import Candidate, Count, EngineMissing, Method, Seen, Terms, plain
from proofhouse.scan._harness import environment, harnessed
from proofhouse.scan._target import Target
from proofhouse.scan._toolbox import finds, open_workshop, start
from proofhouse.scan._tools import version_of
from proofhouse.validation import TOOLS

PACKAGE = "afl++"
OUT = "/work/found"
DICTIONARY = "/work/tokens"
TOKENS = "tokens"
RUN_MS = 1000
"""Time of one run; AFL++ would set it by what it sees, and take a busy machine for a slow program."""


TOOLCHAIN = harnessed(
    "afl",
    c="/usr/bin/afl-clang-fast",
    cxx="/usr/bin/afl-clang-fast++",
    coverage="",
    link="-fsanitize=fuzzer",  # AFL++'s own driver: persistent mode, inputs through shared memory
    env={"AFL_QUIET": "1", "AFL_LLVM_DICT2FILE": f"{TOOLS}/{TOKENS}"},
    keeps=(TOKENS,),
    wants={"afl-clang-fast": PACKAGE},
)
_ENVIRONMENT = {
    "AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES": "1",  # a box cannot set core_pattern, and needs no core
    "AFL_SKIP_CPUFREQ": "1",
    "AFL_NO_AFFINITY": "1",
    "AFL_NO_UI": "1",
    "AFL_FORKSRV_INIT_TMOUT": "60000",
    "SCAN_PASS_OVER": "1",  # the driver warms up with an input of its own, on which a program may crash
    # AFL++ sees signals only, so here a report ends in one; on the plain build it is an exit status again.
    "ASAN_OPTIONS": "abort_on_error=1:symbolize=0:detect_leaks=0:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "abort_on_error=1:symbolize=0:halt_on_error=1",
}


class Afl:
    """Coverage-guided fuzzing of whole programs that read a file or standard input."""

    name = "afl"
    method = Method.FUZZING
    means = "fuzzer"
    limits = "as libfuzzer; needs shared memory in its box, which only a memory control group allows"
    last_resort = False

    def version(self) -> str:
        """See `Engine.version`."""
        version_of("afl-clang-fast", PACKAGE, "--version")
        return version_of("afl-fuzz", PACKAGE, "-h").replace("afl-fuzz", "AFL++")

    def search(self, target: Target, terms: Terms) -> Iterator[Seen]:
        """See `Engine.search`."""
        built = target.built_with(TOOLCHAIN)
        with open_workshop(terms.seconds, target, built.program) as box:
            tokens = dictionary(built.kept[TOKENS])
            box.put(DICTIONARY, tokens)
            argv = _command(target, terms, with_tokens=bool(tokens))
            working = start(box, argv, env={**_ENVIRONMENT, **environment(target)}, wall_s=terms.seconds + 30)
            known: set[str] = set()
            tried = 0
            for over in working.looks():
                tried = max(tried, executions(_stats(box)))
                yield Count(tried)
                for content in finds(box, f"{OUT}/default/crashes", known):
                    if not content.startswith(b"Command line used"):  # the directory's own README
                        yield Candidate(content)
                if over and not tried and working.result is not None:
                    said = (working.result.stdout + working.result.stderr).decode("utf-8", "replace")
                    raise EngineMissing(f"afl-fuzz did not begin: {reason(said)}")


def _command(target: Target, terms: Terms, *, with_tokens: bool) -> list[str]:
    return [
        *("afl-fuzz", "-i", "/work/seeds", "-o", OUT, "-m", "none", "-t", str(RUN_MS)),
        *("-V", str(max(1, math.ceil(terms.seconds))), "-s", str(terms.seed)),
        *(("-x", DICTIONARY) if with_tokens else ()),
        *("--", target.argv("")[0]),
    ]


def _stats(box: Box) -> bytes:
    try:
        return box.get(f"{OUT}/default/fuzzer_stats", 1 << 16)
    except OSError:
        return b""


def executions(stats: bytes) -> int:
    """How many inputs AFL++ says that it has tried; 0 while it says nothing."""
    for line in stats.decode("ascii", "replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "execs_done" and value.strip().isdigit() and len(value) <= 20:
            return int(value)
    return 0


def reason(said: str) -> str:
    """The last line that AFL++ says about why it stops."""
    lines = [line for line in said.splitlines() if "ABORT" in line or "[-]" in line]
    return plain(lines[-1] if lines else said[-300:] or "it said nothing", 200)


def dictionary(content: bytes) -> bytes:
    """Words that AFL++'s compiler saw compared, as its fuzzer reads them: short ones, each once, a thousand at most."""
    kept: dict[bytes, None] = {}
    for line in content.splitlines():
        word = line.strip()
        if len(kept) < 1000 and 4 <= len(word) <= 400 and word.startswith(b'"') and word.endswith(b'"'):
            kept[word] = None
    return b"".join(word + b"\n" for word in kept)
