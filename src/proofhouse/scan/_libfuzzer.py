# SPDX-License-Identifier: Apache-2.0
"""libFuzzer: the program's main is called in one process, tens to thousands of times a second.

Source: LLVM 14, `docs/LibFuzzer.rst`, and `compiler-rt/lib/fuzzer/FuzzerFlags.def`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from proofhouse.sandbox import Box
from proofhouse.scan._engine import Candidate, Count, EngineMissing, Method, Seen, Terms, plain
from proofhouse.scan._harness import environment, harnessed
from proofhouse.scan._target import Target
from proofhouse.scan._toolbox import finds, open_workshop, start
from proofhouse.scan._tools import version_of

TOOLCHAIN = harnessed(
    "libfuzzer",
    c="/usr/bin/clang",
    cxx="/usr/bin/clang++",
    coverage="-fsanitize=fuzzer-no-link",
    link="-fsanitize=fuzzer",
    env={},
    wants={"clang": "clang"},
)
FOUND, LOG = "/work/found", "/work/log"
LOG_BYTES = 64 << 10
_TRIED = re.compile(r"#(\d{1,15}):? ")
_SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=0:symbolize=0:allocator_may_return_null=1:handle_abort=1",
    "UBSAN_OPTIONS": "symbolize=0:halt_on_error=1",
}


class LibFuzzer:
    """Coverage-guided fuzzing in one process, of C programs whose main can be called again and again."""

    name = "libfuzzer"
    method = Method.FUZZING
    means = "fuzzer"
    limits = "C with a main of its own, linked by the compiler; what the C library keeps between runs can hide a crash"
    last_resort = False

    def version(self) -> str:
        """See `Engine.version`."""
        return version_of("clang", "clang", "--version").replace("clang", "libFuzzer of clang")

    def search(self, target: Target, terms: Terms) -> Iterator[Seen]:
        """See `Engine.search`."""
        built = target.built_with(TOOLCHAIN)
        with open_workshop(terms.seconds, target, built.program) as box:
            box.put(f"{FOUND}/.begun", b"")
            env = {**_SANITIZERS, **environment(target)}
            working = start(box, _command(target, terms), env=env, wall_s=terms.seconds + 30)
            known: set[str] = {"./.begun"}
            tried = 0
            for over in working.looks():
                tried = max(tried, executions(_log(box)))
                yield Count(tried)
                for content in finds(box, FOUND, known):
                    yield Candidate(content)
                if over and not tried and len(known) == 1:
                    raise EngineMissing(f"the fuzzer did not begin: {plain(_log(box)[-300:], 200)}")


def _command(target: Target, terms: Terms) -> list[str]:
    fuzzer = [
        *(target.argv("")[0], "-fork=1", "-ignore_crashes=1", "-ignore_ooms=1", "-ignore_timeouts=1"),
        *(f"-max_total_time={max(1, math.ceil(terms.seconds))}", f"-seed={terms.seed + 1}", "-timeout=5"),
        *("-rss_limit_mb=1500", f"-artifact_prefix={FOUND}/", "-use_value_profile=1", "-close_fd_mask=3"),
        *("-detect_leaks=0", f"-max_len={_longest(target)}", "/work/seeds"),
    ]
    return ["sh", "-c", f'exec "$@" >{LOG} 2>&1', "sh", *fuzzer]


def _longest(target: Target) -> int:
    """Long enough for what the seeds hold twice over; longer inputs only slow the search."""
    return max(4096, 2 * max(len(seed) for seed in target.seeds))


def _log(box: Box) -> str:
    shown = box.exec(["tail", "-c", str(LOG_BYTES), LOG], output_bytes=LOG_BYTES)
    return shown.stdout.decode("utf-8", "replace")


def executions(log: str) -> int:
    """The largest count of inputs that libFuzzer's progress lines name; the log is hostile."""
    return max((int(number) for number in _TRIED.findall(log)), default=0)
